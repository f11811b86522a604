"""Reads a selection of contacts, maps them and keeps those that differ from what was last planned."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from chatwoot.records import BrokenRow
from statements import statement

from reconciliation.desired import DesiredContact, DesiredOrganization, SkippedContact
from reconciliation.mapping import map_contact

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg
    from chatwoot.records import Contact

    from reconciliation.identity import Identity
    from reconciliation.mapping import MappingRules

EXAMPLES = 5


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


def stage_contacts(
    connection: psycopg.Connection,
    identity: Identity,
    run_id: int,
    chunks: Iterable[list[Contact | BrokenRow]],
    rules: MappingRules,
) -> Extracted:
    """Map every contact of `chunks` and stage those that differ from what was last planned.

    Memory is bounded by one chunk. What an earlier try of this run staged is dropped first.
    """
    connection.execute(statement("plan/staged_clear"), {"run_id": run_id})
    seen = Extracted()
    for chunk in chunks:
        _stage_chunk(connection, identity, run_id, chunk, rules, seen)
    return seen


def _stage_chunk(  # noqa: PLR0913, PLR0917 - one step of stage_contacts, with its state
    connection: psycopg.Connection,
    identity: Identity,
    run_id: int,
    chunk: list[Contact | BrokenRow],
    rules: MappingRules,
    seen: Extracted,
) -> None:
    seen.read += len(chunk)
    contacts: list[Contact] = []
    for row in chunk:
        if isinstance(row, BrokenRow):
            seen.broken.append((row.id, row.reason))
            seen.skipped["unreadable"] += 1
        else:
            contacts.append(row)
    hashes: dict[tuple[str, str], bytes | None] = {
        (source_id, kind): bytes(source_hash) if source_hash is not None else None
        for source_id, kind, source_hash in connection.execute(
            statement("plan/mapped_hashes"),
            {**identity.parameters(), "contact_ids": [str(contact.id) for contact in contacts]},
        )
    }
    with connection.cursor() as cursor, cursor.copy(statement("plan/stage")) as copy:
        for contact in contacts:
            key = str(contact.id)
            desired = map_contact(contact, rules, mapped=(key, "person") in hashes)
            if isinstance(desired, SkippedContact):
                seen.skipped[desired.reason] += 1
                _example(seen.skipped_examples, desired.reason, contact.id)
                continue
            for warning in desired.warnings:
                seen.warnings[warning] += 1
                _example(seen.warning_examples, warning, contact.id)
            planned = hashes.get((key, "person")), hashes.get((key, "lead"))
            if planned == (desired.person_hash(), desired.lead_hash()):
                seen.unchanged += 1
                continue
            seen.staged += 1
            copy.write_row((run_id, contact.id, desired_to_json(desired)))


def _example(examples: dict[str, list[int]], name: str, contact_id: int) -> None:
    ids = examples.setdefault(name, [])
    if len(ids) < EXAMPLES:
        ids.append(contact_id)


def desired_to_json(desired: DesiredContact) -> str:
    """Return a desired contact as JSON text."""
    return json.dumps(asdict(desired), ensure_ascii=False)


def desired_from_json(document: dict[str, Any]) -> DesiredContact:
    """Return the desired contact that `desired_to_json` wrote."""
    organization = document["organization"]
    return DesiredContact(
        contact_id=document["contact_id"],
        person=document["person"],
        lead=document["lead"],
        organization=DesiredOrganization(**organization) if organization else None,
        natural_keys=tuple(document["natural_keys"]),
        adopt=document["adopt"],
        warnings=tuple(document["warnings"]),
    )
