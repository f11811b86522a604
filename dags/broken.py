"""A sync file that cannot be used: its DAG shows what is wrong. All other syncs go on."""

from __future__ import annotations

from airflow.sdk import DAG, dag, task
from reconciliation.settings.sync_files import BrokenSync, load_syncs


def broken_dag(broken: BrokenSync) -> DAG:
    @dag(
        f"{broken.name}__sync",
        schedule=None,
        tags=["krayin", "broken"],
        doc_md=f"This sync cannot run:\n\n```\n{broken.error}\n```",
    )
    def build() -> None:
        @task
        def mend_the_sync_file() -> None:
            raise broken.error

        mend_the_sync_file()

    return build()


for sync in load_syncs():
    if isinstance(sync, BrokenSync):
        globals()[f"{sync.name}__sync"] = broken_dag(sync)
