"""The sink for organizations, alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from reconciliation.load.organization import OrganizationSink
from reconciliation.store.ledger import OperationState
from reconciliation.store.mapping_row import MappingState

from tests.reconciliation.load.bench import operation, row

if TYPE_CHECKING:
    from reconciliation.store.ledger import Operation

    from tests.reconciliation.load.bench import Bench

ROME = {"address": "", "country": "", "state": "", "city": "Rome", "postcode": ""}


def wanted(**address: str) -> Operation:
    payload = {"organization": {"address": {**ROME, **address}, "custom": {}}, "organization_hash": "aa"}
    return operation("company", payload)


@pytest.fixture
def acme(bench: Bench) -> int:
    (crm_id,) = bench.krayin.seed(organizations=[{"name": "Acme"}])["organizations"]
    bench.keep("company", "organization", row(crm_id, last_sent={}))
    return crm_id


def address(bench: Bench) -> Any:
    return bench.krayin.records("organizations")["organizations"][0]["address"]


def test_an_address_is_noted_written_and_acknowledged(bench: Bench, acme: int) -> None:
    outcome = OrganizationSink(bench.context).write(wanted())
    assert (outcome.state, outcome.result) == (OperationState.DONE, {"organization": "updated"})
    assert bench.notes == [
        ("intent", "update_organization"),
        ("attempt", {"address.city": "Rome"}),
        ("PUT", "contacts/organizations/{id}"),
        ("progress", "update_organization:done"),
        ("ack", acme),
    ]
    assert bench.kept("company", "organization").acked_hash == b"\xaa"


def test_an_address_that_is_there_is_acknowledged_without_a_call(bench: Bench, acme: int) -> None:
    sink = OrganizationSink(bench.context)
    sink.write(wanted())
    bench.notes.clear()
    assert sink.write(wanted()).result == {"organization": "already_equal"}
    assert bench.notes == [("progress", "update_organization:done"), ("ack", acme)]


def test_a_salespersons_address_stays(bench: Bench, acme: int) -> None:
    OrganizationSink(bench.context).write(wanted())
    bench.krayin.edit(organizations=[{"id": acme, "address": {**ROME, "city": "Milan"}}])
    bench.notes.clear()
    outcome = OrganizationSink(bench.context).write(wanted(postcode="00100"))
    assert outcome.result == {"organization": "updated"}
    assert ("attempt", {"address.postcode": "00100"}) in bench.notes
    assert "Milan" in str(address(bench))


def test_an_organization_that_was_deleted_stays_so(bench: Bench) -> None:
    bench.keep("company", "organization", row(99))
    outcome = OrganizationSink(bench.context).write(wanted())
    assert (outcome.state, outcome.error_class) == (OperationState.OBSOLETE, "deleted_in_krayin")
    assert bench.kept("company", "organization").state is MappingState.GONE
    assert bench.calls == []
