"""Which Chatwoot this is, as far as it tells, and whether this integration was made for it.

Its API says the version; its database only when its tables were changed last (Rails notes each change by a
time of 14 digits). Chatwoot 4.0 came with the tables of Captain, made by the change of 2025-01-04.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FIRST_SCHEMA = 20250104200055
"""The change to the tables that came with Chatwoot 4.0."""
OLDEST, NEWEST = 4, 4
"""The main versions this integration was made for."""
_NUMBERS = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?")
_SCHEMA = re.compile(r"\d{14}")


@dataclass(frozen=True, slots=True)
class Version:
    """What is known of a Chatwoot: `shown` in words; `problem` says what to do, None where it fits."""

    shown: str
    problem: str | None = None


def version_of_api(said: str | None) -> Version:
    """Return what the version that the API says means."""
    numbers = _NUMBERS.match(said or "")
    if numbers is None:
        return Version("of unknown version", "Chatwoot does not say its version; 4.0 or later is needed")
    main = int(numbers[1])
    shown = f"version {numbers[0].removeprefix('v')}"
    if main < OLDEST:
        return Version(shown, f"Chatwoot {numbers[0]} is too old: upgrade it to 4.0 or later first")
    if main > NEWEST:
        return Version(
            shown,
            f"Chatwoot {numbers[0]} is newer than this integration, which was made for 4.x: look at what the "
            "first runs do (dry run) and for a newer version of it",
        )
    return Version(shown)


def version_of_schema(latest: str | None) -> Version:
    """Return what the time of the latest change to the tables means."""
    if latest is None or not _SCHEMA.fullmatch(latest):
        return Version("of unknown version", "Chatwoot's database does not show how new it is; 4.0 is needed")
    shown = f"with tables of {latest[:4]}-{latest[4:6]}-{latest[6:8]}"
    if int(latest) < FIRST_SCHEMA:
        return Version(shown, f"Chatwoot's tables ({shown}) are older than 4.0's: upgrade Chatwoot first")
    return Version(shown)
