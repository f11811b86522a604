"""One row of the mapping table: a source record and the Krayin record it became."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - pydantic resolves the annotations at run time
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class MappingState(StrEnum):
    """Where a source record stands with one CRM kind."""

    PENDING = "pending"
    LINKED = "linked"
    GONE = "gone"
    ORPHANED = "orphaned"
    QUARANTINED = "quarantined"
    NOT_WANTED = "not_wanted"
    """Of a lead that its contact gets none by the rules."""


@dataclass(frozen=True, slots=True)
class MappingRow:
    """One row of the mapping table, as far as planning and loading look at it."""

    id: int
    crm_id: int | None
    origin: str | None
    state: MappingState
    source_hash: bytes | None
    acked_hash: bytes | None
    last_sent: Mapping[str, Any] | None = None
    pending_write: Mapping[str, Any] | None = None
    former_crm_ids: tuple[int, ...] = ()
    former_adopted_ids: tuple[int, ...] = ()
    """Those of the former ones that were there before us."""
    given_tags: Mapping[str, Any] | None = None
    """The tags that we put on a record: its `crm_id`, and `tags` with their ids by name."""
    made_in_stage: int | None = None
    """The stage in which we made a lead; None of one from before this was kept."""
    inbox_id: int | None = None
    """Of a contact's own lead the inbox whose lead it is, where each has its own."""

    def tags_on(self, crm_id: int | None) -> dict[str, int]:
        """Return the ids of the tags that we put on a record, by name; of another one that is none."""
        given = self.given_tags or {}
        return dict(given["tags"]) if given and given["crm_id"] == crm_id else {}
