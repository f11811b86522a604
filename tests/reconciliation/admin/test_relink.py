"""Which record of another Krayin each binding is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from reconciliation.admin.relink import Action, Binding, Decision, Record, relink

THEN = datetime(2026, 3, 1, 9, 30, 12, tzinfo=UTC)
LATER = THEN + timedelta(days=3, seconds=5)


def person(contact: int, crm_id: int, **fields: object) -> Binding:
    known = Binding(
        row_id=contact,
        contact=(1, 1, str(contact)),
        crm_kind="person",
        crm_id=crm_id,
        created_at=THEN,
        keys=frozenset({f"email:c{contact}@example.com"}),
        name=f"Contact {contact}",
    )
    return replace(known, **fields)


def lead(contact: int, crm_id: int, **fields: object) -> Binding:
    known = person(
        contact, crm_id, row_id=100 + contact, crm_kind="lead", keys=frozenset({f"mark {contact}"})
    )
    return replace(known, **fields)


def shown(crm_id: int, *keys: str, at: datetime = THEN, person_id: int | None = None) -> Record:
    return Record(crm_id, at, frozenset(keys), person_id)


def decide(bindings: list[Binding], **records: list[Record]) -> dict[int, Decision]:
    by_kind = {kind: {one.id: one for one in found} for kind, found in records.items()}
    return {one.row_id: one for one in relink(bindings, by_kind)}


def test_the_record_made_at_that_time_is_ours_whatever_was_edited() -> None:
    decided = decide([person(1, 11)], person=[shown(11, "email:edited@example.com")])
    assert decided[1].action is Action.KEEP


def test_a_record_made_at_another_time_is_somebody_elses_even_with_our_id() -> None:
    decided = decide([person(1, 11)], person=[shown(11, "email:other@example.com", at=LATER)])
    assert (decided[1].action, decided[1].is_foreign, decided[1].crm_id) == (Action.UNLINK, True, None)


def test_a_record_that_has_the_email_is_found_under_another_id_and_taken_for_adopted() -> None:
    decided = decide([person(1, 11)], person=[shown(44, "email:c1@example.com", at=LATER)])
    assert (decided[1].action, decided[1].crm_id, decided[1].origin) == (Action.RELINK, 44, "adopted")


def test_ids_that_changed_places_are_put_right() -> None:
    decided = decide(
        [person(1, 11), person(2, 12)],
        person=[shown(12, "email:c1@example.com", at=LATER), shown(11, "email:c2@example.com", at=LATER)],
    )
    assert {row: one.crm_id for row, one in decided.items()} == {1: 12, 2: 11}


def test_a_record_that_two_claim_and_two_records_for_one_are_left_to_the_planner() -> None:
    shared = frozenset({"phone:+4930123"})
    decided = decide(
        [person(1, 11, keys=shared), person(2, 12, keys=shared), person(3, 13)],
        person=[
            shown(50, "phone:+4930123", at=LATER),
            shown(51, "email:c3@example.com", at=LATER),
            shown(52, "email:c3@example.com", at=LATER),
        ],
    )
    assert {one.action for one in decided.values()} == {Action.UNLINK}


def test_a_record_that_is_kept_is_nobody_elses() -> None:
    decided = decide(
        [person(1, 11), person(2, 12, keys=frozenset({"email:c1@example.com"}))],
        person=[shown(11, "email:c1@example.com")],
    )
    assert (decided[1].action, decided[2].action) == (Action.KEEP, Action.UNLINK)


def test_an_id_given_again_is_not_ours_though_made_within_the_same_second() -> None:
    decided = decide([person(1, 11, was_given_again=True)], person=[shown(11, "email:new@example.com")])
    assert decided[1].action is Action.UNLINK


def test_without_a_known_time_the_content_decides() -> None:
    unseen = [person(1, 11, created_at=None), person(2, 12, created_at=None)]
    decided = decide(unseen, person=[shown(11, "email:c1@example.com"), shown(12, "email:other@example.com")])
    assert (decided[1].action, decided[2].action) == (Action.KEEP, Action.UNLINK)
    nameless = person(3, 13, created_at=None, keys=frozenset())
    assert decide([nameless], person=[Record(13, THEN, name="Contact 3")])[3].action is Action.KEEP


def test_a_lead_is_found_by_our_mark_at_its_contacts_person_only() -> None:
    bindings = [person(1, 11), lead(1, 21), person(2, 12), lead(2, 22)]
    decided = decide(
        bindings,
        person=[shown(44, "email:c1@example.com", at=LATER), shown(12)],
        lead=[
            shown(70, "mark 1", at=LATER, person_id=44),
            shown(71, "mark 1", at=LATER, person_id=99),
            shown(22, "mark 2", at=LATER, person_id=99),
        ],
    )
    assert (decided[101].crm_id, decided[101].origin) == (70, "created")
    assert (decided[102].action, decided[102].is_foreign) == (Action.UNLINK, True)


def test_the_leads_of_one_contact_are_found_in_the_order_in_which_they_were_made() -> None:
    bindings = [person(1, 11), lead(1, 25), lead(1, 21, row_id=201), lead(1, 29, row_id=202)]
    moved = [shown(number, "mark 1", at=LATER, person_id=44) for number in (73, 70, 90)]
    found = [shown(44, "email:c1@example.com", at=LATER)]
    decided = decide(bindings, person=found, lead=moved)
    assert [decided[row].crm_id for row in (201, 101, 202)] == [70, 73, 90]
    # One is missing: which one cannot be told.
    decided = decide(bindings, person=found, lead=moved[:2])
    assert {decided[row].action for row in (201, 101, 202)} == {Action.UNLINK}


def test_former_leads_stay_the_contacts_only_where_they_hang_on_its_person() -> None:
    bindings = [person(1, 11), lead(1, 21, former=(5, 6, 7))]
    records = [shown(21, person_id=11), shown(5, person_id=11), shown(6, person_id=99)]
    assert decide(bindings, person=[shown(11)], lead=records)[101].former == (5,)


def test_one_organization_may_stand_for_several_companies() -> None:
    companies = [
        person(1, 31, crm_kind="organization", keys=frozenset({"acme"})),
        person(2, 31, crm_kind="organization", keys=frozenset({"acme"})),
    ]
    decided = decide(companies, organization=[shown(90, "acme", at=LATER)])
    assert {one.crm_id for one in decided.values()} == {90}


def test_an_activity_is_found_by_its_key() -> None:
    note = person(1, 61, crm_kind="activity", keys=frozenset({"chatwoot:a:message:1:5"}))
    decided = decide([note], activity=[shown(80, "chatwoot:a:message:1:5", at=LATER)])
    assert (decided[1].crm_id, decided[1].origin) == (80, "created")
