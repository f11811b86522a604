"""A dry run of chosen contacts, for people who want to see what a sync file does before it does it."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciliation.model.phones import normalise_phone
from reconciliation.plan.preview import MOST
from reconciliation.run.request import RunRequest
from reconciliation.store.connection import connect
from reconciliation.store.run_rows import RunKind, open_run

if TYPE_CHECKING:
    from reconciliation.run.sync_run import Sync

_BETWEEN = re.compile(r"[,;\n]+")
_ID = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class PreviewRun:
    """A preview that has a row in `sync_run`, and is still to be made."""

    sync: Sync
    run_id: int
    request: RunRequest

    def make(self) -> None:
        """Plan and throw the plan away; what went wrong stands in the run's row.

        Raises:
            ChatwootError, KrayinError, ReconciliationError: as `Sync.plan`.
        """
        self.sync.plan(self.request)
        self.sync.load(self.run_id)


def chosen(sync: Sync, text: str, newest: int) -> frozenset[int]:
    """Return the contacts that are meant, at most 50: those named in `text`, and the newest ones.

    `text` has ids in Chatwoot, e-mails and phone numbers, with commas or line ends between them.

    Raises:
        ChatwootError: Chatwoot cannot be read.
    """
    words = [word for one in _BETWEEN.split(text) if (word := one.strip())]
    emails = [word.lower() for word in words if "@" in word]
    ids = {int(word) for word in words if _ID.fullmatch(word)}
    region = sync.settings.default_phone_region
    phones = [
        spelling
        for word in words
        if "@" not in word
        for spelling in {word, normalise_phone(word, region) or word}
        if not _ID.fullmatch(spelling)
    ]
    with sync.source.snapshot() as snapshot:
        if emails or phones:
            ids |= snapshot.addressed(sync.scope, emails, phones)
        if newest:
            ids |= snapshot.newest(sync.scope, newest)
    return frozenset(sorted(ids, reverse=True)[:MOST])


def open_preview(sync: Sync, contact_ids: frozenset[int]) -> PreviewRun:
    """Return a preview of these contacts with its row in `sync_run`.

    Raises:
        SyncDatabaseError: the sync database cannot be reached.
    """
    key = f"preview__{uuid.uuid4().hex}"
    with connect(sync.sync_dsn) as connection:
        run_id = open_run(connection, sync.settings.name, RunKind.PREVIEW, dag_run_id=key, dry_run=True)
    return PreviewRun(
        sync, run_id, RunRequest(RunKind.PREVIEW, dag_run_id=key, contact_ids=contact_ids, dry_run=True)
    )
