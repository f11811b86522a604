"""The DAG files of the installed wheel as a DAG bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.local import LocalDagBundle

DAGS = Path(__file__).resolve().parents[1] / "dags"


class InstalledDags(LocalDagBundle):
    """Serves the DAG files that came with the wheel: nothing is copied, an upgrade brings the new ones."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(path=str(DAGS), **settings)
