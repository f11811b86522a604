"""Remembers by ids alone what moves along when a contact is merged, and tells afterwards where it went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatwoot.database.traces import Trace, TracesContacts
from krayin.text import fold_email
from statements import statement

from reconciliation.mapping.contact import is_placeholder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg
    from chatwoot.database.traces import TraceReading
    from chatwoot.source import SourceSnapshot

    from reconciliation.binding_scope import BindingScope
    from reconciliation.sync_database.mapping_row import MappingRow

# Ids are not given out in the order of commits: so many before the last one seen are looked at again.
MARGIN = 5_000


@dataclass(frozen=True, slots=True)
class Lost:
    """A contact that is gone in Chatwoot, with the person it had in Krayin and the addresses sent there."""

    contact_id: int
    person_id: int | None = None
    emails: Sequence[str] = ()
    phones: Sequence[str] = ()


def remember_traces(connection: psycopg.Connection, identity: BindingScope, snapshot: SourceSnapshot) -> None:
    """Note the traces of contacts that are newer than those noted so far."""
    if not isinstance(snapshot, TracesContacts):
        return
    scope = {"installation_id": identity.installation_id, "account_id": identity.account_id}
    marks = connection.execute(statement("merge_evidence/mark"), scope).fetchone()
    assert marks is not None
    for trace, watermark in zip((Trace.CONVERSATION, Trace.CONTACT_INBOX), marks, strict=True):
        after = max(0, int(watermark) - MARGIN)
        for chunk in snapshot.traces.latest(trace, identity.account_id, after):
            keys = [key for _, key in chunk]
            nothing: list[int | None] = [None] * len(keys)
            connection.execute(
                statement("merge_evidence/write"),
                {
                    **scope,
                    "contact_ids": [contact_id for contact_id, _ in chunk],
                    "conversation_ids": keys if trace is Trace.CONVERSATION else nothing,
                    "contact_inbox_ids": keys if trace is Trace.CONTACT_INBOX else nothing,
                },
            )


def transfer_evidence(
    connection: psycopg.Connection, identity: BindingScope, survivors: Mapping[int, int]
) -> None:
    """Note that what was of merged contacts is their survivors' now, so that a further merge can be told.

    `survivors` gives for each merged contact the one it was merged into. Reading Chatwoot's newest
    traces does not show it: what moved may be old.
    """
    if survivors:
        connection.execute(
            statement("merge_evidence/transfer"),
            {
                "installation_id": identity.installation_id,
                "account_id": identity.account_id,
                "losers": list(survivors),
                "survivors": list(survivors.values()),
            },
        )


def lost_contact(contact_id: int, person: MappingRow | None) -> Lost:
    """Return a contact that is gone; `person` is the mapping row of its person, None without one."""
    sent = (person.last_sent if person else None) or {}
    return Lost(
        contact_id,
        person.crm_id if person else None,
        tuple(sent.get("emails") or ()),
        tuple(sent.get("phones") or ()),
    )


def can_tell(snapshot: SourceSnapshot) -> bool:
    """Tell whether this Chatwoot says what became of a contact; its REST API does not."""
    return isinstance(snapshot, TracesContacts)


def survivors_of(
    connection: psycopg.Connection, identity: BindingScope, snapshot: SourceSnapshot, lost: Sequence[Lost]
) -> dict[int, int]:
    """Return into which contact each of some lost ones was merged; deleted ones are absent.

    Ask `can_tell` first: of a source without traces everything seems deleted.

    What its conversations say goes first, then its contact inboxes. A contact that left neither is
    taken for merged into the one that has all of its addresses now, for the CRM it is that person.
    """
    if not lost or not isinstance(snapshot, TracesContacts):
        return {}
    reading = snapshot.traces
    went = _by_traces(connection, identity, reading, lost)
    went |= _by_conversations(
        connection, identity, reading, [one for one in lost if one.contact_id not in went]
    )
    went |= _by_addresses(identity, reading, [one for one in lost if one.contact_id not in went])
    return {loser: survivor for loser, survivor in went.items() if survivor != loser}


def _by_traces(
    connection: psycopg.Connection, identity: BindingScope, reading: TraceReading, lost: Sequence[Lost]
) -> dict[int, int]:
    rows = connection.execute(
        statement("merge_evidence/read"),
        {
            "installation_id": identity.installation_id,
            "account_id": identity.account_id,
            "contact_ids": [one.contact_id for one in lost],
        },
    ).fetchall()
    conversations = {row[0]: row[1] for row in rows if row[1] is not None}
    inboxes = {row[0]: row[2] for row in rows if row[2] is not None}
    return _resolved(reading, identity, Trace.CONTACT_INBOX, inboxes) | _resolved(
        reading, identity, Trace.CONVERSATION, conversations
    )


def _by_conversations(
    connection: psycopg.Connection, identity: BindingScope, reading: TraceReading, lost: Sequence[Lost]
) -> dict[int, int]:
    """Ask for the conversations that we brought to the lost contacts' persons."""
    contacts = {str(one.person_id): one.contact_id for one in lost if one.person_id is not None}
    if not contacts:
        return {}
    rows = connection.execute(
        statement("mapping/conversations_of"),
        {**identity.parameters(), "person_ids": list(contacts)},
    )
    return _resolved(reading, identity, Trace.DISPLAY_ID, {contacts[row[0]]: row[1] for row in rows})


def _resolved(
    reading: TraceReading, identity: BindingScope, trace: Trace, keys: Mapping[int, int]
) -> dict[int, int]:
    owners = reading.owners(trace, identity.account_id, sorted(set(keys.values())))
    return {contact_id: owners[key] for contact_id, key in keys.items() if key in owners}


def _by_addresses(identity: BindingScope, reading: TraceReading, lost: Sequence[Lost]) -> dict[int, int]:
    addresses = {one.contact_id: _addresses(one) for one in lost}
    wanted = {value for values in addresses.values() for value in values}
    if not wanted:
        return {}
    holders = reading.contacts_with(identity.account_id, sorted(wanted), sorted(wanted))
    went = {}
    for contact_id, values in addresses.items():
        having = [holders.get(value, set()) for value in values]
        common = set.intersection(*having) if having else set()
        if len(common) == 1:
            went[contact_id] = common.pop()
    return went


def _addresses(one: Lost) -> set[str]:
    return {fold_email(email) for email in one.emails if not is_placeholder(email)} | set(one.phones)
