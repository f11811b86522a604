"""What can go wrong when Chatwoot is read, by how one recovers."""

# ruff: noqa: N818 - the names say what happened, as the recovery depends on it

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chatwoot.records import Account, Inbox


_ADVICE = {
    # What a standby says when what it was sent would remove rows that are being read.
    "40001": ". Set hot_standby_feedback = on or a longer max_standby_streaming_delay on this replica, "
    "or read the primary",
    "55P03": ". Chatwoot is being upgraded, or something else locks its tables; the next run tries again",
}


class ChatwootError(Exception):
    """Reading Chatwoot failed."""


class UnusableConnection(ChatwootError):
    """An Airflow connection is not what reading Chatwoot needs; somebody must change it."""

    def __init__(self, conn_id: str, problem: str) -> None:
        self.conn_id = conn_id
        self.problem = problem
        super().__init__(f"Airflow connection {conn_id!r}: {problem}")


class ChatwootUnreachable(ChatwootError):
    """No connection to the database; trying again later may help."""

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        self.reason = reason
        super().__init__(f"Chatwoot's database at {where} cannot be reached: {reason}")


class SnapshotInterrupted(ChatwootError):
    """The database ended the reading midway (timeout, restart, recovery conflict); try again.

    `sqlstate` is PostgreSQL's code, None when the connection was simply gone.
    """

    def __init__(self, where: str, sqlstate: str | None, reason: str) -> None:
        self.where = where
        self.sqlstate = sqlstate
        self.reason = reason
        advice = _ADVICE.get(sqlstate or "", "")
        super().__init__(
            f"Reading Chatwoot's database at {where} was interrupted ({sqlstate}): {reason}{advice}"
        )


class NotAChatwootDatabase(ChatwootError):
    """Tables or columns that every Chatwoot 4 has are missing: wrong database, or another version."""

    def __init__(self, where: str, missing: Iterable[str], elsewhere: Iterable[str] = ()) -> None:
        """Keep what is missing, and the schemas beside the search path that have Chatwoot's tables."""
        self.where = where
        self.missing = tuple(missing)
        self.elsewhere = tuple(elsewhere)
        advice = (
            f"Its schema {' or '.join(self.elsewhere)} has Chatwoot's tables: add the parameter "
            f"options=-csearch_path={self.elsewhere[0]} to the connection, or set search_path of the role."
            if self.elsewhere
            else "Check the database name of the connection."
        )
        super().__init__(
            f"The database at {where} is not a Chatwoot database this version can read. Missing: "
            f"{', '.join(self.missing)}. {advice}"
        )


class MissingPrivileges(ChatwootError):
    """The role may not read tables it needs."""

    def __init__(self, where: str, role: str, tables: Iterable[str]) -> None:
        self.where = where
        self.role = role
        self.tables = tuple(tables)
        super().__init__(
            f'Role "{role}" may not read {", ".join(self.tables)} at {where}. Let a Chatwoot '
            f'administrator run: GRANT SELECT ON {", ".join(self.tables)} TO "{role}"'
        )


class RowsHidden(ChatwootError):
    """Row security applies to the role, or to the owner of a view that it reads: rows may be missing."""

    def __init__(self, where: str, role: str, tables: Iterable[str]) -> None:
        self.where = where
        self.role = role
        self.tables = tuple(tables)
        super().__init__(
            f'Row security hides rows of {", ".join(self.tables)} at {where} from role "{role}", so '
            f"nothing is read or planned. Let a Chatwoot administrator run: "
            f'ALTER ROLE "{role}" BYPASSRLS'
        )


class UnknownAccount(ChatwootError):
    """The configured account does not exist, or the API token's user is not in it."""

    def __init__(self, account_id: int, known: Iterable[Account]) -> None:
        self.account_id = account_id
        self.known: Mapping[int, str] = {account.id: account.name for account in known}
        super().__init__(
            f"Chatwoot shows no account {account_id}. Set chatwoot.account_id to one of those that it shows: "
            f"{_listed(self.known)}."
        )


class UnknownInbox(ChatwootError):
    """Configured inboxes do not exist in the account."""

    def __init__(self, account_id: int, inboxes: Iterable[int], known: Iterable[Inbox]) -> None:
        self.account_id = account_id
        self.inboxes = tuple(sorted(inboxes))
        self.known: Mapping[int, str] = {inbox.id: inbox.name for inbox in known}
        numbers = ", ".join(map(str, self.inboxes))
        super().__init__(
            f"Chatwoot account {account_id} has no inbox {numbers}. Inboxes there: {_listed(self.known)}."
        )


class ChatwootApiUnreachable(ChatwootError):
    """The API did not answer, or answered with a failure of its own; trying again later may help."""

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        self.reason = reason
        super().__init__(f"Chatwoot's API at {where} does not answer as it should: {reason}")


class ChatwootApiRefused(ChatwootError):
    """The API refused the token or the request; somebody must change something."""

    def __init__(self, where: str, status: int, reason: str) -> None:
        self.where = where
        self.status = status
        self.reason = reason
        super().__init__(f"Chatwoot's API at {where} refused ({status}): {reason}")


class ChatwootApiUnusable(ChatwootError):
    """The address or the token cannot be one; nothing was called, somebody must change the connection."""

    def __init__(self, where: str, problem: str) -> None:
        self.where = where
        self.problem = problem
        super().__init__(f"Chatwoot's API at {where} cannot be called: {problem}")


def _listed(known: Mapping[int, str]) -> str:
    return ", ".join(f"{number} ({name})" for number, name in sorted(known.items())) or "none"
