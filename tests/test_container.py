"""Container, CI and their files: what stands in them, and what would be in the image."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from image import command, context, values
from processes import ROOT

from settings import Settings

# What is no setting, but is read in the container all the same.
OTHER_VARIABLES = {"WEB_CONCURRENCY"}
OLDEST, *_, NEWEST = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"][
    "check"
]["strategy"]["matrix"]["python"]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())


def run(*command: Path | str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no hadolint")
def test_the_dockerfile_passes_its_linter() -> None:
    program = Path(sys.executable).parent / "hadolint"

    linter = run(program, "Dockerfile")

    assert (linter.returncode, linter.stdout, linter.stderr) == (0, "", "")


SCHEMAS = {
    "compose.yaml": "vendor.compose-spec",
    ".github/workflows/ci.yml": "vendor.github-workflows",
    ".github/dependabot.yml": "vendor.dependabot",
}


@pytest.mark.parametrize("file", SCHEMAS)
def test_a_file_of_yaml_fits_its_schema(file: str) -> None:
    checked = run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[file], file)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_image_holds_the_code_that_runs_and_nothing_else() -> None:
    modules = [*ROOT.glob("*.py"), *ROOT.glob("routes/*.py"), ROOT / "requirements.txt"]

    assert [str(path) for path in context()] == sorted(
        path.relative_to(ROOT).as_posix() for path in modules
    )


def test_ci_runs_on_the_oldest_python_and_on_that_of_the_image() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    images = {image.removesuffix(" AS build") for image in values("FROM")}

    assert project["requires-python"] == f">={OLDEST}"
    assert images == {f"python:{NEWEST}-slim"}


def test_the_container_does_not_run_as_root() -> None:
    [user] = values("USER")

    assert int(user) > 0


@pytest.mark.parametrize(("port", "listens"), [(None, "8000"), ("", "8000"), ("7860", "7860")])
def test_the_container_listens_on_port(tmp_path: Path, port: str | None, listens: str) -> None:
    uvicorn = tmp_path / "uvicorn"
    uvicorn.write_text('#!/bin/sh\necho "$@"\n')
    uvicorn.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"} | ({} if port is None else {"PORT": port})

    arguments = subprocess.check_output(command(), env=environment, text=True)

    assert f"main:app --host 0.0.0.0 --port {listens} " in arguments


def test_compose_sets_only_what_is_read() -> None:
    environment = COMPOSE["services"]["api"]["environment"]

    assert set(environment) <= {name.upper() for name in Settings.model_fields} | OTHER_VARIABLES


def test_compose_starts_the_service_when_its_database_answers() -> None:
    services = COMPOSE["services"]

    assert services["api"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert "pg_isready" in services["postgres"]["healthcheck"]["test"]


def test_compose_gives_requests_the_time_that_the_container_gives_them() -> None:
    [seconds] = re.findall(r"--timeout-graceful-shutdown (\d+)", command()[-1])

    grace = COMPOSE["services"]["api"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > int(seconds)
