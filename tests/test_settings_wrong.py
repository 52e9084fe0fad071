"""Settings that cannot be right."""

import re
from pathlib import Path

import pytest
from processes import start_python
from users import PASSWORD

from settings import PLACEHOLDER_SECRET, Settings, get_settings

LETS_STRANGERS_IN = [
    *(".*", ".+", "https://.*", "https?://.+", "http://.*", r"(?s:.)*", "null", "(null)?"),
    *(r"https://[^.]+\.example", r"https://\w+\.\w+", r"https://app\.example|.*", ".*example"),
]


WRONG = [
    ("NEON_DATABASE_URL", f"nonsense-{PASSWORD}"),
    ("NEON_DATABASE_URL", f"mysql://alice:{PASSWORD}@host/db"),
    ("NEON_DATABASE_URL", f"https://alice:{PASSWORD}@host/db"),
    ("NEON_DATABASE_URL", f"postgresql://alice:{PASSWORD}@host:port/db"),
    ("NEON_DATABASE_URL", f"postgresql://alice:{PASSWORD}@host:99999/db"),
    ("NEON_DATABASE_URL", f"postgresql://alice:{PASSWORD}@/db"),
    ("NEON_DATABASE_URL", f"postgresql://alice:{PASSWORD}@a,/db"),
    ("NEON_DATABASE_URL", f"postgresql://alice:{PASSWORD}@a:1,b:99999/db"),
    ("NEON_DATABASE_URL", f"postgresql://alice:{PASSWORD}@a:1,b:port/db"),
    ("NEON_DATABASE_URL", f"postgresql://alice:{PASSWORD}@[::1,b/db"),
    ("NEON_DATABASE_URL", f"postgresql://alice:{PASSWORD}@/db?host=a,b&port=1,2,3"),
    ("NEON_DATABASE_URL", f"postgresql://alice:{PASSWORD}@/db?host=a&host=b&port=99999"),
    ("NEON_DATABASE_URL", f"postgresql://alice:{PASSWORD}@a%zz,b/db"),
    ("NEON_DATABASE_URL", f"postgresql://alice:{PASSWORD}@host/db?ssl-mode=require"),
    ("NEON_DATABASE_URL", f"postgresql://alice:{PASSWORD}@host/db?sslmode=maybe"),
    ("NEON_DATABASE_URL", f"postgresql://alice:p@{PASSWORD}/w0rd@host/db"),
    ("NEON_DATABASE_URL", f"postgresql://alice:p@ss?{PASSWORD}=x@host/db"),
    ("NEON_DATABASE_URL", f"postgresql://alice:p@{PASSWORD}?word@host/db"),
    ("NEON_DATABASE_URL", "sqlite:////no/such/folder/tasks.db"),
    ("NEON_DATABASE_URL", "postgresql://"),
    ("DATABASE_URL", f"mysql://alice:{PASSWORD}@host/db"),
    ("DATABASE_URL", f"file:{PASSWORD}"),
    ("BETTER_AUTH_URL", "localhost:3000"),
    ("BETTER_AUTH_URL", "ftp://app.example"),
    ("BETTER_AUTH_URL", "http://"),
    ("BETTER_AUTH_URL", "http://exa mple"),
    ("BETTER_AUTH_JWKS_URL", "http://host/a\x01b"),
    ("BETTER_AUTH_SECRET", "\udcff not UTF-8"),
    *(
        ("BETTER_AUTH_SECRETS", value)
        for value in (
            *(PASSWORD, f"2:{PASSWORD},{PASSWORD}", f"2:{PASSWORD},", f",2:{PASSWORD}", " "),
            *("2:", f"2: ,1:{PASSWORD}", f":{PASSWORD}", f"x2:{PASSWORD}", f"-1:{PASSWORD}"),
            *(f"2:{PASSWORD},2:old", f"2:{PASSWORD},02:old", f"0:{PASSWORD},-0:old"),
            *(f"2.5:{PASSWORD},2:old", f"\u0662:{PASSWORD}", f"2:{PASSWORD},1:\udcff"),
            *(f"2:{PASSWORD},1:{PLACEHOLDER_SECRET}", f"{PASSWORD}:x", f"12{PASSWORD}"),
            f"{'9' * 5000}:{PASSWORD}",
        )
    ),
    *(
        ("MCP_URL", value)
        for value in (
            *("api.example.com/mcp", "ftp://api.example.com/mcp", "https:///mcp", "/mcp"),
            *("http://api.example.com/mcp", "http://localhost.example/mcp", "http://127.0.0.2/mcp"),
            *("https://api.example.com", "https://api.example.com/mcp/x", "https://mcp"),
            *("https://api.example.com/xmcp", "https://api.example.com/MCP"),
            *("https://api.example.com/mcp//", "https://api.example.com//mcp"),
            *("https://api.example.com/mcp?", "https://api.example.com/mcp?x=1"),
            *("https://api.example.com/mcp#", "https://api.example.com/x?/mcp"),
            *(f"https://alice:{PASSWORD}@api.example.com/mcp", "https://@api.example.com/mcp"),
            *('https://api.example.com/"/mcp', "https://ex\u00e4mple.com/mcp", "https://a b/mcp"),
        )
    ),
    ("BETTER_AUTH_URL", "http://app.example:port"),
    ("BETTER_AUTH_URL", "http://app.example:70000"),
    ("BETTER_AUTH_URL", "http://[app.example"),
    ("LOG_FORMAT", "xml"),
    *(("DATABASE_POOL_SIZE", value) for value in ("0", "1001", "many", "1.5")),
    ("BETTER_AUTH_JWKS_URL", "nonsense"),
    ("CORS_ORIGINS", "*"),
    ("CORS_ORIGINS", "app.example"),
    ("CORS_ORIGINS", "https://a.example;https://b.example"),
    ("CORS_ORIGINS", "https://a.example/path"),
    ("CORS_ORIGINS", "https://a.example,nonsense"),
    ("CORS_ORIGIN_REGEX", "("),
    ("CORS_ORIGIN_REGEX", "(?\n"),
    ("CORS_ORIGIN_REGEX", "a{99999999999999999999}"),
    ("CORS_ORIGIN_REGEX", "(" * 5000 + ")" * 5000),
    *(("CORS_ORIGIN_REGEX", value) for value in LETS_STRANGERS_IN),
]
# Whatever these say, tokens may say too.
NEVER_WRONG = {"BETTER_AUTH_ISSUER", "BETTER_AUTH_AUDIENCE"}


def test_every_setting_is_given_a_value_that_cannot_be_right() -> None:
    names = {name.upper() for name in Settings.model_fields}

    assert {name for name, _ in WRONG} == names - NEVER_WRONG


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_setting_that_cannot_be_right_ends_the_process_with_one_line_that_names_it(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    environment.setenv(name, value)

    with pytest.raises(SystemExit) as ended:
        get_settings()

    output = capsys.readouterr()
    assert ended.value.code not in {None, 0}
    assert output.out == ""
    [line] = output.err.splitlines()
    verbs = "must|is|has|names|lists|holds|lets"
    assert re.match(rf"Configuration error: {name} ({verbs}) ", line)
    assert PASSWORD not in line


def test_a_choice_is_told_with_what_can_be_chosen(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("LOG_FORMAT", "xml")

    with pytest.raises(SystemExit):
        get_settings()

    told = capsys.readouterr().err
    assert told == "Configuration error: LOG_FORMAT must be 'text' or 'json'\n"


def test_a_version_that_javascript_takes_for_no_number_is_refused_in_our_words(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("BETTER_AUTH_SECRETS", f"2:{PASSWORD},{'9' * 5000}:{PASSWORD}")

    with pytest.raises(SystemExit):
        get_settings()

    assert capsys.readouterr().err == (
        "Configuration error: BETTER_AUTH_SECRETS must be of the form 2:new,1:old,"
        " which its entry 2 is not\n"
    )


def test_importing_the_app_with_a_bad_setting_ends_with_one_line(app_folder: Path) -> None:
    url = f"mysql://alice:{PASSWORD}@host/db"

    python = start_python(app_folder, "-c", "import main", NEON_DATABASE_URL=url)
    output, errors = python.communicate()

    assert python.returncode != 0
    assert output == ""
    [line] = errors.splitlines()
    assert "NEON_DATABASE_URL" in line
    assert PASSWORD not in line
