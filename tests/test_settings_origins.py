"""`BETTER_AUTH_URL` and `CORS_ORIGINS`: the origins that are allowed."""

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
