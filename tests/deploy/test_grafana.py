"""The Grafana dashboard: what it names is there, and it is laid out as Grafana's classic dashboards are."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import TYPE_CHECKING, Any

import psycopg
from reconciliation.airflow import sync_tasks
from reconciliation.store.run_rows import Run, RunKind, RunState

from stack.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

BOARD = json.loads((ROOT / "deploy" / "grafana" / "chatwoot-krayin.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
# The classic model; Grafana 10.3 and later read it and bring it to their own.
SCHEMA = 39
# What Grafana puts in: the chosen syncs, and the time that is shown.
MACROS = {
    r"\$__timeFilter\(([\w.]+)\)": r"\1 BETWEEN '2020-01-01' AND '2030-01-01'",
    r"\$__timeFrom\(\)": "'2020-01-01'",
    r"\$__timeTo\(\)": "'2030-01-01'",
    r"\$sync\b": "'one', 'two'",
}
UNITS = {"short", "s", "percentunit", "none"}


def targets() -> Iterator[dict[str, Any]]:
    for panel in PANELS:
        yield from panel["targets"]


def test_it_shows_every_metric_there_is_and_none_else(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: dict[str, set[str]] = {}
    for kind in ("incr", "gauge", "timing"):
        monkeypatch.setattr(
            sync_tasks.Stats, kind, lambda name, _=1, *, tags: sent.setdefault(name, set()).update(tags)
        )
    start = datetime(2026, 5, 5, tzinfo=UTC)
    summary = dict.fromkeys((*sync_tasks.COUNTERS, *sync_tasks.GAUGES), 1)
    sync_tasks.measure_run(
        Run(
            id=7,
            sync_name="acme",
            kind=RunKind.SCHEDULED,
            state=RunState.DONE,
            dry_run=False,
            started_at=start,
            finished_at=start + timedelta(seconds=9),
            message=None,
            summary=summary,
        )
    )
    shown: dict[str, set[str]] = {}
    for target in targets():
        for name in re.findall(r"\bairflow_(krayin_sync_\w+?)(?:_sum|_count)?\b", target.get("expr", "")):
            labels = re.findall(r'(\w+)=~?"', target["expr"]) + re.findall(
                r"{{(\w+)}}", target["legendFormat"]
            )
            shown.setdefault(name, set()).update(set(labels) - {"__name__"})
    assert set(shown) == {name.replace(".", "_") for name in sent}
    for name, tags in sent.items():
        assert shown[name.replace(".", "_")] <= tags, name
    page = (ROOT / "docs" / "operations" / "runbook.md").read_text()
    table = page[page.index("## Metrics") : page.index("## Asset events")]
    for name in sent:
        assert f".{name.removeprefix('krayin_sync.')}`" in table, name


def test_its_queries_run_on_the_views(sync_db_url: str) -> None:
    queries = [target["rawSql"] for target in targets() if "rawSql" in target]
    queries += [one["query"] for one in BOARD["templating"]["list"] if one["type"] == "query"]
    assert len(queries) > 6
    with psycopg.connect(sync_db_url) as connection:
        for query in queries:
            text = query
            for macro, value in MACROS.items():
                text = re.sub(macro, value, text)
            assert "$" not in text
            cursor = connection.execute(text)
            assert cursor.description
            if "AS metric" in query:
                assert [one.name for one in cursor.description] == ["time", "metric", "value"]


def test_it_is_a_dashboard_of_its_schema() -> None:
    assert BOARD["schemaVersion"] == SCHEMA
    assert re.fullmatch(r"[\w-]{8,40}", BOARD["uid"])
    assert BOARD["id"] is None
    numbers = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    sources = {"${" + one["name"] + "}" for one in BOARD["templating"]["list"] if one["type"] == "datasource"}
    for panel in PANELS:
        assert panel["datasource"]["uid"] in sources
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == sorted(set(letters))
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
        assert ("expr" in panel["targets"][0]) == (panel["datasource"]["type"] == "prometheus")
        assert panel["type"] in {"timeseries", "stat", "table"}
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None
        assert panel["options"]


def test_its_panels_are_readable_and_lie_beside_each_other() -> None:
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    places = [panel["gridPos"] for panel in BOARD["panels"]]
    for place in places:
        assert place["x"] + place["w"] <= 24
    for one, other in combinations(places, 2):
        assert (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
