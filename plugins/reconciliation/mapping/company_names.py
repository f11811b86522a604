"""Which of a contact's companies the organization of a person is, whatever it is called in Krayin by now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krayin.text import fold_name
from statements import statement

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import psycopg


def shown_company(shown: str | None, known: Collection[str], *companies: str | None) -> str | None:
    """Return the company of a person whose organization Krayin calls `shown`.

    `known` are the folded names under which we know that organization: one of `companies` (the wanted
    one, the one last sent) among them is meant, whatever somebody renamed the organization to, and
    whichever names Krayin's database takes for one.
    """
    return next((company for company in companies if company and fold_name(company) in known), shown)


def known_names(
    connection: psycopg.Connection, target_id: int, organization_ids: Iterable[int | None]
) -> dict[int, list[str]]:
    """Return by organization under which folded names we know it; unknown ones are absent."""
    ids = sorted({one for one in organization_ids if one})
    if not ids:
        return {}
    rows = connection.execute(statement("mapping/company_names"), {"target_id": target_id, "crm_ids": ids})
    return dict(rows.fetchall())
