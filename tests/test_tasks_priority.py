"""Priorities: low, medium or high."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from each_write import kept, refusals
from endpoints import TASKS
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from properties import any_json, any_text
from texts import PRIORITY, bad

from models import Task

any_case = st.sampled_from(["low", "medium", "high"]).flatmap(
    lambda word: st.tuples(*(st.sampled_from([letter, letter.upper()]) for letter in word))
)


def test_a_priority_is_medium_unless_given(alice: TestClient) -> None:
    created = alice.post(TASKS, json={"title": "x"})

    assert created.json()["data"]["priority"] == "medium"


@given(priority=any_case.map("".join))
def test_a_priority_is_given_back_in_lower_case(
    alice: TestClient, stored: Callable[..., Task], priority: str
) -> None:
    expected = {"l": "low", "m": "medium", "h": "high"}[priority[0].lower()]

    assert kept(alice, stored(), "priority", priority) == [expected] * 3


@pytest.mark.without_sql
@given(value=any_json | any_text | st.text("lowmediuhgLOWMEDIUHG ", max_size=7))
def test_any_other_priority_is_refused(alice: TestClient, task: Task, value: Any) -> None:
    if isinstance(value, str) and re.fullmatch("(?ai)low|medium|high", value):
        return

    assert refusals(alice, task, "priority", value) == [bad(PRIORITY)] * 3


@pytest.mark.parametrize(
    "value",
    [
        *(None, "", " ", " low", "low\n", "low ", "lo", "lows", "urgent", "normal", "null"),
        *(0, 1, 2, True, False, [], {}, ["low"], {"low": 1}),
        *("low\0", "low\ud800", "\uff4c\uff4f\uff57", "MED\u0130UM", "med\u0131um", "h\u0399gh"),
    ],
    ids=ascii,
)
@pytest.mark.without_sql
def test_what_nearly_is_a_priority_is_refused(alice: TestClient, task: Task, value: Any) -> None:
    assert refusals(alice, task, "priority", value) == [bad(PRIORITY)] * 3
