"""How an operation goes on after an error of Krayin."""

from __future__ import annotations

from datetime import timedelta

import pytest
from krayin.errors import (
    AuthenticationFailed,
    ConfigurationError,
    NotFound,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    ServerFailed,
    Unanswered,
    UnexpectedAnswer,
)
from reconciliation.load.outcome import ATTEMPTS, outcome_of
from reconciliation.model.timing import DEFAULT
from reconciliation.store.binding_scope import BindingScope
from reconciliation.store.ledger import Operation, OperationState

TAKEN = {"emails.0.value": ("El valor ya ha sido registrado.",)}
INVALID = {
    "emails.0.label": ("The label must be a string.",),
    "name": ("Required.", "Too long."),
}


def operation(attempts=0, error_message=None) -> Operation:
    return Operation(
        1, 1, 1, BindingScope(1, 1, 1, 1), "contact", "7", {}, (), OperationState.PLANNED, None, attempts, None, None,
        error_message,
    )  # fmt: skip


def again(error) -> Operation:
    """The operation as it is when it failed the last time with the same error."""
    return operation(ATTEMPTS - 1, str(error))


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationFailed("bad token"),
        ConfigurationError("wrong address"),
        NotSent("refused"),
        RateLimited("limit"),
    ],
)
def test_what_is_not_the_rows_fault_leaves_it_as_it_was_however_often(error):
    for one in (operation(), again(error), operation(50, str(error))):
        outcome = outcome_of(one, error)
        assert outcome.state is OperationState.PLANNED
        assert not outcome.counts_as_attempt
        assert outcome.error_class is None
        assert outcome.delay <= timedelta(seconds=5)


def test_an_unknown_outcome_is_looked_up_and_never_planned_again():
    for status in (None, 502, 504, 500):
        error = OutcomeUnknown("no answer", status=status)
        for one in (operation(), operation(9)):
            outcome = outcome_of(one, error)
            assert (outcome.state, outcome.error_class) == (OperationState.UNKNOWN, "outcome_unknown")
            assert outcome.delay == DEFAULT.settle
            assert outcome.counts_as_attempt is (status == 500)


def test_a_row_krayin_fails_on_alike_is_set_aside_and_an_outage_is_not():
    own = OutcomeUnknown("failed", status=500)
    assert outcome_of(again(own), own).state is OperationState.QUARANTINED
    outage = OutcomeUnknown("no answer", status=504)
    assert outcome_of(again(outage), outage).state is OperationState.UNKNOWN
    other = operation(ATTEMPTS - 1, "another message")
    assert outcome_of(other, own).state is OperationState.UNKNOWN


def test_an_address_on_its_way_between_contacts_gets_a_second_try():
    error = Rejected("refused", fields=TAKEN, status=422)
    first = outcome_of(operation(), error)
    assert (first.state, first.error_class) == (OperationState.PLANNED, "address_refused")
    assert first.counts_as_attempt
    assert first.delay > timedelta(0)
    second = outcome_of(again(error), error)
    assert (second.state, second.error_class) == (OperationState.QUARANTINED, "address_refused")


def test_what_krayin_refuses_is_set_aside_at_once_with_its_words():
    outcome = outcome_of(operation(), Rejected("refused", fields=INVALID, status=422))
    assert (outcome.state, outcome.error_class) == (OperationState.QUARANTINED, "rejected")
    assert outcome.error_message == (
        "emails.0.label: The label must be a string.; name: Required. Too long; "
        "correct it in Chatwoot or Krayin, then try again"
    )
    bare = outcome_of(operation(), Rejected("refused", method="PUT", route="leads/{id}", status=422))
    assert bare.error_message.startswith("PUT leads/{id}: HTTP 422: refused;")


@pytest.mark.parametrize("kind", [ServerFailed, NotFound, UnexpectedAnswer])
def test_other_failures_are_tried_again_later_and_alike_only_once(kind):
    error = kind("failed", status=500)
    first = outcome_of(operation(), error)
    assert (first.state, first.error_class) == (OperationState.PLANNED, "server_failed")
    assert first.counts_as_attempt
    assert outcome_of(again(error), error).state is OperationState.QUARANTINED


def test_a_change_without_an_answer_keeps_its_record_until_krayin_must_be_done():
    """As an unknown one it stands in the way of whatever else is planned for the record."""
    outcome = outcome_of(operation(), Unanswered("no answer within the time allowed"))
    assert outcome.state is OperationState.UNKNOWN
    assert outcome.delay == DEFAULT.settle
    assert not outcome.counts_as_attempt


@pytest.mark.parametrize("status", [None, 502, 503, 504])
def test_an_outage_does_not_use_up_attempts(status):
    assert not outcome_of(operation(), ServerFailed("down", status=status)).counts_as_attempt


def test_waits_grow_to_a_bound_for_any_number_of_attempts():
    delays = [
        outcome_of(operation(attempts), ServerFailed(f"f{attempts}", status=500)).delay
        for attempts in (0, 1, 2, 9, 99, 10**6)
    ]
    assert delays == sorted(delays)
    assert delays[0] < delays[1] < delays[2]
    assert delays[-1] == DEFAULT.longest_backoff
