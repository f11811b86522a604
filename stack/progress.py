"""What `up` shows while it works: a moving line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.status import Status

PLAIN_INTERVAL_SECONDS = 10.0


class Step(Protocol):
    """One thing being done."""

    def note(self, text: str) -> None:
        """Show how far it is."""


@dataclass(slots=True)
class _MovingStep:
    title: str
    status: Status

    def note(self, text: str) -> None:
        self.status.update(f"{escape(self.title)} [dim]{escape(text)}[/dim]")


@dataclass(slots=True)
class _PlainStep:
    title: str
    console: Console
    shown: float = field(default_factory=time.monotonic)

    def note(self, text: str) -> None:
        # A log of one line a second helps nobody.
        if time.monotonic() - self.shown >= PLAIN_INTERVAL_SECONDS:
            self.shown = time.monotonic()
            self.console.print(f"  {self.title}: {text}", markup=False, highlight=False)


@dataclass(slots=True)
class Progress:
    """Steps and lines on one console."""

    console: Console = field(default_factory=Console)

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show `title` while the body runs, then that it is done and how long it took."""
        began = time.monotonic()
        if self.console.is_terminal:
            with self.console.status(escape(title)) as status:
                yield _MovingStep(title, status)
        else:
            self.console.print(f"… {title}", markup=False, highlight=False)
            yield _PlainStep(title, self.console)
        seconds = time.monotonic() - began
        self.console.print(f"[green]✓[/green] {escape(title)} [dim]({seconds:.1f} s)[/dim]", highlight=False)

    def say(self, line: str) -> None:
        """Show one line."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def warn(self, line: str) -> None:
        """Show one line that deserves a look."""
        self.console.print(f"[yellow]! {escape(line)}[/yellow]", highlight=False, soft_wrap=True)
