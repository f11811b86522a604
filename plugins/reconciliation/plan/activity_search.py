"""Finds activities in Krayin that are ours though the sync database does not know them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reconciliation.mapping.comment import comment_mark
from reconciliation.mapping.desired_activity import KEY
from reconciliation.values.stored_text import stored_text

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from krayin.client import KrayinClient
    from krayin.records import Activity

    from reconciliation.crm.own_activities import OwnActivities
    from reconciliation.mapping.desired_activity import DesiredActivity

_TYPES = frozenset({"note", "call", "email"})


@dataclass(slots=True)
class ActivitySearch:
    """Looks for activities by our key, and by what an earlier integration left.

    An earlier integration kept no key: its activities have the same title and hang on the person it
    noted. Several of one title are taken in the order they were made.
    """

    client: KrayinClient
    own: OwnActivities
    _person: int | None = None
    _left: list[Activity] = field(default_factory=list)

    def find(
        self, wanted: Sequence[DesiredActivity], taken: Collection[int] = ()
    ) -> dict[tuple[str, str], dict[str, Any]]:
        """Return by kind and id what to adopt: `id`, `origin`, and the hash of its comment.

        `wanted` stands contact by contact; `taken` are activities that belong to others.
        """
        found: dict[tuple[str, str], dict[str, Any]] = {}
        by_key: dict[str, Activity] = {}
        for activity in self.own.find([one.key for one in wanted]):
            by_key.setdefault(str(activity.additional[KEY]), activity)
        for one in wanted:
            ours = by_key.get(one.key)
            if ours is not None:
                found[one.source_kind, one.source_id] = {"id": ours.id, "origin": "created"}
            elif one.earlier_person is not None:
                earlier = self._earlier(one, taken)
                if earlier is not None:
                    found[one.source_kind, one.source_id] = {
                        "id": earlier.id,
                        "origin": "adopted",
                        "title": earlier.title,
                        "comment": comment_mark(earlier.comment),
                        "is_done": earlier.is_done,
                    }
        return found

    def _earlier(self, wanted: DesiredActivity, taken: Collection[int]) -> Activity | None:
        assert wanted.earlier_person is not None
        if wanted.earlier_person != self._person:
            self._person = wanted.earlier_person
            self._left = [
                one
                for one in self.client.activities_of("person", wanted.earlier_person)
                if one.type in _TYPES and KEY not in one.additional
            ]
        title = stored_text(wanted.title)
        same = next((one for one in self._left if one.title == title and one.id not in taken), None)
        if same is not None:
            self._left.remove(same)
        return same
