"""The page for front ends shows the example's own code."""

import re

import pytest
from pages import PAGES, ROOT, fences

EXAMPLE = ROOT / "examples" / "nextjs"
PAGE = PAGES["docs/nextjs.md"]
SHOWN = {
    found[1]: fence.text for fence in fences(PAGE) if (found := re.match(r"// (\S+)\n", fence.text))
}


def test_the_page_shows_all_that_carries_a_token_or_leads_there() -> None:
    led_to = re.findall(r"\(\.\./examples/nextjs/(\S+)\)", PAGE)

    assert SHOWN.keys() | led_to >= {
        "lib/auth.ts",
        "lib/auth-client.ts",
        "lib/api.ts",
        "app/api/auth/[...all]/route.ts",
        "app/page.tsx",
        "app/session.tsx",
    }


@pytest.mark.parametrize("path", SHOWN)
def test_the_page_shows_a_file_as_it_is(path: str) -> None:
    assert SHOWN[path] == (EXAMPLE / path).read_text(encoding="utf-8")


def test_the_examples_readme_names_every_file_of_code() -> None:
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")

    files = [*EXAMPLE.glob("app/**/*.ts*"), *EXAMPLE.glob("lib/*"), EXAMPLE / "setup.mts"]
    named = {f"({path.relative_to(EXAMPLE).as_posix()})" for path in files}
    boilerplate = {"(app/layout.tsx)", "(app/providers.tsx)"}
    assert {name for name in named if name not in readme} == boilerplate
