"""How long the sync database keeps what nobody works on any more, and the deleting of the rest."""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator
from statements import EDITED, statement

from reconciliation.admin.contact_erasure import READINGS_END
from reconciliation.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

log = logging.getLogger(__name__)

BATCH = 1000
# In an order in which nothing points to what goes.
EXPIRE = {
    "webhooks": "webhook/expire",
    "payloads": "operation/expire_payloads",
    "findings": "finding/expire",
    "decisions": "decision/expire",
    "operations": "operation/expire",
    "calls": "api_call/expire",
    "reports": "report_file/expire",
    "reconciliations": "reconciliation/expire",
    "approvals": "approval/expire",
    "incidents": "incident/expire",
    "runs": "sync_run/expire",
}
FILE_VARIABLE = "KRAYIN_SYNC_RETENTION"
FILE = EDITED / "retention.yaml"


class Retention(BaseModel):
    """The keys of `include/retention.yaml`; each is a number of days."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    webhooks: PositiveInt = Field(7, description="Webhooks, after a run has acted upon them.")
    payloads: PositiveInt = Field(30, description="What ended operations held: the fields of contacts.")
    operations: PositiveInt = Field(180, description="Ended operations: what became of each record and when.")
    calls: PositiveInt = Field(90, description="The audit of calls to Krayin.")
    findings: PositiveInt = Field(180, description="Differences between Chatwoot and Krayin that are over.")
    reports: PositiveInt = Field(180, description="The report files of runs.")
    runs: PositiveInt = Field(365, description="Runs, comparisons, approvals, decisions, ended incidents.")

    @model_validator(mode="after")
    def _contents_before_rows(self) -> Self:
        if self.payloads > self.operations:
            message = "payloads must not be kept longer than operations: they stand in them"
            raise ValueError(message)
        return self

    def ages(self) -> Iterator[tuple[str, timedelta]]:
        """Yield what is deleted after which time, in the order of `EXPIRE`."""
        days = {
            **self.model_dump(),
            "reconciliations": self.runs,
            "approvals": self.runs,
            "decisions": self.runs,
            "incidents": self.runs,
        }
        for name in EXPIRE:
            yield name, timedelta(days=days[name])


def load_retention() -> Retention:
    """Return what the file says, the defaults where it is silent or absent.

    Raises:
        SettingsError: the file is broken.
    """
    path = Path(os.environ.get(FILE_VARIABLE, FILE))
    if not path.exists():
        return Retention()
    try:
        return Retention.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except yaml.YAMLError as error:
        raise SettingsError(path.name, [f"not YAML: {error}"]) from None
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, one['loc'])) or 'retention'}: {one['msg']}" for one in error.errors()
        ]
        raise SettingsError(path.name, problems) from None


def retain(connection: psycopg.Connection, retention: Retention, size: int = BATCH) -> dict[str, int]:
    """Delete what is older than `retention` says; return how many rows of each kind were touched.

    `connection` is in autocommit mode: every batch of `size` rows is a transaction of its own. What
    is open (planned, held, quarantined, not acted upon) is never touched.
    """
    done: dict[str, int] = {}
    for name, age in retention.ages():
        number, after = 0, None
        while rows := connection.execute(
            statement(EXPIRE[name]), {"after": after, "age": age, "size": size}
        ).fetchall():
            number += len(rows)
            after = max(row[0] for row in rows)
        done[name] = number
        log.info("%s older than %d days: %d", name, age.days, number)
    erased = connection.execute(statement("crm_snapshot/erase"), {"since": READINGS_END})
    later = connection.execute(statement("webhook/erase_later"))
    done["erased"] = erased.rowcount + later.rowcount
    return done
