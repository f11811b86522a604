"""Which differences are repaired, from the sync file and from the form of a run."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from reconciliation.drift.finding import FindingClass
from reconciliation.drift.request import policy_of
from reconciliation.settings.sync_settings import REPAIRABLE, SyncSettings


def settings(**reconcile: Any) -> SyncSettings:
    return SyncSettings.model_validate(
        {"name": "test", "chatwoot": {"account_id": 1}, "reconcile": reconcile}
    )


def test_nothing_is_repaired_unless_it_is_set() -> None:
    assert policy_of(settings(), repair=None).classes == frozenset()
    assert policy_of(settings(repair="repair"), repair=None).classes == frozenset(REPAIRABLE)


def test_a_class_may_have_its_own_choice() -> None:
    only = policy_of(settings(repair_by_class={"missing": "repair"}), repair=None)
    assert only.classes == {FindingClass.MISSING}
    but = policy_of(settings(repair="repair", repair_by_class={"orphan": "report"}), repair=None)
    assert but.classes == set(REPAIRABLE) - {"orphan"}


def test_the_form_goes_before_the_sync_file() -> None:
    assert policy_of(settings(repair="repair"), repair=False).classes == frozenset()
    assert policy_of(settings(), repair=True).repairs(FindingClass.CHANGED)


def test_what_was_deleted_in_krayin_is_made_again_only_when_that_is_set() -> None:
    assert not policy_of(settings(repair="repair"), repair=True).recreate
    assert policy_of(settings(repair_by_class={"stale_mapping": "repair"}), repair=None).recreate
    recreating = settings(repair="repair").model_copy(update={"recreate_deleted": True})
    assert policy_of(recreating, repair=None).recreate


@pytest.mark.parametrize(
    "wrong",
    [
        {"full_on": "someday"},
        {"repair": "yes"},
        {"repair_by_class": {"duplicate": "repair"}},
        {"repair_by_class": {"missing": "maybe"}},
        {"schedule": "at night"},
    ],
)
def test_mistakes_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)
