"""Every link of the documentation leads somewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.markdown import ROOT, anchors, files, links, name_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("file", files(), ids=name_of)
def test_relative_links_and_anchors_resolve(file: Path) -> None:
    broken = []
    for link in links(file):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = file.parent / path if path else file
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    start = ROOT / "README.md"
    reached, left = {start}, [start]
    while left:
        file = left.pop()
        targets = [
            (file.parent / link.partition("#")[0]).resolve() for link in links(file) if "://" not in link
        ]
        # A link to a folder shows its files.
        pages = [
            page for target in targets for page in (target.glob("*.md") if target.is_dir() else [target])
        ]
        new = {page for page in pages if page.suffix == ".md"} - reached
        reached |= new
        left += new
    assert set(files()) - reached == set()


def test_every_image_is_shown_somewhere() -> None:
    shown = {(file.parent / link).resolve() for file in files() for link in links(file)}
    assert set((ROOT / "docs" / "images").iterdir()) - shown == set()
