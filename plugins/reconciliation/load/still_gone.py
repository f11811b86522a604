"""Asks Chatwoot once more, right before a removal, whether what is to be removed is still gone there."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from chatwoot.errors import ChatwootError
from chatwoot.source import SourceFilter

from reconciliation.errors import IncidentOpenError
from reconciliation.extract.look import Look, looking
from reconciliation.extract.merged_contacts import MergeEvidence, lost_contact
from reconciliation.extract.streams import CONTACTS, LEAD, STREAMS
from reconciliation.model.desired_contact import contact_of
from reconciliation.store.ledger import REMOVAL
from reconciliation.store.mapping_store import MappingStore

if TYPE_CHECKING:
    import psycopg
    from chatwoot.source import ChatwootSource, SourceSnapshot

    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.store.ledger import Operation

log = logging.getLogger(__name__)


class Presence(Enum):
    """What Chatwoot shows of a record that is to be removed from Krayin.

    `ELSEWHERE`: a contact that was taken for deleted was merged, or was merged into another one.
    `UNSEEN`: it cannot be told now, as Chatwoot cannot be read or may not show everything.
    """

    GONE = "gone"
    BACK = "back"
    ELSEWHERE = "elsewhere"
    UNSEEN = "unseen"


@dataclass(frozen=True, slots=True)
class SourceCheck:
    """Looks a removal's record up by its id, in the whole account; a connection of its own for each look."""

    connection: psycopg.Connection
    settings: SyncSettings
    source: ChatwootSource

    def look(self, operation: Operation) -> Presence:
        """Return what Chatwoot shows now of the record that a removal is about."""
        try:
            with looking(self.connection, self.settings, self.source, reads_all=False) as snapshot:
                look = Look.begin(self.connection, self.settings, operation.identity, snapshot)
                return Presence.UNSEEN if look.judge() else self._look(snapshot, operation)
        except (ChatwootError, IncidentOpenError) as error:
            log.warning("%s waits: %s", operation, error)
            return Presence.UNSEEN

    def _look(self, snapshot: SourceSnapshot, operation: Operation) -> Presence:
        identity, source_id = operation.identity, contact_of(operation.source_id)
        is_contact = operation.source_kind in {"contact", LEAD}
        scope = SourceFilter(identity.account_id)
        snapshot.check(scope)
        stream = CONTACTS.stream if is_contact else STREAMS[operation.source_kind]
        if snapshot.there(stream, scope, [source_id]):
            return Presence.BACK
        if not is_contact:
            return Presence.GONE
        evidence = MergeEvidence(self.connection, identity, snapshot)
        if not evidence.can_tell:
            return Presence.UNSEEN
        rows = MappingStore(self.connection).rows_of(identity, "contact", str(source_id))
        lost = lost_contact(source_id, rows.get("person"))
        survivor = evidence.survivors([lost]).get(source_id)
        wanted = operation.payload[REMOVAL]
        # Plans of earlier versions do not say what the contact was merged into.
        same = "merged_into" in wanted and wanted["merged_into"] == survivor
        return Presence.GONE if same else Presence.ELSEWHERE
