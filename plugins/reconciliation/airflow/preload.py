"""Imports what tasks need into the process that tasks are forked from.

Importing takes a task about a second otherwise, most of the time between a webhook and its call to Krayin.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# LocalExecutor's workers are forked from the scheduler, Celery's from the worker.
PARENTS_OF_TASKS = {"scheduler", "celery"}
MODULES = (
    "reconciliation.airflow.sync_tasks",
    "reconciliation.airflow.inbox_trigger",
    "croniter",
    "httpcore",
    "idna",
)


def preload(arguments: Sequence[str] | None = None) -> bool:
    """Import them if `arguments`, else this process's, say that it forks tasks; tell whether it did."""
    given = sys.argv if arguments is None else arguments
    if len(given) < 2 or given[1] not in PARENTS_OF_TASKS:
        return False
    for module in MODULES:
        importlib.import_module(module)
    return True
