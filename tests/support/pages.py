"""The documentation as text: its pages, and what stands in them."""

import re
from pathlib import Path
from typing import NamedTuple

import main

ROOT = Path(main.__file__).parent
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "SECURITY.md")),
        *sorted(ROOT.glob("docs/*.md")),
    )
}

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)\n", re.MULTILINE)


class Fence(NamedTuple):
    language: str
    text: str


def fences(text: str) -> list[Fence]:
    """The blocks between ``` lines."""
    return [Fence(*found) for found in FENCE.findall(text)]


def code(text: str) -> str:
    """The blocks, and what stands between single backquotes."""
    blocks = [fence.text for fence in fences(text)]
    return "\n".join(blocks + re.findall(r"`([^`\n]+)`", FENCE.sub("", text)))


def sections(text: str) -> dict[str, str]:
    """What stands under each heading, up to the next one of any level."""
    # In a block, `#` begins a comment.
    masked = FENCE.sub(lambda fence: fence[0].replace("\n#", "\n "), text)
    found = list(HEADING.finditer(masked))
    ends = [heading.start() for heading in found[1:]] + [len(text)]
    return {heading[1]: text[heading.end() : end] for heading, end in zip(found, ends, strict=True)}


def tables(text: str) -> list[list[list[str]]]:
    """The rows of each table, without its head and the line below."""
    found = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
        for table in found
    ]


def json_of(answer: str) -> str:
    """An answer's body, which may have the status line and the headers above it."""
    return answer[re.search(r"^\{", answer, re.MULTILINE).start() :]  # type: ignore[union-attr]
