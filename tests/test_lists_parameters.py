"""What each query parameter of the list takes, under each of its names, and what it refuses."""

from collections.abc import Callable
from itertools import product

import pytest
from endpoints import TASKS
from fastapi.testclient import TestClient
from sent_sql import sent_by
from sqlalchemy import Engine
from texts import bad
from users import OWNER, SOMEONE_ELSE

from models import Task

Pairs = list[tuple[str, str | int | float | bool | None]]  # as httpx writes the type

MILK, ZOE, ODD, WATER = "Buy milk", "Call Zoë", "100% done_\\", "Water"
ALL = {MILK, ZOE, ODD, WATER}
A_DUE_DATE = "a date (2026-12-01) or a time (2026-12-01T09:00 or 2026-12-01T09:00:00Z)"

# In the order of the contract's table: names, what is refused in which words, what is taken.
NAMES = {
    "filter": ("filter", "status", "completed"),
    "priority": ("priority",),
    "tag": ("tag",),
    "search": ("search", "q"),
    "due_before": ("due_before",),
    "due_after": ("due_after",),
    "sort": ("sort", "sort_by"),
    "order": ("order", "sort_order"),
    "limit": ("limit",),
    "cursor": ("cursor",),
    "offset": ("offset", "skip"),
}
TEXTS = {
    "filter": "Filter must be all, pending or completed",
    "priority": "Priority must be low, medium or high",
    "tag": "Tag must be a text of 1 to 50 characters",
    "search": "Search must be a text of up to 200 characters",
    "due_before": f"due_before must be {A_DUE_DATE}",
    "due_after": f"due_after must be {A_DUE_DATE}",
    "sort": "Sort must be created_at, updated_at, due_date, priority or title, with or without a -"
    " before it",
    "order": "Order must be asc or desc, and not asc if sort begins with -",
    "limit": "Limit must be a whole number from 1 to 200",
    "cursor": "Cursor must be the next_cursor of a list with the same sort and order",
    "offset": "Offset must be a whole number from 0 to 1000000, without a cursor",
}
NO_NUMBERS = ["-1", "+1", "1.0", "1e2", "1_0", "01", " 1", "1 ", "0x1", "٣", "one", "null", "1\0"]
NO_DUE_DATES = [
    "2026-W49-2",
    "20261201",
    "2026-02-30",
    "2026-12-01 09:00",
    "2026-12-01t09:00",
    "2026-12-01T09:00z",
    "2026-12-01T09",
    "2026-12-01T24:00",
    "2026-12-01T09:00:60",
    "2026-12-01T09:00:00,5",
    "2026-12-01T09:00+0100",
    "2026-12-01T09:00+24:00",
    "2026-12-01T09:00 01:00",
    "0001-01-01T00:00+01:00",
    "9999-12-31T23:59-00:01",
    " 2026-12-01",
    "2026-12-01\n",
    "2026-12-01\0",
    "٢٠٢٦-12-01",
    "tomorrow",
]
REFUSED = {
    "filter": ["Pending", "open", "1", "0", "all ", "al", "null", "pending,completed", "\0"],
    "priority": ["urgent", "1", " low", "low,high", "all", "\0", "hïgh"],
    "tag": [" ", "\t\n", "x" * 51, "😀" * 51, "ho\0me"],
    "search": ["x" * 201, "😀" * 201, " " * 201, "\0", "mi\0lk"],
    "due_before": NO_DUE_DATES,
    "due_after": NO_DUE_DATES,
    "sort": ["id", "user_id", "Title", "title ", "+title", "--title", "-", "title,id", "due", "\0"],
    "order": ["ASC", "descending", "1", "-1", "asc ", "\0"],
    "limit": ["0", "201", "1000000000000000000000", *NO_NUMBERS],
    "cursor": ["x", "1", "null", "eyJ9", "ü", "\0", "=", "e30", "W10"],
    "offset": ["1000001", "9" * 5000, *NO_NUMBERS],
}
TAKEN: dict[str, list[tuple[str, set[str]]]] = {
    "filter": [
        ("all", ALL),
        ("pending", {MILK, ODD}),
        ("active", {MILK, ODD}),
        ("false", {MILK, ODD}),
        ("completed", {ZOE, WATER}),
        ("true", {ZOE, WATER}),
    ],
    "priority": [("low", {MILK}), ("LOW", {MILK}), ("Medium", {ZOE}), ("hIgH", {ODD, WATER})],
    "tag": [
        ("home", {MILK, ZOE}),
        (" home\n", {MILK, ZOE}),
        ("Home", {ODD}),
        ("hom", set()),
        ("%", set()),
        ("a,b", {ODD}),
        ("x" * 50, set()),
    ],
    "search": [
        ("milk", {MILK, WATER}),
        ("MiLk", {MILK, WATER}),
        ("Zoë", {ZOE}),
        ("call ZOë", {ZOE}),
        ("%", {ODD}),
        ("_", {ODD}),
        ("\\", {ODD}),
        ("0% D", {ODD}),
        ("e_\\", {ODD}),
        ("B_y", set()),
        ("B%y", set()),
        ("\\%", set()),
        ("%_off", {ODD}),
        (" ", {MILK, ZOE, ODD, WATER}),
        (" milk", {MILK}),
        ("milk ", {WATER}),
        ("'; --", set()),
        (":title ? %s %(owner)s", set()),
        ("😀" * 200, set()),
        ("%" * 200, set()),
        ("None", set()),
    ],
    "due_before": [
        ("2026-12-01", set()),
        ("2026-12-01T08:00Z", {MILK}),
        ("2026-12-01T08:30", {MILK, WATER}),
        ("2026-12-01T10:00+01:00", {MILK, WATER, ZOE}),
        ("2026-12-01T09:00:00.999999999", {MILK, WATER}),
        ("9999-12-31", {MILK, WATER, ZOE}),
        ("0001-01-01", set()),
    ],
    "due_after": [
        ("2026-12-01", {MILK, WATER, ZOE}),
        ("2026-12-01T08:00:00Z", {WATER, ZOE}),
        ("2026-12-01T10:00:00+02:00", {WATER, ZOE}),
        ("2026-12-01T09:00", {ZOE}),
        ("2026-12-01T09:00Z", set()),
        ("0001-01-01", {MILK, WATER, ZOE}),
    ],
    "sort": [
        (sign + name, ALL)
        for sign, name in product(
            ["", "-"], ["created_at", "created", "updated_at", "due_date", "priority", "title"]
        )
    ],
    "order": [("asc", ALL), ("desc", ALL)],
    "limit": [("1", {WATER}), ("3", {WATER, ODD, ZOE}), ("200", ALL)],
    "offset": [("0", ALL), ("1", {MILK, ZOE, ODD}), ("1000000", set())],
}


@pytest.fixture
def four(no_tasks: None, stored: Callable[..., Task]) -> None:
    """Tasks of Alice, and one of Bob's that everything would find."""
    stored(MILK, priority="low", due_date="2026-12-01", tags=["home", "shop"])
    stored(ZOE, completed=True, due_date="2026-12-01T09:00:00", tags=["home"])
    stored(ODD, description="50%_off", priority="high", tags=["Home", "a,b"])
    stored(
        WATER,
        description="MILK and bread",
        completed=True,
        priority="high",
        due_date="2026-12-01T08:00:00Z",
    )
    stored("Buy milk % _ \\", user_id=SOMEONE_ELSE, tags=["home"], due_date="2026-12-01")


def shown(client: TestClient, query: str | Pairs) -> set[str]:
    response = client.get(TASKS, params=query)
    assert response.status_code == 200, response.text
    assert response.json()["message"] == "Tasks retrieved"
    return {task["title"] for task in response.json()["data"]}


def text_of(client: TestClient, query: str | Pairs) -> str:
    response = client.get(TASKS, params=query)
    error: str = response.json().get("error", "")
    assert (response.status_code, response.json()) == bad(error)
    return error


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize("parameter", TAKEN)
def test_a_parameter_shows_the_tasks_it_selects_under_each_of_its_names(
    alice: TestClient, parameter: str
) -> None:
    for name in NAMES[parameter]:
        for value, expected in TAKEN[parameter]:
            assert shown(alice, [(name, value)]) == expected, (name, value)


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize("parameter", NAMES)
def test_an_empty_value_counts_as_absent(alice: TestClient, parameter: str) -> None:
    for name in NAMES[parameter]:
        assert shown(alice, [(name, "")]) == ALL


@pytest.mark.without_sql
@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("parameter", NAMES)
def test_a_parameter_refuses_any_other_value_in_its_words(
    alice: TestClient, parameter: str
) -> None:
    for name in NAMES[parameter]:
        for value in REFUSED[parameter]:
            assert text_of(alice, [(name, value)]) == TEXTS[parameter], (name, value)


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("filter=pending&status=nonsense&completed=nonsense", {MILK, ODD}),
        ("completed=nonsense&status=completed&filter=pending", {MILK, ODD}),
        ("status=completed&completed=nonsense", {ZOE, WATER}),
        ("completed=false&status=completed", {ZOE, WATER}),
        ("filter=&status=completed", {ZOE, WATER}),
        ("filter=&status=&completed=true", {ZOE, WATER}),
        ("q=%00&search=milk", {MILK, WATER}),
        ("search=&q=milk", {MILK, WATER}),
        ("sort_by=nonsense&sort=title&limit=1", {ODD}),
        ("sort=title&sort_order=nonsense&order=desc&limit=1", {WATER}),
        ("skip=nonsense&offset=1", {MILK, ZOE, ODD}),
        ("offset=&skip=1", {MILK, ZOE, ODD}),
    ],
)
def test_of_several_names_the_first_in_the_table_counts_and_the_others_are_not_judged(
    alice: TestClient, query: str, expected: set[str]
) -> None:
    assert shown(alice, query) == expected


@pytest.mark.without_sql
@pytest.mark.parametrize("parameter", [name for name in NAMES if len(NAMES[name]) > 1])
def test_the_first_name_is_judged_though_another_one_is_right(
    alice: TestClient, parameter: str
) -> None:
    right = "1" if parameter == "offset" else TAKEN[parameter][0][0]
    first, second, *_ = NAMES[parameter]

    assert text_of(alice, [(second, right), (first, "\0")]) == TEXTS[parameter]


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("filter=nonsense&filter=pending", {MILK, ODD}),
        ("filter=completed&filter=pending", {MILK, ODD}),
        ("priority=nonsense&priority=low", {MILK}),
        ("search=%00&search=milk", {MILK, WATER}),
        ("due_after=nonsense&due_after=2026-12-01T09:00", {ZOE}),
        ("limit=nonsense&limit=1", {WATER}),
        ("filter=&filter=pending", {MILK, ODD}),
        ("filter=pending&filter=", {MILK, ODD}),
        ("filter=pending&filter=&status=completed", {MILK, ODD}),
    ],
)
def test_of_one_name_twice_the_last_value_counts(
    alice: TestClient, query: str, expected: set[str]
) -> None:
    assert shown(alice, query) == expected


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("tag=home&tag=shop", {MILK}),
        ("tag=shop&tag=home&tag=home", {MILK}),
        ("tag=home&tag=", {MILK, ZOE}),
        ("tag=&tag=home", {MILK, ZOE}),
        ("tag=home&tag=Home", set()),
        ("&".join(f"tag=t{number}" for number in range(12)), set()),
    ],
)
def test_several_tags_are_those_of_tasks_that_have_them_all(
    alice: TestClient, query: str, expected: set[str]
) -> None:
    assert shown(alice, query) == expected


def test_a_tag_that_is_repeated_is_sent_to_the_database_once(
    alice: TestClient, engine: Engine
) -> None:
    with sent_by(engine) as sent:
        alice.get(TASKS, params={"tag": ["home", "shop", " home ", *["home"] * 5_000]})

    [statement] = sent
    assert statement.count("home") == 1


@pytest.mark.without_sql
def test_each_of_several_tags_is_judged(alice: TestClient) -> None:
    assert text_of(alice, "tag=%20&tag=home") == TEXTS["tag"]
    assert text_of(alice, "tag=home&tag=%20") == TEXTS["tag"]


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("filter=completed&priority=high", {WATER}),
        ("status=pending&q=milk&tag=home", {MILK}),
        ("search=milk&due_after=2026-12-01&due_before=2026-12-02&priority=high", {WATER}),
        ("due_after=2026-12-01T08:00:00Z&due_before=2026-12-01T09:00", {WATER}),
        ("due_after=2026-12-02&due_before=2026-12-01", set()),
        ("filter=all&priority=low&tag=home&search=BUY&due_before=2027-01-01", {MILK}),
        ("filter=completed&sort=title&order=desc&limit=1&offset=1", {ZOE}),
    ],
)
def test_all_parameters_combine(alice: TestClient, query: str, expected: set[str]) -> None:
    assert shown(alice, query) == expected


@pytest.mark.usefixtures("four")
def test_a_plus_of_an_offset_is_written_as_percent_2b(alice: TestClient) -> None:
    assert shown(alice, "due_after=2026-12-01T10:00:00%2B01:00") == set()
    assert shown(alice, "due_before=2026-12-01T10:00%2B01:00") == {MILK, WATER, ZOE}
    assert text_of(alice, "due_before=2026-12-01T10:00+01:00") == TEXTS["due_before"]


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    "query",
    [
        "page=2&per_page=1&foo=%00",
        "Filter=pending&LIMIT=1&Tag=home&filter[]=pending",
        f"user_id={SOMEONE_ELSE}&owner={SOMEONE_ELSE}&only_completed=true&key=1",
        "completed_at=x&title=Water&id=1",
        "=&&=x&x",
    ],
)
def test_other_parameters_are_ignored(alice: TestClient, query: str) -> None:
    assert shown(alice, query) == ALL


@pytest.mark.without_sql
@pytest.mark.parametrize("place", range(len(NAMES)))
def test_of_several_faults_the_first_of_the_table_is_told(alice: TestClient, place: int) -> None:
    faults = list(NAMES)[place:]
    query: Pairs = [(NAMES[parameter][-1], REFUSED[parameter][0]) for parameter in faults]

    assert text_of(alice, query) == TEXTS[faults[0]]
    assert text_of(alice, query[::-1]) == TEXTS[faults[0]]


@pytest.mark.parametrize("sort", ["-title", "-created", "-priority"])
def test_a_minus_before_sort_contradicts_asc(alice: TestClient, sort: str) -> None:
    assert text_of(alice, f"sort={sort}&order=asc") == TEXTS["order"]
    assert text_of(alice, f"sort_order=asc&sort_by={sort}") == TEXTS["order"]
    assert shown(alice, f"sort={sort}&order=desc") == set()
    assert shown(alice, f"sort={sort}&order=") == set()


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize("offset", ["0", "1", "nonsense"])
def test_an_offset_beside_a_cursor_is_refused(alice: TestClient, offset: str) -> None:
    cursor = alice.get(f"{TASKS}?limit=1").json()["next_cursor"]

    assert text_of(alice, f"cursor={cursor}&offset={offset}") == TEXTS["offset"]
    assert text_of(alice, f"skip={offset}&cursor={cursor}") == TEXTS["offset"]


@pytest.mark.without_sql
@pytest.mark.parametrize("parameter", NAMES)
def test_no_parameter_is_judged_before_the_caller_is_known(
    client: TestClient, alice: TestClient, parameter: str
) -> None:
    query: Pairs = [(NAMES[parameter][0], REFUSED[parameter][0])]

    unknown = client.get(TASKS, params=query)
    other = alice.get(f"/api/{SOMEONE_ELSE}/tasks", params=query)

    assert (unknown.status_code, unknown.json()["code"]) == (401, "UNAUTHORIZED")
    assert (other.status_code, other.json()["code"]) == (403, "FORBIDDEN")
    assert alice.get(f"/api/{OWNER}/tasks", params=query).status_code == 400
