"""Defaults that suit a first try alone, where the service runs for others."""

from pathlib import Path

import pytest
from service import Service
from users import SECRET

import advice
from settings import get_settings

POSTGRESQL = "postgresql://alice:x@host/db"
FRONT_END = "https://app.example"


@pytest.fixture
def own_machine(environment: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """The environment of a machine that is neither a host's nor a container."""
    for variable in advice.HOSTS:
        environment.delenv(variable, raising=False)
    environment.setattr(advice, "CONTAINER_MARKS", (tmp_path / "mark",))
    return environment


def warnings() -> list[str]:
    return [*advice.misplaced_defaults(get_settings())]


@pytest.mark.parametrize("variable", advice.HOSTS)
def test_a_host_is_told_of_a_local_file_and_of_a_local_front_end(
    own_machine: pytest.MonkeyPatch, variable: str
) -> None:
    own_machine.setenv(variable, "1")

    of_the_database, of_the_front_end = warnings()

    assert of_the_database.startswith(f"This is {advice.HOSTS[variable]}, ")
    assert "set NEON_DATABASE_URL (or DATABASE_URL)" in of_the_database
    assert of_the_front_end.startswith(f"This is {advice.HOSTS[variable]}, ")
    assert "BETTER_AUTH_URL still says http://localhost:3000" in of_the_front_end


def test_a_container_is_told_too(own_machine: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mark").touch()

    assert [text.partition(",")[0] for text in warnings()] == ["This is a container"] * 2


@pytest.mark.parametrize("value", [None, ""])
def test_somebodys_own_machine_is_told_nothing(
    own_machine: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is not None:
        own_machine.setenv("RENDER", value)

    assert warnings() == []


@pytest.mark.parametrize("name", ["NEON_DATABASE_URL", "DATABASE_URL"])
@pytest.mark.parametrize("url", [POSTGRESQL, "sqlite:////tmp/tasks.db"])
def test_what_was_set_is_not_warned_of(
    own_machine: pytest.MonkeyPatch, name: str, url: str
) -> None:
    own_machine.setenv("RENDER", "true")
    own_machine.setenv(name, url)
    own_machine.setenv("BETTER_AUTH_URL", FRONT_END)

    assert warnings() == []


@pytest.mark.parametrize(
    "url", ["http://localhost", "http://127.0.0.1:3000", "http://[::1]:3000", "HTTP://LOCALHOST/x"]
)
def test_every_address_of_this_machine_is_a_local_front_end(
    own_machine: pytest.MonkeyPatch, url: str
) -> None:
    own_machine.setenv("RENDER", "true")
    own_machine.setenv("DATABASE_URL", POSTGRESQL)
    own_machine.setenv("BETTER_AUTH_URL", url)

    [text] = warnings()

    assert url in text


def test_the_start_warns_once_of_each(app_folder: Path, tmp_path: Path) -> None:
    environment = {"BETTER_AUTH_SECRET": SECRET, "RENDER": "true"}

    with Service(app_folder, tmp_path / "log", environment) as service:
        log = service.wait_until_started().log()

    warned = [line for line in log.splitlines() if "WARNING" in line]
    assert ["This is Render" in line for line in warned] == [True, True]


def test_a_local_file_that_is_named_is_warned_of_on_a_host_too(
    app_folder: Path, tmp_path: Path
) -> None:
    environment = {
        "BETTER_AUTH_SECRET": SECRET,
        "BETTER_AUTH_URL": FRONT_END,
        "NEON_DATABASE_URL": f"sqlite:///{tmp_path / 'tasks.db'}",
        "RENDER": "true",
    }

    with Service(app_folder, tmp_path / "log", environment) as service:
        log = service.wait_until_started().log()

    [warned] = [line for line in log.splitlines() if "WARNING" in line]
    assert "Tasks are kept in a local file" in warned
