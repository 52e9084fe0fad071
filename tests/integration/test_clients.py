"""What client generators make of the OpenAPI document: it compiles, strictly, and it works."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fixtures import RunService
from service import Service
from users import token_for

pytestmark = pytest.mark.integration

HERE = Path(__file__).parent
PACKAGES = HERE / "node_modules"
ORVAL = "orval --config orval.config.mjs --project"


@dataclass(frozen=True)
class Generator:
    """A command that makes `generated/` of `openapi.json`, and the options that compile it."""

    command: str
    options: str = ""


GENERATORS = {
    "openapi_typescript": Generator("openapi-typescript openapi.json -o generated/paths.d.ts"),
    "hey_api": Generator(
        "openapi-ts --no-log-file",
        # The client that is copied beside what is generated does not compile with it.
        "--exactOptionalPropertyTypes false",
    ),
    "orval_fetch": Generator(f"{ORVAL} fetch"),
    "orval_react_query": Generator(f"{ORVAL} reactQuery"),
}
# A path holds it percent-encoded.
OWNER = "github|alice/ä"
# As they are sent, and as they are given back.
DUE_DATES = {
    "2026-12-01": "2026-12-01",
    "2026-12-01T09:00": "2026-12-01T09:00:00",
    "2026-12-01T09:00:30.123": "2026-12-01T09:00:30",
    "2026-12-01T08:00:00Z": "2026-12-01T08:00:00Z",
    "2026-12-01T09:00+01:00": "2026-12-01T08:00:00Z",
    "": None,
    None: None,
}


class FrontEnd:
    """A folder with the document of a running service, and what is made of it there."""

    def __init__(self, folder: Path, service: Service) -> None:
        self.folder = folder
        self.service = service
        shutil.copytree(HERE / "clients", folder)
        (folder / "node_modules").symlink_to(PACKAGES)
        (folder / "package.json").write_text('{"type": "module"}')
        (folder / "openapi.json").write_text(service.client.get("/openapi.json").text)

    def run(self, program: str, *arguments: str) -> str:
        """What a program of node's packages prints, once it has ended well."""
        process = subprocess.run(
            [program, *arguments],
            cwd=self.folder,
            env={
                "PATH": f"{PACKAGES / '.bin'}{os.pathsep}{os.environ['PATH']}",
                "ORIGIN": self.service.origin,
                "REDOCLY_TELEMETRY": "off",
                "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stdout + process.stderr
        return process.stdout

    def compile(self, client: str) -> None:
        generator = GENERATORS[client]
        self.run(*generator.command.split())
        for other in GENERATORS.keys() - {client}:
            (self.folder / f"{other}.ts").unlink()
        self.run("tsc", "--project", ".", *generator.options.split())

    def call(self, client: str, function: str, *arguments: Any) -> Any:
        """What a function of a compiled client gives."""
        given = json.dumps([self.service.origin, OWNER, token_for(OWNER), *arguments])
        script = (
            f'import {{ {function} }} from "./compiled/{client}.js";'
            f" console.log(JSON.stringify(await {function}(...{given})));"
        )
        return json.loads(self.run("node", "--input-type=module", "--eval", script))


@pytest.fixture
def front_end(run_service: RunService, tmp_path: Path) -> Iterator[FrontEnd]:
    assert PACKAGES.is_dir(), "run `make integration`, which installs the generators"
    database = f"sqlite:///{tmp_path / 'tasks.db'}"
    with run_service(NEON_DATABASE_URL=database) as service:
        service.wait_until_started()
        yield FrontEnd(tmp_path / "front-end", service)


@pytest.mark.parametrize("client", ["openapi_typescript", "hey_api", "orval_fetch"])
def test_a_generated_client_compiles_and_works(front_end: FrontEnd, client: str) -> None:
    front_end.compile(client)
    answers = front_end.call(client, "use")

    created, complete, patched, toggled = answers["tasks"]
    assert (created["title"], created["priority"], created["tags"]) == (
        "Buy groceries",
        "medium",
        [],
    )
    assert (
        complete.items()
        >= {
            "title": "Water the plants",
            "description": "All of them",
            "priority": "high",
            "due_date": "2026-12-01",
            "tags": ["home"],
        }.items()
    )
    assert [task["completed"] for task in (created, patched, toggled)] == [False, True, False]
    assert created["id"] == patched["id"] == toggled["id"]
    assert answers["refusal"] == "Task not found"


def test_generated_hooks_compile(front_end: FrontEnd) -> None:
    front_end.compile("orval_react_query")


def test_generated_validators_accept_what_is_sent_and_what_is_answered(front_end: FrontEnd) -> None:
    front_end.compile("hey_api")
    answers = front_end.call("hey_api", "validated", list(DUE_DATES))

    assert answers == [[due_date, "NOT_FOUND"] for due_date in DUE_DATES.values()]


def test_no_generated_name_needs_a_number_to_be_unique(front_end: FrontEnd) -> None:
    front_end.run(*GENERATORS["hey_api"].command.split())

    types = (front_end.folder / "generated" / "types.gen.ts").read_text()
    assert re.findall(r"^export type (\w+\d) ", types, re.MULTILINE) == []


def test_the_document_has_no_number_that_javascript_cannot_hold(front_end: FrontEnd) -> None:
    def assert_held(digits: str) -> int:
        assert int(float(digits)) == int(digits) < 2**53
        return int(digits)

    json.loads((front_end.folder / "openapi.json").read_text(), parse_int=assert_held)


def test_a_linter_finds_nothing_in_the_document(front_end: FrontEnd) -> None:
    found = front_end.run("redocly", "lint", "openapi.json", "--format=json")

    assert json.loads(found)["problems"] == []
