"""Whether what Chatwoot shows is whole: asked before anything is concluded from what it does not show."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from chatwoot.errors import (
    MissingPrivileges,
    NotAChatwootDatabase,
    RowsHidden,
    UnknownAccount,
    UnknownInbox,
)
from chatwoot.records import Contact
from chatwoot.source import ByIds, SourceFilter
from chatwoot.streams import Stream
from statements import statement

from reconciliation.errors import IncidentOpenError, InstallationChangedError
from reconciliation.extract.baseline import (
    Baseline,
    Witness,
    chosen,
    contradiction,
    fell,
    known_before,
    missing_of_newest,
    note_baseline,
    note_moment,
)
from reconciliation.store.binding_scope import BindingScope, register_scope
from reconciliation.store.incidents import (
    close_incidents,
    open_incident,
    open_incidents,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import psycopg
    from chatwoot.source import ChatwootSource, Row, SourceSnapshot

    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.store.incidents import Incident

log = logging.getLogger(__name__)

HIDDEN = "chatwoot_hidden"
"""Chatwoot cannot be read, or hides rows: nothing is read or planned."""
OTHER = "chatwoot_other"
"""It is not the Chatwoot that was known, or an older one: nothing is planned."""
FEWER = "chatwoot_fewer"
"""It shows less than was known: changes are brought over, nothing is taken for gone."""
_BLIND = (RowsHidden, MissingPrivileges, NotAChatwootDatabase, UnknownAccount, UnknownInbox)
_OF_ACCOUNT = "contacts of the account"
_NEXT_LOOK = "a later look"
_WHAT_TO_DO = (
    "If what Chatwoot shows now is right, confirm it in krayin_recover; if not, mend Chatwoot or the "
    "connection, and the next run goes on by itself"
)


@contextmanager
def looking(
    connection: psycopg.Connection,
    settings: SyncSettings,
    source: ChatwootSource,
    *,
    reads_all: bool = True,
) -> Iterator[SourceSnapshot]:
    """Open a sync's Chatwoot; that it cannot be seen is an incident until it can.

    Before a sync has read anything only hidden rows are one: the rest is for its file to be mended.
    `connection` is in autocommit mode and in no transaction; `reads_all` says that what is done with the
    snapshot needs all that the sync needs, so that its success ends the incident.

    Raises:
        ChatwootError: it cannot be opened or read, or does not show all rows of its tables.
    """
    try:
        with source.snapshot() as snapshot:
            yield snapshot
    except _BLIND as error:
        known = connection.execute(statement("watermark/known"), {"sync_name": settings.name}).fetchone()
        if isinstance(error, RowsHidden) or (known is not None and known[0]):
            open_incident(connection, kind=HIDDEN, sentence=str(error), facts={}, sync_name=settings.name)
        raise
    if reads_all:
        _end(connection, settings.name, HIDDEN)


@dataclass(slots=True)
class Look:
    """One look at a sync's Chatwoot, from `begin` to `judge`.

    Attributes:
        before: what the last whole look showed.
        now: what this one shows so far.
        incident: what an earlier look left in doubt.
        doubts: clauses that say what is missing now.
        fallen: the streams that have too few rows.
        answered: the streams counted in this look.
    """

    connection: psycopg.Connection
    settings: SyncSettings
    identity: BindingScope
    snapshot: SourceSnapshot
    before: Baseline
    now: Baseline
    incident: Incident | None
    doubts: list[str] = field(default_factory=list)
    fallen: list[str] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    _missing: bool = False

    @classmethod
    def begin(
        cls,
        connection: psycopg.Connection,
        settings: SyncSettings,
        identity: BindingScope,
        snapshot: SourceSnapshot,
    ) -> Look:
        """Look whether this is the Chatwoot that the sync knows, as new as it was; costs one small read.

        `connection` is in autocommit mode and in no transaction.

        Raises:
            InstallationChangedError: an API goes by another address or name.
            IncidentOpenError: it is another Chatwoot, or an older one.
        """
        before = known_before(connection, settings.name, identity)
        if before is None or before.formula != snapshot.formula:
            before = Baseline(snapshot.formula)
        incidents = open_incidents(connection, sync_name=settings.name)
        incident = next((one for one in incidents if one.kind == FEWER), None)
        look = cls(connection, settings, identity, snapshot, before, before, incident)
        look._require_known_installation()
        witnesses = look._present(before.witnesses)
        look._missing = len(witnesses) < len(before.witnesses)
        lineage = snapshot.vouch.lineage
        inboxes = settings.chatwoot.inboxes
        inboxes = None if inboxes is None else tuple(sorted(set(inboxes)))
        look.now = replace(
            before,
            lineage=lineage,
            inboxes=inboxes,
            # Counted in another scope, numbers say nothing.
            rows=before.rows if before.inboxes == inboxes else {},
            witnesses=witnesses,
            snapshot=snapshot.vouch.snapshot,
            read_at=snapshot.read_at,
        )
        moved = None not in {lineage, before.lineage} and lineage != before.lineage
        # What comes late may show an older state than was seen, as a restored one does.
        late = bool(snapshot.vouch.passing)
        why = contradiction(before.witnesses, witnesses, moved=moved or late)
        if why is None and look.now.is_older_than(before):
            why = (
                "it shows an older moment than was read before, as a standby does that is behind, or a "
                "server that was set back"
            )
        if why is not None:
            look._refuse(f"Chatwoot is not as this sync knew it: {why}. Nothing is planned. {_WHAT_TO_DO}")
        _end(connection, settings.name, OTHER)
        missing = missing_of_newest(before.witnesses, witnesses) if moved else []
        if missing:
            look.doubts.append(
                f"it runs elsewhere or was restored, and contact {missing[0]} was among the last to change "
                "and is not there"
            )
        return look

    @property
    def is_whole(self) -> bool:
        """Whether something may be concluded from what is not shown; for sure after `judge`."""
        return not self.doubts and not self._unanswered

    @property
    def _unanswered(self) -> set[str]:
        return set() if self.incident is None else {*self.incident.facts["fallen"]} - self.answered

    def watching(self, chunks: Iterable[Sequence[Row]]) -> Iterator[Sequence[Row]]:
        """Yield the chunks of contacts as they are, and remember a few of them for the next look."""
        for chunk in chunks:
            seen = [Witness.of(one) for one in chunk if isinstance(one, Contact)]
            self.now = replace(self.now, witnesses=chosen([*self.now.witnesses.values(), *seen]))
            yield chunk

    def count(self, scope: SourceFilter) -> None:
        """Count what may have become fewer, where something says so and nobody has counted it.

        A known contact that is gone may be the first of many, and an incident ends with a count.
        """
        wanted = self._unanswered | ({Stream.CONTACTS} if self._missing else set())
        # By a rule fewer may be meant though all are there.
        whole = replace(scope, where=None)
        for stream in sorted(wanted & set(Stream) - self.answered):
            self.counted(stream, sum(one.rows for one in self.snapshot.checksums(Stream(stream), whole)))

    def counted(self, stream: str, rows: int, gone: int | None = None, *, keep: bool = True) -> None:
        """Note how many rows a stream has, and how many of those known are gone, where that was found out.

        Without `keep` nothing is concluded from it later.
        """
        known = self.now.rows.get(stream, 0) if gone is None else rows + gone
        if not self.before.confirmed and fell(known, rows, self.settings.doubt_fall_share):
            self.fallen.append(stream)
            self.doubts.append(f"it shows {rows:,} of the {known:,} {stream} known before")
        self.answered.add(stream)
        if keep:
            self.now = replace(self.now, rows={**self.now.rows, stream: rows})

    def judge(self) -> str | None:
        """Return in a sentence why this look may not be whole, None where nothing says so; once, at its end.

        A doubt is an incident until a look is whole again, or a person has confirmed what is shown.
        """
        vouch = self.snapshot.vouch
        if vouch.contacts is not None:
            self.counted(_OF_ACCOUNT, vouch.contacts)
        self.now = replace(self.now, narrow=vouch.narrow)
        known = self.before.witnesses or self.before.rows
        self.doubts += [clause for clause in vouch.narrow if known and clause not in self.before.narrow]
        self.doubts += vouch.passing
        if self.doubts:
            sentence = (
                f"What Chatwoot shows may not be whole: {'; '.join(self.doubts)}. Changes are brought over, "
                f"nothing is taken for deleted, and the next run reads the same again. {_WHAT_TO_DO}"
            )
            self._open(FEWER, sentence)
        elif self._unanswered and self.incident is not None:
            sentence = self.incident.sentence
        else:
            _end(self.connection, self.settings.name, FEWER)
            return None
        log.warning("%s", sentence)
        return sentence

    def note(self, *, whole: bool = True, compared: bool = False) -> None:
        """Keep for the next look what this one showed; `compared` ends what a person confirmed.

        Of one that may not be whole, or was at a few contacts only (`whole`), that is how new it was, and
        the contacts changed last.
        """
        if whole and self.is_whole:
            now = replace(self.now, confirmed=self.now.confirmed and not compared)
            note_baseline(self.connection, self.settings.name, self.identity, now.to_json())
        else:
            # Whoever is missing now is to be missed by the next look as well.
            known = chosen([*self.before.witnesses.values(), *self.now.witnesses.values()])
            newest = replace(self.now, witnesses=known)
            note_moment(self.connection, self.settings.name, self.identity, newest)

    def _present(self, wanted: Iterable[int]) -> dict[int, Witness]:
        ids = frozenset(wanted)
        if not ids:
            return {}
        # In whatever inbox: who left the scope is not gone.
        scope = SourceFilter(self.identity.account_id)
        chunks = self.snapshot.rows(Stream.CONTACTS, scope, ByIds(ids))
        found = (one for chunk in chunks for one in chunk if isinstance(one, Contact))
        return {one.id: Witness.of(one) for one in found}

    def _require_known_installation(self) -> None:
        name, found = self.settings.name, self.snapshot.installation
        rows = self.connection.execute(
            statement("source_baseline/installations"),
            {
                "sync_name": name,
                "target_id": self.identity.target_id,
                "account_id": self.identity.account_id,
            },
        ).fetchall()
        known = [row[0] for row in rows]
        if not known or found in known:
            return
        if self.settings.chatwoot.source == "api":
            # An API does not say the installation's own name: its address stands in, and may change.
            error = InstallationChangedError(name, found, known)
            self._open(OTHER, str(error))
            raise error
        self._refuse(
            f"Sync {name} brought this account over from Chatwoot {' and '.join(known)} so far, and its "
            f"connection leads to {found} now: every contact would be taken for a new one. Nothing is "
            f"planned. {_WHAT_TO_DO}"
        )

    def _refuse(self, sentence: str) -> None:
        raise IncidentOpenError(self._open(OTHER, sentence), OTHER, sentence)

    def _open(self, kind: str, sentence: str) -> int:
        facts = {
            "identity": {
                "target_id": self.identity.target_id,
                "installation_id": self.identity.installation_id,
                "account_id": self.identity.account_id,
            },
            "baseline": self.now.to_json(),
            "fallen": self.fallen,
        }
        return open_incident(
            self.connection, kind=kind, sentence=sentence, facts=facts, sync_name=self.settings.name
        )


def confirm_source(connection: psycopg.Connection, incident: Incident, *, by: str) -> None:
    """Take what Chatwoot showed in an incident of kind `OTHER` or `FEWER` for right, and close it.

    From then on the usual rules hold for what is gone, with its question. One of kind `HIDDEN` cannot
    be confirmed: it ends when Chatwoot can be read.

    Raises:
        ValueError: the incident is of another kind.
    """
    if incident.kind not in {OTHER, FEWER} or incident.sync_name is None:
        message = f"incident {incident.id} ({incident.kind}) cannot be confirmed"
        raise ValueError(message)
    with connection.transaction():
        note_baseline(
            connection,
            incident.sync_name,
            register_scope(connection, **incident.facts["identity"]),
            {**incident.facts["baseline"], "confirmed": True},
        )
        close_incidents(connection, incident_id=incident.id, by=by, why="what Chatwoot shows now is right")


def _end(connection: psycopg.Connection, sync_name: str, kind: str) -> None:
    close_incidents(
        connection, kind=kind, sync_name=sync_name, by=_NEXT_LOOK, why="Chatwoot shows it as known again"
    )
