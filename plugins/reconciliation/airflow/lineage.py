"""What OpenLineage is told of a task: which tables it read, which it wrote, and how many rows.

Only Airflow's OpenLineage provider asks, so its packages are there then; without it nothing here is imported.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.openlineage.extractors import OperatorLineage
from airflow.sdk import BaseHook
from chatwoot.database.hook import conninfo
from chatwoot.database.streams import written_tables
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import input_statistics_input_dataset, output_statistics_output_dataset
from psycopg.conninfo import conninfo_to_dict
from statements import statement

from reconciliation.airflow.connections import sync_dsn
from reconciliation.extract.streams import ACTIVITIES, CONTACTS, streams
from reconciliation.settings.sync_files import sync_named
from reconciliation.store.connection import connect
from reconciliation.store.run_rows import read_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciliation.settings.sync_settings import SyncSettings

POSTGRES_PORT = "5432"
ENTITIES = {"person": "persons", "lead": "leads", "organization": "organizations", "activity": "activities"}
Named = tuple[str, str]


class Step(StrEnum):
    """What a task does with a run."""

    PLAN = "plan"
    """Reads Chatwoot, writes operations."""
    LOAD = "load"
    """Carries operations out in Krayin."""
    SYNC = "sync"
    """Both."""
    COMPARE = "compare"
    """Reads both sides, writes findings and operations that repair them."""


def lineage_of(sync_name: str, run_id: int, step: str) -> OperatorLineage:
    """Return the datasets of a task that took a `step` of a run, with the numbers that the run noted."""
    settings, dsn = sync_named(sync_name), sync_dsn()
    with connect(dsn) as connection:
        run = read_run(connection, run_id)
        counted = connection.execute(statement("sync_run/written"), {"run_id": run_id}).fetchone()
        scope = connection.execute(statement("sync_run/scope"), {"sync_name": sync_name}).fetchone()
    assert counted is not None
    planned, found = counted
    written = {
        kind: sum(run.summary.get(action, {}).get(kind, 0) for action in ("created", "updated"))
        for kind in ENTITIES
    }
    krayin = urlsplit(scope[1] if scope else "")
    entities = {
        kind: (f"{krayin.scheme}://{krayin.netloc}", name)
        for kind, name in ENTITIES.items()
        if scope and (written[kind] or kind in _kinds(settings))
    }
    own = {name: _table(dsn, f"krayin_sync.{name}") for name in ("operation", "mapping", "finding")}
    reads, writes = step != Step.LOAD, step in {Step.LOAD, Step.SYNC}
    inputs: list[InputDataset] = []
    outputs: list[OutputDataset] = []
    if reads:
        read = run.summary.get("read")
        inputs += [_read(one, read if of_contacts else None) for one, of_contacts in _chatwoot(settings)]
        outputs.append(_wrote(own["operation"], planned))
    if step == Step.LOAD:
        inputs.append(_read(own["operation"]))
    if step == Step.COMPARE:
        inputs += map(_read, entities.values())
        outputs.append(_wrote(own["finding"], found))
    if writes:
        outputs += [_wrote(entity, written[kind]) for kind, entity in entities.items()]
        outputs.append(_wrote(own["mapping"]))
    return OperatorLineage(inputs=inputs, outputs=outputs)


def _kinds(settings: SyncSettings) -> set[str]:
    """Return the kinds of records in Krayin that a sync writes."""
    wanted = {"person"}
    if settings.leads.create != "never":
        wanted.add("lead")
    if settings.sync_to_organization:
        wanted.add("organization")
    if any(spec.is_on(settings) for spec in ACTIVITIES):
        wanted.add("activity")
    return wanted


def _chatwoot(settings: SyncSettings) -> Iterator[tuple[Named, bool]]:
    """Yield what a sync reads in Chatwoot, and whether its rows are the contacts."""
    chatwoot = settings.chatwoot
    asked = [spec.stream for spec in (CONTACTS, *streams(settings))]
    if chatwoot.source == "api":
        host = BaseHook.get_connection(chatwoot.conn_id).host or ""
        address = urlsplit(host if "://" in host else f"https://{host}")
        for stream in dict.fromkeys(asked):
            yield (
                (f"{address.scheme}://{address.hostname}", f"accounts/{chatwoot.account_id}/{stream}"),
                (stream is CONTACTS.stream),
            )
        return
    dsn = conninfo(BaseHook.get_connection(chatwoot.conn_id))
    scope = settings.scope(datetime.now(UTC))
    for table in dict.fromkeys(name for stream in asked for name in written_tables(stream, scope)):
        yield _table(dsn, f"public.{table}"), table == CONTACTS.stream


def _table(dsn: str, name: str) -> Named:
    """Return what OpenLineage calls a table of a PostgreSQL; of several hosts the first."""
    parts: dict[str, Any] = conninfo_to_dict(dsn)
    host = str(parts.get("host") or parts.get("hostaddr") or "localhost").split(",")[0]
    port = str(parts.get("port") or POSTGRES_PORT).split(",")[0]
    return f"postgres://{host}:{port}", f"{parts.get('dbname')}.{name}"


def _read(named: Named, rows: int | None = None) -> InputDataset:
    facet = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(rowCount=rows)
    return InputDataset(*named, inputFacets={} if rows is None else {"inputStatistics": facet})


def _wrote(named: Named, rows: int | None = None) -> OutputDataset:
    facet = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=rows)
    return OutputDataset(*named, outputFacets={} if rows is None else {"outputStatistics": facet})
