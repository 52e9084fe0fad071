"""New apps of the newest packages, as docs/nextjs.md and docs/front-ends.md tell how to make them,
and what docs/mcp.md adds to that of Next.js.

An empty home folder, beside a fresh clone of the last commit. The ports alone are not as typed, and
where the route of docs/recurring.md sends mail.
"""

import json
import re
import shutil
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
from urllib.parse import urlsplit

import httpx2
import pytest
from cluster import ROLE, Cluster, Database
from jose import jwt
from mcp_clients import FOLDER, MCP_REMOTE, SDK, TOOLS, seen_by
from newcomer import INSTALL_SECONDS, Newcomer
from pages import PAGES, ROOT, fences, sections
from ports import free_port
from service import Service

pytestmark = pytest.mark.integration

[NEXT] = fences(sections(PAGES["docs/nextjs.md"])["A new app"])
*MAKE_NEXT, START_NEXT = NEXT.text.splitlines(keepends=True)
MAKE_VITE, *FILES, RUN_VITE = fences(sections(PAGES["docs/front-ends.md"])["Vite and React"])
SET, START_AUTH, START_VITE = RUN_VITE.text.splitlines()
TABLE, ROUTE, _ = (fence.text for fence in fences(sections(PAGES["docs/recurring.md"])["By mail"]))
MAIL_SERVICE = "https://api.resend.com"
ASSISTANTS = sections(PAGES["docs/mcp.md"])
INSTALL_OAUTH, CHANGES, *OAUTH_FILES, START_OAUTH = fences(ASSISTANTS["Your users' assistants"])
INSTALL_CHAT, CHAT = fences(ASSISTANTS["A chat in your front end"])
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

    def write(self, file: str) -> None:
        """Write a file whose first line is its path."""
        [path] = re.findall(r"\A// (\S+)\n", file)
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file)

    def change(self, changes: str) -> None:
        """Change files as a diff says whose hunks name no lines."""
        for path, *hunks in (file.split("@@\n") for file in changes.split("--- ")[1:]):
            file = self.folder / path.strip()
            text = file.read_text()
            for lines in (hunk.splitlines(keepends=True) for hunk in hunks):
                before = "".join(line[1:] for line in lines if line[0] != "+")
                assert text.count(before) == 1, before
                text = text.replace(before, "".join(line[1:] for line in lines if line[0] != "-"))
            file.write_text(text)

    @property
    def mcp_url(self) -> str:
        return self.environment["MCP_URL"]


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
    port = free_port()
    both = {"BETTER_AUTH_URL": newcomer.url, "MCP_URL": f"http://127.0.0.1:{port}/mcp"}
    with Service(home / "tasks-api", home / f"{name}-api-log", both, port=port) as api:
        api.wait_until_started()
        environment = both | {"NEXT_PUBLIC_API_URL": api.origin, "VITE_API_URL": api.origin}
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
        assert MAIL_SERVICE in ROUTE
        app.write(ROUTE.replace(MAIL_SERVICE, f"http://127.0.0.1:{mail_service.server_port}"))
        yield app


@pytest.fixture(scope="module")
def vite_app(home: Path) -> Iterator[App]:
    with made(home, MAKE_VITE.text, "my-vite-app") as app:
        auth = Newcomer(home)
        for file in FILES:
            app.write(file.text.replace(AUTH_PORT, auth.port))
        app.type(SET)
        with auth.serving(START_AUTH, app.folder, AUTH_PATH, **app.environment):
            yield app


@pytest.fixture(scope="module")
def assisted_app(next_app: App) -> Iterator[App]:
    """The app after docs/mcp.md, while it serves; its chat's model needs no account."""
    *prepare, start = START_OAUTH.text.splitlines(keepends=True)
    next_app.change(CHANGES.text)
    for file in (*OAUTH_FILES, CHAT):
        next_app.write(file.text)
    shutil.copy(FOLDER / "simulated_model.js", next_app.folder / "instrumentation.js")
    next_app.type("".join([INSTALL_OAUTH.text, INSTALL_CHAT.text, *prepare]))
    with next_app.serving(start):
        yield next_app


def password_of(name: str) -> str:
    return f"{name}-has-a-key"


def seen_signing_in(client: str, app: App, name: str, shown_as: str) -> Any:
    """What the client sees that its user, who has an account, lets in."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "chromium is missing"
    sign_in = {
        "browserPath": chromium,
        "email": f"{name}@example.com",
        "password": password_of(name),
        "as": shown_as,
    }
    return seen_by(client, app.mcp_url, signIn=sign_in)


@contextmanager
def signed_in(app: App, name: str) -> Iterator[tuple[httpx2.Client, str, dict[str, str]]]:
    """The browser of somebody who has just signed up; the tasks' URL, and the token's headers."""
    with httpx2.Client(
        base_url=app.newcomer.url,
        headers={"Origin": app.newcomer.url},
        timeout=INSTALL_SECONDS,
        trust_env=False,
    ) as browser:
        account = {"name": name, "email": f"{name}@example.com", "password": password_of(name)}
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


def test_the_linter_and_the_types_of_nextjs_find_nothing_in_the_files_for_assistants(
    assisted_app: App,
) -> None:
    assisted_app.type("npm run lint -- --max-warnings 0 && npx tsc --noEmit")


def test_an_assistant_finds_the_sign_in_from_its_first_401_on(assisted_app: App) -> None:
    refused = httpx2.post(assisted_app.mcp_url, json={}, trust_env=False)
    [resource_url] = re.findall(r'resource_metadata="(.+)"', refused.headers["WWW-Authenticate"])
    resource = httpx2.get(resource_url, trust_env=False).json()
    [issuer] = resource["authorization_servers"]
    parts = urlsplit(issuer)
    # RFC 8414: between the issuer's origin and its path.
    well_known = f"/.well-known/oauth-authorization-server{parts.path}"
    server = httpx2.get(
        f"{parts.scheme}://{parts.netloc}{well_known}", timeout=INSTALL_SECONDS, trust_env=False
    ).json()

    assert refused.status_code == 401
    assert resource["resource"] == assisted_app.mcp_url
    assert server["issuer"] == issuer == f"{assisted_app.newcomer.url}/api/auth"
    assert server["registration_endpoint"].startswith(issuer)
    assert server["code_challenge_methods_supported"] == ["S256"]


def test_the_sdk_of_mcp_is_let_in_once_its_user_allows_it_to_the_tools_and_to_nothing_else(
    assisted_app: App,
) -> None:
    with signed_in(assisted_app, "joan") as (browser, tasks, headers):
        seen = seen_signing_in(SDK, assisted_app, "joan", "Tests")
        listed = browser.get(tasks, headers=headers).json()
        refused = browser.get(tasks, headers={"Authorization": f"Bearer {seen['token']}"})
    claims = jwt.get_unverified_claims(seen["token"])

    assert seen["refusal"] == "access_denied"
    assert seen["tools"] == TOOLS
    assert [task["id"] for task in listed["data"]] == [seen["added"]["task_id"]]
    assert claims["iss"] == f"{assisted_app.newcomer.url}/api/auth"
    assert assisted_app.mcp_url in claims["aud"]
    assert refused.status_code == 401


def test_mcp_remote_signs_its_user_in(assisted_app: App) -> None:
    with signed_in(assisted_app, "mary") as (browser, tasks, headers):
        seen = seen_signing_in(MCP_REMOTE, assisted_app, "mary", "MCP CLI Proxy")
        listed = browser.get(tasks, headers=headers).json()

    assert seen["tools"] == TOOLS
    assert [task["id"] for task in listed["data"]] == [seen["added"]["task_id"]]


def test_a_chat_adds_a_task_to_the_list_of_who_is_signed_in(assisted_app: App) -> None:
    wish = {"id": "1", "role": "user", "parts": [{"type": "text", "text": "I need groceries"}]}
    with signed_in(assisted_app, "grace") as (browser, tasks, headers):
        said = browser.post("/api/chat", json={"messages": [wish]})
        listed = browser.get(tasks, headers=headers).json()
        browser.cookies.clear()
        refused = browser.post("/api/chat", json={"messages": [wish]})

    assert "It is on your list" in said.text
    assert [task["title"] for task in listed["data"]] == ["Buy groceries"]
    assert refused.status_code == 401
