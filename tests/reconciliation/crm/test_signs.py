"""What is a sign of another Krayin, and what is ordinary work in the one we know."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from krayin.catalogue import Attribute, Catalogue, LeadType, Pipeline, Source, Stage, User
from reconciliation.crm.lineage import (
    emails_unknown,
    id_given_again,
    other_record,
    other_setup,
    records_gone,
    same_moment,
)

INSTALLED = datetime(2026, 3, 1, 9, 30, 12, tzinfo=UTC)


def user(number: int, **fields: object) -> User:
    known = User(number, f"User {number}", f"user{number}@crm.example", True, "global", INSTALLED)
    return replace(known, **fields)


def attribute(number: int, **fields: object) -> Attribute:
    known = Attribute(
        number, f"custom{number}", "Custom", "text", "persons", False, False, True, None, INSTALLED
    )
    return replace(known, **fields)


def pipeline(number: int, *stage_ids: int) -> Pipeline:
    stages = tuple(Stage(one, f"stage-{one}", f"Stage {one}") for one in stage_ids)
    return Pipeline(number, f"Pipeline {number}", number == 1, stages)


SETUP = Catalogue(
    pipelines=(pipeline(1, 1, 2, 3), pipeline(2, 4, 5)),
    sources=(Source(1, "Web"),),
    types=(LeadType(1, "New"),),
    attributes=(attribute(61), attribute(62)),
    users=(user(1), user(2)),
    user=user(1),
)


def test_an_id_no_newer_than_those_known_is_a_sign() -> None:
    assert id_given_again("person", 101, 100) is None
    assert id_given_again("person", 100, 100) is not None
    sign = id_given_again("lead", 7, 100)
    assert sign is not None
    assert "id 7" in sign.sentence
    assert "krayin_recover" in sign.sentence


@pytest.mark.parametrize("hours", [0, 5.5, -5.5, 5.75, 14, -12, 25])
def test_the_same_moment_under_another_zone_is_the_same(hours: float) -> None:
    assert same_moment(INSTALLED, INSTALLED + timedelta(hours=hours))


@pytest.mark.parametrize("seconds", [1, -1, 61, 899, 27 * 3600, 400 * 86400])
def test_another_moment_is_another(seconds: int) -> None:
    assert not same_moment(INSTALLED, INSTALLED + timedelta(seconds=seconds))


def test_one_record_of_ours_made_at_another_time_is_a_sign() -> None:
    known = dict.fromkeys((1, 2, 3), INSTALLED)
    assert other_record("person", known, known) is None
    # What is not there is no other record.
    assert other_record("person", known, {}) is None
    sign = other_record("person", known, {**known, 2: INSTALLED + timedelta(seconds=7)})
    assert sign is not None
    assert sign.facts["ids"] == [2]


@pytest.mark.parametrize(
    ("census", "name"),
    [
        # A backup from before our newest ten.
        ({"crm_kind": "person", "ours": 400, "beyond": 10, "total": 390, "newest": 390}, "newest_gone"),
        ({"crm_kind": "lead", "ours": 30, "beyond": 30, "total": 0, "newest": 0}, "newest_gone"),
        # Most deleted, somebody's newer ones are there.
        ({"crm_kind": "person", "ours": 100, "beyond": 0, "total": 49, "newest": 200}, "most_gone"),
        # The newest nine deleted by hand; 30 % deleted by hand; half of a few.
        ({"crm_kind": "person", "ours": 400, "beyond": 9, "total": 391, "newest": 391}, None),
        ({"crm_kind": "person", "ours": 400, "beyond": 3, "total": 280, "newest": 397}, None),
        ({"crm_kind": "person", "ours": 12, "beyond": 0, "total": 6, "newest": 40}, None),
        ({"crm_kind": "person", "ours": 400, "beyond": 0, "total": 10_000, "newest": 10_500}, None),
    ],
)
def test_only_what_nobody_deletes_by_hand_is_a_sign(census: dict[str, Any], name: str | None) -> None:
    sign = records_gone(**census)
    assert (sign and sign.name) == name


@pytest.mark.parametrize(
    ("compared", "unknown", "is_sign"), [(9, 9, False), (10, 10, True), (100, 90, True), (100, 89, False)]
)
def test_hardly_a_known_email_is_the_mark_of_a_copy(compared: int, unknown: int, is_sign: bool) -> None:
    assert (emails_unknown(compared, unknown) is not None) is is_sign


LATER = INSTALLED + timedelta(days=30, seconds=5)


@pytest.mark.parametrize(
    ("now", "named"),
    [
        (replace(SETUP, users=(user(1, created_at=LATER), user(2))), "user 1"),
        (replace(SETUP, attributes=(attribute(61), attribute(62, code="other"))), "attribute 62"),
        (replace(SETUP, attributes=(attribute(61, created_at=LATER),)), "attribute 61"),
        (replace(SETUP, pipelines=(pipeline(1, 1, 2), pipeline(2, 3, 4, 5))), "stage 3"),
        # Four of six at once.
        (replace(SETUP, users=(user(2),), attributes=(), pipelines=(pipeline(1, 1, 2, 3),)), "4 of its 6"),
    ],
)
def test_an_id_with_another_identity_or_most_settings_gone_is_a_sign(now: Catalogue, named: str) -> None:
    sign = other_setup(SETUP, now)
    assert sign is not None
    assert named in sign.sentence


@pytest.mark.parametrize(
    "now",
    [
        SETUP,
        replace(SETUP, users=(user(1), user(2), user(3, created_at=LATER))),
        replace(SETUP, users=(user(1, name="Else", email="else@crm.example"), user(2, is_active=False))),
        replace(SETUP, users=(user(1),), attributes=(attribute(61),)),
        replace(SETUP, attributes=(attribute(61, name="New name", is_required=True), attribute(62))),
        replace(SETUP, pipelines=(pipeline(1, 1, 3, 6), pipeline(2, 4, 5), pipeline(3, 7))),
        # Under another APP_TIMEZONE, and as an older version of this program kept it.
        replace(SETUP, users=(user(1, created_at=INSTALLED + timedelta(hours=5, minutes=30)), user(2))),
        replace(SETUP, users=(user(1, created_at=None), user(2, created_at=None))),
    ],
)
def test_ordinary_edits_of_the_settings_are_no_sign(now: Catalogue) -> None:
    assert other_setup(SETUP, now) is None
    assert Catalogue.from_json(now.to_json()) == now
