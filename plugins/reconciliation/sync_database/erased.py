"""The contacts that were erased on request: no sync brings them over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statements import statement

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg

    from reconciliation.binding_scope import BindingScope


def erased_among(
    connection: psycopg.Connection, identity: BindingScope, contact_ids: Iterable[int]
) -> frozenset[int]:
    """Return which of some contacts were erased and not allowed back."""
    rows = connection.execute(
        statement("erasure/erased"),
        {**identity.parameters(), "contact_ids": [str(contact_id) for contact_id in contact_ids]},
    )
    return frozenset(int(row[0]) for row in rows)
