"""What can go wrong between the two systems, by how one recovers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class ReconciliationError(Exception):
    """Base of everything this package raises on purpose."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        """Pickle by what is kept: the default would call the constructor with the message alone."""
        return (_rebuilt, (type(self), self.args, self.__dict__.copy()))


def _rebuilt(
    kind: type[ReconciliationError], args: tuple[object, ...], state: dict[str, object]
) -> ReconciliationError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class InstallationChangedError(ReconciliationError):
    """A sync that reads an API goes by another installation than before; its file can say it is the same.

    `found` is the name it has now, `known` those it was run with.
    """

    def __init__(self, sync_name: str, found: str, known: Sequence[str]) -> None:
        self.sync_name = sync_name
        self.found = found
        self.known = tuple(known)
        super().__init__(
            f"Sync {sync_name} read this account from Chatwoot {' and '.join(self.known)} until now, and "
            f"now reads {found}: every contact would count as new. If it is the same Chatwoot, write "
            f"'installation: {self.known[0]}' under 'chatwoot' in its file. If it is not, give the sync "
            "another name"
        )


class SettingsError(ReconciliationError):
    """A sync file says something that cannot be used; mend the file.

    `file` is the sync file, `problems` one sentence each: key, what was read, what is allowed.
    """

    def __init__(self, file: Path | str, problems: Sequence[str]) -> None:
        self.file = str(file)
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{self.file}: {problem}" for problem in self.problems))


class SettingsDoNotFitKrayinError(SettingsError):
    """The file is well formed, yet names something this Krayin does not have."""


class SyncDatabaseError(ReconciliationError):
    """The sync database cannot be used; `hint` says what to check."""

    def __init__(self, hint: str) -> None:
        self.hint = hint
        super().__init__(hint)


class DatabaseRevisionError(ReconciliationError):
    """The sync database was made by a version that this one cannot go on from; nothing was changed.

    `found` is its revision, `known` are those that can be upgraded, oldest first.
    """

    def __init__(self, found: str, known: Sequence[str]) -> None:
        self.found = found
        self.known = tuple(known)
        if found < known[0]:
            hint = (
                f"This version upgrades databases from {known[0]} on. First upgrade it with an earlier "
                f"version of this project, one that still has the steps up to {known[0]} in "
                "include/sql/migrations; then run this version again"
            )
        else:
            hint = (
                "A later version of this project made it: run that version, or restore a dump of the "
                "database from before"
            )
        super().__init__(f"The sync database is at revision {found}. Nothing was changed. {hint}")


class ConnectionMissingError(ReconciliationError):
    """An Airflow connection named in a sync file does not exist; add it."""

    def __init__(self, conn_id: str, used_for: str) -> None:
        self.conn_id = conn_id
        self.used_for = used_for
        super().__init__(
            f"The Airflow connection {conn_id!r} ({used_for}) does not exist. "
            f"Add it under Admin > Connections, or name another one in the sync file."
        )


class ReplayRequestError(ReconciliationError):
    """A replay does not say clearly which operations are meant; fill in the form again."""

    def __init__(self, sync_name: str) -> None:
        self.sync_name = sync_name
        super().__init__(
            f"Say which operations of {sync_name} to plan again. Choose exactly one of these: one operation, "
            f"one reason, everything quarantined, or a declined approval."
        )


class RecoveryRequestError(ReconciliationError):
    """A Krayin is said to have moved, and none is known that it could have been before."""

    def __init__(self, sync_name: str) -> None:
        self.sync_name = sync_name
        super().__init__(
            f"No other Krayin is known that {sync_name} wrote to. First give its Airflow connection the new "
            "address, then start krayin_recover. If it used several, enter the former address in the form."
        )


class ErasureWaitsError(ReconciliationError):
    """Calls for the contact are under way or of unknown outcome; the erasure is tried again."""

    def __init__(self, contact_id: int, calls: int) -> None:
        self.contact_id = contact_id
        self.calls = calls
        super().__init__(
            f"Contact {contact_id} cannot be erased yet: {calls} call(s) for it are under way or have "
            f"no known outcome. No sync plans it any more. The next run of its sync settles the calls"
        )


class RunStoppedError(ReconciliationError):
    """A run ended early because going on would fail the same way; everything planned is kept.

    `reason` is what happened, `waiting` the number of operations left for the next run.
    """

    def __init__(self, reason: str, waiting: int) -> None:
        self.reason = reason
        self.waiting = waiting
        super().__init__(f"{reason} Stopped early: {waiting} planned operation(s) are kept for the next run.")


class IncidentOpenError(ReconciliationError):
    """Chatwoot or Krayin is not what it should be, and nothing goes on until that is explained.

    `incident_id` and `kind` name the incident, `sentence` says what was seen and what to do.
    """

    def __init__(self, incident_id: int, kind: str, sentence: str) -> None:
        self.incident_id = incident_id
        self.kind = kind
        self.sentence = sentence
        super().__init__(f"Incident {incident_id}: {sentence}")


class AnotherKrayinError(IncidentOpenError):
    """Krayin showed a sign that it is not the one we knew; every sync to it is stopped.

    `made` are the records by kind that the call's answer told of: they are there, under ids that were ours.
    """

    def __init__(self, incident_id: int, kind: str, sentence: str, made: Mapping[str, int]) -> None:
        self.made = dict(made)
        super().__init__(incident_id, kind, sentence)


class ReportNotWrittenError(ReconciliationError):
    """A report could not be written to where the sync file wants it; it is kept, and written later.

    `runs` are those whose report is still to be written to `path`.
    """

    def __init__(self, runs: Sequence[int], path: str, reason: str) -> None:
        self.runs = tuple(runs)
        self.path = path
        self.reason = reason
        super().__init__(
            f"The report of run {', '.join(map(str, runs))} was not written to {path}: {reason}. It is on "
            "the pages, and is written there by the next try or the next comparison"
        )


class LeaseLostError(ReconciliationError):
    """The operation is not this worker's any more; its answer must not be recorded."""

    def __init__(self, operation_id: int) -> None:
        self.operation_id = operation_id
        super().__init__(
            f"operation {operation_id}: a newer plan or another worker has taken it over; nothing is lost"
        )


class OperationHeldError(ReconciliationError):
    """The operation would overwrite what somebody typed in Krayin, and waits for approval."""

    def __init__(self, operation_id: int) -> None:
        self.operation_id = operation_id
        super().__init__(
            f"operation {operation_id} waits for approval: it would overwrite edits in Krayin, and "
            f"max_removals_without_approval is reached"
        )


class ChecksumDiffGoneError(ReconciliationError):
    """What a comparison of all rows found is not there any more; compare again, nothing is lost."""

    def __init__(self, sync_name: str, diff_id: int) -> None:
        self.sync_name = sync_name
        self.diff_id = diff_id
        super().__init__(
            f"What comparison {diff_id} of {sync_name} found is gone or already planned: a newer one took "
            f"its place, or the sync database crashed. Nothing is lost: start the comparison again."
        )
