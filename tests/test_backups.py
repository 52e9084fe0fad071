"""The commands of docs/runbook.md that back up a database in use, and restore it elsewhere."""

import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from cluster import Cluster, Database
from endpoints import TASKS
from fixtures import RunService
from pages import PAGES, fences, sections
from service import Service
from users import bearer
from waiting import eventually

Tasks = dict[int, dict[str, Any]]


def commands(title: str) -> tuple[str, str]:
    """How to back up, and how to restore."""
    backup, restore = (fence.text for fence in fences(sections(PAGES["docs/runbook.md"])[title]))
    return backup, restore


def run(command: str, folder: Path, path: Path | str = "", **environment: str) -> None:
    done = subprocess.run(
        ["bash", "-ec", command],
        cwd=folder,
        env={"PATH": f"{path}{os.pathsep}{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def create(service: Service, key: str) -> dict[str, Any]:
    answer = service.client.post(
        TASKS,
        json={"title": key, "tags": ["x"], "due_date": "2026-12-01"},
        headers=bearer() | {"Idempotency-Key": key},
    )
    assert answer.status_code == 201
    task: dict[str, Any] = answer.json()["data"]
    return task


def tasks(service: Service) -> Tasks:
    answer = service.client.get(TASKS, headers=bearer())
    assert answer.status_code == 200
    return {task["id"]: task for task in answer.json()["data"]}


@contextmanager
def creating(service: Service) -> Iterator[list[dict[str, Any]]]:
    """Somebody creates tasks all the while, at least one before and one after."""
    created: list[dict[str, Any]] = []
    over = Event()

    def go_on() -> None:
        while not over.is_set():
            created.append(create(service, f"key-{len(created)}"))

    with ThreadPoolExecutor(1) as thread:
        going = thread.submit(go_on)
        try:
            eventually("a task", lambda: created, seconds=10)
            yield created
            count = len(created)
            eventually("another task", lambda: len(created) > count, seconds=10)
        finally:
            over.set()
        going.result()


def back_up(service: Service, backup: Callable[[], None]) -> tuple[list[int], Tasks]:
    """Back up while tasks are created; gives who must be in the backup, and who may be."""
    with creating(service) as created:
        before = [task["id"] for task in created]
        backup()
    return before, tasks(service)


def assert_restored(service: Service, before: list[int], all_tasks: Tasks) -> None:
    restored = tasks(service)
    assert set(before) <= restored.keys() < all_tasks.keys()
    assert restored == {task_id: all_tasks[task_id] for task_id in restored}
    assert create(service, "key-0") == restored[min(restored)]
    assert create(service, "new")["id"] > max(restored)


def test_a_postgresql_is_backed_up_in_use_and_restored(
    cluster: Cluster, run_service: RunService, tmp_path: Path
) -> None:
    database, another = Database(cluster), Database(cluster)
    dump, restore = commands("PostgreSQL")
    urls = {"NEON_DATABASE_URL": database.url(), "RESTORED_DATABASE_URL": another.url()}
    with run_service(NEON_DATABASE_URL=database.url()) as service:
        service.wait_until_started()
        before, all_tasks = back_up(service, lambda: run(dump, tmp_path, cluster.programs, **urls))

    run(restore, tmp_path, cluster.programs, **urls)

    with run_service(NEON_DATABASE_URL=another.url()) as service:
        service.wait_until_started()
        assert "Migrating" not in service.log()
        assert_restored(service, before, all_tasks)


def test_a_sqlite_file_is_backed_up_in_use_and_restored(
    run_service: RunService, tmp_path: Path
) -> None:
    backup, restore = commands("SQLite")
    url = f"sqlite:///{tmp_path / 'tasks.db'}"
    with run_service(NEON_DATABASE_URL=url) as service:
        service.wait_until_started()
        before, all_tasks = back_up(service, lambda: run(backup, tmp_path))

    assert (tmp_path / "tasks.db-wal").exists()  # the service was killed
    run(restore, tmp_path)

    with run_service(NEON_DATABASE_URL=url) as service:
        service.wait_until_started()
        assert "Migrating" not in service.log()
        assert_restored(service, before, all_tasks)
