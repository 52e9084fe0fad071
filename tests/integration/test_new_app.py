"""New apps of the newest packages, as docs/nextjs.md and docs/front-ends.md tell how to make them.

An empty home folder, beside a fresh clone of the last commit. The ports alone are not as typed, and
where the route of docs/recurring.md sends mail.
"""

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shlex import quote
from threading import Thread
from typing import Any

import httpx2
import pytest
from cluster import ROLE, Cluster, Database
from newcomer import INSTALL_SECONDS, Newcomer
from pages import PAGES, ROOT, fences, sections
from service import Service

pytestmark = pytest.mark.integration

[NEXT] = fences(sections(PAGES["docs/nextjs.md"])["A new app"])
*MAKE_NEXT, START_NEXT = NEXT.text.splitlines(keepends=True)
MAKE_VITE, *FILES, RUN_VITE = fences(sections(PAGES["docs/front-ends.md"])["Vite and React"])
SET, START_AUTH, START_VITE = RUN_VITE.text.splitlines()
TABLE, ROUTE, _ = (fence.text for fence in fences(sections(PAGES["docs/recurring.md"])["By mail"]))
MAIL_SERVICE = "https://api.resend.com"
AUTH_PORT = "3000"
AUTH_PATH = "/api/auth/ok"


@dataclass(frozen=True)
class App:
    """An app that somebody has just made, and the API that knows where it will run."""

    newcomer: Newcomer
    folder: Path
    api: Service
    environment: dict[str, str]

    @contextmanager
    def serving(self, commands: str) -> Iterator[None]:
        with self.newcomer.serving(commands, self.folder, AUTH_PATH, **self.environment):
            yield

    def type(self, commands: str) -> str:
        return self.newcomer.type(commands, self.folder, **self.environment)


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    # Not in pytest's folder, which keeps the last runs: an app's packages are large.
    with tempfile.TemporaryDirectory() as home:
        Newcomer(Path(home)).type(
            f"git clone --quiet {ROOT} tasks-api && make --directory tasks-api .env", Path(home)
        )
        yield Path(home)


@contextmanager
def made(home: Path, commands: str, name: str) -> Iterator[App]:
    """The app that the commands make in the folder of this name."""
    newcomer = Newcomer(home)
    api_environment = {"BETTER_AUTH_URL": newcomer.url}
    with Service(home / "tasks-api", home / f"{name}-api-log", api_environment) as api:
        api.wait_until_started()
        environment = {
            "BETTER_AUTH_URL": newcomer.url,
            "NEXT_PUBLIC_API_URL": api.origin,
            "VITE_API_URL": api.origin,
        }
        newcomer.type(commands, home, **environment)
        yield App(newcomer, home / name, api, environment)


class MailService(ThreadingHTTPServer):
    """Takes mails, with the keys under which they may be sent again, and refuses the first one."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), MailRequest)
        self.asked: list[tuple[str | None, dict[str, Any]]] = []


class MailRequest(BaseHTTPRequestHandler):
    server: MailService

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.headers["Idempotency-Key"], json.loads(body)))
        self.send_response(429 if len(self.server.asked) == 1 else 200)
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Not among the tests' output."""


@pytest.fixture(scope="module")
def mail_service() -> Iterator[MailService]:
    with MailService() as service:
        Thread(target=service.serve_forever).start()
        yield service
        service.shutdown()


@pytest.fixture(scope="module")
def next_app(home: Path, mail_service: MailService) -> Iterator[App]:
    with made(home, "".join(MAKE_NEXT), "my-app") as app:
        [path] = re.findall(r"\A// (\S+)\n", ROUTE)
        route = app.folder / path
        route.parent.mkdir(parents=True)
        assert MAIL_SERVICE in ROUTE
        route.write_text(
            ROUTE.replace(MAIL_SERVICE, f"http://127.0.0.1:{mail_service.server_port}")
        )
        yield app


@pytest.fixture(scope="module")
def vite_app(home: Path) -> Iterator[App]:
    with made(home, MAKE_VITE.text, "my-vite-app") as app:
        auth = Newcomer(home)
        for file in FILES:
            [path] = re.findall(r"\A// (\S+)\n", file.text)
            (app.folder / path).write_text(file.text.replace(AUTH_PORT, auth.port))
        app.type(SET)
        with auth.serving(START_AUTH, app.folder, AUTH_PATH, **app.environment):
            yield app


@contextmanager
def signed_in(app: App, name: str) -> Iterator[tuple[httpx2.Client, str, dict[str, str]]]:
    """The browser of somebody who has just signed up; the tasks' URL, and the token's headers."""
    with httpx2.Client(
        base_url=app.newcomer.url,
        headers={"Origin": app.newcomer.url},
        timeout=INSTALL_SECONDS,
        trust_env=False,
    ) as browser:
        account = {"name": name, "email": f"{name}@example.com", "password": f"{name}-has-a-key"}
        signed_up = browser.post("/api/auth/sign-up/email", json=account)
        token = browser.get("/api/auth/token").json()["token"]
        tasks = f"{app.api.origin}/api/{signed_up.json()['user']['id']}/tasks"
        yield browser, tasks, {"Authorization": f"Bearer {token}"}


def assert_lists_a_task(browser: httpx2.Client, tasks: str, headers: dict[str, str]) -> None:
    created = browser.post(tasks, json={"title": "Buy groceries"}, headers=headers)
    listed = browser.get(tasks, headers=headers)

    assert created.status_code == 201, created.text
    assert [task["title"] for task in listed.json()["data"]] == ["Buy groceries"]
    assert listed.headers["Access-Control-Allow-Origin"] == str(browser.base_url)


def test_the_linter_of_nextjs_finds_nothing(next_app: App) -> None:
    next_app.type("npm run lint -- --max-warnings 0")


@pytest.mark.parametrize(
    ("name", "start"), [("ada", START_NEXT), ("bob", "npm run build && npm start")]
)
def test_an_app_of_nextjs_shows_the_task_of_somebody_who_has_just_signed_up(
    next_app: App, name: str, start: str
) -> None:
    with next_app.serving(start), signed_in(next_app, name) as (browser, tasks, headers):
        assert_lists_a_task(browser, tasks, headers)
        page = browser.get("/")

    assert "Buy groceries" in page.text


def test_the_route_of_the_page_mails_each_reminder_once(
    home: Path, next_app: App, mail_service: MailService, cluster: Cluster
) -> None:
    database = Database(cluster)
    of_both = {"BETTER_AUTH_URL": next_app.newcomer.url}
    api_environment = of_both | {"NEON_DATABASE_URL": database.url()}
    environment = of_both | {
        "DATABASE_URL": database.url(),
        "CRON_SECRET": "of-the-scheduler",
        "MAIL_FROM": "tasks@example.com",
    }
    task = {
        "title": "Buy groceries",
        "due_date": "2026-12-01T09:00",
        "remind_at": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
    }

    with Service(home / "tasks-api", home / "reminders-api-log", api_environment) as api:
        api.wait_until_started()
        app = replace(next_app, api=api, environment=environment)
        app.type("npx tsx setup.mts")
        database.run(f"SET ROLE {ROLE}; {TABLE}")
        with app.serving("npm run dev"), signed_in(app, "zoe") as (browser, tasks, headers):
            created = browser.post(tasks, json=task, headers=headers)

            def run(secret: str = "of-the-scheduler") -> httpx2.Response:
                headers = {"Authorization": f"Bearer {secret}"}
                return browser.get("/api/cron/reminders", headers=headers)

            refused = run("undefined")
            before = [run(), run()]
            database.run("UPDATE sent_reminders SET claimed_at = now() - interval '11 minutes'")
            after = [run(), run()]

    assert (created.status_code, refused.status_code) == (201, 401)
    nothing_due = {"due": 0, "sent": 0}
    assert [answer.json() for answer in before] == [{"due": 1, "sent": 0}, nothing_due]
    assert [answer.json() for answer in after] == [{"due": 1, "sent": 1}, nothing_due]
    first, second = mail_service.asked
    assert first == second
    assert second[1] == {
        "from": "tasks@example.com",
        "to": "zoe@example.com",
        "subject": "Buy groceries",
        "text": "Due: 2026-12-01 09:00:00",
    }


def test_the_route_of_the_page_lets_nobody_in_without_a_secret(next_app: App) -> None:
    script = """
        const { GET } = require("./app/api/cron/reminders/route.ts");
        const headers = { authorization: "Bearer undefined" };
        GET(new Request("http://localhost", { headers })).then(({ status }) => console.log(status));
    """

    assert next_app.type(f"npx tsx --eval {quote(script)}") == "401\n"


def test_the_linter_and_the_build_of_vite_find_nothing(vite_app: App) -> None:
    vite_app.type("npm run lint -- --deny-warnings && npm run build")


def test_an_app_of_vite_lists_the_task_of_somebody_who_has_just_signed_up(vite_app: App) -> None:
    start = f"{START_VITE} -- --strictPort --port {vite_app.newcomer.port}"
    with vite_app.serving(start), signed_in(vite_app, "eve") as (browser, tasks, headers):
        assert_lists_a_task(browser, tasks, headers)
