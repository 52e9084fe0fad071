"""`BETTER_AUTH_SECRET` and `BETTER_AUTH_SECRETS`."""

import re
from pathlib import Path

import pytest
from service import Service
from users import PASSWORD, SECRET

from settings import PLACEHOLDER_SECRET, StartupError, get_settings


@pytest.mark.parametrize(
    ("value", "secrets"),
    [
        ("2:new,1:old", ["new", "old"]),
        ("1:old,2:new", ["old", "new"]),
        ("7:only", ["only"]),
        (" 2 : new ,\n 1 : old\n", ["new", "old"]),
        ("2:a:b=c;d", ["a:b=c;d"]),
        ("2:a b", ["a b"]),
        ("2:Größe", ["Größe"]),
        ("2:same,1:same", ["same", "same"]),
        # JavaScript's parseInt reads a number as far as it goes.
        ("+2:new,1st:old,0x2:older", ["new", "old", "older"]),
        ("-0:new", ["new"]),
        ("1_0:new,10:old", ["new", "old"]),
    ],
)
def test_a_list_of_secrets_is_read_as_better_auth_reads_it(
    environment: pytest.MonkeyPatch, value: str, secrets: list[str]
) -> None:
    environment.setenv("BETTER_AUTH_SECRETS", value)

    assert list(get_settings().shared_secrets) == secrets


def test_a_list_of_secrets_comes_before_the_one_secret(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BETTER_AUTH_SECRETS", "2:new,1:old")
    environment.setenv("BETTER_AUTH_SECRET", SECRET)

    settings = get_settings()

    assert settings.shared_secrets == ("new", "old", SECRET)
    assert settings.required_secret() == "new"


@pytest.mark.parametrize("value", [None, "", "   "])
def test_a_list_of_secrets_stands_alone(environment: pytest.MonkeyPatch, value: str | None) -> None:
    environment.setenv("BETTER_AUTH_SECRETS", "2:new")
    if value is not None:
        environment.setenv("BETTER_AUTH_SECRET", value)

    settings = get_settings()

    assert settings.shared_secrets == ("new",)
    assert settings.required_secret() == "new"


def test_the_placeholder_is_refused_beside_a_list_of_secrets_too(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("BETTER_AUTH_SECRETS", "2:new")
    environment.setenv("BETTER_AUTH_SECRET", PLACEHOLDER_SECRET)

    with pytest.raises(StartupError, match="BETTER_AUTH_SECRET is still the placeholder"):
        get_settings().required_secret()


def test_a_secret_of_white_space_is_none(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("BETTER_AUTH_SECRET", "   ")

    with pytest.raises(StartupError, match="BETTER_AUTH_SECRET is not set"):
        get_settings().required_secret()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"BETTER_AUTH_SECRET": "x" * 31}, ["BETTER_AUTH_SECRET"]),
        ({"BETTER_AUTH_SECRET": "ä" * 31}, ["BETTER_AUTH_SECRET"]),
        ({"BETTER_AUTH_SECRET": "x" * 32}, []),
        (
            {"BETTER_AUTH_SECRETS": f"3:{'x' * 31},2:{'x' * 32},1:xyz"},
            ["Entry 1 of BETTER_AUTH_SECRETS", "Entry 3 of BETTER_AUTH_SECRETS"],
        ),
        (
            {"BETTER_AUTH_SECRET": "xyz", "BETTER_AUTH_SECRETS": "1:xyz"},
            ["BETTER_AUTH_SECRET", "Entry 1 of BETTER_AUTH_SECRETS"],
        ),
        # White space is no secret.
        ({"BETTER_AUTH_SECRET": "  ", "BETTER_AUTH_SECRETS": f"1:{'x' * 32}"}, []),
    ],
)
def test_a_secret_of_fewer_than_32_characters_is_short(
    environment: pytest.MonkeyPatch, settings: dict[str, str], named: list[str]
) -> None:
    for name, value in settings.items():
        environment.setenv(name, value)

    assert [*get_settings().short_secrets()] == named


def test_the_start_warns_of_each_short_secret_without_its_value(
    app_folder: Path, tmp_path: Path
) -> None:
    settings = {"BETTER_AUTH_SECRET": "ä" * 31, "BETTER_AUTH_SECRETS": f"2:{'x' * 31},1:xyz"}

    with Service(app_folder, tmp_path / "log", settings) as service:
        log = service.wait_until_started().log()

    warned = re.findall(r"WARNING tasks\.settings (.*) has fewer than 32 characters", log)
    assert warned == [
        "BETTER_AUTH_SECRET",
        "Entry 1 of BETTER_AUTH_SECRETS",
        "Entry 2 of BETTER_AUTH_SECRETS",
    ]
    assert not re.search("x{3}|xyz|ä", log)


def test_secrets_do_not_show_in_the_settings(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NEON_DATABASE_URL", f"postgres://alice:{PASSWORD}@host/db")
    environment.setenv("BETTER_AUTH_SECRET", SECRET)
    environment.setenv("BETTER_AUTH_SECRETS", "2:the-new-secret,1:the-old-secret")

    shown = f"{get_settings()!r} {get_settings()}"

    for secret in (PASSWORD, SECRET, "the-new-secret", "the-old-secret"):
        assert secret not in shown
