"""The question whether a held plan may be carried out, and what its answer does."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.crm.person_deletions import PERSON_DELETIONS
from reconciliation.model.templates import page, plural
from reconciliation.plan.estimate import Expected, load_calls, load_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

log = logging.getLogger(__name__)

APPROVE = "Approve"
# A nudge may be lost while the DAG is paused, so it is repeated with later plans.
NUDGE_AGAIN = timedelta(minutes=10)
BATCH = 1000
LARGEST = 20
FIELDS_SHOWN = 6
EXAMPLES = 10
NAMES = {"stage": ("lead stage", "lead stages"), "company": ("company", "companies")}


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is shown of a held plan: numbers, ids and names of fields, never values.

    `changes` counts its operations by source kind, `fields` by field; `largest` are those that change
    the most fields. `removals` has for each kind of removal, `person.deleted` say, how many there are and
    examples of their source records. `calls` and `seconds` are what carrying it out will cost.
    """

    approval_id: int
    sync_name: str
    changes: Mapping[str, int]
    waiting_with_it: int
    fields: Mapping[str, int]
    largest: Sequence[tuple[str, str, Sequence[str]]]
    calls: int
    seconds: int
    requests_per_minute: int
    removals: Mapping[str, tuple[int, Sequence[str]]] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """One line."""
        done = "changed or removed" if self.removals else "changed"
        return f"{self.sync_name}: may {sum(self.changes.values())} records be {done} in Krayin?"

    @property
    def body(self) -> str:
        """The question in Markdown."""
        return page(
            "approval.md.j2",
            asked=self,
            kinds=[plural(number, *NAMES.get(kind, (kind,))) for kind, number in self.changes.items()],
            shown=FIELDS_SHOWN,
            is_limited=self.seconds > load_seconds(self.calls, self.requests_per_minute, 0),
            deletions=PERSON_DELETIONS,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for `approval.shown`."""
        return {
            "changes": dict(self.changes),
            "removals": {what: [number, list(some)] for what, (number, some) in self.removals.items()},
            "waiting_with_it": self.waiting_with_it,
            "fields": dict(self.fields),
            "largest": [[kind, source_id, list(fields)] for kind, source_id, fields in self.largest],
            "forecast_calls": self.calls,
            "forecast_seconds": self.seconds,
        }


@dataclass(frozen=True, slots=True)
class Decided:
    """How many operations an answer planned, and how many it declined."""

    planned: int = 0
    declined: int = 0


def is_to_be_asked(connection: psycopg.Connection, sync_name: str, given_up_after: timedelta) -> bool:
    """Tell whether Airflow is to be told that a plan of a sync waits, and note that it is told.

    A question older than `given_up_after` has lost its DAG run and is asked again.
    """
    rows = connection.execute(
        statement("approval/nudge"),
        {"sync_name": sync_name, "again_after": NUDGE_AGAIN, "given_up_after": given_up_after},
    )
    return rows.fetchone() is not None


def ask(connection: psycopg.Connection, sync_name: str, dag_run_id: str) -> Question | None:
    """Return the question about everything of a sync that is held, None when nothing is.

    `connection` is in autocommit mode. Only one DAG run of a sync asks at a time, so whatever an
    earlier one left without an answer is asked about here.
    """
    with connection.transaction():
        rows = connection.execute(statement("approval/unanswered"), {"sync_name": sync_name}).fetchall()
        if not rows:
            return None
        approval_id, shown = rows[0]
        merged = [row[0] for row in rows[1:]]
        if merged:
            # First, because only one of a sync may be asked about.
            connection.execute(statement("approval/withdraw"), {"approval_ids": merged})
        _ask(connection, approval_id, dag_run_id, shown)
    connection.execute(
        statement("operation/merge_approvals"),
        {"sync_name": sync_name, "approval_id": approval_id, "merged_ids": merged},
    )
    with connection.transaction():
        # Whoever is about to hold something more under it has done so by now.
        connection.execute(statement("approval/unanswered"), {"sync_name": sync_name})
        question = _question(connection, sync_name, approval_id, shown)
        if not question.changes:
            connection.execute(statement("approval/withdraw"), {"approval_ids": [approval_id]})
    if not question.changes:
        # What only waited for a plan that is gone may go on.
        _release(connection, approval_id)
        return None
    _ask(connection, approval_id, dag_run_id, {**shown, **question.to_json()})
    return question


def answer(connection: psycopg.Connection, approval_id: int, *, approved: bool, decided_by: str) -> Decided:
    """Carry out the answer to a question; the first answer counts, a repetition completes it.

    `connection` is in autocommit mode; each batch is a transaction of its own.
    """
    connection.execute(
        statement("approval/answer"),
        {
            "approval_id": approval_id,
            "state": "approved" if approved else "declined",
            "decided_by": decided_by,
        },
    )
    decided = _release(connection, approval_id)
    log.info(
        "approval %d %s by %s: %d operation(s) planned, %d declined",
        approval_id,
        "approved" if approved else "declined",
        decided_by,
        decided.planned,
        decided.declined,
    )
    return decided


def leave_unanswered(connection: psycopg.Connection, approval_id: int) -> None:
    """Note that nobody answered: the plan stays held."""
    connection.execute(statement("approval/reopen"), {"approval_id": approval_id})


def _ask(connection: psycopg.Connection, approval_id: int, dag_run_id: str, shown: Mapping[str, Any]) -> None:
    connection.execute(
        statement("approval/ask"),
        {"approval_id": approval_id, "dag_run_id": dag_run_id, "shown": Jsonb(dict(shown))},
    )


def _release(connection: psycopg.Connection, approval_id: int) -> Decided:
    states: Counter[str] = Counter()
    while rows := connection.execute(
        statement("operation/let_go"), {"approval_id": approval_id, "size": BATCH}
    ).fetchall():
        states.update(row[0] for row in rows)
    return Decided(states["planned"], states["declined"])


def _question(
    connection: psycopg.Connection, sync_name: str, approval_id: int, shown: Mapping[str, Any]
) -> Question:
    changes: Counter[str] = Counter()
    fields: Counter[str] = Counter()
    largest: list[tuple[str, str, Sequence[str]]] = []
    removals: dict[str, tuple[int, list[str]]] = {}
    costs: list[Expected] = []
    waiting_with_it = 0
    with connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(statement("operation/held"), {"approval_id": approval_id}):
            costs.append(Expected(row["forecast_calls"], frozenset(row["forecast_reads"])))
            if not row["changes"]:
                waiting_with_it += 1
                continue
            changes[row["source_kind"]] += 1
            # The name of a company is its id.
            named = "" if row["source_kind"] == "company" else row["source_id"]
            fields.update(row["changes"])
            for what in sorted({_kind_of(one) for one in row["removes"]}):
                number, examples = removals.get(what, (0, []))
                some = [*examples, f"{row['source_kind']} {named}".strip()] if number < EXAMPLES else examples
                removals[what] = number + 1, some
            if len(largest) < LARGEST:
                largest.append((row["source_kind"], named, row["changes"]))
    pace = int(shown.get("requests_per_minute") or 60)
    calls = load_calls(costs, pace, shown.get("with_custom") or ())
    return Question(
        approval_id=approval_id,
        sync_name=sync_name,
        changes=dict(changes.most_common()),
        waiting_with_it=waiting_with_it,
        fields=dict(fields.most_common()),
        largest=largest,
        calls=calls,
        seconds=load_seconds(calls, pace, removals.get("person.deleted", (0, []))[0]),
        requests_per_minute=pace,
        removals=removals,
    )


def _kind_of(removal: str) -> str:
    """Return a removal without the field: of `person.name.overwritten`, `person.overwritten`."""
    kind, *_, what = removal.split(".")
    return f"{kind}.{what}"
