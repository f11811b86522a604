"""Whether a Krayin is the one we knew, asked of what is read and written anyway."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from krayin.catalogue import Catalogue
from statements import statement

from reconciliation.crm.fields import RECORDS
from reconciliation.errors import AnotherKrayinError
from reconciliation.store.incidents import open_incident
from reconciliation.store.mapping_store import AlreadyMappedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    import psycopg
    from krayin.catalogue import Attribute, User
    from krayin.client import KrayinClient
    from krayin.records import Listed

# Salespeople delete records too: fewer than these, or less than the share, is drift.
LEAST_GONE = 10
LARGEST_SHARE_GONE = 0.5
LEAST_COMPARED = 10
LEAST_UNKNOWN_SHARE = 0.9
# Users, pipelines and custom attributes of which more than half vanish at once.
LEAST_SETTINGS_GONE = 3
# Krayin keeps local times: under another APP_TIMEZONE all shift alike, by quarters of an hour.
QUARTER = timedelta(minutes=15)
WIDEST_SHIFT = timedelta(hours=26)

WHAT_NOW = "Nothing is written to it any more. Start the DAG krayin_recover and say what happened"

ANOTHER_KRAYIN = "another_krayin"
"""The kind of the incident."""
# Records of ours that a bulk read lacks, before Krayin is asked how many it has.
SUSPICIOUS = 3


@dataclass(frozen=True, slots=True)
class Sign:
    """What was seen; `facts` are numbers and ids only (JSON)."""

    name: str
    seen: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What is told to people."""
        return f"This may be another Krayin than the one we knew: {self.seen}. {WHAT_NOW}"


def same_moment(known: datetime, shown: datetime) -> bool:
    """Tell whether two readings of when a record was made are of one record, the server's zone apart."""
    apart = abs(shown - known)
    return apart <= WIDEST_SHIFT and apart % QUARTER == timedelta(0)


def id_given_again(crm_kind: str, crm_id: int, newest: int) -> Sign | None:
    """Return a sign when a new record has an id no newer than the newest known before: MySQL counts up."""
    if crm_id > newest:
        return None
    return Sign(
        "id_given_again",
        f"it gave a new {crm_kind} the id {crm_id}, though ids up to {newest} had been given before",
        {"kind": crm_kind, "id": crm_id, "newest_known": newest},
    )


def id_taken(made: Mapping[str, int]) -> Sign:
    """Return the sign that a new record, by kind, has an id that a record of ours has."""
    named = " and ".join(f"{kind} {crm_id}" for kind, crm_id in made.items())
    return Sign("id_given_again", f"it gave a new record an id that ours has ({named})", {"made": dict(made)})


def other_record(crm_kind: str, known: Mapping[int, datetime], shown: Mapping[int, datetime]) -> Sign | None:
    """Return a sign when a record of ours was made at another time than it was; both by id, aware."""
    others = [one for one, at in known.items() if one in shown and not same_moment(at, shown[one])]
    if not others:
        return None
    return Sign(
        "other_record",
        f"its {crm_kind} {min(others)} was made at another time than ours with that id",
        {"kind": crm_kind, "ids": sorted(others)[:LEAST_GONE], "number": len(others)},
    )


def records_gone(crm_kind: str, *, ours: int, beyond: int, total: int, newest: int) -> Sign | None:
    """Return a sign when the newest of our records, or most of them, are gone at once.

    Krayin 2.1 and 2.2 keep no trace of deletions, so what a salesperson deletes looks the same one by one:
    a sign is only what nobody does by hand.

    Args:
        crm_kind: which records are counted.
        ours: how many of them are ours.
        beyond: how many of ours have ids above Krayin's newest.
        total: how many Krayin has, anybody's.
        newest: the newest id of these.
    """
    missing = ours - total
    facts = {"kind": crm_kind, "ours": ours, "there": total, "newest_there": newest, "ours_beyond": beyond}
    if beyond >= LEAST_GONE:
        seen = f"its newest {crm_kind} has the id {newest}, and {beyond} of our {crm_kind}s had newer ones"
        return Sign("newest_gone", seen, facts)
    if missing >= LEAST_GONE and missing > LARGEST_SHARE_GONE * ours:
        return Sign("most_gone", f"it has {total} {crm_kind}s, where {ours} of ours were", facts)
    return None


def emails_unknown(compared: int, unknown: int) -> Sign | None:
    """Return a sign when hardly a person of ours has an e-mail that was sent: the mark of a staging copy."""
    if compared < LEAST_COMPARED or unknown < LEAST_UNKNOWN_SHARE * compared:
        return None
    return Sign(
        "emails_unknown",
        f"{unknown} of {compared} persons of ours have none of the e-mails they had, as in a test copy",
        {"compared": compared, "unknown": unknown},
    )


def other_setup(before: Catalogue, now: Catalogue) -> Sign | None:
    """Return a sign when users, pipelines and attributes are not those we knew.

    Ordinary edits are none: names, e-mails, one more, one less. An id that has another identity is,
    as are more than half of all gone at once.
    """
    stages = {stage.id: pipeline.id for pipeline in before.pipelines for stage in pipeline.stages}
    attributes = {one.id: one for one in before.attributes}
    users = {one.id: one for one in before.users}
    others = [
        *(
            f"user {one.id}"
            for one in now.users
            if one.id in users and not _made_together(users[one.id], one)
        ),
        *(
            f"attribute {one.id}"
            for one in now.attributes
            if one.id in attributes and not _same_attribute(attributes[one.id], one)
        ),
        *(
            f"stage {stage.id}"
            for pipeline in now.pipelines
            for stage in pipeline.stages
            if stages.get(stage.id, pipeline.id) != pipeline.id
        ),
    ]
    if others:
        return Sign("other_setup", f"its {others[0]} is another one", {"others": sorted(others)[:LEAST_GONE]})
    known_settings, settings = _settings(before), _settings(now)
    gone = known_settings - settings
    if len(gone) >= LEAST_SETTINGS_GONE and len(gone) > LARGEST_SHARE_GONE * len(known_settings):
        seen = f"{len(gone)} of its {len(known_settings)} users, pipelines and custom attributes are gone"
        return Sign("setup_gone", seen, {"gone": sorted(gone), "known": len(known_settings)})
    return None


def _made_together(known: User | Attribute, shown: User | Attribute) -> bool:
    if known.created_at is None or shown.created_at is None:
        return True
    return same_moment(known.created_at, shown.created_at)


def _same_attribute(known: Attribute, shown: Attribute) -> bool:
    same = (known.entity_type, known.code) == (shown.entity_type, shown.code)
    return same and _made_together(known, shown)


def _settings(catalogue: Catalogue) -> set[str]:
    return {
        *(f"user {one.id}" for one in catalogue.users),
        *(f"pipeline {one.id}" for one in catalogue.pipelines),
        *(f"attribute {one.id}" for one in catalogue.attributes if one.is_user_defined),
    }


@dataclass(slots=True)
class Lineage:
    """What one worker knows of the descent of its Krayin. The connection is in autocommit mode.

    All methods raise AnotherKrayinError at a sign, after an incident that stops every sync to this Krayin.
    """

    connection: psycopg.Connection
    client: KrayinClient
    target_id: int
    _newest: dict[str, int] = field(default_factory=dict)
    _emails: Counter[str] = field(default_factory=Counter)
    _counted: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """Look up which ids are known, before this worker's first writing call."""
        rows = self.connection.execute(statement("mapping/newest"), {"target_id": self.target_id})
        self._newest = {row[0]: int(row[1]) for row in rows}

    @contextmanager
    def linking(self, **records: Listed) -> Iterator[None]:
        """Look at new records of an answer, by kind, and see their ids kept; begins outside a transaction."""
        made = {kind: record.id for kind, record in records.items()}
        for kind, record in records.items():
            sign = id_given_again(kind, record.id, self._newest[kind])
            if sign is not None:
                self.found(sign, made)
            # The next of this worker's own calls begins after this answer.
            self._newest[kind] = record.id
        try:
            yield
        except AlreadyMappedError:
            # Linked by another worker since this one began.
            self.found(id_taken(made), made)

    def shown(self, crm_kind: str, asked: Iterable[int], records: Sequence[Listed]) -> None:
        """Look at records that a bulk read shows; `asked` are the ids it was for, none for a list."""
        ids = {record.id for record in records}
        wanted = set(asked)
        parameters = {"target_id": self.target_id, "crm_kind": crm_kind}
        rows = self.connection.execute(
            statement("mapping/known"), {**parameters, "crm_ids": sorted(ids | wanted)}
        ).fetchall()
        made = {record.id: record.created_at for record in records if record.created_at is not None}
        self._check(other_record(crm_kind, {row[0]: row[1] for row in rows if row[1] is not None}, made))
        if crm_kind == "person":
            self._compare_emails({row[0]: row[2] for row in rows}, records)
        new = {row[0]: made[row[0]] for row in rows if row[1] is None and row[0] in made}
        if new:
            self.connection.execute(
                statement("mapping/learn"),
                {**parameters, "crm_ids": list(new), "created_ats": list(new.values())},
            )
        ours = {row[0] for row in rows} & wanted
        gone = ours - ids
        if len(gone) >= SUSPICIOUS and 2 * len(gone) > len(ours):
            self.count(crm_kind)

    def listed(self, crm_kind: str, total: int, newest: int, before: int | None) -> None:
        """Look at how many records a list has, and at the newest id of it that is known to be there.

        `before` is how many it had when it was last read, None if that is not known.
        """
        beyond = self.connection.execute(
            statement("mapping/beyond"),
            {"target_id": self.target_id, "crm_kind": crm_kind, "newest": newest, "most": LEAST_GONE},
        ).fetchone()
        assert beyond is not None
        fell = before is None or before - total > LARGEST_SHARE_GONE * before
        # To count our records takes seconds where there are millions.
        if beyond[0] < LEAST_GONE and not fell:
            return
        if self._gone(crm_kind, total, newest) is not None:
            # A list of what changed last need not show the newest id.
            self.count(crm_kind)

    def count(self, crm_kind: str) -> None:
        """Ask Krayin how many records of a kind it has, once in this worker's life: one call."""
        if crm_kind in self._counted or crm_kind == "organization":
            return
        self._counted.add(crm_kind)
        page = self.client.page(RECORDS[crm_kind], 1, 1, "id", "desc")
        newest = page.rows[0].id if page.rows else 0
        self._check(self._gone(crm_kind, page.total, newest))

    def found(self, sign: Sign, made: Mapping[str, int] | None = None) -> NoReturn:
        """Stop every sync to this Krayin because of `sign`; `made` are records that an answer told of."""
        incident = note_sign(self.connection, self.target_id, sign)
        raise AnotherKrayinError(incident, ANOTHER_KRAYIN, sign.sentence, made or {})

    def _check(self, sign: Sign | None) -> None:
        if sign is not None:
            self.found(sign)

    def _gone(self, crm_kind: str, total: int, newest: int) -> Sign | None:
        row = self.connection.execute(
            statement("mapping/census"),
            {"target_id": self.target_id, "crm_kind": crm_kind, "newest": newest},
        ).fetchone()
        assert row is not None
        return records_gone(crm_kind, ours=row[0], beyond=row[1], total=total, newest=newest)

    def _compare_emails(self, sent: Mapping[int, Sequence[str]], records: Sequence[Any]) -> None:
        for person in records:
            before = {email.casefold() for email in sent.get(person.id, ())}
            if before:
                self._emails["compared"] += 1
                self._emails["unknown"] += before.isdisjoint(row.value.casefold() for row in person.emails)
        self._check(emails_unknown(self._emails["compared"], self._emails["unknown"]))


def note_sign(connection: psycopg.Connection, target_id: int, sign: Sign) -> int:
    """Open the incident that a sign makes, and return its id."""
    return open_incident(
        connection,
        kind=ANOTHER_KRAYIN,
        sentence=sign.sentence,
        facts={"sign": sign.name, **sign.facts},
        target_id=target_id,
    )


def compare_setup(connection: psycopg.Connection, target_id: int, now: Catalogue) -> None:
    """Open an incident when a Krayin is not set up like the one we knew; what is shown now is then known."""
    row = connection.execute(statement("krayin_catalogue/known"), {"target_id": target_id}).fetchone()
    if row is None:
        return
    try:
        before = Catalogue.from_json(row[0])
    except ValueError:
        # Written by another version.
        return
    sign = other_setup(before, now)
    if sign is not None:
        note_sign(connection, target_id, sign)
