"""The attributes of a Krayin, as new as a write over its records needs them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from krayin.catalogue import Attribute

if TYPE_CHECKING:
    from collections.abc import Callable

    from krayin.catalogue import Catalogue
    from krayin.client import EntityType, KrayinClient

OLDEST: Final = 60.0
"""Seconds. A write that leaves out a boolean attribute sets it to 0: one added meanwhile must be known."""

ENTITIES: Final[tuple[EntityType, ...]] = ("persons", "leads", "organizations")


class CurrentAttributes:
    """The attributes of all kinds of records; `refresh` before records are read to be written over.

    `keep` is given the catalogue with attributes that were read anew. Without a client nothing is.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        client: KrayinClient | None = None,
        *,
        age: float = 0.0,
        keep: Callable[[Catalogue], None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with the attributes of `catalogue`, which are `age` seconds old."""
        self._catalogue = catalogue
        self._client = client
        self._keep = keep
        self._monotonic = monotonic
        self._good_until = monotonic() + OLDEST - age

    def expire(self) -> None:
        """Have the next `refresh` read them anew: those of an earlier run do not do."""
        self._good_until = float("-inf")

    def refresh(self) -> None:
        """Read the attributes unless they are fresh; one call."""
        if self._client is None or self._monotonic() < self._good_until:
            return
        self._catalogue = replace(self._catalogue, attributes=tuple(self._client.every(Attribute)))
        self._good_until = self._monotonic() + OLDEST
        self._keep(self._catalogue)

    def booleans(self, entity: EntityType) -> tuple[str, ...]:
        """Return the codes of the boolean attributes of an entity type, which every write must carry."""
        return self._catalogue.boolean_attributes(entity)

    def codes(self, entity: EntityType) -> tuple[str, ...]:
        """Return the codes of the custom attributes of an entity type."""
        return tuple(attribute.code for attribute in self._catalogue.custom_attributes(entity))

    @property
    def with_custom(self) -> tuple[EntityType, ...]:
        """The entity types that have custom attributes, which Krayin's lists do not show."""
        return tuple(entity for entity in ENTITIES if self.codes(entity))
