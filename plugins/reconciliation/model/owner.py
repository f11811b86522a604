"""Who owns what is made in Krayin for a contact."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from krayin.text import fold_email

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from chatwoot.records import Contact
    from krayin.catalogue import User

FIXED_OWNER: Final = "lead_owner"
"""The setting that names the owner of what no other rule gives one."""


@dataclass(frozen=True, slots=True)
class OwnerRules:
    """By what a Krayin user is chosen: ids of users by e-mail in compared form, by team, by inbox, in turn.

    `emails` None: the agent does not matter. `missing` are those in turn whom Krayin does not have, or who
    may not work.
    """

    emails: Mapping[str, int] | None = None
    teams: Mapping[int, int] = field(default_factory=dict)
    inboxes: Mapping[int, int] = field(default_factory=dict)
    in_turn: Sequence[int] = ()
    missing: frozenset[int] = frozenset()

    def choose(self, contact: Contact) -> tuple[int | None, str, list[str]]:
        """Return the user who owns a contact's new records, the setting that says so, and warnings.

        The user is None for the fixed one, `lead_owner`.

        The agent of its latest conversation goes first, then the team, then the inbox: of that conversation,
        without one the first in which it was seen. Last are those in turn, by the contact's id: the same
        contact always has the same one.
        """
        handling = contact.handling
        warnings: list[str] = []
        if self.emails is not None and handling is not None and handling.agent_id is not None:
            user = self.emails.get(fold_email(handling.email or ""))
            if user is not None:
                return user, "owner.assignee", warnings
            warnings.append(f"no active Krayin user has the e-mail of Chatwoot agent {handling.agent_id}")
        team_id = None if handling is None else handling.team_id
        if team_id is not None and team_id in self.teams:
            return self.teams[team_id], f"owner.teams.{team_id}", warnings
        for one in contact.writes_in:
            if one in self.inboxes:
                return self.inboxes[one], f"owner.inboxes.{one}", warnings
        users = len(self.in_turn)
        for place in range(contact.id, contact.id + users):
            user = self.in_turn[place % users]
            if user not in self.missing:
                return user, "owner.round_robin", warnings
            # Who comes after it is asked for its contacts only: the others keep theirs.
            warnings.append(f"Krayin user {user} in owner.round_robin is not there or not active")
        return None, FIXED_OWNER, warnings


def users_by_email(users: Iterable[User]) -> dict[str, int]:
    """Return the ids of users who may work, by their e-mail in compared form."""
    return {fold_email(user.email): user.id for user in users if user.email and user.is_active}
