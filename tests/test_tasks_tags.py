"""Tags: at most ten texts, trimmed, without repetitions."""

from collections.abc import Callable
from typing import Any

import pytest
from each_write import kept, refusals
from endpoints import TASKS
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from properties import any_json, any_text, storable, white_space
from texts import TAGS, bad

from models import Task

# Texts that databases, or what writes arrays to them, might read as something else.
TRAPS = [
    "NULL",
    "null",
    "{}",
    "{a,b}",
    '"',
    '\\"',
    "\\",
    ",",
    "'",
    "a,b",
    "[]",
    "%s",
    "?",
    "\u200b",
]
words = st.sampled_from([*TRAPS, "a", "A", "b", "é", "e\u0301", "😀", "x" * 50, "😀" * 50])
good_tags = st.builds("{}{}{}".format, white_space, words | any_text, white_space).filter(
    lambda text: storable(text) and 1 <= len(text.strip()) <= 50
)
long_tags = st.integers(48, 52).map(lambda length: f" {'x' * length} ")


def left_of(tags: list[str]) -> list[str]:
    """What the contract keeps of these: each text where it first stands, without its edges."""
    left: list[str] = []
    for tag in tags:
        if tag.strip() not in left:
            left.append(tag.strip())
    return left


def good(value: Any) -> bool:
    return (
        isinstance(value, list)
        and all(storable(tag) and 1 <= len(tag.strip()) <= 50 for tag in value)
        and len(left_of(value)) <= 10
    )


@given(tags=st.lists(good_tags, max_size=14).filter(good))
def test_tags_are_trimmed_and_each_is_kept_once_in_its_order(
    alice: TestClient, stored: Callable[..., Task], tags: list[str]
) -> None:
    assert kept(alice, stored(), "tags", tags) == [left_of(tags)] * 3


@given(value=any_json | any_text | st.lists(good_tags | long_tags | any_json, max_size=14))
def test_other_tags_are_refused(alice: TestClient, stored: Callable[..., Task], value: Any) -> None:
    task = stored()

    if value is None or good(value):
        assert kept(alice, task, "tags", value) == [left_of(value or [])] * 3
    else:
        assert refusals(alice, task, "tags", value) == [bad(TAGS)] * 3


def test_a_task_without_tags_has_an_empty_list(alice: TestClient) -> None:
    assert alice.post(TASKS, json={"title": "x"}).json()["data"]["tags"] == []


TEN = [str(number) for number in range(10)]


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        (None, []),
        ([], []),
        (["b", "a", "b", " a"], ["b", "a"]),
        (["a", "A", "á"], ["a", "A", "á"]),
        (["\u3000home\n", "two  words"], ["home", "two  words"]),
        (TEN, TEN),
        (TEN * 50, TEN),
        ([f" {tag}" for tag in TEN] + TEN, TEN),
        (["x" * 50, "😀" * 50], ["x" * 50, "😀" * 50]),
        ([" " * 300 + "x" * 50 + "\n"], ["x" * 50]),
        (TRAPS[:10], TRAPS[:10]),
        (TRAPS[10:], TRAPS[10:]),
    ],
    ids=lambda tags: ascii(tags)[:40],
)
def test_ten_tags_are_the_limit_of_what_is_left(
    alice: TestClient, stored: Callable[..., Task], sent: Any, left: list[str]
) -> None:
    task = stored(tags=["before"])

    assert kept(alice, task, "tags", sent) == [left] * 3


@pytest.mark.parametrize(
    "value",
    [
        *("", "home", "home,work", "[]", 0, 1, 1.5, True, False, {}, {"0": "home"}),
        *([""], [" "], ["\u3000\n"], ["home", ""], [None], [1], [True], [["home"]], [{}]),
        *(["a\0b"], ["\0"], ["\ud800"], ["a\udfff"], ["x" * 51], ["😀" * 51], [" " + "x" * 51]),
        *([*TEN, "x"], [*TEN, *TEN, "x"], [str(number) for number in range(1000)]),
    ],
    ids=lambda tags: ascii(tags)[:40],
)
@pytest.mark.without_sql
def test_bad_tags_are_refused(alice: TestClient, task: Task, value: Any) -> None:
    assert refusals(alice, task, "tags", value) == [bad(TAGS)] * 3
