"""Lists of tasks: stored past the API, put in order by an oracle, and read page by page."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import Session
from users import bearer

from models import Task

Json = dict[str, Any]

SORTS = ("created_at", "updated_at", "due_date", "priority", "title")
RANKS = {"low": 1, "medium": 2, "high": 3}
# Without a word about the direction: newest, last changed and most urgent first.
DESCENDING = {"created_at", "updated_at", "priority"}
KEYS: Mapping[str, Callable[[Json], Any]] = {
    "created_at": lambda task: datetime.fromisoformat(task["created_at"]),
    "updated_at": lambda task: datetime.fromisoformat(task["updated_at"]),
    "due_date": lambda task: task["due_date"],
    "priority": lambda task: RANKS[task["priority"]],
    # Letters alone: their order is the same in every collation.
    "title": lambda task: task["title"].lower(),
}

MIDNIGHT = datetime(2026, 1, 12, tzinfo=UTC)
# Few values of each kind, so that there are many ties.
stored_tasks = st.fixed_dictionaries(
    {
        "title": st.text("abAB", min_size=1, max_size=2),
        "description": st.sampled_from([None, "ab", "B"]),
        "completed": st.booleans(),
        "priority": st.sampled_from(sorted(RANKS)),
        "due_date": st.sampled_from(
            [None, "2026-12-01", "2026-12-01T09:00:00", "2026-12-01T09:00:00Z", "0001-01-01"]
        ),
        "tags": st.lists(st.sampled_from("xyz"), unique=True),
        "created_at": st.integers(0, 3).map(lambda steps: MIDNIGHT + timedelta(seconds=steps / 2)),
        "updated_at": st.integers(0, 3).map(lambda steps: MIDNIGHT + timedelta(hours=steps)),
    }
)


def in_order(tasks: Iterable[Json], sort: str, *, descending: bool) -> list[Json]:
    """The oracle: tasks without a due date last in both directions, ties by id."""
    tasks = list(tasks)
    keyed = [task for task in tasks if KEYS[sort](task) is not None]
    rest = [task for task in tasks if KEYS[sort](task) is None]
    keyed.sort(key=lambda task: (KEYS[sort](task), task["id"]), reverse=descending)
    rest.sort(key=lambda task: int(task["id"]), reverse=descending)
    return keyed + rest


def ids_of(tasks: Iterable[Json]) -> list[int]:
    return [task["id"] for task in tasks]


class Lists:
    """The list of a user who is new."""

    def __init__(self, client: httpx2.Client, engine: Engine, *tasks: Mapping[str, Any]) -> None:
        self.user = f"user_{uuid4().hex}"
        self.path = f"/api/{self.user}/tasks"
        self._client = client
        self._headers = bearer(self.user)
        with Session(engine) as session:
            session.add_all([Task(user_id=self.user, **task) for task in tasks])
            session.commit()

    def ask(self, method: str = "GET", path: str = "", **options: Any) -> httpx2.Response:
        return self._client.request(method, self.path + path, headers=self._headers, **options)

    def read(self, **parameters: object) -> Json:
        answer = self.ask(params=parameters)
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        assert body.keys() == {"data", "message", "next_cursor"}
        return body

    def all(self, **parameters: object) -> list[Json]:
        body = self.read(**parameters)
        assert body["next_cursor"] is None
        tasks: list[Json] = body["data"]
        return tasks

    def pages(self, limit: int, **parameters: object) -> Iterator[list[Json]]:
        """Follows `next_cursor` to the end. Every page but the last one is full."""
        body = self.read(limit=limit, **parameters)
        parameters.pop("offset", None)
        followed = set()
        while cursor := body["next_cursor"]:
            assert cursor not in followed  # an endless list
            followed.add(cursor)
            assert len(body["data"]) == limit
            yield body["data"]
            body = self.read(limit=limit, cursor=cursor, **parameters)
        assert len(body["data"]) <= limit
        yield body["data"]
