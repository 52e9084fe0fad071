"""Ends of the service and of the database: nothing acknowledged is lost."""

import signal
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import uuid4

import httpx2
from answers import seconds
from cluster import Database
from deployments import ANSWER_SECONDS, RESUME_SECONDS, ROW_LOCK, SingleWorker
from endpoints import ENDPOINTS
from fixtures import RunService
from users import bearer
from waiting import allowed, eventually, in_time

ANSWER_UNDER_RESTART_SECONDS = 12


def test_a_restart_under_load_loses_nothing_acknowledged(
    worker: SingleWorker, clients: ThreadPoolExecutor
) -> None:
    written: list[tuple[str, httpx2.Response]] = []
    restarted, enough = Event(), Event()
    written_since: set[int] = set()

    def write(writer: int) -> None:
        while not enough.is_set():
            title = uuid4().hex
            answer = worker.service.client.post(
                f"/api/{worker.user}/tasks", json={"title": title}, headers=bearer(worker.user)
            )
            written.append((title, answer))
            if restarted.is_set() and answer.status_code == 201:
                written_since.add(writer)

    try:
        writers = [clients.submit(write, writer) for writer in range(6)]
        eventually("a hundred writes", lambda: len(written) > 100, seconds=20)
        worker.database.cluster.restart("immediate")
        restarted.set()
        eventually("a write by each", lambda: len(written_since) == 6, seconds=RESUME_SECONDS)
    finally:
        enough.set()
    for writer in writers:
        writer.result()

    assert {answer.status_code for _, answer in written} <= {201, 503}
    assert in_time(max(seconds(answer) for _, answer in written), ANSWER_UNDER_RESTART_SECONDS)
    acknowledged = [title for title, answer in written if answer.status_code == 201]
    stored = worker.database.titles()
    assert [title for title in acknowledged if stored.count(title) != 1] == []


def test_a_stop_answers_the_requests_in_flight_and_closes_the_connections(
    database: Database, run_service: RunService, clients: ThreadPoolExecutor
) -> None:
    with run_service(NEON_DATABASE_URL=database.url()) as service:
        worker = SingleWorker(service.wait_until_started(), database)
        task_id = worker.create()
        toggle = next(
            endpoint for endpoint in ENDPOINTS if endpoint.name == "toggle_task_completion"
        )
        with database.locked(ROW_LOCK, worker.user):
            in_flight = [clients.submit(worker.call, toggle, task_id) for _ in range(3)]
            eventually(
                "three requests in flight",
                lambda: database.connections("wait_event_type = 'Lock'") == 3,
                seconds=4,
            )
            service.process.send_signal(signal.SIGTERM)
            eventually("the stop begins", lambda: "Shutting down" in service.log(), seconds=3)
        service.process.wait(timeout=allowed(ANSWER_SECONDS))

    assert [answer.result().status_code for answer in in_flight] == [200] * 3
    assert database.run("SELECT completed FROM tasks") == [(True,)]
    eventually("no connection is left", lambda: database.connections() == 0, seconds=20)
    assert f"[{database.name} tasks-api] DEBUG:  unexpected EOF" not in database.cluster.log()


def test_a_killed_process_loses_nothing_acknowledged(
    database: Database, run_service: RunService, clients: ThreadPoolExecutor
) -> None:
    acknowledged: list[str] = []

    def write(worker: SingleWorker) -> None:
        while True:
            title = uuid4().hex
            try:
                worker.create(title)
            except httpx2.TransportError:
                return
            acknowledged.append(title)

    with run_service(NEON_DATABASE_URL=database.url()) as service:
        worker = SingleWorker(service.wait_until_started(), database)
        writers = [clients.submit(write, worker) for _ in range(6)]
        eventually("a hundred writes", lambda: len(acknowledged) > 100, seconds=20)
        service.process.kill()
        for writer in writers:
            writer.result()

    assert set(acknowledged) <= set(database.titles())
