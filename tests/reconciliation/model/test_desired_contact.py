from __future__ import annotations

from dataclasses import replace

from reconciliation.model.desired_contact import DesiredContact, DesiredOrganization

ACME = DesiredOrganization("acme", "Acme", {"city": "Bonn"}, {"c": "x"})
ANNA = DesiredContact(
    7, {"name": "Anna", "emails": ["a@b.c"], "custom": {}}, {"title": "Anna", "lead_value": None}, ACME
)


def test_each_field_is_in_one_of_the_hashes():
    changed_persons = [
        replace(ANNA, person={**ANNA.person, "name": "Anne"}),
        replace(ANNA, organization=None),
        replace(ANNA, organization=replace(ACME, name="ACME")),
        replace(ANNA, organization=replace(ACME, address={"city": "Köln"})),
        replace(ANNA, organization=replace(ACME, address=None)),
        replace(ANNA, organization=replace(ACME, custom={"c": "y"})),
    ]
    hashes = {one.person_hash() for one in [ANNA, *changed_persons]}
    assert len(hashes) == 1 + len(changed_persons)
    assert {one.lead_hash() for one in changed_persons} == {ANNA.lead_hash()}
    lead = replace(ANNA, lead={**ANNA.lead, "lead_value": "5"})
    assert lead.lead_hash() != ANNA.lead_hash()
    assert lead.person_hash() == ANNA.person_hash()


def test_what_krayin_is_not_sent_is_in_neither():
    other = replace(ANNA, contact_id=8, natural_keys=("email:x",), adopt={"person": 1}, warnings=("w",))
    assert (other.person_hash(), other.lead_hash()) == (ANNA.person_hash(), ANNA.lead_hash())
