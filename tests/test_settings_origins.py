"""`BETTER_AUTH_URL`, `CORS_ORIGINS` and `CORS_ORIGIN_REGEX`: the origins that are allowed."""

from pathlib import Path

import pytest
from processes import start_python

from settings import get_settings


@pytest.mark.parametrize(
    ("settings", "origins"),
    [
        ({}, ["http://localhost:3000"]),
        ({"BETTER_AUTH_URL": "", "CORS_ORIGINS": ""}, ["http://localhost:3000"]),
        ({"BETTER_AUTH_URL": "https://app.example"}, ["https://app.example"]),
        ({"BETTER_AUTH_URL": "https://app.example/"}, ["https://app.example"]),
        ({"BETTER_AUTH_URL": "https://app.example/api/auth"}, ["https://app.example"]),
        ({"BETTER_AUTH_URL": "HTTPS://App.Example:443/x"}, ["https://app.example"]),
        ({"BETTER_AUTH_URL": "http://[::1]:3000"}, ["http://[::1]:3000"]),
        ({"CORS_ORIGINS": "https://a.example"}, ["https://a.example"]),
        (
            {"CORS_ORIGINS": " https://a.example , http://b.example:8080,"},
            ["https://a.example", "http://b.example:8080"],
        ),
        (
            {"BETTER_AUTH_URL": "https://app.example", "CORS_ORIGINS": "https://a.example/"},
            ["https://a.example"],
        ),
    ],
)
def test_the_front_ends_origin_is_allowed_or_those_of_the_list(
    environment: pytest.MonkeyPatch, settings: dict[str, str], origins: list[str]
) -> None:
    for name, value in settings.items():
        environment.setenv(name, value)

    allowed = get_settings().allowed_origins

    assert list(allowed) == origins


ASK_AS_AN_ALLOWED_ORIGIN = """
from fastapi.testclient import TestClient
from main import app
for origin in ("https://a.example", "http://b.example:8080", "http://localhost:3000"):
    answer = TestClient(app).get("/health", headers={"Origin": origin})
    print(answer.headers.get("Access-Control-Allow-Origin"))
"""


def test_the_app_allows_the_origins_of_the_list(app_folder: Path) -> None:
    origins = "https://a.example, http://b.example:8080"

    python = start_python(app_folder, "-c", ASK_AS_AN_ALLOWED_ORIGIN, CORS_ORIGINS=origins)
    output, _ = python.communicate()

    assert output.split() == ["https://a.example", "http://b.example:8080", "None"]


@pytest.mark.parametrize("origin", ["*", "https://*.app.example", "https://a.example, *"])
def test_a_wildcard_among_the_origins_is_refused_in_words_that_name_the_regex(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], origin: str
) -> None:
    environment.setenv("CORS_ORIGINS", origin)

    with pytest.raises(SystemExit):
        get_settings()

    [line] = capsys.readouterr().err.splitlines()
    assert line == (
        "Configuration error: CORS_ORIGINS must not contain *: "
        "CORS_ORIGIN_REGEX takes patterns, of preview deployments for example"
    )


PREVIEWS = r"https://tasks-[a-z0-9-]+-team\.vercel\.app"
ASK_AS_A_PREVIEW = """
import sys
from fastapi.testclient import TestClient
from main import app
for origin in sys.argv[1:]:
    answer = TestClient(app).get("/health", headers={"Origin": origin})
    preflight = TestClient(app).options(
        "/health", headers={"Origin": origin, "Access-Control-Request-Method": "GET"}
    )
    print(
        answer.headers.get("Access-Control-Allow-Origin"),
        answer.headers.get("Access-Control-Allow-Credentials"),
        preflight.status_code,
        preflight.headers.get("Access-Control-Allow-Origin"),
        answer.headers["Vary"],
    )
"""


@pytest.mark.parametrize("listed", ["", "https://app.example"])
def test_an_origin_that_the_regex_matches_as_a_whole_is_allowed_beside_the_list(
    app_folder: Path, listed: str
) -> None:
    allowed = ["https://tasks-git-main-team.vercel.app", listed or "http://localhost:3000"]
    refused = [
        "https://tasks-x-team.vercel.app.evil.example",
        "https://evil.example/https://tasks-x-team.vercel.app",
        "https://tasks-x-team-vercel.app",
        "https://tasks-x-team.vercel.app:8443",
        "http://tasks-x-team.vercel.app",
        "https://TASKS-x-team.vercel.app",
        "null",
    ]
    settings = {"CORS_ORIGIN_REGEX": PREVIEWS, "CORS_ORIGINS": listed}

    python = start_python(app_folder, "-c", ASK_AS_A_PREVIEW, *allowed, *refused, **settings)
    output, errors = python.communicate()

    assert errors == ""
    assert output.splitlines() == [
        *(f"{origin} true 200 {origin} Origin" for origin in allowed),
        *(["None true 400 None Origin"] * len(refused)),
    ]
