"""The pages of a list: joined, they are the list, whatever happens between them."""

import json
import random
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from itertools import chain
from typing import Any

import httpx2
import pytest
from endpoints import TASKS
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from lists import KEYS, MIDNIGHT, SORTS, Json, Lists, ids_of, stored_tasks
from sqlalchemy import Engine
from texts import bad

CURSOR = "Cursor must be the next_cursor of a list with the same sort and order"

orders = st.fixed_dictionaries(
    {}, optional={"sort": st.sampled_from(SORTS), "order": st.sampled_from(["asc", "desc"])}
)
filters = st.fixed_dictionaries(
    {},
    optional={
        "filter": st.sampled_from(["pending", "completed"]),
        "priority": st.just("high"),
        "tag": st.sampled_from("xy"),
        "search": st.just("b"),
        "due_after": st.just("2026-12-01"),
    },
)


def joined(pages: Any) -> list[Json]:
    return list(chain.from_iterable(pages))


def cursor_of(value: list[Any]) -> str:
    return encoded(json.dumps(value))


def encoded(content: str | bytes) -> str:
    content = content.encode(errors="surrogatepass") if isinstance(content, str) else content
    return urlsafe_b64encode(content).decode().rstrip("=")


@given(
    tasks=st.lists(stored_tasks, max_size=12),
    order=orders,
    narrowed=filters,
    limit=st.integers(1, 6),
)
def test_the_pages_joined_are_the_list(
    client: TestClient,
    engine: Engine,
    tasks: list[Json],
    order: dict[str, str],
    narrowed: dict[str, str],
    limit: int,
) -> None:
    lists = Lists(client, engine, *tasks)

    assert joined(lists.pages(limit, **order, **narrowed)) == lists.all(**order, **narrowed)


@given(
    tasks=st.lists(stored_tasks, max_size=9),
    order=orders,
    limit=st.integers(1, 4),
    offset=st.integers(0, 10),
)
def test_an_offset_leaves_out_as_many_and_the_pages_go_on_from_there(
    client: TestClient,
    engine: Engine,
    tasks: list[Json],
    order: dict[str, str],
    limit: int,
    offset: int,
) -> None:
    lists = Lists(client, engine, *tasks)
    expected = lists.all(**order)[offset:]

    assert lists.all(**order, offset=offset) == expected
    assert joined(lists.pages(limit, **order, offset=offset)) == expected


@given(tasks=st.lists(stored_tasks, min_size=2, max_size=9), order=orders)
def test_a_cursor_without_limit_gives_the_rest(
    client: TestClient, engine: Engine, tasks: list[Json], order: dict[str, str]
) -> None:
    lists = Lists(client, engine, *tasks)
    expected = lists.all(**order)

    cursor = lists.read(**order, limit=1)["next_cursor"]

    assert lists.all(**order, cursor=cursor) == expected[1:]


@given(tasks=st.lists(stored_tasks, min_size=2, max_size=9), order=orders)
def test_a_cursor_goes_into_a_url_as_it_is(
    client: TestClient, engine: Engine, tasks: list[Json], order: dict[str, str]
) -> None:
    lists = Lists(client, engine, *(task | {"title": "ü~😀?/"} for task in tasks))

    cursor = lists.read(**order, limit=1)["next_cursor"]

    assert re.fullmatch(r"[A-Za-z0-9_.~-]+", cursor)


@given(tasks=st.lists(stored_tasks, min_size=6, max_size=6), order=orders, narrowed=filters)
def test_under_another_filter_a_cursor_goes_on_from_there(
    client: TestClient,
    engine: Engine,
    tasks: list[Json],
    order: dict[str, str],
    narrowed: dict[str, str],
) -> None:
    lists = Lists(client, engine, *tasks)
    following = set(ids_of(lists.all(**order)[3:]))

    cursor = lists.read(**order, limit=3)["next_cursor"]

    expected = [task for task in lists.all(**order, **narrowed) if task["id"] in following]
    assert lists.all(**order, **narrowed, cursor=cursor) == expected


@pytest.mark.parametrize("limit", [1, 199, 200])
def test_there_is_no_next_cursor_at_the_end(client: TestClient, engine: Engine, limit: int) -> None:
    lists = Lists(client, engine, *[{"title": "x"}] * limit)

    assert lists.read(limit=limit)["next_cursor"] is None
    assert len(lists.all()) == limit
    assert lists.read(offset=limit, limit=1)["data"] == []


def test_a_thousand_tasks_of_one_instant_are_paged(client: TestClient, engine: Engine) -> None:
    instant = {"title": "x", "created_at": MIDNIGHT, "updated_at": MIDNIGHT}
    lists = Lists(client, engine, *[instant] * 1000)
    expected = lists.all()

    for sort in ("created_at", "updated_at", "due_date", "priority", "title"):
        shown = joined(lists.pages(90, sort=sort, order="desc"))
        assert ids_of(shown) == ids_of(expected)


class AnotherClient:
    """Inserts, edits, toggles and deletes tasks of the list; notes which change their place."""

    def __init__(self, lists: Lists, sort: str, chance: random.Random) -> None:
        self.moved: set[int] = set()
        self._lists = lists
        self._sort = sort
        self._chance = chance

    def act(self) -> None:
        act = self._chance.choice([self._insert, self._edit, self._toggle, self._delete])
        act(self._chance.choice(self._lists.all()))

    def a_task(self) -> Json:
        return {
            "title": self._chance.choice(["a", "A", "b", "B", "c"]),
            "priority": self._chance.choice(["low", "medium", "high"]),
            "due_date": self._chance.choice([None, "2026-12-01", "2026-12-01T09:00:00"]),
        }

    def _insert(self, task: Json) -> None:
        assert self._lists.ask("POST", json=self.a_task()).status_code == 201

    def _edit(self, task: Json) -> None:
        self._note(task, self._lists.ask("PUT", f"/{task['id']}", json=self.a_task()))

    def _toggle(self, task: Json) -> None:
        self._note(task, self._lists.ask("PATCH", f"/{task['id']}/complete"))

    def _delete(self, task: Json) -> None:
        assert self._lists.ask("DELETE", f"/{task['id']}").status_code == 200

    def _note(self, task: Json, answer: httpx2.Response) -> None:
        key = KEYS[self._sort]
        if key(answer.json()["data"]) != key(task):
            self.moved.add(task["id"])


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_what_stays_is_shown_once_while_other_tasks_come_and_go(
    client: TestClient, engine: Engine, sort: str, order: str
) -> None:
    chance = random.Random(f"{sort} {order}")
    times = [MIDNIGHT + timedelta(seconds=chance.randrange(4)) for _ in range(30)]
    lists = Lists(
        client, engine, *({"title": "b", "created_at": time, "updated_at": time} for time in times)
    )
    another = AnotherClient(lists, sort, chance)
    for _ in range(20):
        another.act()
    before = set(ids_of(lists.all()))
    another.moved.clear()

    shown: list[int] = []
    body = lists.read(limit=4, sort=sort, order=order)
    while cursor := body["next_cursor"]:
        shown += ids_of(body["data"])
        for _ in range(3):
            another.act()
        body = lists.read(limit=4, sort=sort, order=order, cursor=cursor)
    shown += ids_of(body["data"])

    stayed = before.intersection(ids_of(lists.all())) - another.moved
    assert stayed
    assert sorted(task for task in shown if task in stayed) == sorted(stayed)
    never_moved = [task for task in shown if task not in another.moved]
    assert len(never_moved) == len(set(never_moved))


def test_a_cursor_of_another_sort_or_order_is_refused(client: TestClient, engine: Engine) -> None:
    lists = Lists(client, engine, {"title": "x"}, {"title": "y"})
    asked = [{"sort": sort, "order": order} for sort in SORTS for order in ("asc", "desc")]

    for own in asked:
        cursor = lists.read(limit=1, **own)["next_cursor"]
        for other in asked:
            answer = lists.ask(params={**other, "cursor": cursor})
            if own == other:
                assert answer.status_code == 200
            else:
                assert (answer.status_code, answer.json()) == bad(CURSOR)


@pytest.mark.parametrize("sort", SORTS)
def test_a_cursor_of_another_user_goes_on_among_ones_own_tasks(
    client: TestClient, engine: Engine, sort: str
) -> None:
    tasks = [{"title": title, "due_date": "2026-12-01"} for title in "abcd"]
    theirs, mine = Lists(client, engine, *tasks), Lists(client, engine, *tasks)

    cursor = theirs.read(sort=sort, limit=2)["next_cursor"]
    shown = mine.all(sort=sort, cursor=cursor)

    assert {task["user_id"] for task in shown} <= {mine.user}
    own = mine.all(sort=sort)
    assert shown == own[len(own) - len(shown) :]


NUMBERS: list[Any] = [None, True, "1", 1.5, 0, -1, 2**63, 2**64, 10**400, [1], {}]
KEYS_OF_TEXTS: list[Any] = [None, 1, True, "a\0b", "x" * 40_000, ["a"], {"a": "b"}]
RANKS_OF_NONE: list[Any] = [None, "3", -1, 4, 1.5, True, 2**63, 10**400, "high", []]
FORGED = [
    *("x", "1", "null", "-", "ü", "\0", "=", "%", "a" * 60_000),
    *(
        encoded(content)
        for content in (
            b"\xff\xfe",
            "null",
            "1",
            "true",
            "{}",
            "[]",
            '"created_at"',
            "NaN",
            "[" * 30_000,
            "[" * 20_000 + "]" * 20_000,
            '["created_at",true,"2026-01-12T10:00:00+00:00",1',
            '["created_at",true,"2026-01-12T10:00:00+00:00",1]]',
            '["created_at",true,"2026-01-12T10:00:00+00:00",1e400]',
            '["created_at",true,"2026-01-12T10:00:00+00:00",' + "9" * 5000 + "]",
            '["created_at",true,"\\ud800",1]',
            '["created_at",true,"\ud800",1]',
        )
    ),
    cursor_of(["created_at", True, "2026-01-12T10:00:00+00:00"]),
    cursor_of(["created_at", True, "2026-01-12T10:00:00+00:00", 1, 1]),
    cursor_of(["created_at", 1, "2026-01-12T10:00:00+00:00", 1]),
    cursor_of(["created_at", "true", "2026-01-12T10:00:00+00:00", 1]),
    cursor_of(["created_at; --", True, "2026-01-12T10:00:00+00:00", 1]),
    cursor_of([["created_at"], True, "2026-01-12T10:00:00+00:00", 1]),
    *(cursor_of(["created_at", True, "2026-01-12T10:00:00+00:00", number]) for number in NUMBERS),
    *(
        cursor_of(["created_at", True, time, 1])
        for time in (
            None,
            1,
            1e9,
            True,
            ["2026-01-12T10:00:00+00:00"],
            "",
            "x",
            "now",
            "Infinity",
            "2026-W03-1",
            "2026-W03-1T10:00:00",
            "2026-02-30T10:00:00+00:00",
            "2026-01-12T25:00:00+00:00",
            "2026-01-12T10:00:60+00:00",
            "2026-01-12T10:00:00+01:00",
            "2026-01-12T10:00:00+25:00",
            "2026-01-12T10:00:00+10:60",
            "2026-01-12T10:00:00+0100",
            "2026-01-12T10:00:00,5",
            "2026-01-12T10:00:00+00:00\0",
            "2026-01-12T10:00:00+00:00\n",
            "0000-01-01T00:00:00+00:00",
            "10000-01-01T00:00:00+00:00",
            "٢٠٢٦-01-12T10:00:00+00:00",
            "2026-01-12T10:00:00+00:00 BC",
        )
    ),
]
FORGED_OF_OTHER_SORTS = [
    *(
        {"sort": "priority", "cursor": cursor_of(["priority", True, key, 1])}
        for key in RANKS_OF_NONE
    ),
    *(
        {"sort": sort, "cursor": cursor_of([sort, False, key, 1])}
        for sort in ("title", "due_date")
        for key in KEYS_OF_TEXTS
    ),
    {"sort": "title", "cursor": encoded('["title",false,"\\ud800",1]')},
]


@pytest.mark.without_sql
@pytest.mark.parametrize(
    "query",
    [*({"cursor": cursor} for cursor in FORGED), *FORGED_OF_OTHER_SORTS],
    ids=lambda query: f"{query.get('sort', '')} {query['cursor'][:40]}",
)
def test_what_is_no_cursor_is_refused(alice: TestClient, query: dict[str, str]) -> None:
    answer = alice.get(TASKS, params=query)

    assert (answer.status_code, answer.json()) == bad(CURSOR)


@pytest.mark.parametrize("stray", ["!", "!!!!", "*", " ", "\n", "\0", ".", "~", "%", "'"])
def test_a_cursor_with_a_stray_character_is_refused(
    client: TestClient, engine: Engine, stray: str
) -> None:
    lists = Lists(client, engine, *[{"title": "x"}] * 2)
    cursor = lists.read(limit=1)["next_cursor"]

    for damaged in (stray + cursor, cursor[:9] + stray + cursor[9:], cursor + stray):
        answer = lists.ask(params={"cursor": damaged})

        assert (answer.status_code, answer.json()) == bad(CURSOR)


@pytest.mark.parametrize(
    "time",
    [
        "0001-01-01T00:00:00+00:00",
        "0001-01-01T00:00:00+10:00",
        "0001-01-01T00:00:00-15:59",
        "9999-12-31T23:59:59.999999+00:00",
        "9999-12-31T23:59:59-10:00",
        "2026-01-12T10:00:00",
        "2026-01-12 10:00:00.5",
        "2026-01-12T10:00:00Z",
        "2026-01-12T10:00:00+15:59",
        "2026-01-12T10:00:00-15:59",
        "2026-01-12T10:00:00+16:00",
        "2026-01-12T10:00:00-23:59",
        "2026-01-12T24:00:00Z",
    ],
)
@pytest.mark.parametrize("sort", ["created_at", "updated_at"])
@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("engine", ["postgresql", "sqlite"], indirect=True)
def test_an_odd_time_in_a_cursor_is_a_position_or_refused(
    client: TestClient, engine: Engine, time: str, sort: str, descending: bool
) -> None:
    lists = Lists(client, engine, {"title": "x"})
    order = {"sort": sort, "order": "desc" if descending else "asc"}

    answer = lists.ask(params={**order, "cursor": cursor_of([sort, descending, time, 2**63 - 1])})

    if answer.status_code != 200:
        assert (answer.status_code, answer.json()) == bad(CURSOR)
    else:
        assert {task["user_id"] for task in answer.json()["data"]} <= {lists.user}


@pytest.mark.parametrize("sort", SORTS)
@given(data=st.data())
def test_a_cursor_with_bits_flipped_is_a_position_or_refused(
    client: TestClient, engine: Engine, sort: str, data: st.DataObject
) -> None:
    lists = Lists(client, engine, *[{"title": "x", "due_date": "2026-12-01"}] * 2)
    cursor = lists.read(sort=sort, limit=1)["next_cursor"]
    content = bytearray(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    for _ in range(data.draw(st.integers(1, 3))):
        # An id's digits make some cursors longer than others; what is drawn must not depend on it.
        place = data.draw(st.integers(0, 999)) % len(content)
        content[place] ^= 1 << data.draw(st.integers(0, 7))

    answer = lists.ask(params={"sort": sort, "cursor": encoded(bytes(content))})

    if answer.status_code != 200:
        assert (answer.status_code, answer.json()) == bad(CURSOR)
    else:
        assert {task["user_id"] for task in answer.json()["data"]} <= {lists.user}


@pytest.mark.without_sql
@given(cursor=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80))
def test_no_text_in_the_place_of_a_cursor_is_a_crash(alice: TestClient, cursor: str) -> None:
    answer = alice.get(TASKS, params={"cursor": cursor})

    assert (answer.status_code, answer.json()) == bad(CURSOR)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=6,
)


@pytest.mark.parametrize("sort", SORTS)
@given(key=json_values, task_id=json_values | st.integers(1, 2**63 - 1))
def test_no_json_in_a_cursor_is_a_crash(
    alice: TestClient, sort: str, key: Any, task_id: Any
) -> None:
    answer = alice.get(
        TASKS,
        params={"sort": sort, "order": "asc", "cursor": cursor_of([sort, False, key, task_id])},
    )

    assert answer.status_code in {200, 400}
