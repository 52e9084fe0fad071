"""All six endpoints used once, and what that leaves in the database."""

import httpx2
from endpoints import TASKS
from sqlmodel import Session, select
from users import OWNER

from models import Task

WRITTEN = [(OWNER, "Buy groceries", "Milk", True)]


def drive_all_six_endpoints(client: httpx2.Client) -> int:
    """Create a task, list, get, update and toggle it; create and delete another one."""
    created = client.post(TASKS, json={"title": "Buy groceries"})
    assert created.status_code == 201
    task_id: int = created.json()["data"]["id"]
    path = f"{TASKS}/{task_id}"

    assert client.get(TASKS).json()["data"] == [created.json()["data"]]
    assert client.get(TASKS, params={"filter": "completed"}).json()["data"] == []
    assert client.get(path).json()["data"] == created.json()["data"]
    assert client.put(path, json={"description": "Milk"}).json()["message"] == "Task updated"
    toggled = client.patch(f"{path}/complete")
    assert toggled.json()["message"] == "Task marked as completed"

    other = client.post(TASKS, json={"title": "Read a book"}).json()["data"]["id"]
    assert client.delete(f"{TASKS}/{other}").json() == {"data": None, "message": "Task deleted"}
    assert client.get(f"{TASKS}/{other}").status_code == 404
    return task_id


def contents(session: Session) -> list[tuple[str, str, str | None, bool]]:
    return [
        (task.user_id, task.title, task.description, task.completed)
        for task in session.exec(select(Task))
    ]
