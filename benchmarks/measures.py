"""What is measured, each against what it must be. See run.py for the table that they make."""

import time
from base64 import urlsafe_b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from json import dumps
from pathlib import Path
from statistics import median
from threading import Thread
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jose import jwt

from benchmarks.contract import Client, check, client_of, operations
from benchmarks.load import Summary, Target, alternate
from benchmarks.others import BEFORE, FASTAPI, LITESTAR, PLAN
from benchmarks.progress import say
from benchmarks.proxy import Proxy, proxied
from benchmarks.servers import (
    ORIGIN,
    SECRET,
    SERVICE,
    USERS,
    App,
    Database,
    Server,
    running,
    token_for,
)

FAR_SECONDS = 0.010  # each way, for single requests
NEAR_SECONDS = 0.005  # each way, under load
LONG_LIST = 20_000
TABLE_SIZES = (10_000, 1_000_000)
# What "no more" allows for, since no two runs are alike.
NO_MORE = 1.05
HS256_TOKENS = {user: token_for(user) for user in USERS}

Table = list[list[str]]
T = TypeVar("T")


@dataclass(frozen=True)
class Verdict:
    what: str
    must: str
    measured: str
    ok: bool


@dataclass(frozen=True)
class Result:
    verdicts: list[Verdict]
    table: Table
    # What was measured under load, by the name of the target.
    loads: Mapping[str, Summary] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """What every measure works with."""

    database: Database
    folder: Path
    apps: Mapping[str, App]
    rounds: int
    seconds: int

    @contextmanager
    def servers(self, delay: float | None = None) -> Iterator[list[Server]]:
        """All of them, each with a database `delay` seconds away if that is given."""
        with ExitStack() as stack:
            servers = []
            for name, app in self.apps.items():
                url = self.database.url()
                if delay is not None:
                    _, socket = stack.enter_context(proxied(self.database.socket_folder, delay))
                    url = self.database.url(socket)
                servers.append(stack.enter_context(running(name, url, self.folder, app=app)))
            for server in servers:
                check(server)
            yield servers

    def under_load(self, servers: Sequence[Server], connections: int) -> dict[str, Summary]:
        return alternate(
            [Target(server.name, server, HS256_TOKENS) for server in servers],
            self.database,
            connections=connections,
            rounds=self.rounds,
            seconds=self.seconds,
        )


def measure_round_trips(bench: Bench) -> Result:
    """Database round trips of each request, counted between the server and the database."""
    counts: dict[str, dict[str, int]] = {}
    with ExitStack() as stack:
        for name, app in bench.apps.items():
            proxy, socket = stack.enter_context(proxied(bench.database.socket_folder))
            url = bench.database.url(socket)
            server = stack.enter_context(running(name, url, bench.folder, app=app))
            check(server)
            client = stack.enter_context(client_of(server, "counted"))
            counts[name] = _count_round_trips(client, proxy)
    most, least = max(counts[SERVICE].values()), min(counts[SERVICE].values())
    verdict = Verdict(
        "database round trips per request, six endpoints and their 404s",
        "exactly 1",
        f"{least} to {most} (plan {min(counts[PLAN].values())} to {max(counts[PLAN].values())})",
        least == most == 1,
    )
    return Result([verdict], _table_of("round trips", counts, str))


def _count_round_trips(client: Client, proxy: Proxy) -> dict[str, int]:
    counts = {}
    for is_warm in (False, True):
        for name, operation in operations(client).items():
            before = proxy.round_trips
            operation.send(client)
            time.sleep(0.02)  # what a server sends after its answer counts too
            if is_warm:
                counts[name] = proxy.round_trips - before
    return counts


def measure_far_database(bench: Bench) -> Result:
    """Seconds of each request, one at a time, when the database is 10 ms away."""
    seconds: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in bench.apps}
    with bench.servers(FAR_SECONDS) as servers:
        for number in range(3 * bench.rounds + 1):
            say(f"all requests to each, round {number} of {3 * bench.rounds}")
            for server in servers:
                # A connection of before might be closed: uvicorn waits for 5 seconds.
                with client_of(server, "far") as client:
                    for name, operation in operations(client).items():
                        answer = operation.send(client)
                        if number:  # the first one warms up
                            seconds[server.name][name].append(answer.seconds)
    round_trips = {
        server: {
            operation: median(samples) / (2 * FAR_SECONDS)
            for operation, samples in of_server.items()
        }
        for server, of_server in seconds.items()
    }
    most = max(round_trips[SERVICE].values())
    verdict = Verdict(
        "time of each of these with 10 ms each way to the database",
        "under 1.4 x the round trip",
        f"at most {most:.2f} x (plan {max(round_trips[PLAN].values()):.2f} x)",
        most < 1.4,
    )
    return Result([verdict], _table_of("time / round trip", round_trips, "{:.2f}".format))


def measure_mix(bench: Bench) -> Result:
    """The mix at 64 connections."""
    with bench.servers() as servers:
        summaries = bench.under_load(servers, 64)
    own, before, plan = summaries[SERVICE], summaries[BEFORE], summaries[PLAN]
    faster = own.rate / plan.rate
    memory = own.memory_mb / before.memory_mb
    verdicts = [
        *cost_verdicts("the mix", summaries, {BEFORE: 0.5, FASTAPI: 0.75, LITESTAR: 1.0}),
        Verdict(
            "the mix: memory afterwards, to 1.1.0", "no more", f"{memory:.2f} x", memory <= NO_MORE
        ),
        Verdict("the mix: requests/s, to the plan's", "3.2 x", f"{faster:.2f} x", faster >= 3.2),
    ]
    return Result(verdicts, load_table("the mix at 64 connections", summaries), summaries)


def cost_verdicts(
    load: str, summaries: Mapping[str, Summary], most_to: Mapping[str, float]
) -> list[Verdict]:
    """What the service's CPU for a request is, to that of others; what PostgreSQL's is; errors."""
    own, before = summaries[SERVICE], summaries[BEFORE]
    verdicts = []
    for name, most in most_to.items():
        ratio = own.cpu_per_thousand / summaries[name].cpu_per_thousand
        what = f"{load}: CPU per request, to {name}"
        verdicts.append(Verdict(what, f"{most} x", f"{ratio:.2f} x", ratio <= most))
    ratio = own.database_cpu_per_thousand / before.database_cpu_per_thousand
    what = f"{load}: PostgreSQL's CPU per request, to {BEFORE}"
    verdicts.append(Verdict(what, "no more", f"{ratio:.2f} x", ratio <= NO_MORE))
    verdicts.append(Verdict(f"{load}: errors", "none", str(own.errors), not own.errors))
    return verdicts


def measure_crowds(bench: Bench) -> Result:
    """The mix at 64, 256 and 1,000 connections.

    Not the plan's: with 256 its threads wait for connections whose requests wait for threads.
    """
    with ExitStack() as stack:
        servers = [
            stack.enter_context(
                running(name, bench.database.url(), bench.folder, app=bench.apps[name])
            )
            for name in (SERVICE, FASTAPI)
        ]
        at = {count: bench.under_load(servers, count) for count in (64, 256, 1000)}
    errors = [summaries[SERVICE].errors for summaries in at.values()]
    tail = at[256][SERVICE].p99 / at[64][SERVICE].p99
    verdicts = [
        Verdict(
            "errors at 64, 256 and 1,000 connections",
            "none",
            " + ".join(map(str, errors)),
            not any(errors),
        ),
        Verdict("p99 at 256 connections", "under 5 x that at 64", f"{tail:.2f} x", tail < 5),
    ]
    by_name = {
        f"{name}, {count:,} connections": summary
        for count, summaries in at.items()
        for name, summary in summaries.items()
    }
    baseline = next(iter(by_name))
    return Result(verdicts, load_table("the mix", by_name, baseline), by_name)


def measure_mix_far(bench: Bench) -> Result:
    """The mix at 64 connections when the database is 5 ms away."""
    with bench.servers(NEAR_SECONDS) as servers:
        summaries = bench.under_load(servers, 64)
    faster = summaries[SERVICE].rate / summaries[PLAN].rate
    verdicts = [
        *cost_verdicts("10 ms to the database", summaries, {BEFORE: 0.5}),
        Verdict(
            "10 ms to the database: requests/s, to the plan's",
            "3 x",
            f"{faster:.2f} x",
            faster >= 3,
        ),
    ]
    table = load_table("the mix at 64 connections, 10 ms to the database", summaries)
    return Result(verdicts, table, summaries)


def measure_start(bench: Bench) -> Result:
    """From the start of the process to the first answer, and what it has used then."""
    starts: dict[str, tuple[App, Mapping[str, str]]]
    starts = {name: (app, {}) for name, app in bench.apps.items()}
    if find_spec("mcp"):
        starts[f"{SERVICE}, with MCP_URL"] = bench.apps[SERVICE], {"MCP_URL": f"{ORIGIN}/mcp"}
    samples: dict[str, list[tuple[float, float, float]]] = {name: [] for name in starts}
    for number in range(2 * bench.rounds + 1):
        say(f"starting each, round {number} of {2 * bench.rounds}")
        for name, (app, settings) in starts.items():
            with running(name, bench.database.url(), bench.folder, settings, app) as server:
                sample = (server.start_seconds, server.cpu_seconds(), server.memory_mb())
            if number:  # the first start compiles
                samples[name].append(sample)
    medians = {
        name: [median(each) for each in zip(*rows, strict=True)] for name, rows in samples.items()
    }
    longer = medians[SERVICE][0] / medians[BEFORE][0]
    verdict = Verdict("start, to 1.1.0", "no longer", f"{longer:.2f} x", longer <= NO_MORE)
    rows = [
        [name, f"{seconds:.2f} s", f"{cpu:.2f} s", f"{memory:.0f} MB"]
        for name, (seconds, cpu, memory) in medians.items()
    ]
    return Result([verdict], [["start", "time", "CPU", "memory"], *rows])


def measure_eddsa(bench: Bench) -> Result:
    """The mix at 64 connections on one server, with tokens of the one kind and of the other."""
    key = Ed25519PrivateKey.generate()
    with (
        key_server(key) as url,
        running(
            SERVICE, bench.database.url(), bench.folder, {"BETTER_AUTH_JWKS_URL": url}
        ) as server,
    ):
        targets = [
            Target("HS256", server, {user: _hs256_token(user) for user in USERS}),
            Target("EdDSA", server, {user: _eddsa_token(user, key) for user in USERS}),
        ]
        summaries = alternate(
            targets, bench.database, connections=64, rounds=bench.rounds, seconds=bench.seconds
        )
    ratio = summaries["EdDSA"].cpu_per_thousand / summaries["HS256"].cpu_per_thousand
    errors = sum(summary.errors for summary in summaries.values())
    verdict = Verdict(
        "EdDSA instead of HS256 tokens, CPU per request",
        "within 1.25 x",
        f"{ratio:.2f} x",
        ratio <= 1.25 and not errors,
    )
    return Result([verdict], load_table("the mix at 64 connections", summaries, baseline="HS256"))


def measure_long_list(bench: Bench) -> Result:
    """One user's list of 20,000 tasks, one request at a time: seconds, and the memory it takes."""
    seconds: dict[str, list[float]] = {name: [] for name in bench.apps}
    growth = {}
    with bench.servers() as servers:
        add_rows(bench.database, "hoarder", LONG_LIST)
        for server in servers:
            before = server.memory_mb()
            server.forget_peak_memory()
            with client_of(server, "hoarder") as client:
                for _ in range(3):
                    answer = client.send("GET")
                    assert len(answer.json()["data"]) == LONG_LIST
            growth[server.name] = server.peak_memory_mb() - before
        for number in range(1, 5 * bench.rounds + 1):
            say(f"{LONG_LIST:,} tasks, round {number} of {5 * bench.rounds}")
            for server in servers:
                with client_of(server, "hoarder") as client:
                    seconds[server.name].append(client.send("GET").seconds)
    medians = {name: median(samples) for name, samples in seconds.items()}
    ratio = medians[SERVICE] / medians[PLAN]
    verdicts = [
        Verdict(
            "a list of 20,000 tasks: time, to the plan's", "0.2 x", f"{ratio:.2f} x", ratio <= 0.2
        ),
        Verdict(
            "a list of 20,000 tasks: growth of memory",
            "under 40 MB",
            f"{growth[SERVICE]:.0f} MB (plan {growth[PLAN]:.0f} MB)",
            growth[SERVICE] < 40,
        ),
    ]
    rows = [
        [name, f"{medians[name] * 1000:.0f} ms", f"{growth[name]:.0f} MB"] for name in bench.apps
    ]
    return Result(verdicts, [["a list of 20,000 tasks", "time", "growth of memory"], *rows])


def measure_large_table(bench: Bench) -> Result:
    """Get, create and toggle, one at a time, on tables of two sizes."""
    samples: dict[int, dict[str, list[float]]] = {size: defaultdict(list) for size in TABLE_SIZES}
    with ExitStack() as stack:
        clients = {}
        for size in TABLE_SIZES:
            say(f"making a table of {size:,} rows")
            database = bench.database.another(f"rows_{size}")
            stack.callback(database.connection.close)
            server = stack.enter_context(running(SERVICE, database.url(), bench.folder))
            add_rows(database, "crowd_", size)
            clients[size] = stack.enter_context(client_of(server, "one_of_many"))
        for _ in range(100 * bench.rounds):
            for size, client in clients.items():
                for name, operation in operations(client).items():
                    samples[size][name].append(operation.send(client).seconds)
    small, large = (
        {name: median(of_size[name]) for name in ("get", "create", "toggle")}
        for of_size in samples.values()
    )
    ratios = {name: large[name] / small[name] for name in small}
    most = max(ratios.values())
    verdict = Verdict(
        "get, create, toggle at 1,000,000 rows against 10,000",
        "within 1.2 x",
        ", ".join(f"{ratio:.2f}" for ratio in ratios.values()) + " x",
        most <= 1.2,
    )
    rows = [
        [name, f"{small[name] * 1000:.2f} ms", f"{large[name] * 1000:.2f} ms"] for name in small
    ]
    return Result([verdict], [["one request", "10,000 rows", "1,000,000 rows"], *rows])


def add_rows(
    database: Database,
    owner: str,
    count: int,
    description: str = "Something to be done before the end of the week",
) -> None:
    """So many tasks, of one owner, or of owners with 100 tasks each if the name ends in `_`."""
    user_id = f"'{owner}' || number / 100" if owner.endswith("_") else f"'{owner}'"
    database.execute(f"""
        INSERT INTO tasks (user_id, title, description, completed, created_at, updated_at)
        SELECT {user_id}, 'Task ' || number, '{description}',
            false, now() - number * interval '1 second', now()
        FROM generate_series(1, {count}) AS number
    """)
    database.execute("VACUUM ANALYZE tasks")
    database.execute("CHECKPOINT")  # or its writes would fall into what is measured next


def _hs256_token(user: str) -> str:
    return str(jwt.encode(_claims(user), SECRET, algorithm="HS256"))


def _eddsa_token(user: str, key: Ed25519PrivateKey) -> str:
    """As Better Auth's JWT plugin signs it; python-jose knows no EdDSA."""
    header = {"alg": "EdDSA", "typ": "JWT", "kid": "benchmark"}
    signed = ".".join(_base64url(dumps(part).encode()) for part in (header, _claims(user)))
    return f"{signed}.{_base64url(key.sign(signed.encode()))}"


def _claims(user: str) -> dict[str, object]:
    now = int(time.time())
    return {"sub": user, "iat": now, "exp": now + 3600, "iss": ORIGIN, "aud": ORIGIN}


@contextmanager
def key_server(key: Ed25519PrivateKey) -> Iterator[str]:
    """A front end's JWKS with this one key, and its URL."""
    public = {
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "kid": "benchmark",
        "x": _base64url(key.public_key().public_bytes_raw()),
    }
    body = dumps({"keys": [public]}).encode()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Nothing: stderr is for people."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/api/auth/jwks"
        finally:
            server.shutdown()


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def load_table(heading: str, summaries: Mapping[str, Summary], baseline: str = BEFORE) -> Table:
    base = summaries[baseline]
    rows = [
        [
            name,
            f"{summary.rate:.0f} ({summary.rate / base.rate:.2f} x)",
            f"{summary.p50 * 1000:.0f}",
            f"{summary.p99 * 1000:.0f}",
            f"{summary.cpu_per_thousand:.2f}"
            f" ({summary.cpu_per_thousand / base.cpu_per_thousand:.2f} x)",
            f"{summary.database_cpu_per_thousand:.2f}",
            f"{summary.memory_mb:.0f}",
            str(summary.errors),
        ]
        for name, summary in summaries.items()
    ]
    columns = ["requests/s", "p50 ms", "p99 ms", "CPU s per 1,000", "PostgreSQL's", "MB", "errors"]
    return [[heading, *columns], *rows]


def _table_of(
    heading: str, cells: Mapping[str, Mapping[str, T]], show: Callable[[T], str]
) -> Table:
    """A column for each server, a row for each operation."""
    operation_names = next(iter(cells.values()))
    return [
        [heading, *cells],
        *(
            [name, *(show(of_server[name]) for of_server in cells.values())]
            for name in operation_names
        ),
    ]


MEASURES: Mapping[str, Callable[[Bench], Result]] = {
    "round-trips": measure_round_trips,
    "far": measure_far_database,
    "mix": measure_mix,
    "crowds": measure_crowds,
    "mix-far": measure_mix_far,
    "eddsa": measure_eddsa,
    "long-list": measure_long_list,
    "large-table": measure_large_table,
    "start": measure_start,
}
