"""One contact as Chatwoot and Krayin show it in this moment, and which value counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from chatwoot.records import BrokenRow, Contact, OutOfScope
from chatwoot.source import ByIds
from krayin.permits import Lane
from psycopg.rows import dict_row
from statements import statement

from reconciliation.crm.fields import called_by_company, lead_fields, person_fields
from reconciliation.crm.reads import CrmReads
from reconciliation.drift.field_differences import compare
from reconciliation.extract.streams import CONTACTS, STAGE
from reconciliation.model.contact import map_contact, map_further_leads, with_address
from reconciliation.model.desired_contact import SkippedContact, inbox_of
from reconciliation.model.merge import flatten, resolve_pending_write, same_value
from reconciliation.run.factory import RunFactory
from reconciliation.settings.targets import resolve_targets
from reconciliation.store.connection import working
from reconciliation.store.mapping_store import known_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from krayin.endpoints import EntityType

    from reconciliation.drift.field_differences import FieldDifference
    from reconciliation.model.desired_contact import DesiredContact
    from reconciliation.model.field_source import Policy
    from reconciliation.run.sync_run import Sync

Fields = dict[str, Any]
_ENTITIES: dict[str, tuple[EntityType, Callable[..., Fields]]] = {
    "person": ("persons", person_fields),
    "lead": ("leads", lead_fields),
}


@dataclass(slots=True)
class RecordNow:
    """Flat fields by CRM kind, of a lead for a further inbox by `lead/<inbox>`.

    `krayin` has None for a record that was deleted there. `left_out` says why Chatwoot's contact is not
    brought over. `differences` are by the same and field; so are the policies in `kept`, by which Krayin's
    value stays though Chatwoot has another one.
    """

    chatwoot: dict[str, Fields] = field(default_factory=dict)
    krayin: dict[str, Fields | None] = field(default_factory=dict)
    differences: dict[tuple[str, str], FieldDifference] = field(default_factory=dict)
    kept: dict[tuple[str, str], Policy] = field(default_factory=dict)
    left_out: str | None = None


def read_now(sync: Sync, scope: Mapping[str, Any], contact_id: int) -> RecordNow:
    """Read a contact on both sides, Krayin in the lane that goes before all others; nothing is kept.

    `scope` is what the sync's records go by: `scope_id`, `target_id` and `account_id`.

    Raises:
        ChatwootError, KrayinError, ReconciliationError: a side cannot be read.
    """
    with working(sync.sync_dsn) as connection, sync.open_krayin(connection, lane=Lane.LIVE) as krayin:
        factory = RunFactory(sync, connection, krayin, resolve_targets(sync.settings, krayin.catalogue))
        rules, reads = factory.rules(), CrmReads(krayin.client, krayin.attributes)
        with connection.cursor(row_factory=dict_row) as cursor:
            of_contact = {**scope, "contact_ids": [str(contact_id)]}
            links = cursor.execute(statement("mapping/links_of_contact"), of_contact).fetchall()
            further = {f"{contact_id}{row['record'].removeprefix('lead')}" for row in links}
            asked = {**scope, "source_ids": sorted({str(contact_id)} | further)}
            found = cursor.execute(statement("mapping/contacts_of_records"), asked).fetchall()
        desired, leads = _desired(factory, contact_id, links)
        now = RecordNow(left_out=desired if isinstance(desired, str) else None)
        for row in found:
            kind, sent = row["crm_kind"], row["last_sent"]
            if row["source_kind"] == STAGE:
                continue
            inbox = inbox_of(row["source_id"])
            record = kind if inbox is None else f"lead/{inbox}"
            wanted: Fields = {}
            if not isinstance(desired, str):
                address = scope["account_id"], contact_id, rules.email_demand, sent
                lead = desired.lead if inbox is None else leads.get(inbox)
                fields = with_address(desired.person, *address) if kind == "person" else lead
                wanted = flatten(fields or {})
                now.chatwoot[record] = wanted
            if row["crm_id"] is None:
                continue
            entity, fields_of = _ENTITIES[kind]
            stored = reads.entity(entity, row["crm_id"])
            if stored is None:
                now.krayin[record] = None
                continue
            present = fields_of(stored, krayin.attributes.codes(entity))
            if kind == "person":
                names = known_names(connection, krayin.target_id, [present["organization_id"]])
                companies = wanted.get("organization"), (sent or {}).get("organization")
                present = called_by_company(present, names, *companies)
            now.krayin[record] = present
            base, shown = resolve_pending_write(
                last_sent=sent,
                pending_write=row["pending_write"],
                present=present,
                desired=wanted,
                phone_region=rules.phone_region,
            )
            for one in compare(
                last_sent=base,
                present=shown,
                desired=wanted,
                on_crm_edit=rules.on_crm_edit,
                phone_region=rules.phone_region,
                policies=rules.policies_of(kind),
            ):
                now.differences[record, one.field] = one
            now.kept |= {
                (record, name): policy
                for name, policy in rules.policies_of(kind).items()
                if name in wanted
                and (record, name) not in now.differences
                and not same_value(name, shown.get(name), wanted[name])
            }
    return now


def _desired(
    factory: RunFactory, contact_id: int, links: Sequence[Mapping[str, Any]]
) -> tuple[DesiredContact | str, dict[int, Fields]]:
    """Return what Krayin should hold for a contact, or why it is not brought over, and its further leads.

    These are by inbox; `links` are the rows of `mapping/links_of_contact`.
    """
    sync = factory.sync
    with sync.source.snapshot() as snapshot:
        rows = snapshot.rows(CONTACTS.stream, sync.scope, ByIds(frozenset({contact_id})))
        contact = next(chain.from_iterable(rows), None)
        rules = factory.mapping_rules(snapshot)
    if isinstance(contact, OutOfScope):
        return "out_of_scope", {}
    if isinstance(contact, BrokenRow):
        return "unreadable", {}
    if not isinstance(contact, Contact):
        return "not_in_chatwoot", {}
    leads = {row["record"]: row for row in links if row["crm_kind"] == "lead" and row["crm_id"] is not None}
    own = next((row["inbox_id"] for row in links if row["record"] == "lead"), None)
    desired = map_contact(contact, rules, mapped=True, has_lead="lead" in leads, inbox=own)
    if isinstance(desired, SkippedContact):
        return desired.reason, {}
    having = {row["inbox_id"] for record, row in leads.items() if record != "lead"}
    further = map_further_leads(contact, rules, desired.inbox, having)
    return desired, {lead.inbox: lead.lead for lead, _ in further}
