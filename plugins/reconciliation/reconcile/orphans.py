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
from reconciliation.reconcile.finding import Finding, FindingClass
from reconciliation.sync_database.erased import erased_among
from reconciliation.sync_database.mapping_row import MappingState
from reconciliation.sync_database.mapping_store import MappingStore, mapping_row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import psycopg
    from chatwoot.source import SourceSnapshot

    from reconciliation.binding_scope import BindingScope
    from reconciliation.reconcile.repair_policy import Policy
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.sync_database.mapping_row import MappingRow

_Rows = dict[str, "MappingRow"]


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
    _erased: Collection[int] = ()

    def note(self, source_kind: str, source_ids: Iterable[int]) -> None:
        """Note that source records are gone; what was planned for them is dropped."""
        ids = [str(one) for one in source_ids]
        if not ids:
            return
        records = {**self.identity.parameters(), "source_kind": source_kind, "source_ids": ids}
        with self.connection.transaction():
            self.connection.execute(statement("plan/supersede"), records)
            self.connection.execute(statement("plan/quarantine_replaced"), records)
            self.connection.execute(statement("reconcile/orphan"), records)
            if source_kind == "contact":
                self.connection.execute(
                    statement("plan/members_forget"),
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
        self._erased = erased_among(self.connection, self.identity, set(survivors.values()))
        held = self._held(snapshot, frozenset(survivors.values()))
        for contact_id, own in contacts.items():
            if contact_id in survivors:
                survivor = survivors[contact_id]
                self._merged(contact_id, own, survivor, held.get(survivor, frozenset()))
            elif not can_tell(snapshot):
                why = "none: Chatwoot's API does not tell a deleted contact from a merged one"
                self._found(contact_id, own, why, {})
            else:
                self._deleted(contact_id, own)
        records = {(kind, row.crm_id) for own in contacts.values() for kind, row in own.items()}
        for kind, orphaned in activities.items():
            back = self._returned(snapshot, scope, kind, [int(source_id) for source_id, _ in orphaned])
            for source_id, activity in orphaned:
                sent = activity.last_sent or {}
                together = {(one, sent[one]) for one in ("person", "lead") if one in sent}
                if int(source_id) not in back and not together & records:
                    self._activity(kind, source_id, activity)

    def _noted(self) -> tuple[dict[int, _Rows], dict[str, list[tuple[str, MappingRow]]]]:
        """Return the mapping rows of contacts, and activities with their source ids by kind."""
        contacts: dict[int, _Rows] = {}
        activities: dict[str, list[tuple[str, MappingRow]]] = {CONVERSATION: [], MESSAGE: []}
        with self.connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(statement("reconcile/orphans"), self.identity.parameters()).fetchall()
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
                self.connection.execute(statement("plan/supersede"), records)
                self.connection.execute(statement("reconcile/returned"), records)
        return there

    # --- merged -------------------------------------------------------------------------------

    def _held(self, snapshot: SourceSnapshot, contact_ids: frozenset[int]) -> dict[int, frozenset[str]]:
        """Return the natural keys that some contacts have now."""
        if not contact_ids:
            return {}
        found = {}
        for chunk in snapshot.contacts(SourceFilter(self.identity.account_id), ByIds(contact_ids)):
            for contact in chunk:
                if not isinstance(contact, BrokenRow):
                    emails, phones = [contact.email or ""], [contact.phone_number or ""]
                    keys = natural_keys(emails, phones, self.settings.default_phone_region)
                    found[contact.id] = frozenset(keys)
        return found

    def _merged(self, loser: int, rows: _Rows, survivor: int, held: frozenset[str]) -> None:
        if survivor in self._erased:
            why = f"none: merged into contact {survivor}, which was erased on request: erase this one too"
            self._found(loser, rows, why, {"merged_into": survivor})
            return
        other = self._rows_of(survivor)
        person = other.get("person")
        if person is None or person.state is not MappingState.LINKED:
            if self._found(
                loser,
                rows,
                f"give its records to contact {survivor}, into which it was merged",
                {"merged_into": survivor},
                repairable=True,
            ):
                self._transfer_records(rows, survivor)
            return
        text = f"merged into contact {survivor}, which has records of its own: "
        removal = self._removal(loser, rows, RemovalAction.CLOSE, merged_into=survivor, given_up=held)
        if removal is None:
            why = (
                "none, report only (on_source_delete: report)"
                if self.settings.on_source_delete == "report"
                else "none: its records were there before us"
            )
            self._found(loser, rows, text + why, {"merged_into": survivor})
            return
        if self._found(
            loser,
            rows,
            text + "close the lead, free its addresses",
            {"merged_into": survivor},
            calls=removal.expected.writes,
            repairable=True,
        ):
            self.removals.append(removal)
            self.survivors.add(survivor)

    def _transfer_records(self, rows: _Rows, survivor: int) -> None:
        with self.connection.transaction():
            self.connection.execute(
                statement("plan/mapping_register"),
                {**self.identity.parameters(), "contact_ids": [str(survivor)]},
            )
            other = self._rows_of(survivor)
            for kind, row in rows.items():
                if row.crm_id is not None and other[kind].state is not MappingState.LINKED:
                    self.connection.execute(
                        statement("reconcile/adopt_record"), {"loser": row.id, "survivor": other[kind].id}
                    )
            self._settle([row.id for row in rows.values()], erased=False)
        self.survivors.add(survivor)

    # --- deleted ------------------------------------------------------------------------------

    def _deleted(self, contact_id: int, rows: _Rows) -> None:
        choice = self.settings.on_source_delete
        action = {"close_lead": RemovalAction.CLOSE, "delete": RemovalAction.DELETE}.get(choice)
        removal = None if action is None else self._removal(contact_id, rows, action)
        if removal is None:
            why = (
                "none: report only (on_source_delete: report)"
                if action is None
                else "none: its records were there before us"
            )
            self._found(contact_id, rows, why, {"deleted": True})
            return
        text = "close the lead" if action is RemovalAction.CLOSE else "delete the lead, then the person"
        detail = {"deleted": True}
        if self._found(contact_id, rows, text, detail, calls=removal.expected.writes, repairable=True):
            self.removals.append(removal)

    def _activity(self, source_kind: str, source_id: str, row: MappingRow) -> None:
        deletes = self.settings.on_source_delete == "delete" and row.origin == "created"
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
        if self._keep(finding):
            self.removals.append(
                Removal(source_kind, source_id, RemovalAction.DELETE, [row.id], activity=row.crm_id)
            )

    # --- shared -------------------------------------------------------------------------------

    def _removal(
        self,
        contact_id: int,
        rows: _Rows,
        action: RemovalAction,
        *,
        merged_into: int | None = None,
        given_up: frozenset[str] = frozenset(),
    ) -> Removal | None:
        """Return what is to be done to records that we made, None when that is nothing.

        `given_up` are natural keys that `merged_into` has now.
        """
        if self.settings.on_source_delete == "report":
            return None
        ours = {
            kind: row.crm_id
            for kind, row in rows.items()
            if row.origin == "created" and row.crm_id is not None
        }
        lead = rows.get("lead")
        former = set(lead.former_crm_ids) - set(lead.former_adopted_ids) if lead else set()
        if not ours and (action is RemovalAction.CLOSE or not former):
            return None
        kept = lead is not None and (lead.former_adopted_ids or (lead.crm_id and lead.origin == "adopted"))
        person = rows.get("person")
        keys = _keys(person, self.settings.default_phone_region)
        releases = [key for key in keys if key in given_up] if "person" in ours else []
        return Removal(
            "contact",
            str(contact_id),
            action,
            [row.id for row in rows.values()],
            merged_into,
            # A person that was there before us stays, and so does one with a lead that was.
            person=None if action is RemovalAction.DELETE and kept else ours.get("person"),
            lead=ours.get("lead"),
            former=sorted(former),
            releases=releases,
            keys=keys,
        )

    def _keep(self, finding: Finding) -> bool:
        """Keep a finding; tell whether it is to be repaired."""
        heeded = self.policy.apply_declined(finding)
        self.findings.append(heeded)
        return heeded.repairable and self.policy.repairs(FindingClass.ORPHAN)

    def _found(  # noqa: PLR0913 - what a finding says
        self,
        contact_id: int,
        rows: _Rows,
        repair: str,
        detail: Mapping[str, Any],
        *,
        calls: int = 0,
        repairable: bool = False,
    ) -> bool:
        records = {kind: row.crm_id for kind, row in sorted(rows.items()) if row.crm_id is not None}
        return self._keep(
            Finding(
                FindingClass.ORPHAN,
                repair,
                source_kind="contact",
                source_id=str(contact_id),
                contact_id=contact_id,
                crm_kind="person",
                crm_id=records.get("person"),
                detail={**detail, **records},
                calls=calls,
                repairable=repairable,
            )
        )

    def _rows_of(self, contact_id: int) -> _Rows:
        return MappingStore(self.connection).rows_of(self.identity, "contact", str(contact_id))

    def _settle(self, ids: Sequence[int], *, erased: bool) -> None:
        self.connection.execute(statement("reconcile/settled"), {"ids": list(ids), "erased": erased})


def _keys(person: MappingRow | None, phone_region: str | None) -> tuple[str, ...]:
    sent = (person.last_sent if person else None) or {}
    return natural_keys(sent.get("emails") or [], sent.get("phones") or [], phone_region)
