"""New apps of the newest packages, as docs/nextjs.md and docs/front-ends.md tell how to make them.

An empty home folder, beside a fresh clone of the last commit. The ports alone are not as typed.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from newcomer import INSTALL_SECONDS, Newcomer
from pages import PAGES, ROOT, fences, sections
from service import Service

pytestmark = pytest.mark.integration

[NEXT] = fences(sections(PAGES["docs/nextjs.md"])["A new app"])
*MAKE_NEXT, START_NEXT = NEXT.text.splitlines(keepends=True)
MAKE_VITE, *FILES, RUN_VITE = fences(sections(PAGES["docs/front-ends.md"])["Vite and React"])
SET, START_AUTH, START_VITE = RUN_VITE.text.splitlines()
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

    def type(self, commands: str) -> None:
        self.newcomer.type(commands, self.folder, **self.environment)


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


@pytest.fixture(scope="module")
def next_app(home: Path) -> Iterator[App]:
    with made(home, "".join(MAKE_NEXT), "my-app") as app:
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


def test_the_linter_and_the_build_of_vite_find_nothing(vite_app: App) -> None:
    vite_app.type("npm run lint -- --deny-warnings && npm run build")


def test_an_app_of_vite_lists_the_task_of_somebody_who_has_just_signed_up(vite_app: App) -> None:
    start = f"{START_VITE} -- --strictPort --port {vite_app.newcomer.port}"
    with vite_app.serving(start), signed_in(vite_app, "eve") as (browser, tasks, headers):
        assert_lists_a_task(browser, tasks, headers)
