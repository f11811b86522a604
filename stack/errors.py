"""What can keep the stack from running, by what the reader has to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class StackError(Exception):
    """The stack cannot do what was asked; the message says what to change."""


class SettingsError(StackError):
    """A setting is missing or cannot be right: correct it and run the command again."""


class MachineError(StackError):
    """Something about this machine stands in the way: a folder, a right, a missing module."""


class PortInUseError(MachineError):
    """Another program listens on a port that is needed."""

    def __init__(self, port: int, setting: str, purpose: str, holder: str | None) -> None:
        """Keep the port, the setting that moves it, what it is for and who holds it, if known."""
        self.port = port
        self.setting = setting
        self.purpose = purpose
        self.holder = holder
        super().__init__(
            f"Port {port}, needed for {purpose}, is taken by {holder or 'another program'}.\n"
            f"Stop that program, or choose another port: {setting}={port + 1} make up"
        )


class UnreachableError(StackError):
    """Chatwoot's database or Krayin does not answer as it should with the settings given."""


class ComponentError(StackError):
    """A process of the stack does not come up; the message has the last lines of its log."""

    def __init__(self, component: str, reason: str, log: Path) -> None:
        """Keep which component, why, and its log file."""
        self.component = component
        self.log = log
        tail = log.read_text(errors="replace").splitlines()[-20:] if log.exists() else []
        lines = "".join(f"\n    {line}" for line in tail)
        super().__init__(f"{component} {reason}. {f'The end of {log}:{lines}' if tail else f'See {log}'}")


class RunFailedError(StackError):
    """A DAG run ended in failure; the message carries the failed task's last words."""
