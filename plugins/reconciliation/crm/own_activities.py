"""Finds activities in Krayin by our key, whatever ways of asking this Krayin has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from krayin.records import Activity

from reconciliation.crm.fields import ACTIVITIES
from reconciliation.crm.snapshot import RecordSnapshot
from reconciliation.model.desired_activity import KEY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import psycopg
    from krayin.client import KrayinClient


@dataclass(frozen=True, slots=True)
class OwnActivities:
    """The activities of one Krayin that carry a key of ours."""

    connection: psycopg.Connection
    client: KrayinClient
    target_id: int

    def find(self, keys: Collection[str]) -> list[Activity]:
        """Return the activities with these keys, by id.

        Krayin 2.1 is asked for them. The lists of 2.2 are read instead, once whole and from then on what
        changed; what that showed is looked at again by id.
        """
        found = self.client.activities_by_key(KEY, keys)
        if found is None:
            snapshot = RecordSnapshot(self.connection, self.client, self.target_id, ACTIVITIES)
            snapshot.refresh()
            seen = snapshot.with_keys([f"{KEY}:{key}" for key in keys])
            found = self.client.by_ids(Activity, seen)
            snapshot.forget(sorted(set(seen) - {one.id for one in found}))
        return _with_keys(found, keys)

    def find_lost(self, key: str, title: str, link: Mapping[str, int]) -> list[Activity]:
        """Return the activity that a creation without an answer may have made, by id.

        It hangs on the records of `link` (by CRM kind), or on none, where these are gone or Krayin died
        on it; then only its title is left to ask for.
        """
        found = self.client.activities_by_key(KEY, [key])
        if found is not None:
            return found
        for kind, crm_id in link.items():
            linked = _with_keys(self.client.activities_of(kind, crm_id), [key])
            if linked:
                return linked
        if "," in title:
            # Krayin splits what it is asked for at commas.
            return self.find([key])
        return _with_keys(self.client.activities_titled(title), [key])


def _with_keys(found: Iterable[Activity], keys: Collection[str]) -> list[Activity]:
    return [one for one in found if str(one.additional.get(KEY)) in keys]
