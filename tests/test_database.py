import asyncio
import gc
import threading
from collections.abc import Callable, Coroutine, Iterator
from copy import copy
from pathlib import Path
from socket import socketpair
from time import monotonic
from time import sleep as sleep_in_thread
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from processes import start_python
from sent_sql import noting
from sqlalchemy import Engine, event, inspect, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, create_engine
from waiting import in_time

import database
from driver import executors, pool, postgres
from driver.executors import DatabaseUnavailable, EngineExecutor
from models import Task
from settings import get_settings
from sql.scope import Scoped

QUERY_CANCELED = "57014"

Overrides = dict[Callable[..., Any], Callable[..., Any]]


# --- the table ---


@pytest.fixture
def columns(engine: Engine) -> dict[str, Any]:
    return {column["name"]: column for column in inspect(engine).get_columns("tasks")}


def test_the_table_has_the_contracts_columns(columns: dict[str, Any]) -> None:
    nullable = {name for name, column in columns.items() if column["nullable"]}

    assert columns.keys() == {
        "id",
        "user_id",
        "title",
        "description",
        "completed",
        "created_at",
        "updated_at",
        "priority",
        "due_date",
        "tags",
        "recurrence",
        "remind_at",
        "completed_at",
        "idempotency_key",
        "idempotency_mark",
        "due_day",
        "is_followed",
        "predecessor_id",
    }
    assert nullable == {
        "description",
        "due_date",
        "recurrence",
        "remind_at",
        "completed_at",
        "idempotency_key",
        "idempotency_mark",
        "due_day",
        "predecessor_id",
    }
    assert columns["user_id"]["type"].length == 255
    assert columns["title"]["type"].length == 200
    assert columns["description"]["type"].length == 1000


def test_on_postgresql_ids_have_64_bits_and_times_a_zone(postgresql_url: URL) -> None:
    engine = database.make_engine(postgresql_url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "engine", engine)
        database.create_tables()

    types = {
        column["name"]: column["type"].compile(engine.dialect)
        for column in inspect(engine).get_columns("tasks")
    }
    engine.dispose()

    assert types["id"] == "BIGINT"
    assert types["created_at"] == types["updated_at"] == "TIMESTAMP WITH TIME ZONE"


@pytest.mark.usefixtures("client")
def test_an_id_beyond_what_a_float_holds_is_stored(engine: Engine) -> None:
    with engine.connect() as connection:
        insert = Task.__table__.insert()  # type: ignore[attr-defined]
        # Past the sequence of PostgreSQL and the counter of SQLite, which never goes back.
        row = {"id": 2**53 + 3, "user_id": "x", "title": "x"}
        connection.execute(insert, row)

    with Session(engine) as session:
        task = session.get(Task, 2**53 + 3)

    assert task is not None


@pytest.mark.usefixtures("client")
def test_creating_the_tables_again_keeps_what_is_in_them(
    stored: Callable[..., Task], load: Callable[[int], Task | None]
) -> None:
    task = stored()
    assert task.id

    database.create_tables()
    database.create_tables()

    assert load(task.id) is not None


CREATE_ON_COMMAND = """
import database
print("ready", flush=True)
input()
database.create_tables()
database.create_tables()
with database.engine.connect() as connection:
    print(connection.exec_driver_sql("SELECT count(*) FROM tasks").scalar())
"""
WORKERS = 4


# On PostgreSQL: test_faults_start.py.
def test_workers_that_start_at_once_on_an_empty_sqlite_file_create_the_tables_together(
    app_folder: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    workers = [
        start_python(app_folder, "-c", CREATE_ON_COMMAND, NEON_DATABASE_URL=url)
        for _ in range(WORKERS)
    ]
    for worker in workers:
        assert worker.stdout
        worker.stdout.readline()

    for worker in workers:
        assert worker.stdin
        worker.stdin.write("\n")
        worker.stdin.flush()

    answers = [worker.communicate() for worker in workers]
    assert answers == [("0\n", "")] * WORKERS


def test_no_engine_is_taken_for_one_that_was_at_its_address() -> None:
    """A dialect outlives its engine: compiled statements keep it."""
    on_sqlite = create_engine("sqlite://")
    formers = [database.make_engine(URL.create("postgresql+psycopg2")) for _ in range(50)]
    dialects = [former.dialect for former in formers]
    assert all(map(postgres.is_made_here, formers))
    formers.clear()
    gc.collect()

    others = [copy(on_sqlite) for _ in range(10_000)]

    assert dialects
    assert not any(map(postgres.is_made_here, others))


# --- connections that died ---


@pytest.fixture
def hasty(postgresql_url: URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine whose requests have two seconds, half of which are for the server's report."""
    engine = database.make_engine(postgresql_url)
    monkeypatch.setattr(postgres, "REPORT_SECONDS", 1)
    monkeypatch.setattr(executors, "WORK_SECONDS", 2)
    with engine.connect():
        pass  # SQLAlchemy knows the server from now on
    yield engine
    engine.dispose()


@pytest.fixture
def connect_slowly(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Makes each new connection take so many seconds from now on."""
    connect = psycopg2.connect

    def connect_slowly(seconds: float) -> None:
        def slow(*args: Any, **options: Any) -> Any:
            sleep_in_thread(seconds)
            return connect(*args, **options)

        monkeypatch.setattr(psycopg2, "connect", slow)

    return connect_slowly


def run(sending: Coroutine[Any, Any, None], engine: Engine) -> None:
    """Run in an event loop that has connections of its own, as the lifespan gives them."""

    async def run_with_connections() -> None:
        with pool.opened(engine):
            await sending

    asyncio.run(run_with_connections())


async def execute(engine: Engine, sql: str) -> None:
    """Execute a statement without a scope, as no endpoint can, as somebody's of whom it is the only
    request.
    """
    scoped = Scoped(select(Task))
    scoped.statement = text(sql)
    await EngineExecutor(engine).execute(scoped, {"owner": uuid4().hex})


async def sleep(engine: Engine, seconds: float) -> None:
    """Hold a connection, past the limit that was sent with the statement if need be, as a server
    does that has gone."""
    await execute(engine, f"SET LOCAL statement_timeout = 0; SELECT pg_sleep({seconds})")


def test_all_statements_of_one_act_have_the_time_of_one(
    hasty: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "TURN_SECONDS", 0.5)
    done = []

    async def send() -> None:
        async with executors.one_act():
            while True:
                await sleep(hasty, 0.6)
                done.append(0.6)

    began = monotonic()
    with pytest.raises(DatabaseUnavailable):
        run(send(), hasty)

    assert in_time(monotonic() - began, 0.5 + 2)
    assert done


def test_connections_stay_within_the_pool_after_the_server_fell_silent_on_one(
    hasty: Engine,
) -> None:
    size = get_settings().database_pool_size
    made: list[postgres.OwnConnection] = []
    open_at_the_end = 0
    event.listen(hasty, "connect", lambda connection, _: made.append(connection))

    async def fill_pool(seconds: float) -> None:
        await asyncio.gather(*(sleep(hasty, seconds) for _ in range(size - 1)))

    async def send() -> None:
        nonlocal open_at_the_end
        await fill_pool(0.1)
        silent = asyncio.create_task(sleep(hasty, 5))
        await asyncio.sleep(1.4)
        await fill_pool(1.2)  # at work when the other one is given up
        with pytest.raises(DatabaseUnavailable):
            await silent
        await fill_pool(0.1)
        open_at_the_end += len([connection for connection in made if not connection.closed])

    run(send(), hasty)

    assert len(made) >= size - 1
    assert 0 < open_at_the_end < size
    assert all(connection.closed for connection in made)


def test_a_connection_made_after_the_server_fell_silent_on_others_is_used(
    hasty: Engine, connect_slowly: Callable[[float], None]
) -> None:
    async def send() -> None:
        await asyncio.gather(*(sleep(hasty, 0.1) for _ in range(3)))  # three idle connections
        connect_slowly(0.6)
        first = asyncio.create_task(sleep(hasty, 5))
        await asyncio.sleep(0.3)
        second = asyncio.create_task(sleep(hasty, 5))
        with pytest.raises(DatabaseUnavailable):
            await first
        # The idle one is not trusted any more, and the second is given up before a new one is made.
        await sleep(hasty, 0)
        assert second.done()
        with pytest.raises(DatabaseUnavailable):
            await second

    run(send(), hasty)


def test_what_has_the_place_of_a_connection_that_was_closed_while_idle_is_left_alone(
    hasty: Engine,
) -> None:
    """A new socket gets the file descriptor of the last one that was closed."""
    made: list[postgres.OwnConnection] = []
    event.listen(hasty, "checkout", lambda connection, *_: made.append(connection))

    async def send() -> None:
        await asyncio.gather(sleep(hasty, 0.2), sleep(hasty, 0.1))
        pids = ", ".join(str(connection.info.backend_pid) for connection in made)
        await execute(
            hasty,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            f" WHERE pid IN ({pids}) AND state = 'idle'",
        )
        while not any(each.closed for each in made):  # noqa: ASYNC110 (psycopg2 sets no event)
            await asyncio.sleep(0)
        one, other = socketpair()
        reader, writer = await asyncio.open_connection(sock=one)

        with pytest.raises(DatabaseUnavailable):
            await sleep(hasty, 5)

        other.sendall(b"still read")
        other.close()
        assert await reader.read() == b"still read"
        writer.close()

    run(send(), hasty)


def test_what_has_the_place_of_a_connection_that_was_closed_at_work_is_left_alone(
    hasty: Engine, postgresql_url: URL
) -> None:
    made: list[postgres.OwnConnection] = []
    event.listen(hasty, "connect", lambda connection, _: made.append(connection))
    another = create_engine(postgresql_url, isolation_level="AUTOCOMMIT")

    def end_it() -> None:
        with another.connect() as connection:
            pid = made[-1].info.backend_pid
            connection.scalar(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})

    async def send() -> None:
        await sleep(hasty, 0)
        at_work = asyncio.create_task(sleep(hasty, 1))
        ending = asyncio.create_task(asyncio.to_thread(end_it))
        while not made[-1].closed:  # noqa: ASYNC110 (psycopg2 sets no event)
            await asyncio.sleep(0)
        one, other = socketpair()
        reader, writer = await asyncio.open_connection(sock=one)

        with pytest.raises(DatabaseUnavailable):
            await at_work
        await ending

        other.sendall(b"still read")
        other.close()
        assert await reader.read() == b"still read"
        writer.close()

    hasty.dispose()
    run(send(), hasty)
    another.dispose()


def test_new_connections_that_the_server_closes_at_once_make_the_database_unavailable(
    hasty: Engine, postgresql_url: URL
) -> None:
    another = create_engine(postgresql_url, isolation_level="AUTOCOMMIT")

    def close(connection: Any, _: object) -> None:
        end = text("SELECT pg_terminate_backend(:pid, 5000)")
        with another.connect() as other:
            assert other.scalar(end, {"pid": connection.info.backend_pid})

    async def send() -> None:
        with pytest.raises(DatabaseUnavailable):
            await sleep(hasty, 0)

    hasty.dispose()
    event.listen(hasty, "connect", close)
    run(send(), hasty)
    another.dispose()


def test_the_server_gives_a_statement_up_before_its_request_does(
    hasty: Engine, connect_slowly: Callable[[float], None]
) -> None:
    """However long connecting took: else the statement would go on without anybody waiting."""

    async def send() -> None:
        with pytest.raises(DatabaseUnavailable, match=QUERY_CANCELED):
            await execute(hasty, "SELECT pg_sleep(5)")

    hasty.dispose()
    connect_slowly(0.3)
    run(send(), hasty)


def test_a_statement_is_not_sent_when_connecting_left_no_time_for_it(
    hasty: Engine, connect_slowly: Callable[[float], None]
) -> None:
    async def send() -> None:
        with pytest.raises(DatabaseUnavailable, match="no time"):
            await execute(hasty, "SELECT 1")

    hasty.dispose()
    connect_slowly(1.1)
    run(send(), hasty)


def test_a_thread_does_not_wait_for_a_silent_server_for_ever(
    postgresql_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start, say."""
    engine = database.make_engine(postgresql_url)
    connection = engine.connect()
    monkeypatch.setattr(postgres, "BLOCKING_SECONDS", 0.2)

    with pytest.raises(OperationalError, match="did not answer in time"):
        connection.execute(text("SELECT pg_sleep(30)"))

    monkeypatch.undo()
    assert connection.invalidated
    connection.close()
    with engine.connect() as another:
        assert another.execute(text("SELECT 1")).scalar_one() == 1
    engine.dispose()


def test_requests_that_waited_for_a_turn_wait_for_the_database_on_the_event_loop(
    hasty: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "WORK_SECONDS", 30)  # connecting may take a second
    threads: set[threading.Thread] = set()

    async def send_twice_as_many_as_there_are_connections() -> None:
        size = get_settings().database_pool_size
        await asyncio.gather(*(sleep(hasty, 0.01) for _ in range(2 * size)))

    with noting(hasty, lambda *_: threads.add(threading.current_thread())):
        run(send_twice_as_many_as_there_are_connections(), hasty)

    assert threads == {threading.current_thread()}
