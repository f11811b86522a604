"""Answers that end a request early."""

from __future__ import annotations

from typing import Any


class AnsweredError(Exception):
    """The request ends with this status and JSON body."""

    def __init__(self, status: int, body: Any) -> None:
        self.status = status
        self.body = body
        super().__init__(f"{status}")


def not_found() -> AnsweredError:
    """Return what Chatwoot says of a record that is not there."""
    return AnsweredError(404, {"error": "Resource could not be found"})


class UnprocessableError(AnsweredError):
    """What Chatwoot says of a filter or a record it does not take."""

    def __init__(self, *words: str) -> None:
        message = " ".join(words)
        super().__init__(422, {"error": message, "message": message})
