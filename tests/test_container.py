"""Container, CI and their files: what stands in them."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from image import command, values
from pages import PAGES, fences, sections, tables
from processes import ROOT

import main
from advice import HOSTS
from settings import Settings

# What is no setting, but is read in the container all the same.
OTHER_VARIABLES = {"WEB_CONCURRENCY"}
OLDEST, *_, NEWEST = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"][
    "check"
]["strategy"]["matrix"]["python"]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_program() -> Run:
    def run_program(*command: Path | str, **options: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, **options
        )

    return run_program


@pytest.mark.skipif(sys.platform == "win32", reason="there is no hadolint")
def test_the_dockerfile_passes_its_linter(run_program: Run) -> None:
    program = Path(sys.executable).parent / "hadolint"

    linter = run_program(program, "Dockerfile")

    assert (linter.returncode, linter.stdout, linter.stderr) == (0, "", "")


SCHEMAS = {
    "compose.yaml": "vendor.compose-spec",
    ".github/workflows/ci.yml": "vendor.github-workflows",
    ".github/workflows/newest.yml": "vendor.github-workflows",
    ".github/dependabot.yml": "vendor.dependabot",
}


@pytest.mark.parametrize("file", SCHEMAS)
def test_a_file_of_yaml_fits_its_schema(run_program: Run, file: str) -> None:
    checked = run_program(
        sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[file], file
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_ci_runs_on_the_oldest_python_and_on_that_of_the_image() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    images = {image.removesuffix(" AS build") for image in values("FROM")}

    assert project["requires-python"] == f">={OLDEST}"
    assert images == {f"python:{NEWEST}-slim"}


def test_every_week_new_apps_are_made_on_the_oldest_node() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/newest.yml").read_text())
    example = json.loads((ROOT / "examples/nextjs/package.json").read_text())
    [job] = workflow["jobs"].values()

    oldest, *_ = job["strategy"]["matrix"]["node"]
    *_, run = job["steps"]
    # YAML reads the key `on` as true.
    assert workflow[True]["schedule"]
    assert example["engines"]["node"].startswith(f">={oldest}.")
    assert (ROOT / run["run"].removeprefix("make integration ARGS=")).is_file()


def test_the_container_does_not_run_as_root() -> None:
    [user] = values("USER")

    assert int(user) > 0


@pytest.mark.skipif(sys.platform == "win32", reason="there is no sh")
@pytest.mark.parametrize(("port", "listens"), [(None, "8000"), ("", "8000"), ("7860", "7860")])
def test_the_container_listens_on_port(
    run_program: Run, tmp_path: Path, port: str | None, listens: str
) -> None:
    uvicorn = tmp_path / "uvicorn"
    uvicorn.write_text('#!/bin/sh\necho "$@"\n')
    uvicorn.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"} | ({} if port is None else {"PORT": port})

    started = run_program(*command(), env=environment)

    assert f"main:app --host 0.0.0.0 --port {listens} " in started.stdout


def test_the_operation_page_has_every_host_that_the_start_knows() -> None:
    table, *_ = tables(sections(PAGES["docs/operation.md"])["Hosts"])

    documented = [name for host, *_ in table for name in re.findall(r"\[`(\w+)`\]", host)]
    # An older name of Railway's, and Kubernetes, which has a section of its own.
    assert set(documented) == set(HOSTS) - {"RAILWAY_ENVIRONMENT", "KUBERNETES_SERVICE_HOST"}


MANIFEST = fences(sections(PAGES["docs/operation.md"])["Kubernetes"])[0].text
DEPLOYMENT, SERVICE = yaml.safe_load_all(MANIFEST)
POD = DEPLOYMENT["spec"]["template"]["spec"]
[API] = POD["containers"]


def test_kubernetes_asks_what_the_service_answers_where_the_container_listens() -> None:
    probes = [API[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]

    assert [probe["path"] for probe in probes] == ["/health", "/health", "/ready"]
    assert {probe["path"] for probe in probes} <= main.app.openapi()["paths"].keys()
    ports = {probe["port"] for probe in probes} | {API["ports"][0]["containerPort"]}
    assert ports == {SERVICE["spec"]["ports"][0]["targetPort"]} == {int(values("EXPOSE")[0])}


def test_kubernetes_waits_for_requests_that_are_under_way() -> None:
    sleeps = API["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert POD["terminationGracePeriodSeconds"] > sleeps + graceful_seconds()


def graceful_seconds() -> int:
    """How long uvicorn gives the requests that are under way."""
    [seconds] = re.findall(r"--timeout-graceful-shutdown (\d+)", command()[-1])
    return int(seconds)


def test_compose_hands_on_every_setting_and_has_a_database_of_its_own() -> None:
    environment = dict(COMPOSE["services"]["api"]["environment"])

    assert environment.pop("NEON_DATABASE_URL") == "postgresql://tasks:tasks@postgres/tasks"
    # DATABASE_URL is not looked at beside NEON_DATABASE_URL.
    names = {name.upper() for name in Settings.model_fields} - {"NEON_DATABASE_URL", "DATABASE_URL"}
    assert set(environment) == names | OTHER_VARIABLES
    for name, value in environment.items():
        assert value is None or value.startswith(f"${{{name}:-")


def test_compose_asks_for_a_secret_under_either_name() -> None:
    assert COMPOSE["x-required"].startswith("${BETTER_AUTH_SECRET:-${BETTER_AUTH_SECRETS:?")


def test_compose_listens_for_this_machine_alone() -> None:
    [port] = COMPOSE["services"]["api"]["ports"]

    assert port == f"127.0.0.1:${{PORT:-8000}}:{values('EXPOSE')[0]}"


def test_compose_starts_the_service_when_its_database_answers() -> None:
    services = COMPOSE["services"]

    assert services["api"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert "pg_isready" in services["postgres"]["healthcheck"]["test"]


def test_compose_gives_requests_the_time_that_the_container_gives_them() -> None:
    grace = COMPOSE["services"]["api"]["stop_grace_period"]

    assert int(grace.removesuffix("s")) > graceful_seconds()
