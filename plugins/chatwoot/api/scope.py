"""Which contacts are in the scope of a reading through the API, told with as few calls as that takes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from chatwoot.api import rows as api_rows
from chatwoot.records import BrokenRow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from chatwoot.api.rows import Json
    from chatwoot.api.session import ApiSession
    from chatwoot.contact_rule import ContactRule
    from chatwoot.records import Contact
    from chatwoot.source import SourceFilter

_KEPT = ("id", "inbox_id", "labels", "last_activity_at")
_KEPT_OF_META = ("assignee", "assignee_type", "team")
MANY = 100
"""From so many contacts on, lists of all tell more for fewer calls than asking for each."""


@dataclass(slots=True)
class ApiScope:
    """Tells which contacts are in a scope by its rule; what was found out is kept as long as the reading.

    Attributes:
        session: the account's API.
        channels: returns the channels of the account's inboxes, by id.
        labelled: returns the ids of all contacts with a label.
        conversations_of: returns the conversations of a contact, as the API gives them.
        all_conversations: yields all conversations of an account.
    """

    session: ApiSession
    channels: Callable[[], Mapping[int, str]]
    labelled: Callable[[str], set[int]]
    conversations_of: Callable[[int], list[Json]]
    all_conversations: Callable[[], Iterator[list[Json]]]
    _inside: dict[tuple[SourceFilter, int], bool] = field(default_factory=dict)
    _by_label: dict[str, set[int]] = field(default_factory=dict)
    _by_contact: dict[int, list[Json]] | None = None

    def holds(self, scope: SourceFilter, contact: Contact | BrokenRow, *, many: bool = False) -> bool:
        """Tell whether a contact is in scope; `many` says that it is one of many that are asked for."""
        if scope.where is None or isinstance(contact, BrokenRow):
            return True
        inside = self._holds(scope.where, scope, contact, many=many)
        self._inside[scope, contact.id] = inside
        return inside

    def completed(self, scope: SourceFilter, contact: Contact, *, many: bool = False) -> Contact:
        """Return a contact with what else the scope asks of it; `many` as for `holds`."""
        if scope.lead is not None:
            contact = replace(contact, wants_lead=self._holds(scope.lead, scope, contact, many=many))
        if scope.labels:
            contact = replace(contact, labels=tuple(sorted(self._labels(contact.id))))
        if scope.handling or scope.by_inbox:
            found = self._conversations_of(scope, contact.id, many=many)
            if found and scope.handling:
                contact = replace(contact, handling=api_rows.handling(api_rows.newest(found)))
            if scope.by_inbox:
                contact = replace(contact, by_inbox=api_rows.by_inbox(found))
        return contact

    def _holds(self, rule: ContactRule, scope: SourceFilter, contact: Contact, *, many: bool) -> bool:
        def labels(contact_id: int) -> Collection[str]:
            return self._listed_labels(rule, contact_id) if many else self._labels(contact_id)

        def conversation_labels(contact_id: int) -> Collection[str] | None:
            found = self._conversations_of(scope, contact_id, many=many)
            return {label for one in found for label in one.get("labels") or ()} if found else None

        return rule.holds(contact, self.channels(), labels, conversation_labels)

    def has(self, scope: SourceFilter, contact_id: int | None) -> bool:
        """Tell whether a contact is in scope; by a rule nobody is who is gone."""
        if scope.where is None or contact_id is None:
            return scope.where is None
        if (scope, contact_id) not in self._inside:
            row = self.session.contact(contact_id)
            if row is None:
                return False
            return self.holds(scope, api_rows.contact(row, self.session.account_id))
        return self._inside[scope, contact_id]

    def _conversations_of(self, scope: SourceFilter, contact_id: int, *, many: bool) -> list[Json]:
        rows = self._listed_conversations().get(contact_id, []) if many else self.conversations_of(contact_id)
        return [one for one in rows if scope.inboxes is None or one.get("inbox_id") in scope.inboxes]

    def _labels(self, contact_id: int) -> Collection[str]:
        return (self.session.find(f"/contacts/{contact_id}/labels") or {}).get("payload") or ()

    def _listed_labels(self, rule: ContactRule, contact_id: int) -> Collection[str]:
        """Return those of a contact's labels that the rule names."""
        chosen: Iterable[tuple[str, ...] | None] = (rule.labels.any, rule.labels.all, rule.labels.none)
        found = set()
        for label in {one for some in chosen for one in some or ()}:
            if label not in self._by_label:
                self._by_label[label] = self.labelled(label)
            if contact_id in self._by_label[label]:
                found.add(label)
        return found

    def _listed_conversations(self) -> Mapping[int, list[Json]]:
        if self._by_contact is None:
            by_contact: dict[int, dict[int, Json]] = defaultdict(dict)
            for rows in self.all_conversations():
                for row in rows:
                    contact_id = api_rows.contact_id_of(row)
                    if contact_id is not None:
                        meta = row.get("meta") or {}
                        by_contact[contact_id][row["id"]] = {
                            **{key: row.get(key) for key in _KEPT},
                            "meta": {key: meta.get(key) for key in _KEPT_OF_META},
                        }
            self._by_contact = {contact_id: list(some.values()) for contact_id, some in by_contact.items()}
        return self._by_contact
