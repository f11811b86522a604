"""How a task fails: one clear line, and another try only where that may help."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from airflow.sdk.exceptions import AirflowFailException
from chatwoot.api.client import ChatwootApiUnreachable
from chatwoot.errors import ChatwootError, ChatwootUnreachable, SnapshotInterrupted
from krayin.errors import KrayinError, NotSent, RateLimited, ServerFailed

from reconciliation.errors import (
    ErasureWaitsError,
    ReconciliationError,
    SyncDatabaseError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

Result = TypeVar("Result")

# What passes by itself: Airflow may try the task again. Everything else needs somebody to change something.
TRANSIENT = (
    NotSent,
    ServerFailed,
    RateLimited,
    SyncDatabaseError,
    ErasureWaitsError,
    ChatwootUnreachable,
    ChatwootApiUnreachable,
    SnapshotInterrupted,
)


def telling(work: Callable[[], Result]) -> Result:
    """Return what `work` returns; its failure is told in one line, and tried again only if that may help."""
    try:
        return work()
    except TRANSIENT as error:
        # Airflow shows a traceback; what a person needs is one line.
        log.error("%s. Nothing is lost; this is tried again.", str(error).rstrip("."))  # noqa: TRY400
        raise
    except (ReconciliationError, KrayinError, ChatwootError) as error:
        # Trying again would fail the same way: one clear message instead.
        log.error("%s", error)  # noqa: TRY400
        raise AirflowFailException(str(error)) from None


def log_lines(lines: Iterator[str] | list[str]) -> None:
    """Write lines to the log of the task."""
    for line in lines:
        log.info("%s", line)
