"""The documentation says what the code does, as far as the two can be compared."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from pages import PAGES, ROOT, code, fences, json_of, sections, tables
from processes import FOLDERS, start_python
from pydantic import BaseModel, TypeAdapter

import main
from errors import INVALID, UNSTORABLE_TEXT, UPGRADE_WITH_BODY, APIError
from models import DESCRIPTION_MAX, TAG_MAX, TITLE_MAX
from schemas import SEARCH_MAX, ErrorResponse, Task, TaskCreate, TaskResponse, TaskUpdate
from settings import Settings

README = PAGES["README.md"]
API = PAGES["docs/api.md"]
OPERATION = PAGES["docs/operation.md"]
ARCHITECTURE = PAGES["docs/architecture.md"]
DEVELOPMENT = PAGES["docs/development.md"]

README_LINES_MAX = 160
# No answer comes later.
ANSWER_SECONDS = 8

DESCRIBED_PATHS = main.app.openapi()["paths"]
RESPONSE_MODELS: dict[str, Any] = {
    f"{method} {route.path_format}": getattr(route, "response_model", None)
    for route in iter_route_contexts(main.app.routes)
    if getattr(route, "path_format", None) in DESCRIBED_PATHS
    for method in route.methods or ()
}


def endpoints_in(text: str) -> list[str]:
    return re.findall(r"`((?:GET|HEAD|POST|PUT|PATCH|DELETE) /[^`]*)`", text)


# --- the API ---


def test_the_api_page_has_every_endpoint_and_no_other() -> None:
    assert sorted(endpoints_in(API)) == sorted(RESPONSE_MODELS)


def test_the_readme_has_every_endpoint_of_the_openapi_document_and_no_other() -> None:
    described = [
        f"{method.upper()} {path}"
        for path, operations in DESCRIBED_PATHS.items()
        for method in operations
    ]

    assert sorted(endpoints_in(README)) == sorted(described)


def errors_under(error: type[APIError]) -> Iterator[type[APIError]]:
    for kind in error.__subclasses__():
        yield kind
        yield from errors_under(kind)


def test_the_api_page_has_every_error_code_with_its_status_and_no_other() -> None:
    codes, _ = tables(sections(API)["Errors"])

    documented = [(status, code) for status, code, _ in codes]
    raised = {(str(int(error.status)), f"`{error.code}`") for error in errors_under(APIError)}
    assert documented == sorted(raised)


def test_the_api_page_has_every_text_of_a_400_and_no_other() -> None:
    _, texts = tables(sections(API)["Errors"])

    documented = [text for text, _ in texts]
    sent = dict.fromkeys([*INVALID.values(), UPGRADE_WITH_BODY, UNSTORABLE_TEXT])
    assert documented == [f"`{text}`" for text in sent]


def test_the_api_page_has_the_limits_of_the_table() -> None:
    limits = re.findall(r"^\| `(\w+)` \|.*?(\d+) characters", API, re.MULTILINE)

    maxima = {
        "title": TITLE_MAX,
        "description": DESCRIPTION_MAX,
        "tags": TAG_MAX,
        "search": SEARCH_MAX,
    }
    assert set(limits) == {(field, str(maximum)) for field, maximum in maxima.items()}


@pytest.mark.parametrize(
    ("title", "schema"),
    [("Task endpoints", Task), ("Create a task", TaskCreate), ("Update a task", TaskUpdate)],
)
def test_the_api_page_has_every_field_and_no_other(title: str, schema: type[BaseModel]) -> None:
    *_, fields = tables(sections(API)[title])

    documented = [name for names, _ in fields for name in re.findall("`(.+?)`", names)]
    assert documented == [*schema.model_fields]


def test_the_content_length_of_an_answer_is_that_of_its_body() -> None:
    for page in (README, API):
        for fence in fences(page):
            if length := re.search(r"^content-length: (\d+)$", fence.text, re.MULTILINE):
                body = json.loads(json_of(fence.text))

                sent = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
                assert int(length[1]) == len(sent.encode()), fence.text


ORIGINS = ["CORS_ORIGINS", "CORS_ORIGIN_REGEX"]


def test_the_api_page_has_the_methods_and_the_headers_of_cors_and_no_other() -> None:
    options: list[Any] = [layer.kwargs for layer in main.app.user_middleware]
    [cors] = [given for given in options if "expose_headers" in given]
    [paragraph] = re.findall(r"^\*\*CORS\.\*\*.*?(?=\n\n)", API, re.MULTILINE | re.DOTALL)

    names = re.findall("`(.+?)`", paragraph)
    assert names == [*cors["allow_methods"], *ORIGINS, *cors["expose_headers"]]


def answers_in(text: str) -> list[str]:
    """The JSON that the commands in `text` are answered with."""
    return [
        json_of(answer.text)
        for command, answer in pairwise(fences(text))
        if command.text.startswith("curl ")
    ]


@pytest.mark.parametrize(
    "title", [*filter(lambda title: answers_in(sections(API)[title]), sections(API))]
)
def test_an_answer_on_the_api_page_has_exactly_the_fields_that_are_sent(title: str) -> None:
    text = sections(API)[title]
    endpoint = next(iter(endpoints_in(text)), None)
    model = RESPONSE_MODELS[endpoint] if endpoint else ErrorResponse

    for answer in answers_in(text):
        TypeAdapter(model).validate_json(answer, extra="forbid")


def test_every_endpoint_on_the_api_page_has_an_answer() -> None:
    without = [
        title
        for title, text in sections(API).items()
        if endpoints_in(text) and not answers_in(text)
    ]

    assert without == []


def test_the_readmes_answer_has_exactly_the_fields_that_are_sent() -> None:
    [answer] = [fence.text for fence in fences(README) if fence.text.startswith("HTTP/1.1 201")]

    TypeAdapter(TaskResponse).validate_json(json_of(answer), extra="forbid")


# --- settings ---

SETTINGS = {f"`{name.upper()}`": field.default for name, field in Settings.model_fields.items()}


def test_the_operation_page_has_every_setting_with_its_default_and_no_other() -> None:
    table, *_ = tables(sections(OPERATION)["Settings"])

    documented = {name: default for name, default, _ in table}
    plain = {name: default for name, default in SETTINGS.items() if isinstance(default, str | int)}
    assert documented.keys() == SETTINGS.keys()
    assert {name: documented[name] for name in plain} == {
        name: f"`{default}`" for name, default in plain.items()
    }
    assert all(documented.values())


def test_the_readme_names_no_setting_that_the_code_does_not_know() -> None:
    table, *_ = tables(sections(README)["Settings"])

    assert {name for name, *_ in table} <= SETTINGS.keys()


def test_the_example_of_an_environment_has_every_setting_and_no_other() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")

    names = re.findall(r"^(?:# )?([A-Z_]+)=", example, re.MULTILINE)
    assert sorted(f"`{name}`" for name in names) == sorted(SETTINGS)


# --- the code ---


def test_the_architecture_page_has_every_module_and_no_other() -> None:
    table, *_ = tables(sections(ARCHITECTURE)["Modules"])

    documented = [name for names, _ in table for name in re.findall("`(.+?)`", names)]
    modules = [
        *ROOT.glob("*.py"),
        *(path for folder in FOLDERS for path in ROOT.glob(f"{folder}/[!_]*.py")),
    ]
    assert sorted(documented) == sorted(path.relative_to(ROOT).as_posix() for path in modules)


def test_imports_run_down_the_table_of_the_architecture_page() -> None:
    table, *_ = tables(sections(ARCHITECTURE)["Modules"])
    level = {
        name.removesuffix(".py").replace("/", "."): number
        for number, (names, _) in enumerate(table)
        for name in re.findall("`(.+?)`", names)
    }

    upward = [
        f"{module} imports {imported}"
        for module in level
        for imported in imports_of(module)
        if level.get(imported, len(level)) < level[module]
    ]
    assert upward == []


@pytest.mark.parametrize("folder", ["tokens", "driver", "sql"])
def test_what_stands_behind_a_module_knows_nothing_of_fastapi(folder: str) -> None:
    for path in (ROOT / folder).glob("[!_]*.py"):
        imported = imports_of(f"{folder}.{path.stem}")

        assert not [name for name in imported if re.match("(fastapi|starlette)", name)], path


def test_tokens_are_verified_behind_auth_alone() -> None:
    modules = {path.stem for path in ROOT.glob("*.py")}
    modules |= {
        f"{folder}.{path.stem}" for folder in FOLDERS for path in ROOT.glob(f"{folder}/*.py")
    }

    users = {
        module.partition(".")[0]
        for module in modules
        if any(name.startswith("tokens.") for name in imports_of(module))
    }

    assert users == {"auth", "dev_token", "tokens"}


def imports_of(module: str) -> set[str]:
    """The modules that this one imports, and the names that it takes from them."""
    imported = set()
    for node in ast.walk(ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {
                node.module or "",
                *(f"{node.module}.{alias.name}" for alias in node.names),
            }
    return imported


def test_the_example_of_a_test_runs_as_it_stands(app_folder: Path) -> None:
    [example] = [fence.text for fence in fences(DEVELOPMENT) if fence.language == "python"]

    python = start_python(app_folder, "-W", "error", "-c", example)

    output, log = python.communicate()
    assert (python.returncode, output) == (0, ""), log
    assert [line for line in log.splitlines() if " INFO " not in line] == []


MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_only_targets_that_make_has(page: str) -> None:
    named = re.findall(r"\bmake ([a-z]\w*)", code(PAGES[page]))

    assert set(named) <= set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))


def test_the_development_page_has_every_target_that_make_lists() -> None:
    listed = re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.MULTILINE)

    assert set(listed) - {"help"} <= set(re.findall(r"make ([a-z]+)", code(DEVELOPMENT)))


def test_the_development_page_says_where_every_test_is() -> None:
    [table] = tables(sections(DEVELOPMENT)["Where a test goes"])
    named = re.findall(r"`(test_\w+)(…?)`", "".join(names for _, names in table))

    found = {
        name: [
            path
            for path in ROOT.glob("tests/**/test_*.py")
            if (path.stem.startswith(name) if more else path.stem == name)
        ]
        for name, more in named
    }
    assert [name for name, paths in found.items() if not paths] == []
    assert set(ROOT.glob("tests/**/test_*.py")) == {
        path for paths in found.values() for path in paths
    }


# --- the pages ---


def anchors(page: str) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    titles = [title.lower().replace(" ", "-") for title in sections(page)]
    return {re.sub(r"[^\w-]", "", title) for title in titles}


LINKS = [(page, link) for page in PAGES for link in re.findall(r"\]\(([^)\s]+)\)", PAGES[page])]


@pytest.mark.parametrize(
    ("page", "link"), [(page, link) for page, link in LINKS if "://" not in link]
)
def test_a_link_leads_somewhere(page: str, link: str) -> None:
    path, _, anchor = link.partition("#")

    target = (ROOT / page).parent / path if path else ROOT / page
    assert target.exists()
    assert not anchor or anchor in anchors(target.read_text(encoding="utf-8"))


def test_the_version_is_the_same_wherever_it_stands() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    unreleased, newest, *_ = re.findall(r"^## (\S+)", PAGES["CHANGELOG.md"], re.MULTILINE)

    assert unreleased == "Unreleased"
    assert project["version"] == main.app.version == newest


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= README_LINES_MAX


def test_the_readme_leads_to_every_page() -> None:
    led_to = {link.partition("#")[0] for page, link in LINKS if page == "README.md"}

    assert {page for page in PAGES if page.startswith("docs/")} <= led_to


def test_the_limits_of_time_are_those_of_the_code_and_fit_into_each_other() -> None:
    [limits] = tables(sections(ARCHITECTURE)["Limits of time"])
    documented = {}
    for names, seconds, module, _ in limits:
        values = re.findall(r"[\d.]+", seconds)
        for name, value in zip(re.findall("`(.+?)`", names), values, strict=True):
            documented[name] = float(value)
            actual = getattr(
                import_module(module.strip("`").removesuffix(".py").replace("/", ".")), name
            )
            assert (sum(actual) if isinstance(actual, tuple) else actual) == float(value)

    reported = documented["STATEMENT_SECONDS"] + documented["REPORT_SECONDS"]
    assert reported <= documented["WORK_SECONDS"]
    assert reported <= documented["BLOCKING_SECONDS"]
    assert documented["TURN_SECONDS"] + documented["WORK_SECONDS"] < ANSWER_SECONDS
