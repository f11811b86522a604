"""What `up` shows while it works: a moving line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.status import Status

PLAIN_INTERVAL_SECONDS = 10.0


@dataclass(slots=True)
class Step:
    """One thing being done; `status` is its moving line."""

    title: str
    console: Console
    status: Status | None
    shown: float = field(default_factory=time.monotonic)

    def note(self, text: str) -> None:
        """Show how far it is."""
        if self.status is not None:
            self.status.update(f"{escape(self.title)} [dim]{escape(text)}[/dim]")
        elif time.monotonic() - self.shown >= PLAIN_INTERVAL_SECONDS:
            # A log of one line a second helps nobody.
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
                yield Step(title, self.console, status)
        else:
            self.console.print(f"… {title}", markup=False, highlight=False)
            yield Step(title, self.console, None)
        seconds = time.monotonic() - began
        self.console.print(f"[green]✓[/green] {escape(title)} [dim]({seconds:.1f} s)[/dim]", highlight=False)

    def say(self, line: str) -> None:
        """Show one line."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def warn(self, line: str) -> None:
        """Show one line that deserves a look."""
        self.console.print(f"[yellow]! {escape(line)}[/yellow]", highlight=False, soft_wrap=True)
