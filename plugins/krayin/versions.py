"""Which Krayin this is, as far as its API lets us tell: no answer, header or page names the version."""

from __future__ import annotations

from dataclasses import dataclass

LATEST_API = "/api/v1"
EARLIER_API = "/api/admin"


@dataclass(frozen=True, slots=True)
class Generation:
    """What is known of a Krayin: `shown` in words; `problem` says what to expect, None where it fits."""

    shown: str
    problem: str | None = None


def generation_of(base_url: str) -> Generation:
    """Return what the place of the API means: the REST API package of 2.1 serves `/api/v1`."""
    if base_url.endswith(LATEST_API):
        return Generation("with the API of 2.1")
    if base_url.endswith(EARLIER_API):
        return Generation(
            "with the API of 2.0",
            "Krayin 2.0 is supported in part: this integration was made for 2.1.5 and later. Upgrade Krayin "
            "and its REST API package if you can; else look at what a dry run would do before the first load",
        )
    return Generation(
        "with an API in an unusual place",
        f"Krayin's API usually lies under {LATEST_API}; this integration was made for 2.1.5 and later",
    )
