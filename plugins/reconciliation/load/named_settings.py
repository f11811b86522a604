"""Finds by name what records are marked with in Krayin, and makes what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from krayin.catalogue import LeadType, Source, Tag
from krayin.errors import Rejected
from krayin.text import fold_name
from psycopg.types.json import Jsonb
from statements import statement

from reconciliation.load.sink import Steps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciliation.load.sink import LoadContext
    from reconciliation.store.ledger import Operation

Setting: TypeAlias = type[Source | LeadType | Tag]
_KEPT_AS: dict[Setting, str] = {Source: "sources", LeadType: "types"}


class NamedSettings(Steps):
    """Knows the ids of tags, lead sources and lead types by their names, as far as they were asked for."""

    def __init__(self, context: LoadContext) -> None:
        """Work with `context`; its catalogue has the sources and types."""
        super().__init__(context)
        self._known: dict[Setting, dict[str, int]] = {
            Source: _by_name(self.catalogue.sources),
            LeadType: _by_name(self.catalogue.types),
        }

    def id_of(self, operation: Operation, setting: Setting, name: str, make: str | None) -> int | None:
        """Return the id of what has a name; where there is none it is made in the step `make`, if any.

        Raises:
            KrayinError: a call failed.
        """
        found = self._find(setting, name)
        if found is not None or make is None:
            return found
        try:
            with self.intent(operation, make):
                made = self.client.create_named(setting, name)
        except Rejected:
            # Somebody else made it meanwhile.
            self._known[setting] = _by_name(self.client.every(setting))
            if self._find(setting, name) is None:
                raise
        else:
            self._known[setting][fold_name(name)] = made.id
            if setting in _KEPT_AS:
                self.connection.execute(
                    statement("krayin_catalogue/named_add"),
                    {
                        "target_id": self.target_id,
                        "path": [_KEPT_AS[setting]],
                        "row": Jsonb([made.to_json()]),
                    },
                )
        return self._find(setting, name)

    def _find(self, setting: Setting, name: str) -> int | None:
        if setting not in self._known:
            self._known[setting] = _by_name(self.client.every(setting))
        return self._known[setting].get(fold_name(name))


def _by_name(rows: Iterable[Source | LeadType | Tag]) -> dict[str, int]:
    return {fold_name(one.name): one.id for one in rows}
