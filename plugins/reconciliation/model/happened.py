"""What somebody says happened to a Krayin or a Chatwoot that is not as it was known."""

from __future__ import annotations

from enum import StrEnum


class Happened(StrEnum):
    """The answers to an incident, as a form and the pages offer them."""

    RESTORED = "restored from a backup"
    EMPTIED = "emptied on purpose"
    MOVED = "moved to another address"
    REPLACED = "replaced by another Krayin"
    FALSE_ALARM = "false alarm: it is the same Krayin"
    CHATWOOT_IS_RIGHT = "Chatwoot is right as it shows itself"
