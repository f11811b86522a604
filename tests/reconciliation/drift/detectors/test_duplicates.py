"""Records that stand beside one of ours, by the keys that Krayin's lists showed."""

from __future__ import annotations

from reconciliation.drift.detectors.duplicates import duplicates

from tests.reconciliation.drift.detectors.canned import CannedDrift

FINAL = {5, 6}


def record(crm_id, key="email:a@example.com", source=None, **facts):
    kind, source_id = source or (None, None)
    return {"key": key, "crm_id": crm_id, "facts": facts, "source_kind": kind, "source_id": source_id}


def found(kind, *records, owned=()):
    answers = {
        "crm_snapshot/shared_keys": [{"key": one["key"]} for one in records],
        "crm_snapshot/duplicates": list(records),
        "mapping/mapped_to": [{"crm_id": one} for one in owned],
    }
    return [
        (one.crm_id, one.contact_id, one.detail["same"], one.detail["candidates"])
        for one in duplicates(CannedDrift(answers), [kind], FINAL)
    ]


def test_a_person_with_the_same_address_stands_beside_ours():
    ours = record(5, source=("contact", "7"))
    assert found("person", ours, record(9)) == [(9, 7, ["email"], [5, 9])]


def test_what_is_shared_by_two_keys_is_one_finding():
    both = [
        record(crm_id, key, ("contact", "7") if crm_id == 5 else None)
        for key in ("email:a", "phone:1")
        for crm_id in (5, 9)
    ]
    assert found("person", *both) == [(9, 7, ["email", "phone"], [5, 9])]


def test_records_of_nobody_beside_each_other_are_none_of_our_business():
    assert found("person", record(5), record(9)) == []


def test_of_leads_only_open_ones_of_nobody_in_the_pipeline_of_ours_count():
    ours = record(5, "person:3", ("contact", "7"), pipeline_id=1, stage_id=1)
    others = [
        record(8, "person:3", pipeline_id=1, stage_id=2),
        record(9, "person:3", pipeline_id=1, stage_id=6),
        record(10, "person:3", pipeline_id=2, stage_id=1),
        record(11, "person:3", pipeline_id=1, stage_id=1),
    ]
    assert [one[0] for one in found("lead", ours, *others, owned=[11])] == [8]


def test_kinds_that_are_not_read_are_not_looked_at():
    drift = CannedDrift({"crm_snapshot/shared_keys": [{"key": "x"}]})
    assert list(duplicates(drift, [], FINAL)) == []
