"""Reads a selection of contacts, maps them and keeps those that differ from what was last planned."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chatwoot.records import BrokenRow
from statements import statement

from reconciliation.mapping.contact import map_contact
from reconciliation.mapping.desired_contact import SkippedContact, desired_to_json
from reconciliation.sync_database.erased import erased_among
from reconciliation.sync_database.mapping_row import MappingState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import psycopg
    from chatwoot.records import Contact

    from reconciliation.binding_scope import BindingScope
    from reconciliation.mapping.contact import MappingRules

EXAMPLES = 5
# From here on the statistics of a table matter.
MANY = 1000


@dataclass(slots=True)
class Extracted:
    """What an extraction saw: numbers, and ids as examples; no contents.

    `skipped` counts by reason, `broken` holds (id, reason) of unreadable rows, `warnings` counts
    by text with the first contact ids that had them.
    """

    read: int = 0
    unchanged: int = 0
    staged: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    skipped_examples: dict[str, list[int]] = field(default_factory=dict)
    broken: list[tuple[int, str]] = field(default_factory=list)
    warnings: Counter[str] = field(default_factory=Counter)
    warning_examples: dict[str, list[int]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for `sync_run.summary`."""
        return {
            "read": self.read,
            "unchanged": self.unchanged,
            "skipped": dict(self.skipped),
            "skipped_examples": self.skipped_examples,
            "broken": [{"contact": contact, "reason": reason} for contact, reason in self.broken[:EXAMPLES]],
            "warnings": dict(self.warnings),
            "warning_examples": self.warning_examples,
        }


def stage_contacts(  # noqa: PLR0913 - what a reading needs to know
    connection: psycopg.Connection,
    identity: BindingScope,
    run_id: int,
    chunks: Iterable[list[Contact | BrokenRow]],
    rules: MappingRules,
    *,
    follow_closed: bool = False,
) -> Extracted:
    """Map every contact of `chunks` and stage those that differ from what was last planned.

    With `follow_closed` also those that have a lead and were active since it was last looked at.
    Memory is bounded by one chunk. What an earlier try of this run staged is dropped first.
    """
    connection.execute(statement("staged_contact/clear"), {"run_id": run_id})
    seen = Extracted()
    for chunk in chunks:
        _stage_chunk(connection, identity, run_id, chunk, rules, seen, follow_closed=follow_closed)
    if seen.staged >= MANY:
        connection.execute(statement("staged_contact/analyze"))
    return seen


def _stage_chunk(  # noqa: PLR0913, PLR0917 - one step of stage_contacts, with its state
    connection: psycopg.Connection,
    identity: BindingScope,
    run_id: int,
    chunk: list[Contact | BrokenRow],
    rules: MappingRules,
    seen: Extracted,
    *,
    follow_closed: bool,
) -> None:
    seen.read += len(chunk)
    contacts: list[Contact] = []
    for row in chunk:
        if isinstance(row, BrokenRow):
            seen.broken.append((row.id, row.reason))
            seen.skipped["unreadable"] += 1
        else:
            contacts.append(row)
    planned = _planned(connection, identity, contacts)
    erased = erased_among(connection, identity, (contact.id for contact in contacts))
    with connection.cursor() as cursor, cursor.copy(statement("staged_contact/stage")) as copy:
        for contact in contacts:
            if contact.id in erased:
                seen.skipped["erased on request"] += 1
                continue
            before = planned.get(contact.id, _NEVER_PLANNED)
            desired = map_contact(contact, rules, mapped=before.person is not None)
            if isinstance(desired, SkippedContact):
                seen.skipped[desired.reason] += 1
                _example(seen.skipped_examples, desired.reason, contact.id)
                continue
            for warning in desired.warnings:
                seen.warnings[warning] += 1
                _example(seen.warning_examples, warning, contact.id)
            person_hash, lead_hash = desired.person_hash(), desired.lead_hash()
            same = (before.person, before.lead) == (person_hash, lead_hash)
            active_at = contact.last_activity_at if follow_closed and before.is_news(contact) else None
            if same and active_at is None:
                seen.unchanged += 1
                continue
            seen.staged += 1
            copy.write_row((run_id, contact.id, desired_to_json(desired), person_hash, lead_hash, active_at))


@dataclass(slots=True)
class _Planned:
    """The fingerprints last planned of a contact, and whether its lead may have been closed since."""

    person: bytes | None = None
    lead: bytes | None = None
    has_lead: bool = False
    active_at: datetime | None = None

    def is_news(self, contact: Contact) -> bool:
        last = contact.last_activity_at
        return self.has_lead and last is not None and (self.active_at is None or last > self.active_at)


_NEVER_PLANNED = _Planned()


def _planned(
    connection: psycopg.Connection, identity: BindingScope, contacts: list[Contact]
) -> dict[int, _Planned]:
    found: dict[int, _Planned] = {}
    for source_id, kind, source_hash, state, active_at in connection.execute(
        statement("mapping/hashes"),
        {**identity.parameters(), "contact_ids": [str(contact.id) for contact in contacts]},
    ):
        one = found.setdefault(int(source_id), _Planned())
        # What was taken for gone is planned anew, whatever it was before.
        known = source_hash is not None and state != MappingState.ORPHANED
        setattr(one, kind, bytes(source_hash) if known else None)
        if kind == "lead":
            one.has_lead = state == MappingState.LINKED
            one.active_at = active_at
    return found


def _example(examples: dict[str, list[int]], name: str, contact_id: int) -> None:
    ids = examples.setdefault(name, [])
    if len(ids) < EXAMPLES:
        ids.append(contact_id)
