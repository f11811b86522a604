"""Compares what Krayin shows of a record with what was sent to it and what Chatwoot wants, field by field."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from krayin.text import NAME_CHARACTERS, TEXT_BYTES

from reconciliation.drift.finding import KEPT, Finding, FindingClass, Side
from reconciliation.model.merge import UNDECIDED, merge, silent
from reconciliation.model.stored_text import stored_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciliation.model.field_source import Policy
    from reconciliation.model.merge import OnCrmEdit, Policies

# The fields of an activity that are compared; the comment by its mark.
_SENT = ("title", "comment", "is_done", "schedule_from", "schedule_to")


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A field that differs: whose change it is, both values, and whether a repair would write it."""

    field: str
    side: Side
    wanted: Any
    shown: Any
    writes: bool


def compare(  # noqa: PLR0913 - the sides of a merge and what decides it
    *,
    last_sent: Mapping[str, Any] | None,
    present: Mapping[str, Any],
    desired: Mapping[str, Any],
    on_crm_edit: OnCrmEdit,
    phone_region: str | None = None,
    policies: Policies = MappingProxyType({}),
) -> list[FieldDifference]:
    """Return the fields in which a record differs from what it should be; all are flat dictionaries.

    It is the sink's own merge that decides: `ours` would be written whatever the setting, `theirs`
    only with `overwrite`. A value that stays because `policies` says so is no difference, unless nobody
    knows whose change was the later one. What Chatwoot never filled is nobody's difference. Fields that
    `present` lacks (custom ones, which Krayin's lists do not show) count as they were sent, if they were.
    """
    sent = last_sent or {}
    here = {name: present.get(name, sent.get(name, desired.get(name))) for name in {*desired, *present}}
    merged = partial(merge, last_sent=last_sent, present=here, desired=desired, phone_region=phone_region)
    writing = merged(on_crm_edit=on_crm_edit, policies=policies)
    softened: dict[str, Policy] = {
        name: "krayin" if policy == "chatwoot" else policy for name, policy in policies.items()
    }
    keeping = merged(on_crm_edit="keep", policies=softened)
    found = []
    for name, wanted in desired.items():
        if name in keeping.changed:
            side = Side.OURS
        elif name in writing.kept and name in policies and name not in sent.get(UNDECIDED, ()):
            continue
        elif name in keeping.kept and not (silent(wanted) and silent(sent.get(name))):
            side = Side.THEIRS
        else:
            continue
        found.append(FieldDifference(name, side, wanted, here.get(name), name in writing.changed))
    return found


def edited(
    last_sent: Mapping[str, Any], present: Mapping[str, Any], phone_region: str | None = None
) -> list[FieldDifference]:
    """Return what somebody else changed since it was sent; what was not sent is not looked at."""
    return compare(
        last_sent=last_sent,
        present=present,
        desired={name: value for name, value in last_sent.items() if name in present},
        on_crm_edit="keep",
        phone_region=phone_region,
    )


def findings_of(differences: Iterable[FieldDifference], **record: Any) -> Iterator[Finding]:
    """Yield a finding for each field of one record that differs; `record` are what says which record it is.

    One call writes all of its fields.
    """
    is_written = False
    for one in differences:
        yield Finding(
            FindingClass.TRUNCATED if is_cut(one.wanted, one.shown) else FindingClass.CHANGED,
            "write Chatwoot's value" if one.writes else KEPT,
            **record,
            field=one.field,
            side=one.side,
            detail={"chatwoot": one.wanted, "krayin": one.shown},
            calls=int(one.writes and not is_written),
            repairable=one.writes,
        )
        is_written = is_written or one.writes


def activity_differences(sent: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    """Return the fields in which an activity differs from what was or would be sent (see `_SENT`).

    Notes have no schedule of ours.
    """
    names = _SENT if facts.get("type") != "note" else _SENT[:3]
    return [
        name for name in names if name in sent and not _same_in_activity(name, sent[name], facts.get(name))
    ]


def _same_in_activity(name: str, left: Any, right: Any) -> bool:
    if name.startswith("schedule") and left and right:
        # Krayin keeps whole seconds.
        moments = (datetime.fromisoformat(one).replace(microsecond=0) for one in (left, right))
        return len(set(moments)) == 1
    return bool(stored_text(left) == stored_text(right)) if name == "title" else bool(left == right)


def is_cut(wanted: Any, shown: Any) -> bool:
    """Tell whether Krayin shows only the beginning of a text, as much as its column holds."""
    if not (isinstance(wanted, str) and isinstance(shown, str)) or wanted == shown:
        return False
    size = len(shown.encode())
    full = len(shown) == NAME_CHARACTERS or TEXT_BYTES - 4 < size <= TEXT_BYTES
    return full and wanted.startswith(shown)
