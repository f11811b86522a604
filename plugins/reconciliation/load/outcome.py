"""How an operation ends: done without, set aside, tried again; and what an error of Krayin makes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from krayin.errors import (
    AuthenticationFailed,
    ConfigurationError,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    TurnedAway,
    Unanswered,
    is_outage,
)

from reconciliation.errors import AnotherKrayinError
from reconciliation.model.timing import DEFAULT, Timing
from reconciliation.store.ledger import OperationState, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from krayin.errors import KrayinError

    from reconciliation.errors import IncidentOpenError
    from reconciliation.store.ledger import Operation

# A repetition that fails alike is quarantined.
ATTEMPTS = 2
# Far likelier another program's use of the limiter than the row's fault; still, not for ever.
ATTEMPTS_TURNED_AWAY = 6


def outcome_of(
    operation: Operation, error: KrayinError, timing: Timing = DEFAULT, *, alone: bool = True
) -> Outcome:
    """Return how an operation goes on after `error`, by the way one recovers from it.

    What may be the row's own fault counts as an attempt, and the second one alike sets the row
    aside. It does not count unless it stands `alone`: when another row failed right before, Krayin
    is the likelier culprit.
    """
    message = str(error)
    attempts = ATTEMPTS_TURNED_AWAY if isinstance(error, TurnedAway) else ATTEMPTS
    alike = operation.attempts + 1 >= attempts and operation.error_message == message
    backoff = timing.backoff_after(operation.attempts)
    counts = alone and not is_outage(error)
    match error:
        case AuthenticationFailed() | ConfigurationError() | NotSent() | RateLimited():
            # Nothing was done and it is not the row's fault: it keeps its place and its history.
            return Outcome(
                OperationState.PLANNED,
                delay=timing.down if isinstance(error, NotSent) else timedelta(0),
            )
        case Rejected():
            return _after_refusal(error, backoff, alike=alike)
        case _ if counts and alike:
            return failing("fails_in_krayin", message)
        case OutcomeUnknown() | Unanswered():
            return unknown("outcome_unknown", message, timing.settle, counts_as_attempt=counts)
        case _:
            return later("server_failed", message, backoff, counts_as_attempt=counts)


def stopped(stop: IncidentOpenError) -> Outcome:
    """Return how an operation goes on that an incident stopped before its call, or right after it.

    Records that the call's answer told of are there, though their ids cannot be linked: what is known of
    them is kept for the recovery.
    """
    if not isinstance(stop, AnotherKrayinError) or not stop.made:
        return Outcome(OperationState.PLANNED)
    return Outcome(
        OperationState.UNKNOWN,
        error_class=stop.kind,
        error_message=stop.sentence,
        candidates=(stop.made,),
    )


def _after_refusal(error: Rejected, backoff: timedelta, *, alike: bool) -> Outcome:
    addresses = error.refused_addresses()
    if addresses and not alike:
        # The address may be on its way from one contact to another.
        return later("address_refused", str(error), backoff, counts_as_attempt=True)
    fields = "; ".join(f"{name}: {' '.join(messages)}" for name, messages in error.fields.items())
    return failing("address_refused" if addresses else "rejected", fields or str(error))


def failing(error_class: str, message: str) -> Outcome:
    """Return the end of an operation whose call fails each time."""
    told = f"{message.rstrip('.')}; correct it in Chatwoot or Krayin, then try again"
    outcome = quarantined(error_class, told)
    return replace(outcome, counts_as_attempt=True)


def obsolete(error_class: str, message: str, result: Mapping[str, str] | None = None) -> Outcome:
    """Return the end of an operation that cannot be carried out, and need not be any more."""
    return Outcome(
        OperationState.OBSOLETE, error_class=error_class, error_message=message, result=result or {}
    )


def deleted(what: str, hint: str = "", result: Mapping[str, str] | None = None) -> Outcome:
    """Return the end of an operation on a record that was deleted in Krayin and stays so."""
    return obsolete("deleted_in_krayin", f"{what} was deleted in Krayin{hint and '; '}{hint}", result)


def quarantined(
    error_class: str,
    message: str,
    *,
    candidates: Sequence[Mapping[str, Any]] = (),
    result: Mapping[str, str] | None = None,
) -> Outcome:
    """Return the end of an operation that waits for a person's decision."""
    return Outcome(
        OperationState.QUARANTINED,
        error_class=error_class,
        error_message=message,
        candidates=tuple(candidates),
        result=result or {},
    )


def later(error_class: str, message: str, delay: timedelta, *, counts_as_attempt: bool = False) -> Outcome:
    """Return an operation to the plan, to be carried out after `delay`."""
    return Outcome(
        OperationState.PLANNED,
        error_class=error_class,
        error_message=message,
        delay=delay,
        counts_as_attempt=counts_as_attempt,
    )


def unknown(error_class: str, message: str, delay: timedelta, *, counts_as_attempt: bool) -> Outcome:
    """Return an operation whose call got no trustworthy answer; after `delay` Krayin is asked what it did."""
    outcome = later(error_class, message, delay, counts_as_attempt=counts_as_attempt)
    return replace(outcome, state=OperationState.UNKNOWN)
