"""The documentation as tests read it: its files, code blocks, links and headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
_FENCED = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of code; `line` is where it begins, for messages."""

    file: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def files() -> list[Path]:
    """Every file of the documentation."""
    first = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [*first, *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


def blocks(language: str) -> list[Block]:
    """All fenced blocks of a language, in order."""
    found = []
    for file in files():
        text = file.read_text(encoding="utf-8")
        for match in _FENCED.finditer(text):
            if match["language"] == language:
                line = text.count("\n", 0, match.start()) + 1
                found.append(Block(name_of(file), line, language, dedent(match["text"])))
    return found


def prose(file: Path) -> str:
    """A file's text without its fenced blocks."""
    return _FENCED.sub("", file.read_text(encoding="utf-8"))


def links(file: Path) -> Iterator[str]:
    """The targets of a file's links and images."""
    return iter(_LINK.findall(prose(file)))


def code(file: Path) -> Iterator[str]:
    """What stands between backticks in running text and tables."""
    return iter(_CODE.findall(prose(file)))


def anchors(file: Path) -> set[str]:
    """The anchors that a file's headings get on GitHub."""
    return {_slug(heading) for heading in _HEADING.findall(prose(file))}


def _slug(heading: str) -> str:
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
