"""How one Krayin answers, told by what it answers: no call or page shows its version.

Krayin 2.1.5 and 2.2.3, MariaDB and MySQL, an owner's own limiter: each of these shows in an answer
sooner or later. What is not known yet is None.
"""

from __future__ import annotations

from dataclasses import dataclass

from krayin.json_values import FromJson

LATEST_API = "/api/v1"
EARLIER_API = "/api/admin"


@dataclass(frozen=True, slots=True)
class Dialect(FromJson):
    """What must be known of a Krayin to ask and to read it rightly.

    Attributes:
        blank_is_null: a blank text is stored as null (2.2), so a person's phones cannot be emptied, nor the
            description of a lead by the route that changes single fields.
        is_limited: good answers carry the limiter's headers (2.1 as shipped), so that an answer without
            them did not come from the endpoint that was asked.
        filters_by_json: lists can be filtered by a key inside a JSON column (2.1).
        takes_no_email: a person may be made without e-mails though the attribute is required (MySQL); once
            there, e-mails cannot be emptied there either.
    """

    blank_is_null: bool | None = None
    is_limited: bool | None = None
    filters_by_json: bool | None = None
    takes_no_email: bool | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """What is known of a Krayin: `shown` in words; `problem` says what to expect, None where it fits.

    `notes` are sentences on what it does otherwise than other versions.
    """

    shown: str
    problem: str | None = None
    notes: tuple[str, ...] = ()


def generation_of(base_url: str, dialect: Dialect) -> Generation:
    """Return what the place of the API and the answers of this Krayin mean."""
    problem = None
    if base_url.endswith(EARLIER_API):
        return Generation(
            "with the API of 2.0",
            "Krayin 2.0 is supported in part: this integration was made for 2.1.5 and later. Upgrade Krayin "
            "and its REST API package if you can; else look at what a dry run would do before the first load",
        )
    if not base_url.endswith(LATEST_API):
        problem = (
            f"Krayin's API usually lies under {LATEST_API}; this integration was made for 2.1.5 and later"
        )
    return Generation("2.2 or later" if dialect.blank_is_null else "2.1", problem, tuple(_notes(dialect)))


def _notes(dialect: Dialect) -> list[str]:
    notes = []
    if dialect.blank_is_null:
        notes.append(
            "This Krayin cannot empty a person's phones: a number that moves to another person is replaced "
            "by 'no phone number (person 12)' until a real one comes. Nor can it empty the description of a "
            "lead that is closed or has products"
        )
    if dialect.is_limited is False:
        notes.append("This Krayin limits only the deletion of persons, to 100 an hour")
    if dialect.takes_no_email:
        notes.append(
            "This Krayin takes persons without an e-mail (its database is MySQL): contacts with only a phone "
            "get no reserved address"
        )
    return notes
