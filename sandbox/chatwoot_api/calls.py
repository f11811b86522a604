"""A request as its handler sees it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psycopg.rows import dict_row

from sandbox.chatwoot_api.errors import AnsweredError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg import Connection

    from sandbox.chatwoot_api.settings import Settings

Row = dict[str, Any]


@dataclass(slots=True)
class Call:
    """One request of a known user.

    Attributes:
        connection: in a transaction of its own, time zone UTC.
        path: the numbers in the path by name.
        query: the query's parameters.
        content: the body.
        user_id: whose token it is.
    """

    connection: Connection[Any]
    settings: Settings
    path: Mapping[str, int]
    query: Mapping[str, str]
    content: bytes
    user_id: int = 0
    labels: list[str] = field(default_factory=list)

    @property
    def account_id(self) -> int:
        """The account in the path."""
        return self.path["account_id"]

    @property
    def page(self) -> int:
        """The page asked for, from 1."""
        given = self.query.get("page", "1")
        return max(1, int(given)) if given.isdigit() else 1

    def json(self) -> Row:
        """Return the body's JSON object."""
        try:
            found = json.loads(self.content or b"{}")
        except ValueError:
            raise AnsweredError(400, {"error": "Bad Request"}) from None
        return found if isinstance(found, dict) else {}

    def rows(self, query: str, **parameters: Any) -> list[Row]:
        """Return rows as dictionaries; the parameters of the path are known to every query."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            found = cursor.execute(query, {**self.path, **parameters})
            return found.fetchall() if found.description else []

    def documents(self, query: str, **parameters: Any) -> list[Any]:
        """Return the JSON values of a query's first column."""
        return [next(iter(row.values())) for row in self.rows(query, **parameters)]

    def number(self, query: str, **parameters: Any) -> int:
        """Return the number that a query gives."""
        return int(self.documents(query, **parameters)[0])
