"""`.env`, and the example of one."""

import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from processes import ROOT, start_python
from service import Service
from users import SECRET

from settings import PLACEHOLDER_SECRET, Settings


def test_the_example_has_a_line_for_every_setting() -> None:
    example = (ROOT / ".env.example").read_text()

    named = re.findall(r"^(?:# ?)?([A-Z_]+)=", example, re.MULTILINE)

    assert sorted(set(named)) == sorted(name.upper() for name in Settings.model_fields)
    assert re.search(r"^# ?NEON_DATABASE_URL=", example, re.MULTILINE)
    assert not re.search(r"^NEON_DATABASE_URL=", example, re.MULTILINE)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no umask")
@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_make_writes_a_secret_that_nobody_else_may_read(tmp_path: Path, umask: int) -> None:
    shutil.copy(ROOT / ".env.example", tmp_path)

    make = ["make", f"--makefile={ROOT / 'Makefile'}", f"PYTHON={sys.executable}", ".env"]
    subprocess.run(make, cwd=tmp_path, umask=umask, check=True)

    written = tmp_path / ".env"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    [secret] = re.findall("^BETTER_AUTH_SECRET=(.*)$", written.read_text(), re.MULTILINE)
    assert len(secret) > 32
    assert secret != PLACEHOLDER_SECRET


def test_the_environment_comes_before_the_file(app_folder: Path) -> None:
    (app_folder / ".env").write_text("CORS_ORIGINS=https://file.example\n")
    script = "import settings; print(*settings.get_settings().allowed_origins)"

    python = start_python(app_folder, "-c", script, CORS_ORIGINS="https://environment.example")
    output, errors = python.communicate()

    assert (output, errors) == ("https://environment.example\n", "")


def test_a_dotenv_that_is_not_utf_8_is_told_in_one_line(app_folder: Path) -> None:
    (app_folder / ".env").write_bytes("BETTER_AUTH_SECRET=x".encode("utf-16"))

    ended = start_python(app_folder, "-c", "import main")

    assert ended.communicate()[1] == "Configuration error: .env is not UTF-8\n"
    assert ended.returncode


@pytest.mark.parametrize("line", ['LOG_FORMAT="json', "=x", "LOG_FORMAT: json", "A B=c"])
def test_a_line_of_a_dotenv_that_cannot_be_read_is_told_with_its_file(
    app_folder: Path, line: str
) -> None:
    (app_folder / ".env").write_text(f"# A comment\n{line}\nCORS_ORIGINS=https://file.example\n")
    script = "import settings; print(*settings.get_settings().allowed_origins)"

    output, errors = start_python(app_folder, "-c", script).communicate()

    assert output == "https://file.example\n"
    assert errors == ".env: python-dotenv could not parse statement starting at line 2\n"


MISSPELT = {
    "BETTER_AUTH_SECERT": "BETTER_AUTH_SECRET",
    "BETTER_AUTH_SECRET_KEY": "BETTER_AUTH_SECRET",
    "BETTERAUTH_URL": "BETTER_AUTH_URL",
    "CORS_ORIGIN": "CORS_ORIGINS",
    "CORS_ORIGINS_REGEX": "CORS_ORIGIN_REGEX",
    "NEON_DATABSE_URL": "NEON_DATABASE_URL",
    "log_fromat": "LOG_FORMAT",
    "MCP_URI": "MCP_URL",
    "MCPURL": "MCP_URL",
}
OTHERS = (
    *("PORT", "WEB_PORT", "WEB_CONCURRENCY", "SSL_CERT_FILE", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    *("NEXT_PUBLIC_API_URL", "NEXT_PUBLIC_BETTER_AUTH_URL", "VITE_BETTER_AUTH_URL", "AUTH_SECRET"),
    *("BETTER_AUTH_API_URL", "BETTER_AUTH_KV_URL", "BETTER_AUTH_TRUSTED_ORIGINS", "DATABASE_URI"),
    *("TEST_DATABASE_URL", "DATABASE_URL_UNPOOLED", "POSTGRES_URL", "LOG_LEVEL", "USER_ID"),
    *("APP_URL", "MCP_KEY", "SMTP_URL"),
    # Settings, in the letter case that pydantic-settings takes too.
    *("better_auth_url", "Database_Url"),
)


def test_the_start_warns_of_each_name_in_a_dotenv_that_resembles_a_setting_and_of_no_other(
    app_folder: Path, tmp_path: Path
) -> None:
    lines = [f"{name}=https://value.example" for name in (*OTHERS, *MISSPELT)]
    database = f"sqlite:///{tmp_path / 'tasks.db'}"
    (app_folder / ".env").write_text(
        "\n".join([f"BETTER_AUTH_SECRET={SECRET}", f"DATABASE_URL={database}", "broken", *lines])
    )

    # What a host sets is no line of the file.
    environment = {"CORS_ORIGINSS": "x", "NEON_DATABASE_URL": database}
    with Service(app_folder, tmp_path / "log", environment) as service:
        log = service.wait_until_started().log()

    warned = re.findall(
        r"WARNING tasks\.settings (\w+) in \.env is no setting: is it meant for (\w+)\?", log
    )
    assert dict(warned) == MISSPELT
    assert len(warned) == len(MISSPELT)
