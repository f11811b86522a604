"""The three-way merge of what was sent, what Krayin shows and what Chatwoot says now."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from krayin.text import fold_email, fold_name

from reconciliation.model.contact import is_placeholder
from reconciliation.model.field_source import CUSTOM_PREFIX
from reconciliation.model.hashing import canonical
from reconciliation.model.phones import phone_key
from reconciliation.model.stored_text import stored_text
from reconciliation.model.timing import SKEW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from reconciliation.model.field_source import Policy

OnCrmEdit = Literal["keep", "overwrite"]
Policies: TypeAlias = "Mapping[str, Policy]"
"""Whose value counts, by flat field; where none is named, `on_crm_edit` says it."""

LIST_FIELDS = frozenset({"emails", "phones"})
SEEN, UNDECIDED = "seen", "undecided"
"""Beside the fields last sent: when each of the policy `newest` was seen in Chatwoot as it is remembered, and
of which it is not known whose change was the later one."""


@dataclass(frozen=True, slots=True)
class Merged:
    """The outcome of a merge.

    `values` are all fields as they should stand in Krayin afterwards; `changed` names those that
    differ from what Krayin shows; `kept` those where a value typed in Krayin won, `overwritten` those of
    the changed ones where it lost; `last_sent` is what to remember once Krayin has accepted it.
    """

    values: dict[str, Any]
    changed: tuple[str, ...]
    kept: tuple[str, ...]
    last_sent: dict[str, Any] = field(default_factory=dict)
    overwritten: tuple[str, ...] = ()

    def overwriting(self, kind: str) -> list[str]:
        """Return what is overwritten of a record of one CRM kind, as `operation.removes` names it."""
        return [f"{kind}.{name}.overwritten" for name in self.overwritten]


def flatten(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields with the entries of `custom` as `custom.<code>`, so that each merges alone."""
    flat = {name: value for name, value in fields.items() if name != "custom"}
    flat |= {f"{CUSTOM_PREFIX}{code}": value for code, value in (fields.get("custom") or {}).items()}
    return flat


def merge(  # noqa: PLR0913 - the sides of a merge and what decides it
    *,
    last_sent: Mapping[str, Any] | None,
    present: Mapping[str, Any],
    desired: Mapping[str, Any],
    on_crm_edit: OnCrmEdit,
    phone_region: str | None = None,
    policies: Policies = MappingProxyType({}),
    newer: Callable[[str], bool | None] = lambda _: None,
    seen_at: datetime | None = None,
) -> Merged:
    """Merge field by field; all three are flat field dictionaries (see `flatten`).

    `last_sent` is None for a record we adopted: then blanks are filled and nothing else. Fields
    that are in `present` but not in `desired` are left as they are. A field edited in Krayin
    since our last write stays with `keep` and follows Chatwoot with `overwrite`; but what Chatwoot
    never filled it never empties. Lists are merged by value: only values we sent ourselves are ever
    taken out, and an address we made up gives way to every real one.

    A field of `policies` goes by its own: `krayin` is `keep`, `chatwoot` is `overwrite`. `fill_blank` writes
    where there is a blank that nobody made, and never again. With `newest` a field that one side alone
    changed since our last write has that side's value. Of one that both changed `newer` says whether
    Chatwoot's change is the later one; None, where that is not known, leaves Krayin's. `seen_at` is when
    Chatwoot was read.
    """
    values: dict[str, Any] = dict(present)
    changed: list[str] = []
    kept: list[str] = []
    overwritten: list[str] = []
    remembered: dict[str, Any] = dict(last_sent or {})
    undecided = {*remembered.get(UNDECIDED, ())}
    default: Policy = "chatwoot" if on_crm_edit == "overwrite" else "krayin"
    for name, wanted in desired.items():
        here = present.get(name)
        if name in LIST_FIELDS:
            same = value_key(name, phone_region)
            result = _merge_list(last_sent, name, here, wanted, on_crm_edit, same)
            # What is not taken up in Krayin, or was removed there, is remembered all the same: the
            # next merge would take it for new.
            remembered[name] = list(wanted or [])
            removed_there = _keys((last_sent or {}).get(name), same) - _keys(here, same)
            if result != list(here or []):
                values[name] = result
                changed.append(name)
                overwritten += [name] * bool(removed_there & _keys(result, same))
            kept += [name] * bool(_keys(wanted, same) - _keys(result, same))
            continue
        policy = policies.get(name, default)
        if same_value(name, here, wanted):
            remembered[name] = wanted
            undecided.discard(name)
        elif writes := _may_write(name, last_sent, here, wanted, policy, newer):
            values[name] = wanted
            changed.append(name)
            remembered[name] = wanted
            undecided.discard(name)
            overwritten += [name] * (last_sent is not None and not _as_sent(name, here, last_sent))
        else:
            kept.append(name)
            if policy == "newest" and last_sent is not None and not _as_sent(name, wanted, last_sent):
                (undecided.add if writes is None else undecided.discard)(name)
    if "newest" in policies.values():
        remembered |= as_sent(desired, policies, seen_at, last_sent) | {UNDECIDED: sorted(undecided)}
    return Merged(values, tuple(changed), tuple(kept), remembered, tuple(overwritten))


def as_sent(
    desired: Mapping[str, Any],
    policies: Policies,
    seen_at: datetime | None,
    last_sent: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what is remembered of the fields of the policy `newest`, whichever side counted.

    It is what Chatwoot says, and when that was seen there: a later change is told by both.
    """
    newest = {name: value for name, value in desired.items() if policies.get(name) == "newest"}
    if not newest or seen_at is None:
        return newest
    return {
        **newest,
        SEEN: {**((last_sent or {}).get(SEEN) or {}), **dict.fromkeys(newest, seen_at.timestamp())},
    }


def is_newer(
    name: str, last_sent: Mapping[str, Any], changed_at: datetime | None, edited_at: datetime | None
) -> bool | None:
    """Tell whether Chatwoot's change of a field is later than Krayin's; None where that is not known.

    Chatwoot's lies between when the contact was last seen with the value that is remembered, and
    `changed_at`, when Chatwoot changed the contact last. Krayin's was made at `edited_at`, if that is noted.
    All are aware; the clocks may differ by `SKEW`.
    """
    seen_at = (last_sent.get(SEEN) or {}).get(name)
    if edited_at is None or changed_at is None:
        return None
    if edited_at > changed_at + SKEW:
        return False
    is_older = seen_at is not None and (edited_at + SKEW).timestamp() < seen_at
    return True if is_older else None


def _as_sent(name: str, value: Any, last_sent: Mapping[str, Any]) -> bool:
    return same_value(name, value, last_sent.get(name))


def _may_write(  # noqa: PLR0913, PLR0917 - the sides of a field and what decides it
    name: str,
    last_sent: Mapping[str, Any] | None,
    here: Any,
    wanted: Any,
    policy: Policy,
    newer: Callable[[str], bool | None],
) -> bool | None:
    """Return whether a field that differs is written; None where it stays because that is not known."""
    if last_sent is None:
        return blank(here)
    untouched = _as_sent(name, here, last_sent)
    match policy:
        case "krayin":
            return untouched
        case "fill_blank":
            return untouched and blank(here)
        case "chatwoot":
            return untouched or not (silent(wanted) and silent(last_sent.get(name)))
        case "newest":
            if untouched or _as_sent(name, wanted, last_sent):
                return untouched
            return newer(name)


def _merge_list(  # noqa: PLR0913, PLR0917 - the sides of a list and what decides it
    last_sent: Mapping[str, Any] | None,
    name: str,
    present: list[str] | None,
    desired: list[str] | None,
    on_crm_edit: OnCrmEdit,
    same: Callable[[str], str],
) -> list[str]:
    here, wanted = _real(present), _real(desired)
    made_up = [value for value in desired or [] if is_placeholder(value)]
    if last_sent is None:
        return here or wanted or made_up
    wanted_keys, here_keys = _keys(wanted, same), _keys(here, same)
    sent_keys = _keys(last_sent.get(name), same)
    result = [value for value in here if same(value) in wanted_keys or same(value) not in sent_keys]
    for value in wanted:
        removed_there = same(value) in sent_keys and same(value) not in here_keys
        if same(value) not in here_keys and not (removed_there and on_crm_edit == "keep"):
            result.append(value)
            here_keys.add(same(value))
    return result or made_up


def _keys(values: list[str] | None, same: Callable[[str], str]) -> set[str]:
    return {same(value) for value in _real(values)}


def _real(values: list[str] | None) -> list[str]:
    return [value for value in values or [] if not is_placeholder(value)]


def value_key(name: str, region: str | None) -> Callable[[str], str]:
    """Return what two values of the list field `name` are compared by."""
    if name == "emails":
        return fold_email
    return lambda value: phone_key(value, region) or value.strip()


def blank(value: Any) -> bool:
    """Tell whether a field holds nothing; an unticked box does, Krayin has no other word for it."""
    return silent(value) or (isinstance(value, int) and value == 0)


def silent(value: Any) -> bool:
    """Tell whether a field says nothing: unlike `blank`, an unticked box does."""
    return value is None or value == [] or (isinstance(value, str) and not stored_text(value))


def same_value(name: str, left: Any, right: Any) -> bool:
    """Tell whether two values of a field mean the same: blanks, number spellings and Unicode forms aside."""
    if name == "lead_value":
        # Krayin cannot empty the column over the API: nought and nothing are one.
        return (_number(left) or 0) == (_number(right) or 0)
    if blank(left) or blank(right):
        return blank(left) and blank(right)
    if isinstance(left, list) or isinstance(right, list):
        left, right = _chosen(left), _chosen(right)
    if name == "organization":
        return fold_name(str(left)) == fold_name(str(right))
    if not (isinstance(left, str) and isinstance(right, str)):
        numbers = _number(left), _number(right)
        if None not in numbers:
            return numbers[0] == numbers[1]
    if isinstance(left, str) and isinstance(right, str):
        return bool(canonical(_lines(left)) == canonical(_lines(right)))
    return bool(canonical(left) == canonical(right))


def _chosen(value: Any) -> list[str]:
    """Return the ids of several options: Krayin shows them between commas."""
    ids = value if isinstance(value, list) else str(value).split(",")
    return sorted({str(one).strip() for one in ids})


def _lines(text: str) -> str:
    return stored_text(text.replace("\r\n", "\n"))


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool):
        return Decimal(int(value))
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def resolve_pending_write(
    *,
    last_sent: Mapping[str, Any] | None,
    pending_write: Mapping[str, Any] | None,
    present: Mapping[str, Any],
    desired: Mapping[str, Any],
    phone_region: str | None = None,
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any]]:
    """Return `last_sent` and `present` as the merge should see them.

    All are flat field dictionaries. `pending_write` are the fields of the unanswered update, None when
    there was none. A field that shows what that update wrote was written by us, not by a salesperson:
    it counts as last sent. In a record we adopted (`last_sent` None) such a field counts as still
    blank, so that it may follow Chatwoot like any blank we filled.
    """
    if not pending_write:
        return last_sent, present
    if last_sent is None:
        blanked: dict[str, Any] = {
            name: [] if name in LIST_FIELDS else None
            for name, tried in pending_write.items()
            if name in desired
            and _equal(name, present.get(name), tried, phone_region)
            and not _equal(name, present.get(name), desired[name], phone_region)
        }
        return None, {**present, **blanked}
    sent = dict(last_sent)
    for name, tried in pending_write.items():
        here = present.get(name)
        if name in LIST_FIELDS:
            sent[name] = _sent_list(sent.get(name), tried, here, value_key(name, phone_region))
        elif same_value(name, here, tried):
            sent[name] = tried
    return sent, present


def _equal(name: str, left: Any, right: Any, phone_region: str | None) -> bool:
    if name in LIST_FIELDS:
        same = value_key(name, phone_region)
        return {same(value) for value in left or []} == {same(value) for value in right or []}
    return same_value(name, left, right)


def _sent_list(sent: Any, tried: Any, here: Any, same: Callable[[str], str]) -> list[str]:
    there = {same(value) for value in here or []}
    pending_write = {same(value) for value in tried or []}
    # What we sent before and tried to take out is gone through us, not through a salesperson.
    kept = [value for value in sent or [] if same(value) in there | pending_write]
    known = {same(value) for value in kept}
    return kept + [value for value in tried or [] if same(value) in there - known]
