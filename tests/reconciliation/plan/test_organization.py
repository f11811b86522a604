from __future__ import annotations

from reconciliation.plan.contact import Rules
from reconciliation.plan.engine import NEVER, NOW
from reconciliation.plan.organization import PlannedOrganization, decide

OSLO = {"address": {"city": "Oslo"}, "custom": {}}


def planned(there, *, crm_id=3, last_sent=None, on_crm_edit="keep"):
    wanted = PlannedOrganization("acme", "Acme", OSLO, crm_id, last_sent)
    operation, changes = decide(wanted, there, Rules(on_crm_edit=on_crm_edit))
    return operation, changes


def test_a_blank_is_filled():
    operation, changes = planned({"address.city": None})
    assert changes == {"address.city": (None, "Oslo")}
    assert (operation.expected.writes, operation.due_at) == (1, NOW)
    assert list(operation.changes) == ["organization.address.city"]
    assert list(operation.removes) == []


def test_what_is_there_costs_no_write():
    operation, changes = planned({"address.city": "Oslo"})
    assert (operation.expected.writes, changes) == (0, {})


def test_what_somebody_typed_stays_unless_it_is_to_be_overwritten():
    typed, sent = {"address.city": "Bergen"}, {"address.city": "Pune"}
    assert planned(typed, last_sent=sent)[1] == {}
    operation, changes = planned(typed, last_sent=sent, on_crm_edit="overwrite")
    assert changes == {"address.city": ("Bergen", "Oslo")}
    assert list(operation.removes) == ["organization.address.city.overwritten"]


def test_the_address_waits_for_the_contact_that_makes_its_organization():
    operation, changes = planned(None, crm_id=None)
    assert operation.due_at == NEVER
    assert list(changes) == ["address.city"]
    assert list(operation.changes) == []
    assert list(operation.natural_keys) == ["organization:acme"]
