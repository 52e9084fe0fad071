"""Load on a server with wrk, and the proof that its answers were right."""

import json
import os
import subprocess
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import NamedTemporaryFile

from benchmarks.progress import say
from benchmarks.servers import USERS, Database, Server

MIX = Path(__file__).with_name("mix.lua")
WARM_UP_SECONDS = 2
TIMEOUT_SECONDS = 30
IDLE_SECONDS = 0.3
# Beyond so many edits, mix.lua begins again with the first task.
EDITED_ONCE = 2500


@dataclass(frozen=True)
class Load:
    """One run of wrk. `errors` are broken connections, timeouts, and answers that are not what the
    contract says."""

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int
    cpu_seconds: float
    database_cpu_seconds: float
    memory_mb: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def cpu_per_thousand(self) -> float:
        return self.cpu_seconds / self.requests * 1000

    @property
    def database_cpu_per_thousand(self) -> float:
        return self.database_cpu_seconds / self.requests * 1000


@dataclass(frozen=True)
class Summary:
    """The medians of one server's rounds, all its errors, and its memory after the last round."""

    rate: float
    p50: float
    p99: float
    cpu_per_thousand: float
    database_cpu_per_thousand: float
    memory_mb: float
    errors: int

    @classmethod
    def of(cls, loads: Sequence[Load]) -> "Summary":
        return cls(
            rate=median(load.rate for load in loads),
            p50=median(load.p50 for load in loads),
            p99=median(load.p99 for load in loads),
            cpu_per_thousand=median(load.cpu_per_thousand for load in loads),
            database_cpu_per_thousand=median(load.database_cpu_per_thousand for load in loads),
            memory_mb=loads[-1].memory_mb,
            errors=sum(load.errors for load in loads),
        )


@dataclass(frozen=True)
class Target:
    """A server under load, with the tokens that its users send.

    With a query, it is asked for lists alone, with this query. Each connection pauses so many
    milliseconds before each request.
    """

    name: str
    server: Server
    tokens: Mapping[str, str]
    query: str | None = None
    pause: int = 0


def alternate(
    targets: Sequence[Target], database: Database, *, connections: int, rounds: int, seconds: int
) -> dict[str, Summary]:
    """Each target in turn, again and again, so that what disturbs the machine disturbs all."""
    loads = defaultdict(list)
    for target in targets:
        say(f"{connections} connections, warming up: {target.name}")
        put_load_on(target, database, connections, WARM_UP_SECONDS)
    for number in range(1, rounds + 1):
        for target in targets:
            say(f"{connections} connections, round {number} of {rounds}: {target.name}")
            loads[target.name].append(put_load_on(target, database, connections, seconds))
    return {name: Summary.of(of_target) for name, of_target in loads.items()}


def put_load_on(target: Target, database: Database, connections: int, seconds: int) -> Load:
    database.seed()
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={TIMEOUT_SECONDS}s"]
    with NamedTemporaryFile("w", suffix=".txt") as tokens:
        tokens.writelines(f"{user} {target.tokens[user]}\n" for user in USERS)
        tokens.flush()
        arguments = [tokens.name] if target.query is None else [tokens.name, target.query]
        cpu_before = target.server.cpu_seconds()
        database_cpu_before = database.cpu_seconds()
        output = subprocess.run(
            [*command, "-s", MIX, target.server.url, "--", *arguments],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PAUSE": str(target.pause)},
        ).stdout
        cpu_seconds = target.server.cpu_seconds() - cpu_before
        database_cpu_seconds = database.cpu_seconds() - database_cpu_before
    _wait_until_idle(target.server)
    report = json.loads(output.splitlines()[-1])
    kinds = report.pop("kinds")
    load = Load(
        **report,
        cpu_seconds=cpu_seconds,
        database_cpu_seconds=database_cpu_seconds,
        memory_mb=target.server.memory_mb(),
    )
    if load.errors:
        print(f"{target.name}, {connections} connections: {load.errors} errors\n{output}")
    _check_against_database(target, kinds, database, in_flight=connections + 1)
    return load


def _wait_until_idle(server: Server) -> None:
    """wrk leaves when its time is up; what it had asked for must not reach the next run's rows."""
    before = -1.0
    while before < (now := server.cpu_seconds()):
        before = now
        time.sleep(IDLE_SECONDS)


def _check_against_database(
    target: Target, kinds: Mapping[str, tuple[int, int]], database: Database, in_flight: int
) -> None:
    """What was answered was done, and no more than what wrk did not wait for was done besides."""
    ((created, deleted, edited),) = database.execute("""
        SELECT count(*) FILTER (WHERE id > 10000),
            4000 - count(*) FILTER (WHERE id BETWEEN 6001 AND 10000),
            count(*) FILTER (WHERE id BETWEEN 1001 AND 6000 AND updated_at > created_at)
        FROM tasks
    """)
    done = {"create": created, "delete": deleted, "put": edited}
    edits = kinds["put"][1] + kinds["toggle"][1]
    answered = {"create": kinds["create"][1], "delete": kinds["delete"][1], "put": edits}
    for kind, (sent, answers) in kinds.items():
        if not 0 <= sent - answers <= in_flight:
            raise SystemExit(
                f"The {target.name} left {sent - answers} requests ({kind}) unanswered"
            )
    for kind, count in answered.items():
        is_countable = kind != "put" or edits < EDITED_ONCE
        if is_countable and not 0 <= done[kind] - count <= in_flight:
            raise SystemExit(
                f"The {target.name} answered {kind} {count} times, did it {done[kind]}"
            )
