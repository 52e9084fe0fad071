"""`BETTER_AUTH_SECRET` and `BETTER_AUTH_SECRETS`."""

import pytest
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


def test_secrets_do_not_show_in_the_settings(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NEON_DATABASE_URL", f"postgres://alice:{PASSWORD}@host/db")
    environment.setenv("BETTER_AUTH_SECRET", SECRET)
    environment.setenv("BETTER_AUTH_SECRETS", "2:the-new-secret,1:the-old-secret")

    shown = f"{get_settings()!r} {get_settings()}"

    for secret in (PASSWORD, SECRET, "the-new-secret", "the-old-secret"):
        assert secret not in shown
