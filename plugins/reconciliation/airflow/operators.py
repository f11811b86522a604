"""Tasks that say what they read and wrote, and the one that makes a report, with a button that opens it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.bases.decorator import DecoratedOperator, task_decorator_factory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context
    from airflow.sdk.types import TaskInstanceKey


log = logging.getLogger(__name__)


class SyncTask(DecoratedOperator, PythonOperator):
    """A function as a task, like `@task`; OpenLineage is told what it read and wrote.

    The function returns the id of a run, or numbers with `run` among them.

    Args:
        sync_name: the sync.
        step: what is done with the run, a `Step` of `lineage`.
        kwargs: as for `@task`.
    """

    custom_operator_name = "@task"

    def __init__(self, *, sync_name: str, step: str, **kwargs: Any) -> None:
        called = {name: kwargs[name] for name in ("python_callable", "op_args", "op_kwargs")}
        super().__init__(kwargs_to_upstream=called, **kwargs)
        self.sync_name = sync_name
        self.step = step
        self.lineage: Any = None

    def execute(self, context: Context) -> Any:
        """Call the function; note what it read and wrote where OpenLineage is to be told."""
        returned = super().execute(context)
        run_id = returned.get("run") if isinstance(returned, dict) else returned
        if run_id is not None and _openlineage_is_on():
            # Not when the provider asks: it does so in a fork, which shares this process's connections.
            try:
                from reconciliation.airflow.lineage import lineage_of  # noqa: PLC0415 - see below

                self.lineage = lineage_of(self.sync_name, run_id, self.step)
            except Exception as error:  # noqa: BLE001 - the work is done, whatever goes wrong in telling of it
                log.warning("OpenLineage is not told of run %s: %s", run_id, error)
        return returned

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002 - as it is called
        """Return the datasets; called by Airflow's OpenLineage provider alone, which is there then."""
        from airflow.providers.openlineage.extractors import OperatorLineage  # noqa: PLC0415 - see above

        return self.lineage or OperatorLineage()


def _openlineage_is_on() -> bool:
    try:
        from airflow.providers.openlineage.conf import is_disabled  # noqa: PLC0415 - it may be missing
    except ImportError:
        return False
    return not is_disabled()


def sync_task(sync_name: str, step: str, **kwargs: Any) -> Any:
    """Return a decorator as `@task` is one, for a function that does a step of a run."""
    return task_decorator_factory(decorated_operator_class=SyncTask, sync_name=sync_name, step=step, **kwargs)


class ReportLink(BaseOperatorLink):
    """The button on the task in Airflow."""

    @property
    def name(self) -> str:
        """What stands on the button."""
        return "Report"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - as inherited
        """Return the address of the report, nothing when the task did not come to make it."""
        return getattr(operator, "address", None) or ""


class ReportOperator(BaseOperator):
    """Makes the report of a run and keeps it in the sync database.

    Args:
        sync_name: the sync.
        run: the id of the run in `sync_run`, usually the output of the task that opened it.
        kwargs: as for every operator.
    """

    template_fields: Sequence[str] = ("run",)
    operator_extra_links = (ReportLink(),)

    def __init__(self, *, sync_name: str, run: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sync_name = sync_name
        self.run = run
        self.address: str | None = None

    def execute(self, context: Context) -> dict[str, Any]:  # noqa: ARG002 - as inherited
        """Make it; return its address, the number of findings and the names of its files."""
        from reconciliation.airflow import sync_tasks  # noqa: PLC0415 - only in the task itself

        made = sync_tasks.report(self.sync_name, int(self.run))
        self.address = made["report"]
        return made
