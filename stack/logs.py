"""The components' log files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stack.errors import SettingsError

if TYPE_CHECKING:
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


def tail(found: dict[str, Path], lines: int, *, follow: bool) -> list[str]:
    """Return the command that shows the last lines of the files, and, to `follow`, new ones as they come."""
    return ["tail", "-n", str(lines), *(["-F"] if follow else []), *map(str, found.values())]
