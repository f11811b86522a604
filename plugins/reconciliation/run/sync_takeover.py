"""What becomes of the open work of a sync that was renamed or removed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from statements import statement

from reconciliation.settings.sync_files import BrokenSync

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import psycopg

    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.store.binding_scope import BindingScope

log = logging.getLogger(__name__)


def existing(syncs: Iterable[SyncSettings | BrokenSync]) -> frozenset[str] | None:
    """Return the names of the syncs that do their own work, None where a broken file may hide another."""
    names = set()
    for sync in syncs:
        if isinstance(sync, BrokenSync):
            return None
        if sync.enabled:
            names.add(sync.name)
    return frozenset(names)


def inherit(
    connection: psycopg.Connection, identity: BindingScope, sync_name: str, names: Collection[str]
) -> int:
    """Give `sync_name` what syncs outside `names` left open for its account; return how many operations.

    Without it a plan of theirs would never be carried out: the mapping says that it is planned.
    """
    inherited = connection.execute(
        statement("activity_mark/inherit"),
        {"sync_name": sync_name, "existing": sorted({*names, sync_name}), **identity.parameters()},
    ).rowcount
    if inherited:
        log.info(
            "%d operations of a sync that was renamed, removed or switched off are taken over.", inherited
        )
    return inherited
