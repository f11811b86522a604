"""What the sync database knows of single contacts, and of what waits for a person."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from psycopg.rows import dict_row
from statements import statement

from reconciliation.model.merge import SEEN, UNDECIDED
from reconciliation.web.findings import CHUNK, as_text
from reconciliation.web.labels import difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import psycopg

    from reconciliation.drift.field_differences import FieldDifference
    from reconciliation.drift.record_now import RecordNow
    from reconciliation.model.field_source import Policy

Row = dict[str, Any]

FOUND_AT_MOST: Final = 50
HISTORY: Final = 100
PRESENT: Final = ("open", "reported", "repairing")
PAGE: Final = 50
SHORTEST_PART: Final = 3
"""Fewer letters would match nearly everybody."""
_DIGITS = re.compile(r"[+\d][\d\s()./-]*")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record on both sides, as read just now or as last seen, and what was sent last.

    `is_read` tells whether Krayin's value is known at all, `finding` is the difference that a comparison
    found, `difference` the one that is there now, `policy` the one by which Krayin's other value stays now.
    """

    name: str
    sent: Any
    chatwoot: Any
    krayin: Any
    is_read: bool
    finding: Row | None
    difference: FieldDifference | None
    policy: Policy | None


@dataclass(frozen=True, slots=True)
class Link:
    """One record of a contact in Krayin with its fields; `row` is that of `mapping/links_of_contact`."""

    row: Row
    fields: Sequence[Field]


@dataclass(frozen=True, slots=True)
class ContactRecord:
    """All that is known of one contact; rows are those of the statements' columns."""

    links: Sequence[Link]
    findings: Sequence[Row]
    timeline: Sequence[Row]


def chatwoot_page(url: str | None, account_id: int, contact_id: int | None) -> str | None:
    """Return the address of a contact's page; `url` is the one agents open, None where it is not known."""
    if not url or contact_id is None:
        return None
    return f"{url.rstrip('/')}/app/accounts/{account_id}/contacts/{contact_id}"


def scope_of(connection: psycopg.Connection, sync_name: str) -> Row | None:
    """Return between which Krayin and Chatwoot account a sync works, None before its first run."""
    return next(iter(_all(connection, "watermark/scope", {"sync_name": sync_name})), None)


def find(connection: psycopg.Connection, scope: Mapping[str, Any], text: str, *, ids_only: bool) -> list[Row]:
    """Return the links of the contacts that `text` may mean, at most 50 contacts.

    It is an id in Chatwoot or Krayin, or unless `ids_only` a part of a name, an e-mail or a phone number.
    """
    text = text.strip()
    ids: set[int] = set()
    if text.isdecimal() and len(text) < len(str(2**63)):
        ids |= {
            row["contact_id"]
            for row in _all(connection, "mapping/contacts_of_ids", {**scope, "id": int(text)})
        }
    if len(text) >= SHORTEST_PART and not ids_only:
        # Phone numbers are compared by their digits, e-mails in lower case.
        digits = re.sub(r"\D", "", text) if _DIGITS.fullmatch(text) else ""
        key = digits if len(digits) >= SHORTEST_PART else text.casefold()
        texts = {"key": key, "key_like": _containing(key), "name": text, "name_like": _containing(text)}
        found = _all(connection, "mapping/contacts_like", {**scope, **texts, "size": FOUND_AT_MOST})
        ids |= {row["contact_id"] for row in found}
    return links_of(connection, scope, sorted(ids, reverse=True)[:FOUND_AT_MOST])


def links_of(
    connection: psycopg.Connection, scope: Mapping[str, Any], contact_ids: Sequence[int]
) -> list[Row]:
    """Return the links of these contacts with what was sent and what Krayin showed."""
    return _all(
        connection, "mapping/links_of_contact", {**scope, "contact_ids": [str(one) for one in contact_ids]}
    )


def record_of(
    connection: psycopg.Connection, sync_name: str, scope: Mapping[str, Any], contact_id: int, now: RecordNow
) -> ContactRecord | None:
    """Return what is known of a contact, None if it was never planned; `now` is what was read just now."""
    rows = links_of(connection, scope, [contact_id])
    asked = {**scope, "sync_name": sync_name, "contact_id": contact_id}
    findings = _all(connection, "finding/of_contact", asked)
    timeline = _all(connection, "timeline/of_contact", {**asked, "size": HISTORY})
    if not (rows or findings or timeline):
        return None
    return ContactRecord([Link(row, _fields(row, findings, now)) for row in rows], findings, timeline)


def quarantine_page(
    connection: psycopg.Connection,
    sync_name: str,
    error_class: str | None = None,
    before: int | None = None,
    contact_id: int | None = None,
) -> list[Row]:
    """Return up to 50 quarantined operations older than the operation `before`, the newest first."""
    asked = {
        "sync_name": sync_name,
        "error_class": error_class,
        "before": before,
        "contact_id": contact_id,
        "size": PAGE,
    }
    return _all(connection, "operation/quarantine_page", asked)


def quarantine_reasons(connection: psycopg.Connection, sync_name: str) -> list[Row]:
    """Return how many operations of a sync wait for a person, by reason."""
    return _all(connection, "operation/quarantine_by_reason", {"sync_name": sync_name})


def candidates_of(connection: psycopg.Connection, operation_ids: Sequence[int]) -> dict[int, list[Row]]:
    """Return by operation the persons that its contact may be, with what each shares with it."""
    found: dict[int, list[Row]] = {}
    rows = _all(connection, "crm_snapshot/candidates_of_operations", {"operation_ids": list(operation_ids)})
    for row in rows:
        found.setdefault(row["operation_id"], []).append(row)
    return found


def with_same_email(connection: psycopg.Connection, operation_ids: Sequence[int]) -> dict[int, int]:
    """Return by operation the person with its contact's e-mail, where that is one and nobody else's."""
    same = {
        operation_id: [
            row["crm_id"]
            for row in rows
            if row["owner_id"] is None and any(key.startswith("email:") for key in row["shared"])
        ]
        for operation_id, rows in candidates_of(connection, operation_ids).items()
    }
    return {operation_id: ids[0] for operation_id, ids in same.items() if len(ids) == 1}


def decision_page(
    connection: psycopg.Connection,
    sync_name: str,
    *,
    contact_id: int | None = None,
    before: int | None = None,
) -> list[Row]:
    """Return up to 50 decisions older than the decision `before`, of one contact or all, the newest first."""
    asked = {"sync_name": sync_name, "contact_id": contact_id, "before": before, "size": PAGE}
    return _all(connection, "decision/page", asked)


def difference_groups(connection: psycopg.Connection, sync_name: str) -> list[Row]:
    """Return how many differences a sync has now, by class and field."""
    return _all(connection, "finding/groups", {"sync_name": sync_name})


def difference_page(
    connection: psycopg.Connection, sync_name: str, chosen: Mapping[str, Any], before: int | None
) -> list[Row]:
    """Return up to 50 differences older than the difference `before`, the newest first.

    `chosen` has the parameters of the statement `finding_filter/chosen`, None where all are meant.
    """
    return _all(
        connection, "finding/page", {"sync_name": sync_name, "size": PAGE, **chosen, "before": before}
    )


def difference_chunks(
    connection: psycopg.Connection, sync_name: str, chosen: Mapping[str, Any], url: str | None
) -> Iterator[list[Row]]:
    """Yield differences as a file has them, with both sides' values; `url` is where agents open Chatwoot."""
    with connection.cursor("differences", row_factory=dict_row) as cursor:
        cursor.execute(statement("finding/download"), {"sync_name": sync_name, **chosen})
        while rows := cursor.fetchmany(CHUNK):
            yield [described(row, url) for row in rows]


def described(row: Row, url: str | None) -> Row:
    """Return a difference with the columns of a file; `url` is where agents open Chatwoot."""
    return {
        **row,
        "difference": difference(row),
        "chatwoot": as_text(row["detail"].get("chatwoot")),
        "krayin": as_text(row["detail"].get("krayin")),
        "what_happens": row["repair"] if row["state"] in PRESENT else row["state"],
        "chatwoot_page": chatwoot_page(url, row["account_id"], row["contact_id"]),
    }


def comparison_page(
    connection: psycopg.Connection, sync_name: str, before: int | None, size: int = PAGE
) -> list[Row]:
    """Return up to `size` finished comparisons of a sync before the comparison `before`, the newest first."""
    return _all(connection, "reconciliation/page", {"sync_name": sync_name, "before": before, "size": size})


def run_page(
    connection: psycopg.Connection, sync_name: str, before: int | None, size: int = PAGE
) -> list[Row]:
    """Return up to `size` runs of a sync older than the run `before`, the newest first."""
    return _all(connection, "sync_run/page", {"sync_name": sync_name, "before": before, "size": size})


def _fields(row: Row, findings: Sequence[Row], now: RecordNow) -> list[Field]:
    kind, record = row["crm_kind"], row["record"]
    sent, shown = row["last_sent"] or {}, row["facts"] or {}
    wanted, present = now.chatwoot.get(record) or {}, now.krayin.get(record) or {}
    differing = {
        each["field"]: each
        for each in findings
        if each["field"] and (each["crm_kind"], each["crm_id"]) == (kind, row["crm_id"])
    }
    names = dict.fromkeys(
        [
            *(name for name in sent if name not in {SEEN, UNDECIDED}),
            *wanted,
            *(name for name in shown if name in differing),
            *differing,
        ]
    )
    return [
        Field(
            name,
            sent=sent.get(name),
            chatwoot=wanted.get(name, _side(differing, name, "chatwoot", sent.get(name))),
            krayin=present.get(name, _side(differing, name, "krayin", shown.get(name))),
            is_read=name in present or name in shown,
            finding=differing.get(name),
            difference=now.differences.get((record, name)),
            policy=now.kept.get((record, name)),
        )
        for name in names
    ]


def _side(differing: Mapping[str, Row], name: str, side: str, otherwise: Any) -> Any:
    return differing[name]["detail"].get(side, otherwise) if name in differing else otherwise


def _containing(text: str) -> str:
    escaped = re.sub(r"([\\%_])", r"\\\1", text)
    return f"%{escaped}%"


def _all(connection: psycopg.Connection, name: str, parameters: Mapping[str, Any]) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement(name), parameters).fetchall()
