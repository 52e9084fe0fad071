"""What lists with parameters cost, and creates that are sent again."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import count
from statistics import median

from benchmarks.contract import TITLE, Answer, Client, client_of
from benchmarks.load import Target, alternate
from benchmarks.measures import (
    HS256_TOKENS,
    Bench,
    Result,
    Verdict,
    add_rows,
    cost_verdicts,
    load_table,
)
from benchmarks.others import BEFORE, FASTAPI, LITESTAR
from benchmarks.progress import say
from benchmarks.proxy import proxied
from benchmarks.servers import SERVICE, running

TASKS_OF_OTHERS = 980_000
TASKS = 20_000
PAGE_SIZE = 20
LAST_PAGE = TASKS // PAGE_SIZE
PAGES = (1, LAST_PAGE // 2, LAST_PAGE)
# What the tasks differ in, so that each sort and condition has something to do.
DIFFERENT = """
    UPDATE tasks SET completed = id % 2 = 0, tags = ARRAY['home', 'tag ' || id % 50],
        priority = (ARRAY['low', 'medium', 'high'])[1 + id % 3],
        due_date = CASE WHEN id % 4 > 0 THEN to_char(created_at, 'YYYY-MM-DD') END,
        updated_at = created_at + id % 100 * interval '1 minute'
    WHERE user_id = 'hoarder'
"""
OTHERS = {
    "by title": "&sort=title",
    "by priority": "&sort=priority",
    "by due date": "&sort=due_date",
    "by last change": "&sort=updated_at",
    "search, 1 of 20,000 found": "&search=task%2012345",
    "search, none found": "&search=nowhere",
    "one tag": "&tag=tag%207",
    "due in a week": "&due_after=2026-06-01&due_before=2026-06-08&sort=due_date",
    "offset of 19,980": "&offset=19980",
}
MOST_MILLISECONDS = 60
PAGE_BY_CURSOR = f"{SERVICE}, a page by cursor"


def measure_pages(bench: Bench) -> Result:
    """Pages of 20, of a user with 20,000 tasks among 1,000,000, one request at a time."""
    with _hoarder(bench) as client:
        in_default_order = {
            f"page {number} of {name}": query
            for name, narrowed in (("all", ""), ("the pending ones", "&filter=pending"))
            for number, query in _pages(client, narrowed)
        }
        others = {name: f"?limit={PAGE_SIZE}{query}" for name, query in OTHERS.items()}
        requests = {**in_default_order, **others, "statistics": "/stats"}
        milliseconds = _medians(
            {name: partial(client.send, "GET", path) for name, path in requests.items()},
            status=200,
            rounds=10 * bench.rounds,
        )
    first = milliseconds[f"page {PAGES[0]} of all"]
    of_pages = max(milliseconds[name] / first for name in in_default_order)
    of_others = max(milliseconds[name] for name in others)
    verdicts = [
        Verdict(
            f"page {LAST_PAGE} in the default order against page 1",
            "within 1.2 x",
            f"{of_pages:.2f} x",
            of_pages <= 1.2,
        ),
        Verdict(
            "20 of 20,000 tasks in any other order, or searched for",
            f"under {MOST_MILLISECONDS} ms",
            f"{of_others:.0f} ms",
            of_others < MOST_MILLISECONDS,
        ),
    ]
    rows = [[name, f"{one:.2f} ms", f"{one / first:.1f} x"] for name, one in milliseconds.items()]
    return Result(verdicts, [["20 of 20,000 tasks, among 1,000,000", "time", "to page 1"], *rows])


@contextmanager
def _hoarder(bench: Bench) -> Iterator[Client]:
    database = bench.database.another("hoarder")
    with running(SERVICE, database.url(), bench.folder) as server:
        say(f"making {TASKS_OF_OTHERS + TASKS:,} rows")
        add_rows(database, "crowd_", TASKS_OF_OTHERS)
        add_rows(database, "hoarder", TASKS)
        database.execute(DIFFERENT)
        database.execute("VACUUM ANALYZE tasks")
        with client_of(server, "hoarder") as client:
            yield client
    database.connection.close()


def _pages(client: Client, narrowed: str) -> Iterator[tuple[int, str]]:
    """The first page, the one in the middle and the last one, and how each is asked for."""
    query = f"?limit={PAGE_SIZE}{narrowed}"
    page, pages = query, []
    while page:
        pages.append(page)
        cursor = client.send("GET", page).json()["next_cursor"]
        page = cursor and f"{query}&cursor={cursor}"
    for number in (1, len(pages) // 2, len(pages)):
        yield number, pages[number - 1]


def measure_lists(bench: Bench) -> Result:
    """Lists alone at 64 connections: all 20 tasks of a user; of the service also a page of them."""
    with bench.servers() as servers:
        own = servers[0]
        with client_of(own, "newcomer") as client:
            for _ in range(2):
                client.create()
            cursor = client.send("GET", "?limit=1").json()["next_cursor"]  # newer than all others
        by_cursor = f"?limit={PAGE_SIZE}&cursor={cursor}"
        summaries = alternate(
            [
                *(Target(server.name, server, HS256_TOKENS, query="") for server in servers),
                Target(PAGE_BY_CURSOR, own, HS256_TOKENS, by_cursor),
            ],
            bench.database,
            connections=64,
            rounds=bench.rounds,
            seconds=bench.seconds,
        )
    page = summaries[PAGE_BY_CURSOR]
    ratio = page.cpu_per_thousand / summaries[SERVICE].cpu_per_thousand
    verdicts = [
        *cost_verdicts("lists of 20", summaries, {BEFORE: 0.6, FASTAPI: 0.75, LITESTAR: 1.0}),
        Verdict(
            "a page of 20 by cursor: CPU per request, to a list of 20",
            "1.1 x",
            f"{ratio:.2f} x",
            ratio <= 1.1 and not page.errors,
        ),
    ]
    return Result(verdicts, load_table("lists of 20 at 64 connections", summaries), summaries)


def measure_replays(bench: Bench) -> Result:
    """A create, one with an `Idempotency-Key`, and one that is sent again: time and round trips."""
    with (
        proxied(bench.database.socket_folder) as (proxy, socket),
        running(SERVICE, bench.database.url(socket), bench.folder) as server,
        client_of(server, "repeater") as client,
    ):
        numbers = count()

        def create(key: str | None) -> Answer:
            headers = {} if key is None else {"Idempotency-Key": key}
            return client.send("POST", body={"title": TITLE}, headers=headers)

        sends: dict[str, Callable[[], Answer]] = {
            "create": lambda: create(None),
            "create with a key": lambda: create(f"key-{next(numbers)}"),
            "the same again": lambda: create("the-same"),
        }
        create("the-same")
        milliseconds = _medians(sends, status=201, rounds=50 * bench.rounds)
        trips = {}
        for name, send in sends.items():
            before = proxy.round_trips
            send()
            trips[name] = proxy.round_trips - before
    most = max(trips.values())
    verdict = Verdict("round trips of a create with a key, or again", "1", f"{most}", most == 1)
    rows = [[name, f"{milliseconds[name]:.2f} ms", str(trips[name])] for name in sends]
    return Result([verdict], [["one request", "time", "round trips"], *rows])


def _medians(
    sends: Mapping[str, Callable[[], Answer]], status: int, rounds: int
) -> dict[str, float]:
    """Milliseconds of each, sent in turn again and again."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, send in sends.items():
            answer = send()
            if answer.status != status:
                raise SystemExit(f"{name}: {answer}")
            seconds[name].append(answer.seconds)
    return {name: median(samples) * 1000 for name, samples in seconds.items()}


MEASURES = {"pages": measure_pages, "lists": measure_lists, "replays": measure_replays}
