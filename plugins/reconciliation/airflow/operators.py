"""The task that makes a run's report, with a button that leads to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseOperatorLink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context
    from airflow.sdk.types import TaskInstanceKey


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
