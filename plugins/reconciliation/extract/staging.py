"""Where mapped records wait between extract and plan, and what was last planned of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from chatwoot.records import Progress
from statements import statement

from reconciliation.extract.streams import LEAD
from reconciliation.model.contact import map_contact, map_further_leads
from reconciliation.model.desired_contact import (
    SkippedContact,
    contact_of,
    desired_to_json,
    further_lead,
    inbox_of,
)
from reconciliation.store.mapping_row import MappingState
from reconciliation.store.mapping_store import MappingStore, erased_among

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    import psycopg
    from chatwoot.records import Contact

    from reconciliation.extract.extract import Seen
    from reconciliation.extract.streams import DesiredStage, Rules, StreamSpec
    from reconciliation.model.contact import MappingRules
    from reconciliation.model.desired_activity import DesiredActivity
    from reconciliation.model.desired_contact import DesiredContact, DesiredLead
    from reconciliation.store.binding_scope import BindingScope

# From here on the statistics of a table matter.
MANY = 1000
ERASED = "erased on request"


@dataclass(slots=True)
class _Planned:
    """The hashes last planned of a contact, and whether its lead may have been closed since."""

    person: bytes | None = None
    lead: bytes | None = None
    has_lead: bool = False
    active_at: datetime | None = None
    inbox: int | None = None
    further: dict[int, _Planned] = field(default_factory=dict)

    def is_news(self, last: datetime | None) -> bool:
        return self.has_lead and last is not None and (self.active_at is None or last > self.active_at)


_NEVER_PLANNED = _Planned()


@dataclass(frozen=True, slots=True)
class StagedContacts:
    """The contacts of one run.

    With `follow_closed` also those are staged that have a lead and were active since it was last looked at.
    `told` hears what each contact is mapped to, or why it is left out.
    """

    connection: psycopg.Connection
    identity: BindingScope
    run_id: int
    rules: MappingRules
    follow_closed: bool = False
    told: Callable[[int, DesiredContact | SkippedContact | str], None] = lambda *_: None

    def clear(self) -> None:
        """Drop what this run, or an earlier try of it, staged."""
        for table in ("staged_contact", "staged_activity"):
            self.connection.execute(statement(f"{table}/clear"), {"run_id": self.run_id})

    def stage(self, contacts: Sequence[Any], seen: Seen) -> int:
        """Stage those contacts that differ from what was last planned; return how many."""
        planned = self._planned(contacts)
        erased = erased_among(self.connection, self.identity, (contact.id for contact in contacts))
        staged = 0
        leads: list[DesiredLead] = []
        with self.connection.cursor() as cursor, cursor.copy(statement("staged_contact/stage")) as copy:
            for contact in contacts:
                if contact.id in erased:
                    seen.skipped[ERASED] += 1
                    self.told(contact.id, ERASED)
                    continue
                before = planned.get(contact.id, _NEVER_PLANNED)
                desired = map_contact(
                    contact,
                    self.rules,
                    mapped=before.person is not None,
                    has_lead=before.has_lead,
                    inbox=before.inbox,
                )
                self.told(contact.id, desired)
                if isinstance(desired, SkippedContact):
                    seen.skip(desired.reason, contact.id)
                    continue
                for warning in desired.warnings:
                    seen.warn(warning, contact.id)
                for what, rule in desired.decided.items():
                    seen.decided[what][rule] += 1
                follows = self.follow_closed and self.rules.make_leads and contact.wants_lead
                leads += self._further(contact, desired.inbox, before, seen, follows=follows)
                hashes = desired.person_hash(), desired.lead_hash()
                said_at = contact.last_activity_at
                if desired.inbox is not None:
                    of_inbox = {one.inbox_id: one.last_activity_at for one in contact.by_inbox}
                    said_at = of_inbox.get(desired.inbox)
                active_at = said_at if follows and before.is_news(said_at) else None
                as_before = hashes == (before.person, before.lead) and desired.inbox in {None, before.inbox}
                if as_before and active_at is None:
                    seen.unchanged += 1
                    continue
                staged += 1
                copy.write_row((self.run_id, contact.id, desired_to_json(desired), *hashes, active_at))
        stage(self.connection, self.run_id, LEAD, {one.source_id: one for one in leads})
        return staged

    def _further(
        self, contact: Contact, inbox: int | None, before: _Planned, seen: Seen, *, follows: bool
    ) -> Iterator[DesiredLead]:
        """Yield those of a contact's leads for further inboxes that differ from what was last planned."""
        having = {one for one, lead in before.further.items() if lead.has_lead}
        for lead, warnings in map_further_leads(contact, self.rules, inbox, having):
            for warning in warnings:
                seen.warn(warning, contact.id)
            planned = before.further.get(lead.inbox, _NEVER_PLANNED)
            is_news = follows and planned.is_news(lead.active_at)
            if lead.hash() != planned.lead or is_news:
                yield lead if is_news else replace(lead, active_at=None)

    def analyze(self, staged: int) -> None:
        """Let PostgreSQL know of what was staged, where it is much."""
        if staged >= MANY:
            self.connection.execute(statement("staged_contact/analyze"))

    def _planned(self, contacts: Sequence[Contact]) -> dict[int, _Planned]:
        found: dict[int, _Planned] = {}
        ids = {**self.identity.parameters(), "contact_ids": [str(contact.id) for contact in contacts]}
        for source_id, kind, source_hash, state, active_at, inbox in self.connection.execute(
            statement("mapping/hashes"), ids
        ):
            one = found.setdefault(int(source_id), _Planned())
            # What was taken for gone is planned anew, whatever it was before.
            known = source_hash is not None and state != MappingState.ORPHANED
            setattr(one, kind, bytes(source_hash) if known else None)
            if kind == "lead":
                one.has_lead = state == MappingState.LINKED
                one.active_at = active_at
                one.inbox = inbox
        if self.rules.inboxes is not None:
            store = MappingStore(self.connection)
            for source_id, (row, active_at) in store.further_leads(self.identity, found).items():
                known = row.state is not MappingState.ORPHANED
                found[contact_of(source_id)].further[inbox_of(source_id) or 0] = _Planned(
                    None, row.source_hash if known else None, row.state is MappingState.LINKED, active_at
                )
        return found


@dataclass(frozen=True, slots=True)
class StagedActivities:
    """The records of one run in a stream that hangs on the contacts."""

    connection: psycopg.Connection
    identity: BindingScope
    run_id: int
    spec: StreamSpec
    rules: Rules

    def stage(self, records: Sequence[Any], seen: Seen) -> int:
        """Stage those records that differ from what was last planned; return how many."""
        pieces = self._pieces(records)
        planned = self._planned([source_id for source_id, _ in pieces])
        fresh: dict[str, DesiredActivity | DesiredStage] = {}
        for source_id, record in pieces:
            before = planned.get(source_id)
            desired = self.spec.map(record, self.rules, before is not None)
            if isinstance(desired, str):
                seen.skip(desired, record.key)
            elif desired is not None and desired.hash() == before:
                seen.unchanged += 1
            elif desired is not None:
                fresh[source_id] = desired
        stage(self.connection, self.run_id, self.spec.kind, fresh)
        return len(fresh)

    def _pieces(self, records: Sequence[Any]) -> list[tuple[str, Any]]:
        """Return the records with their ids as source records; how far conversations came for each lead."""
        of_inboxes = [one for one in records if isinstance(one, Progress) and one.inboxes]
        if not of_inboxes:
            return [(str(record.key), record) for record in records]
        rows = self.connection.execute(
            statement("mapping/inboxes_of_leads"),
            {**self.identity.parameters(), "contact_ids": [str(one.contact_id) for one in of_inboxes]},
        )
        own: dict[str, int] = dict(rows.fetchall())
        return [
            (
                str(record.key)
                if one.inbox_id == own.get(str(record.key), record.inboxes[0].inbox_id)
                else further_lead(record.key, one.inbox_id),
                Progress(record.key, one.created_at, one.responded_at, one.resolved_at),
            )
            for record in of_inboxes
            for one in record.inboxes
        ]

    def _planned(self, source_ids: list[str]) -> dict[str, bytes]:
        rows = self.connection.execute(
            statement("mapping/activity_hashes"),
            {**self.identity.parameters(), "source_kind": self.spec.kind, "source_ids": source_ids},
        )
        return {row[0]: bytes(row[1]) for row in rows if row[1] is not None}


def stage(
    connection: psycopg.Connection,
    run_id: int,
    source_kind: str,
    fresh: Mapping[str, DesiredActivity | DesiredStage | DesiredLead],
) -> None:
    """Stage what is wanted of records of one kind beside contacts, by their source ids."""
    if fresh:
        connection.execute(
            statement("staged_activity/stage"),
            {
                "run_id": run_id,
                "source_kind": source_kind,
                "source_ids": list(fresh),
                "contact_ids": [one.contact_id for one in fresh.values()],
                "source_hashes": [one.hash() for one in fresh.values()],
                "desired": [json.dumps(one.to_json(), ensure_ascii=False) for one in fresh.values()],
            },
        )
