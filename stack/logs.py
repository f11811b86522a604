"""The components' log files, side by side."""

from __future__ import annotations

import time
from typing import IO, TYPE_CHECKING

from stack.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from stack.instance import Layout


def files(layout: Layout, component: str | None) -> dict[str, Path]:
    """Return the log files by component: all, or the one of `component`.

    Raises:
        SettingsError: there is no such component; the message lists those there are.
    """
    found = {path.stem: path for path in sorted(layout.logs.glob("*.log"))}
    postgres = layout.postgres / "server.log"
    if postgres.exists():
        found["postgres"] = postgres
    if component is None:
        return found
    if component not in found:
        raise SettingsError(f"There is no log of {component!r}. Available: {', '.join(found) or 'none yet'}.")
    return {component: found[component]}


def last(found: dict[str, Path], count: int) -> Iterator[str]:
    """Yield the last `count` lines of each file, each prefixed by its component."""
    width = max((len(name) for name in found), default=0)
    for name, path in found.items():
        for line in path.read_text(errors="replace").splitlines()[-count:]:
            yield f"{name:<{width}} | {line}"


def follow(found: dict[str, Path], pause: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """Yield new lines of the files as they come, prefixed by their component, without end."""
    width = max((len(name) for name in found), default=0)
    opened: dict[str, IO[str]] = {}
    for name, path in found.items():
        opened[name] = path.open(errors="replace")
        opened[name].seek(0, 2)
    while True:
        quiet = True
        for name, file in opened.items():
            # The supervisor empties a file that grew too large.
            if file.tell() > found[name].stat().st_size:
                file.seek(0)
            for line in file.readlines():
                quiet = False
                yield f"{name:<{width}} | {line.rstrip()}"
        if quiet:
            pause(0.5)
