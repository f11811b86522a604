"""How a task fails: one clear line, and another try only where that may help."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowFailException
from chatwoot.errors import ChatwootApiUnreachable, ChatwootError, ChatwootUnreachable, SnapshotInterrupted
from krayin.errors import KrayinError, NotSent, RateLimited, ServerFailed

from reconciliation.errors import (
    ErasureWaitsError,
    ReconciliationError,
    ReportNotWrittenError,
    SyncDatabaseError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

log = logging.getLogger(__name__)

# What passes by itself: Airflow may try the task again. Everything else needs somebody to change something.
TRANSIENT = (
    NotSent,
    ServerFailed,
    RateLimited,
    SyncDatabaseError,
    ErasureWaitsError,
    ReportNotWrittenError,
    ChatwootUnreachable,
    ChatwootApiUnreachable,
    SnapshotInterrupted,
)


@contextmanager
def task_errors() -> Iterator[None]:
    """Log a failure in one line, and let Airflow try again only where that may help; also a decorator.

    Raises:
        AirflowFailException: somebody must change something; the message says what.
    """
    try:
        yield
    except TRANSIENT as error:
        # Airflow shows a traceback; what a person needs is one line.
        log.error("%s. Nothing is lost; this is tried again.", str(error).rstrip("."))  # noqa: TRY400
        raise
    except (ReconciliationError, KrayinError, ChatwootError) as error:
        # Trying again would fail the same way: one clear message instead.
        log.error("%s", error)  # noqa: TRY400
        raise AirflowFailException(str(error)) from None


def log_lines(lines: Iterable[str]) -> None:
    """Write lines to the log of the task."""
    for line in lines:
        log.info("%s", line)
