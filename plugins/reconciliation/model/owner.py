"""Who owns what is made in Krayin for a contact."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from krayin.text import fold_email

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chatwoot.records import Contact
    from krayin.catalogue import User

FIXED_OWNER: Final = "lead_owner"
"""The setting that names the owner of what no other rule gives one."""


@dataclass(frozen=True, slots=True)
class OwnerRules:
    """By what a Krayin user is chosen: ids of users by e-mail in compared form, by team and by inbox.

    `emails` None: the agent does not matter.
    """

    emails: Mapping[str, int] | None = None
    teams: Mapping[int, int] = field(default_factory=dict)
    inboxes: Mapping[int, int] = field(default_factory=dict)

    def choose(self, contact: Contact) -> tuple[int | None, str, str | None]:
        """Return the user who owns a contact's new records, the setting that says so, and a warning if any.

        The user is None for the fixed one, `lead_owner`.

        The agent of its latest conversation goes first, then the team, then the inbox: of that conversation,
        without one the first in which it was seen.
        """
        handling, warning = contact.handling, None
        if self.emails is not None and handling is not None and handling.agent_id is not None:
            user = self.emails.get(fold_email(handling.email or ""))
            if user is not None:
                return user, "owner.assignee", None
            warning = f"no active Krayin user has the e-mail of Chatwoot agent {handling.agent_id}"
        team_id = None if handling is None else handling.team_id
        if team_id is not None and team_id in self.teams:
            return self.teams[team_id], f"owner.teams.{team_id}", warning
        for one in contact.writes_in:
            if one in self.inboxes:
                return self.inboxes[one], f"owner.inboxes.{one}", warning
        return None, FIXED_OWNER, warning


def users_by_email(users: Iterable[User]) -> dict[str, int]:
    """Return the ids of users who may work, by their e-mail in compared form."""
    return {fold_email(user.email): user.id for user in users if user.email and user.is_active}
