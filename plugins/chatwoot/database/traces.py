"""By what one tells where a contact went that is not there any more: merged into another, or deleted.

Chatwoot 4 keeps no record of either. A merge moves the contact's conversations and contact inboxes to
the surviving contact before it deletes the row; a deletion takes them away, minutes later.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

CHUNK = 5000


class Trace(StrEnum):
    """What moves along with a merge, and by which key it is named."""

    CONTACT_INBOX = "contact_inbox"
    CONVERSATION = "conversation"
    DISPLAY_ID = "display_id"
    """A conversation by the number that people see."""


_LATEST = {
    Trace.CONTACT_INBOX: "contacts/inbox_traces",
    Trace.CONVERSATION: "conversations/traces",
}
_OWNERS = {
    Trace.CONTACT_INBOX: "contacts/inbox_trace_owners",
    Trace.CONVERSATION: "conversations/trace_owners",
    Trace.DISPLAY_ID: "conversations/display_trace_owners",
}


@runtime_checkable
class TracesContacts(Protocol):
    """A view of Chatwoot that can tell where contacts went."""

    @property
    def traces(self) -> TraceReading:
        """What moves along with merges."""
        ...


@dataclass(frozen=True, slots=True)
class TraceReading:
    """Reads traces from Chatwoot's database.

    `chunks` yields the rows of a statement in chunks, none where the role may not read the table: only
    syncs of conversations need to.
    """

    chunks: Callable[[str, Mapping[str, Any]], Iterator[Sequence[Any]]]

    def latest(self, trace: Trace, account_id: int, after: int) -> Iterator[Sequence[tuple[int, int]]]:
        """Yield contact id and key of the latest trace of contacts that have one after `after`, in chunks."""
        for chunk in self.chunks(_LATEST[trace], {"account_id": account_id, "after": after}):
            yield [(row.contact_id, row.key) for row in chunk]

    def owners(self, trace: Trace, account_id: int, keys: Sequence[int]) -> dict[int, int]:
        """Return by key the contacts that some traces are of now; those of no existing contact are absent."""
        if not keys:
            return {}
        found = self.chunks(_OWNERS[trace], {"account_id": account_id, "keys": list(keys)})
        return {row.key: row.contact_id for row in chain.from_iterable(found)}

    def contacts_with(
        self, account_id: int, emails: Sequence[str], phones: Sequence[str]
    ) -> dict[str, set[int]]:
        """Return by e-mail (lower case) and phone the contacts that have it now."""
        found: dict[str, set[int]] = {}
        given = {"account_id": account_id, "emails": list(emails), "phones": list(phones)}
        for row in chain.from_iterable(self.chunks("contacts/with_natural_keys", given)):
            for value in (row.email, row.phone_number):
                if value:
                    found.setdefault(value, set()).add(row.id)
        return found
