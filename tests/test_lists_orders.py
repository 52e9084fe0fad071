"""The order of the list, against an oracle."""

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from lists import DESCENDING, SORTS, Json, Lists, ids_of, in_order, stored_tasks
from sqlalchemy import Engine

some_tasks = st.lists(stored_tasks, max_size=12)
# Every way to ask for a direction: by a name of `sort`, `order` or neither.
UPWARDS: list[dict[str, str]] = [{"order": "asc"}, {"sort_order": "asc"}]
DOWNWARDS: list[dict[str, str]] = [{"order": "desc"}, {"sort_order": "desc"}]


@pytest.mark.parametrize("sort", SORTS)
@given(tasks=some_tasks)
def test_every_order_is_that_of_the_oracle(
    client: TestClient, engine: Engine, sort: str, tasks: list[Json]
) -> None:
    lists = Lists(client, engine, *tasks)
    everything = lists.all()
    assert len(everything) == len(tasks)

    upwards = in_order(everything, sort, descending=False)
    downwards = in_order(everything, sort, descending=True)

    for parameters in UPWARDS:
        assert lists.all(sort=sort, **parameters) == upwards
    for parameters in DOWNWARDS:
        assert lists.all(sort_by=sort, **parameters) == downwards
        assert lists.all(sort=f"-{sort}", **parameters) == downwards
    assert lists.all(sort=f"-{sort}") == downwards
    assert lists.all(sort=sort) == (downwards if sort in DESCENDING else upwards)


@given(tasks=some_tasks)
def test_the_newest_come_first_unless_asked_otherwise(
    client: TestClient, engine: Engine, tasks: list[Json]
) -> None:
    lists = Lists(client, engine, *tasks)

    everything = lists.all()

    assert everything == in_order(everything, "created_at", descending=True)
    for sort in ("created", "created_at", "-created", ""):
        assert lists.all(sort=sort) == everything
    for sort in ("created", "created_at", ""):
        assert lists.all(sort=sort, order="asc") == everything[::-1]
        assert lists.all(sort=sort, order="desc") == everything


@given(tasks=some_tasks, completion=st.sampled_from(["pending", "completed"]))
def test_what_narrows_the_list_leaves_the_order(
    client: TestClient, engine: Engine, tasks: list[Json], completion: str
) -> None:
    lists = Lists(client, engine, *tasks)

    for sort in SORTS:
        expected = [
            task
            for task in lists.all(sort=sort)
            if task["completed"] is (completion == "completed") and "x" in task["tags"]
        ]
        assert lists.all(sort=sort, filter=completion, tag="x") == expected


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_tasks_without_a_due_date_come_last_in_both_directions(
    client: TestClient, engine: Engine, direction: str
) -> None:
    dates = [None, "9999-12-31T23:59:59Z", "0001-01-01", None, "2026-12-01"]
    lists = Lists(client, engine, *({"title": "x", "due_date": date} for date in dates))

    shown = [task["due_date"] for task in lists.all(sort="due_date", order=direction)]

    assert shown[3:] == [None, None]
    assert shown[:3] == sorted(filter(None, dates), reverse=direction == "desc")


def test_a_day_comes_before_its_times(client: TestClient, engine: Engine) -> None:
    dates = ["2026-12-01T00:00:00Z", "2026-12-02", "2026-12-01T00:00:00", "2026-12-01"]
    lists = Lists(client, engine, *({"title": "x", "due_date": date} for date in dates))

    shown = [task["due_date"] for task in lists.all(sort="due_date")]

    assert shown == [
        "2026-12-01",
        "2026-12-01T00:00:00",
        "2026-12-01T00:00:00Z",
        "2026-12-02",
    ]


def test_titles_are_sorted_without_regard_to_case_and_equal_ones_by_id(
    client: TestClient, engine: Engine
) -> None:
    titles = ["pear", "Apple", "apple", "PEAR", "fig", "APPLE"]
    lists = Lists(client, engine, *({"title": title} for title in titles))

    upwards = lists.all(sort="title")

    assert [task["title"] for task in upwards] == [
        "Apple",
        "apple",
        "APPLE",
        "fig",
        "pear",
        "PEAR",
    ]
    assert lists.all(sort="title", order="desc") == upwards[::-1]
    assert ids_of(upwards[:3]) == sorted(ids_of(upwards[:3]))


def test_the_most_urgent_come_first(client: TestClient, engine: Engine) -> None:
    lists = Lists(
        client, engine, *({"title": "x", "priority": name} for name in ("medium", "low", "high"))
    )

    shown = [task["priority"] for task in lists.all(sort="priority")]

    assert shown == ["high", "medium", "low"]
