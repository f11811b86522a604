"""Whether a Krayin is the one we knew, asked of what is read and written anyway."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from krayin.catalogue import Catalogue
from statements import statement

from reconciliation.crm.listings import RECORDS
from reconciliation.crm.signs import (
    Census,
    Sign,
    emails_unknown,
    id_given_again,
    id_taken,
    other_record,
    other_setup,
    records_gone,
)
from reconciliation.errors import AnotherKrayinError
from reconciliation.sync_database.incidents import open_incident
from reconciliation.sync_database.mapping_store import AlreadyMappedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import psycopg
    from krayin.client import KrayinClient
    from krayin.records import Listed


ANOTHER_KRAYIN = "another_krayin"
"""The kind of the incident."""
# Records of ours that a bulk read lacks, before Krayin is asked how many it has.
SUSPICIOUS = 3


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

    def listed(self, crm_kind: str, total: int, newest: int) -> None:
        """Look at how many records a list has, and at the newest id of it that is known to be there."""
        census = self._census(crm_kind, total, newest)
        if records_gone(census) is not None:
            # A list of what changed last need not show the newest id.
            self.count(crm_kind)

    def count(self, crm_kind: str) -> None:
        """Ask Krayin how many records of a kind it has, once in this worker's life: one call."""
        if crm_kind in self._counted or crm_kind == "organization":
            return
        self._counted.add(crm_kind)
        page = self.client.page(RECORDS[crm_kind], 1, 1, "id", "desc")
        newest = page.rows[0].id if page.rows else 0
        self._check(records_gone(self._census(crm_kind, page.total, newest)))

    def found(self, sign: Sign, made: Mapping[str, int] | None = None) -> NoReturn:
        """Stop every sync to this Krayin because of `sign`; `made` are records that an answer told of."""
        incident = note_sign(self.connection, self.target_id, sign)
        raise AnotherKrayinError(incident, ANOTHER_KRAYIN, sign.sentence, made or {})

    def _check(self, sign: Sign | None) -> None:
        if sign is not None:
            self.found(sign)

    def _census(self, crm_kind: str, total: int, newest: int) -> Census:
        row = self.connection.execute(
            statement("mapping/census"),
            {"target_id": self.target_id, "crm_kind": crm_kind, "newest": newest},
        ).fetchone()
        assert row is not None
        return Census(crm_kind, ours=row[0], beyond=row[1], total=total, newest=newest)

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
