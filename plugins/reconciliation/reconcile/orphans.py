"""What became of contacts that are gone in Chatwoot, and what is to become of their records in Krayin."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chatwoot.records import BrokenRow
from chatwoot.source import ByIds, SourceFilter
from psycopg.rows import dict_row
from statements import statement

from reconciliation.extract.merge_evidence import can_tell, lost_contact, survivors_of, transfer_evidence
from reconciliation.load.removal import Removal, RemovalAction
from reconciliation.load.source_check import STREAM_OF
from reconciliation.mapping.contact import natural_keys
from reconciliation.mapping.desired_activity import CONVERSATION, MESSAGE
from reconciliation.plan.engine import withdraw
from reconciliation.plan.matching import sent_keys
from reconciliation.reconcile.finding import Finding, FindingClass
from reconciliation.sync_database.erased import erased_among
from reconciliation.sync_database.mapping_row import MappingState
from reconciliation.sync_database.mapping_store import MappingStore, mapping_row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import psycopg
    from chatwoot.source import SourceSnapshot

    from reconciliation.binding_scope import BindingScope
    from reconciliation.reconcile.repair_policy import Policy
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.sync_database.mapping_row import MappingRow

_Rows = dict[str, "MappingRow"]
_NOT_OURS = "none: its records were there before us"


@dataclass(frozen=True, slots=True)
class Survivor:
    """A contact into which another was merged: the natural keys it has now, and how it stands with us."""

    contact_id: int
    keys: frozenset[str] = frozenset()
    is_linked: bool = True
    is_erased: bool = False


@dataclass(frozen=True, slots=True)
class OrphanPlan:
    """What is to become of the records of a source record that is gone, and the finding that says so.

    With a `survivor` and no `removal` that contact takes the records over.
    """

    finding: Finding
    removal: Removal | None = None
    survivor: int | None = None


def decide(
    contact_id: int,
    rows: Mapping[str, MappingRow],
    survivor: Survivor | None,
    settings: SyncSettings,
    *,
    can_tell: bool,
) -> OrphanPlan:
    """Decide about the records of a contact that is gone: merged into `survivor`, or deleted.

    `rows` are its mapping rows by CRM kind; `can_tell` is False where Chatwoot does not tell the two apart.
    """
    reports = settings.on_source_delete == "report"
    removal, heir = None, None
    if survivor is not None:
        detail: dict[str, Any] = {"merged_into": survivor.contact_id}
        if survivor.is_erased:
            text = (
                f"none: merged into contact {survivor.contact_id}, which was erased on request: "
                "erase this one too"
            )
        elif not survivor.is_linked:
            heir = survivor.contact_id
            text = f"give its records to contact {heir}, into which it was merged"
        else:
            text = f"merged into contact {survivor.contact_id}, which has records of its own: "
            removal = _removal(contact_id, rows, RemovalAction.CLOSE, settings, survivor)
            if removal is not None:
                heir = survivor.contact_id
                text += "close the lead, free its addresses"
            else:
                text += "none, report only (on_source_delete: report)" if reports else _NOT_OURS
    elif not can_tell:
        detail = {}
        text = "none: Chatwoot's API does not tell a deleted contact from a merged one"
    else:
        detail = {"deleted": True}
        is_deletion = settings.on_source_delete == "delete"
        action = RemovalAction.DELETE if is_deletion else RemovalAction.CLOSE
        removal = _removal(contact_id, rows, action, settings)
        if removal is not None:
            text = "delete the lead, then the person" if is_deletion else "close the lead"
        else:
            text = "none: report only (on_source_delete: report)" if reports else _NOT_OURS
    records = {kind: row.crm_id for kind, row in sorted(rows.items()) if row.crm_id is not None}
    finding = Finding(
        FindingClass.ORPHAN,
        text,
        source_kind="contact",
        source_id=str(contact_id),
        contact_id=contact_id,
        crm_kind="person",
        crm_id=records.get("person"),
        detail={**detail, **records},
        calls=removal.expected.writes if removal is not None else 0,
        repairable=removal is not None or heir is not None,
    )
    return OrphanPlan(finding, removal, heir)


def decide_activity(source_kind: str, source_id: str, row: MappingRow, settings: SyncSettings) -> OrphanPlan:
    """Decide about the activity of a conversation or message that is gone."""
    deletes = settings.on_source_delete == "delete" and row.origin == "created"
    finding = Finding(
        FindingClass.ORPHAN,
        "delete the activity" if deletes else "none: report only",
        source_kind=source_kind,
        source_id=source_id,
        crm_kind="activity",
        crm_id=row.crm_id,
        detail={"deleted": True},
        calls=int(deletes),
        repairable=deletes,
    )
    removal = Removal(source_kind, source_id, RemovalAction.DELETE, [row.id], activity=row.crm_id)
    return OrphanPlan(finding, removal if deletes else None)


def _removal(
    contact_id: int,
    rows: Mapping[str, MappingRow],
    action: RemovalAction,
    settings: SyncSettings,
    survivor: Survivor | None = None,
) -> Removal | None:
    """Return what is to be done to records that we made, None when that is nothing."""
    if settings.on_source_delete == "report":
        return None
    ours = {
        kind: row.crm_id for kind, row in rows.items() if row.origin == "created" and row.crm_id is not None
    }
    lead, person = rows.get("lead"), rows.get("person")
    former = set(lead.former_crm_ids) - set(lead.former_adopted_ids) if lead else set()
    if not ours and (action is RemovalAction.CLOSE or not former):
        return None
    kept = lead is not None and (lead.former_adopted_ids or (lead.crm_id and lead.origin == "adopted"))
    keys = sent_keys(person.last_sent if person else None, settings.default_phone_region)
    given_up = survivor.keys if survivor is not None and "person" in ours else frozenset()
    return Removal(
        "contact",
        str(contact_id),
        action,
        [row.id for row in rows.values()],
        None if survivor is None else survivor.contact_id,
        # A person that was there before us stays, and so does one with a lead that was.
        person=None if action is RemovalAction.DELETE and kept else ours.get("person"),
        lead=ours.get("lead"),
        former=sorted(former),
        releases=[key for key in keys if key in given_up],
        keys=keys,
    )


@dataclass(slots=True)
class Orphans:
    """Sees to the records of contacts and conversations that are gone in Chatwoot.

    `survivors` are contacts that took something over and must be compared and planned now;
    `removals` what is to be carried out.
    """

    connection: psycopg.Connection
    identity: BindingScope
    settings: SyncSettings
    policy: Policy
    findings: list[Finding] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    survivors: set[int] = field(default_factory=set)
    only: Collection[int] | None = None
    """Contacts to see to, None for all."""

    def note(self, source_kind: str, source_ids: Iterable[int]) -> None:
        """Note that source records are gone; what was planned for them is dropped."""
        ids = [str(one) for one in source_ids]
        if not ids:
            return
        records = {**self.identity.parameters(), "source_kind": source_kind, "source_ids": ids}
        with self.connection.transaction():
            withdraw(self.connection, self.identity, source_kind, ids)
            self.connection.execute(statement("mapping/orphan"), records)
            if source_kind == "contact":
                self.connection.execute(
                    statement("organization_member/forget"),
                    {**self.identity.parameters(), "contact_ids": [int(one) for one in ids]},
                )

    def resolve(self, snapshot: SourceSnapshot, scope: SourceFilter) -> None:
        """Decide about everything that is noted and not seen to yet.

        What is in Chatwoot again has its records back. Activities that hang on the records of a contact
        that is gone are seen to with these.
        """
        contacts, activities = self._noted()
        for contact_id in self._returned(snapshot, scope, "contact", contacts):
            del contacts[contact_id]
            self.survivors.add(contact_id)
        lost = [lost_contact(contact_id, rows.get("person")) for contact_id, rows in contacts.items()]
        survivors = survivors_of(self.connection, self.identity, snapshot, lost)
        transfer_evidence(self.connection, self.identity, survivors)
        erased = erased_among(self.connection, self.identity, set(survivors.values()))
        keys = self._keys(snapshot, frozenset(survivors.values()))
        for contact_id, own in contacts.items():
            one, survivor = survivors.get(contact_id), None
            if one is not None:
                # Looked at anew: it may just have taken over another's records.
                person = self._rows_of(one).get("person")
                is_linked = person is not None and person.state is MappingState.LINKED
                survivor = Survivor(one, keys.get(one, frozenset()), is_linked, one in erased)
            plan = decide(contact_id, own, survivor, self.settings, can_tell=can_tell(snapshot))
            if self._keep(plan.finding):
                self._carry(plan, own)
        records = {(kind, row.crm_id) for own in contacts.values() for kind, row in own.items()}
        for kind, orphaned in activities.items():
            back = self._returned(snapshot, scope, kind, [int(source_id) for source_id, _ in orphaned])
            for source_id, activity in orphaned:
                sent = activity.last_sent or {}
                together = {(one, sent[one]) for one in ("person", "lead") if one in sent}
                if int(source_id) not in back and not together & records:
                    plan = decide_activity(kind, source_id, activity, self.settings)
                    if self._keep(plan.finding):
                        self._carry(plan, {})

    def _noted(self) -> tuple[dict[int, _Rows], dict[str, list[tuple[str, MappingRow]]]]:
        """Return the mapping rows of contacts, and activities with their source ids by kind."""
        contacts: dict[int, _Rows] = {}
        activities: dict[str, list[tuple[str, MappingRow]]] = {CONVERSATION: [], MESSAGE: []}
        with self.connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(statement("mapping/orphans"), self.identity.parameters()).fetchall()
        for row in rows:
            if row["source_kind"] == "contact":
                if self.only is None or int(row["source_id"]) in self.only:
                    contacts.setdefault(int(row["source_id"]), {})[row["crm_kind"]] = mapping_row(row)
            elif row["source_kind"] in activities and self.only is None:
                activities[row["source_kind"]].append((row["source_id"], mapping_row(row)))
        return contacts, activities

    def _returned(
        self, snapshot: SourceSnapshot, scope: SourceFilter, source_kind: str, source_ids: Iterable[int]
    ) -> set[int]:
        """Give those of some source records that are in Chatwoot again their records back; return them."""
        ids = sorted(source_ids)
        there = snapshot.there(STREAM_OF[source_kind], scope, ids) if ids else set()
        if there:
            ids_there = [str(one) for one in sorted(there)]
            records = {**self.identity.parameters(), "source_kind": source_kind, "source_ids": ids_there}
            with self.connection.transaction():
                # What was to become of its records is not to be carried out any more.
                self.connection.execute(statement("operation/supersede"), records)
                self.connection.execute(statement("mapping/returned"), records)
        return there

    def _keys(self, snapshot: SourceSnapshot, contact_ids: frozenset[int]) -> dict[int, frozenset[str]]:
        """Return the natural keys that some contacts have now."""
        found: dict[int, frozenset[str]] = {}
        scope = SourceFilter(self.identity.account_id)
        for chunk in snapshot.contacts(scope, ByIds(contact_ids)) if contact_ids else ():
            for contact in chunk:
                if not isinstance(contact, BrokenRow):
                    emails, phones = [contact.email or ""], [contact.phone_number or ""]
                    keys = natural_keys(emails, phones, self.settings.default_phone_region)
                    found[contact.id] = frozenset(keys)
        return found

    def _carry(self, plan: OrphanPlan, rows: _Rows) -> None:
        """Note what is to be carried out of a plan, and give records to the contact that takes them over."""
        if plan.removal is not None:
            self.removals.append(plan.removal)
        if plan.survivor is not None:
            if plan.removal is None:
                self._transfer_records(rows, plan.survivor)
            self.survivors.add(plan.survivor)

    def _transfer_records(self, rows: _Rows, survivor: int) -> None:
        with self.connection.transaction():
            self.connection.execute(
                statement("mapping/register"),
                {
                    **self.identity.parameters(),
                    "source_kind": "contact",
                    "source_ids": [str(survivor)],
                    "crm_kinds": ["lead", "person"],
                },
            )
            other = self._rows_of(survivor)
            for kind, row in rows.items():
                if row.crm_id is not None and other[kind].state is not MappingState.LINKED:
                    self.connection.execute(
                        statement("mapping/adopt_record"), {"loser": row.id, "survivor": other[kind].id}
                    )
            self.connection.execute(
                statement("mapping/settled"), {"ids": [row.id for row in rows.values()], "erased": False}
            )

    def _keep(self, finding: Finding) -> bool:
        """Keep a finding; tell whether it is to be repaired."""
        heeded = self.policy.apply_declined(finding)
        self.findings.append(heeded)
        return heeded.repairable and self.policy.repairs(FindingClass.ORPHAN)

    def _rows_of(self, contact_id: int) -> _Rows:
        return MappingStore(self.connection).rows_of(self.identity, "contact", str(contact_id))
