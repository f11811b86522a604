"""Maps what was read of a stream, and keeps what differs from what was last planned."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chatwoot.records import BrokenRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chatwoot.source import Row

    from reconciliation.extract.staging import StagedActivities, StagedContacts

EXAMPLES = 5


@dataclass(slots=True)
class Seen:
    """What was seen of a stream: numbers, and keys as examples; no contents.

    `of_new_contacts` are those among `read` that were read because their contact is new to Krayin.
    `skipped` counts by reason, `broken` holds key and reason of unreadable rows, `warnings` counts
    by text; the examples are the first that had it. `decided` counts by what was decided and by which rule.
    """

    read: int = 0
    of_new_contacts: int = 0
    unchanged: int = 0
    staged: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    skipped_examples: dict[str, list[int]] = field(default_factory=dict)
    broken: list[tuple[int, str]] = field(default_factory=list)
    warnings: Counter[str] = field(default_factory=Counter)
    warning_examples: dict[str, list[int]] = field(default_factory=dict)
    decided: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def skip(self, reason: str, key: int) -> None:
        """Count a record that is left out."""
        self.skipped[reason] += 1
        _example(self.skipped_examples, reason, key)

    def warn(self, text: str, key: int) -> None:
        """Count a warning about a record."""
        self.warnings[text] += 1
        _example(self.warning_examples, text, key)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers of contacts for `sync_run.summary`."""
        return {
            "read": self.read,
            "unchanged": self.unchanged,
            "skipped": dict(self.skipped),
            "skipped_examples": self.skipped_examples,
            "broken": [{"contact": contact, "reason": reason} for contact, reason in self.broken],
            "warnings": dict(self.warnings),
            "warning_examples": self.warning_examples,
            "decided": {what: dict(rules) for what, rules in self.decided.items()},
        }


def extract(staging: StagedContacts | StagedActivities, chunks: Iterable[Sequence[Row]], seen: Seen) -> None:
    """Stage the records of `chunks` that differ from what was last planned, and count all of them.

    Memory is bounded by one chunk.
    """
    for chunk in chunks:
        seen.read += len(chunk)
        records = []
        for row in chunk:
            if isinstance(row, BrokenRow):
                seen.skipped["unreadable"] += 1
                if len(seen.broken) < EXAMPLES:
                    seen.broken.append((row.key, row.reason))
            else:
                records.append(row)
        seen.staged += staging.stage(records, seen)


def _example(examples: dict[str, list[int]], name: str, key: int) -> None:
    keys = examples.setdefault(name, [])
    if len(keys) < EXAMPLES:
        keys.append(key)
