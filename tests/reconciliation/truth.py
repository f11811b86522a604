"""Whether what a run, its report and `make status` say is what a count of the tables on both sides gives."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from html import unescape
from typing import TYPE_CHECKING, Any

import psycopg
from reconciliation.run.summary import lines_of
from reconciliation.store.reports import PAGE, fetch
from reconciliation.web.run_report import make_report

from stack import summary as status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from reconciliation.store.run_rows import Run

    from tests.reconciliation.world import World

TABLES = {
    "person": "persons",
    "lead": "leads",
    "organization": "organizations",
    "activity": "activities",
}
# What a move along the pipeline changes counts as the stage's.
PASSING = {"updated_at", "lead_pipeline_stage_id", "closed_at", "status"}
COLUMNS = (
    "Share",
    "Known",
    "In Krayin",
    "Up to date",
    "Adopted",
    "Waiting",
    "Quarantined",
    "Deleted in Krayin",
)

PROBES = 6

Records = dict[str, dict[int, dict[str, Any]]]


@dataclass
class Truth:
    """Watches the runs of one world; what was in Krayin before the first of them is nobody's doing.

    `moved` says that some of it is ours nevertheless: Krayin has another address now.
    """

    world: World
    moved: bool = False
    foreign: Records = field(init=False)

    def __post_init__(self) -> None:
        self.foreign = self.records()

    def records(self) -> Records:
        """Krayin's rows by kind and id, custom attributes among them; its own log entries are left out."""
        rows = self.world.krayin.records(*TABLES.values(), "attribute_values", "attributes")
        passing = {row["id"] for row in rows["attributes"] if row["code"] in PASSING}
        found = {kind: {row["id"]: dict(row) for row in rows[table]} for kind, table in TABLES.items()}
        for value in rows["attribute_values"]:
            if value["attribute_id"] in passing:
                continue
            kind = next(kind for kind, table in TABLES.items() if table == value["entity_type"])
            if (owner := found[kind].get(value["entity_id"])) is not None:
                owner[f"value {value['attribute_id']}"] = {**value, "id": None}
        found["activity"] = {
            number: row for number, row in found["activity"].items() if row["type"] != "system"
        }
        return found

    def links(self) -> dict[str, set[int]]:
        """Ids in Krayin that belong to a record of Chatwoot, by kind."""
        found: dict[str, set[int]] = {kind: set() for kind in TABLES}
        for kind, number in self.world.rows(
            "SELECT crm_kind, crm_id FROM mapping JOIN krayin_target AS t ON t.id = target_id"
            " WHERE state = 'linked' AND crm_id IS NOT NULL AND t.base_url LIKE %s",
            f"{self.world.krayin.url}%",
        ):
            found[kind].add(number)
        return found

    def run(self, act: Callable[[], Run], *, forecast: bool = True) -> Run:
        """Let one run happen and check everything that is said of it.

        `forecast` is False where something happens to the run that no plan can know.
        """
        before, linked = self.records(), self.links()
        self.world.krayin.clear_calls()
        run = act()
        after, links = self.records(), self.links()
        made = {kind: set(after[kind]) - set(before[kind]) for kind in TABLES}
        changed = {
            kind: {
                number
                for number in set(before[kind]) & set(after[kind])
                if _content(before[kind][number]) != _content(after[kind][number])
            }
            for kind in TABLES
        }
        found = {kind: links[kind] - linked[kind] - made[kind] for kind in TABLES}
        said = run.summary
        assert _counts(said.get("created", {})) == _sizes(made)
        assert _counts(said.get("adopted", {})) == _sizes(found)
        # One that is adopted counts once, also when its blanks are filled; an organization's address follows it.
        updated = {kind: changed[kind] - found[kind] for kind in TABLES}
        updated["organization"] = self._written(run.id, "contacts/organizations/{id}")
        assert _counts(said.get("updated", {})) == _sizes(updated)
        gone = {kind: set(before[kind]) - set(after[kind]) for kind in ("person", "lead")}
        deleted = said.get("deleted", {})
        assert {kind: deleted.get(kind, 0) for kind in gone} == {kind: len(ids) for kind, ids in gone.items()}
        self._check_calls(run, forecast=forecast)
        self._check_stages(run, before, after)
        self._check_report(run, after)
        self._check_status(run)
        return run

    # --- one run ------------------------------------------------------------------------------

    def _written(self, run_id: int, route: str) -> set[int]:
        rows = self.world.rows(
            "SELECT DISTINCT operation_id FROM api_call"
            " WHERE run_id = %s AND method = 'PUT' AND route = %s AND status = 200",
            run_id,
            route,
        )
        return {row[0] for row in rows}

    def _check_calls(self, run: Run, *, forecast: bool) -> None:
        calls = self.world.calls(run.id)
        received = self.world.krayin.calls()
        audited = Counter(method for method, _, _ in calls)
        # Where the API answers is asked before its audit can begin.
        assert Counter(one["method"] for one in received) - audited <= Counter(GET=PROBES), received
        assert not audited - Counter(one["method"] for one in received)
        assert run.summary["calls"] == len(calls)
        assert run.summary["writes"] == sum(method != "GET" for method, _, _ in calls)
        assert run.summary["refused"] == sum(status == 429 for _, _, status in calls)
        if forecast:
            expected = run.summary["forecast_calls"]
            assert abs(expected - len(calls)) <= max(5, 0.05 * len(calls)), (
                f"forecast {expected} calls, made {len(calls)}: {Counter(call[:2] for call in calls)}"
            )

    def _check_stages(self, run: Run, before: Records, after: Records) -> None:
        """Leads that moved, and new ones that stand beyond the first stage: made there, or moved at once."""
        moved = {
            number
            for number in set(before["lead"]) & set(after["lead"])
            if before["lead"][number]["lead_pipeline_stage_id"]
            != after["lead"][number]["lead_pipeline_stage_id"]
        }
        new = {
            number
            for number in set(after["lead"]) - set(before["lead"])
            if after["lead"][number]["lead_pipeline_stage_id"] != 1
        }
        stages = run.summary.get("stages", {})
        assert stages.get("moved", 0) >= len(moved)
        assert stages.get("moved", 0) <= len(moved) + len(new)

    # --- the report ---------------------------------------------------------------------------

    def _check_report(self, run: Run, krayin: Records) -> None:
        shown = report_rows(self.world, run.id)
        told = {
            (row[0], row[1]): row[2:]
            for row in self.world.rows(
                "SELECT source_kind, crm_kind, created, adopted, linked, coverage.records FROM coverage"
                " WHERE krayin LIKE %s",
                f"{self.world.krayin.url}%",
            )
        }
        assert set(shown) == {f"{source} → {kind}" for source, kind in told}
        links = self.links()
        for (source, kind), (created, adopted, linked, records) in told.items():
            row = shown[f"{source} → {kind}"]
            assert int(row["Known"]) == records
            assert int(row["In Krayin"]) == linked
            assert int(row["Adopted"]) == adopted
            if source == "stage":
                self._check_stage_row(row, krayin)
                continue
            ours = links[kind] if kind != "activity" else self._activities(source, krayin)
            assert linked == len(ours & set(krayin[kind])), source
            before = set() if self.moved else set(self.foreign[kind])
            assert created + adopted == linked, source
            assert self.moved or adopted == len(ours & before), source

    def _activities(self, source: str, krayin: Records) -> set[int]:
        """Activities of Krayin with a key of ours of this kind of source."""
        return {
            number
            for number, row in krayin["activity"].items()
            if (_json(row["additional"]) or {}).get("chatwoot", "").split(":")[1:2] == [source]
        }

    def _check_stage_row(self, row: Mapping[str, str], krayin: Records) -> None:
        """A stage is in Krayin where the contact's lead is, and nothing about it waits."""
        rows = self.world.rows(
            "SELECT lead.crm_id FROM mapping AS stage JOIN mapping AS lead"
            " USING (scope_id, source_id)"
            " WHERE stage.source_kind = 'stage' AND lead.source_kind = 'contact' AND lead.crm_kind = 'lead'"
            " AND lead.state = 'linked'"
            " AND NOT EXISTS (SELECT FROM operation AS o WHERE o.source_kind = 'stage'"
            " AND o.source_id = stage.source_id AND o.state NOT IN ('done', 'superseded'))"
        )
        assert int(row["In Krayin"]) == len({number for (number,) in rows} & set(krayin["lead"]))

    # --- make status --------------------------------------------------------------------------

    def _check_status(self, run: Run) -> None:
        *_, shown = status.shown_runs(self.world.sync_url, run.sync_name)
        if run.kind != "reconcile":
            assert shown.id == run.id
            lines = "\n".join(lines_of(shown))
            for action in ("created", "updated", "adopted"):
                for kind, number in run.summary.get(action, {}).items():
                    assert re.search(rf"{action} .*\b{number} {kind[:-1]}", lines), lines
            assert re.search(rf"calls to Krayin\s+{run.summary['calls']}\b", lines), lines


def report_rows(world: World, run_id: int) -> dict[str, dict[str, str]]:
    """The table "What is in Krayin" of a run's report: kind of record to its cells."""
    with psycopg.connect(world.sync_url, autocommit=True) as connection:
        make_report(connection, run_id)
        page = fetch(connection, run_id, PAGE)
    assert page is not None
    html = gzip.decompress(page.content).decode()
    _, _, table = html.partition("<h2>What is in Krayin</h2>")
    table, _, _ = table.partition("<h2>")
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", table)]
    return {
        unescape(cells[0]): dict(zip(COLUMNS, (cell.replace(",", "") for cell in cells[1:]), strict=True))
        for cells in rows
        if cells
    }


def _content(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in PASSING}


def _sizes(ids: Mapping[str, Iterable[int]]) -> dict[str, int]:
    return _counts({kind: len(set(numbers)) for kind, numbers in ids.items()})


def _counts(counts: Mapping[str, int]) -> dict[str, int]:
    return {kind: number for kind, number in counts.items() if number and kind in TABLES}


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
