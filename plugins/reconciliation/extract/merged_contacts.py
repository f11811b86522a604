"""Remembers by ids alone what moves along when a contact is merged, and tells afterwards where it went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatwoot.database.traces import Trace, TracesContacts
from krayin.text import fold_email
from statements import statement

from reconciliation.model.contact import is_placeholder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg
    from chatwoot.database.traces import TraceReading
    from chatwoot.source import SourceSnapshot

    from reconciliation.store.binding_scope import BindingScope
    from reconciliation.store.mapping_row import MappingRow

# Ids are not given out in the order of commits: so many before the last one seen are looked at again.
MARGIN = 5_000


@dataclass(frozen=True, slots=True)
class Lost:
    """A contact that is gone in Chatwoot, with the person it had in Krayin and the addresses sent there."""

    contact_id: int
    person_id: int | None = None
    emails: Sequence[str] = ()
    phones: Sequence[str] = ()

    @property
    def addresses(self) -> set[str]:
        """The addresses as Chatwoot is asked for them, without those that we made up."""
        return {fold_email(email) for email in self.emails if not is_placeholder(email)} | set(self.phones)


def lost_contact(contact_id: int, person: MappingRow | None) -> Lost:
    """Return a contact that is gone; `person` is the mapping row of its person, None without one."""
    sent = (person.last_sent if person else None) or {}
    return Lost(
        contact_id,
        person.crm_id if person else None,
        tuple(sent.get("emails") or ()),
        tuple(sent.get("phones") or ()),
    )


@dataclass(frozen=True, slots=True)
class MergeEvidence:
    """What says where the contacts of an account went: what we noted, and what Chatwoot shows."""

    connection: psycopg.Connection
    identity: BindingScope
    snapshot: SourceSnapshot

    @property
    def can_tell(self) -> bool:
        """Whether this Chatwoot says what became of a contact; its REST API does not."""
        return self._traces is not None

    def remember(self) -> None:
        """Note the traces of contacts that are newer than those noted so far."""
        if self._traces is None:
            return
        marks = self.connection.execute(statement("merge_evidence/mark"), self._account).fetchone()
        assert marks is not None
        for trace, watermark in zip((Trace.CONVERSATION, Trace.CONTACT_INBOX), marks, strict=True):
            after = max(0, int(watermark) - MARGIN)
            for chunk in self._traces.latest(trace, self.identity.account_id, after):
                keys = [key for _, key in chunk]
                nothing: list[int | None] = [None] * len(keys)
                self.connection.execute(
                    statement("merge_evidence/write"),
                    {
                        **self._account,
                        "contact_ids": [contact_id for contact_id, _ in chunk],
                        "conversation_ids": keys if trace is Trace.CONVERSATION else nothing,
                        "contact_inbox_ids": keys if trace is Trace.CONTACT_INBOX else nothing,
                    },
                )

    def survivors(self, lost: Sequence[Lost]) -> dict[int, int]:
        """Return into which contact each of some lost ones was merged; deleted ones are absent.

        Ask `can_tell` first: of a source without traces everything seems deleted.

        What its conversations say goes first, then its contact inboxes. A contact that left neither is
        taken for merged into the one that has all of its addresses now, for the CRM it is that person.
        """
        if not lost or self._traces is None:
            return {}
        went: dict[int, int] = {}
        for told in (self._by_traces, self._by_conversations, self._by_addresses):
            went |= told(self._traces, [one for one in lost if one.contact_id not in went])
        return {loser: survivor for loser, survivor in went.items() if survivor != loser}

    def transfer(self, survivors: Mapping[int, int]) -> None:
        """Note that what was of merged contacts is their survivors' now, so that a further merge can be told.

        `survivors` gives for each merged contact the one it was merged into. Reading Chatwoot's newest
        traces does not show it: what moved may be old.
        """
        if survivors:
            self.connection.execute(
                statement("merge_evidence/transfer"),
                {**self._account, "losers": list(survivors), "survivors": list(survivors.values())},
            )

    @property
    def _traces(self) -> TraceReading | None:
        return self.snapshot.traces if isinstance(self.snapshot, TracesContacts) else None

    @property
    def _account(self) -> dict[str, Any]:
        return {"installation_id": self.identity.installation_id, "account_id": self.identity.account_id}

    def _by_traces(self, traces: TraceReading, lost: Sequence[Lost]) -> dict[int, int]:
        rows = self.connection.execute(
            statement("merge_evidence/read"),
            {**self._account, "contact_ids": [one.contact_id for one in lost]},
        ).fetchall()
        conversations = {row[0]: row[1] for row in rows if row[1] is not None}
        inboxes = {row[0]: row[2] for row in rows if row[2] is not None}
        by_inbox = self._resolved(traces, Trace.CONTACT_INBOX, inboxes)
        return by_inbox | self._resolved(traces, Trace.CONVERSATION, conversations)

    def _by_conversations(self, traces: TraceReading, lost: Sequence[Lost]) -> dict[int, int]:
        """Ask for the conversations that we brought to the lost contacts' persons."""
        contacts = {str(one.person_id): one.contact_id for one in lost if one.person_id is not None}
        if not contacts:
            return {}
        rows = self.connection.execute(
            statement("mapping/conversations_of"),
            {**self.identity.parameters(), "person_ids": list(contacts)},
        )
        return self._resolved(traces, Trace.DISPLAY_ID, {contacts[row[0]]: row[1] for row in rows})

    def _by_addresses(self, traces: TraceReading, lost: Sequence[Lost]) -> dict[int, int]:
        addresses = {one.contact_id: one.addresses for one in lost if one.addresses}
        wanted = sorted(set().union(*addresses.values()))
        if not wanted:
            return {}
        holders = traces.contacts_with(self.identity.account_id, wanted, wanted)
        went = {}
        for contact_id, values in addresses.items():
            common = set.intersection(*(holders.get(value, set()) for value in values))
            if len(common) == 1:
                went[contact_id] = common.pop()
        return went

    def _resolved(self, traces: TraceReading, trace: Trace, keys: Mapping[int, int]) -> dict[int, int]:
        owners = traces.owners(trace, self.identity.account_id, sorted(set(keys.values())))
        return {contact_id: owners[key] for contact_id, key in keys.items() if key in owners}
