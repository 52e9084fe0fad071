"""`.env`, and the example of one."""

import re
from pathlib import Path

from processes import ROOT, start_python

from settings import Settings


def test_the_example_has_a_line_for_every_setting() -> None:
    example = (ROOT / ".env.example").read_text()

    named = re.findall(r"^(?:# ?)?([A-Z_]+)=", example, re.MULTILINE)

    assert sorted(set(named)) == sorted(name.upper() for name in Settings.model_fields)
    assert re.search(r"^# ?NEON_DATABASE_URL=", example, re.MULTILINE)
    assert not re.search(r"^NEON_DATABASE_URL=", example, re.MULTILINE)


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
