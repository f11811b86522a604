"""The three-way merge of what was sent, what Krayin shows and what Chatwoot says now."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Literal

from krayin.text import fold_email, fold_name

from reconciliation.model.contact import is_placeholder
from reconciliation.model.hashing import canonical
from reconciliation.model.phones import phone_key
from reconciliation.model.stored_text import stored_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OnCrmEdit = Literal["keep", "overwrite"]

LIST_FIELDS = frozenset({"emails", "phones"})
CUSTOM_PREFIX = "custom."


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


def merge(
    *,
    last_sent: Mapping[str, Any] | None,
    present: Mapping[str, Any],
    desired: Mapping[str, Any],
    on_crm_edit: OnCrmEdit,
    phone_region: str | None = None,
) -> Merged:
    """Merge field by field; all three are flat field dictionaries (see `flatten`).

    `last_sent` is None for a record we adopted: then blanks are filled and nothing else. Fields
    that are in `present` but not in `desired` are left as they are. A field edited in Krayin
    since our last write stays with `keep` and follows Chatwoot with `overwrite`; but what Chatwoot
    never filled it never empties. Lists are merged by value: only values we sent ourselves are ever
    taken out, and an address we made up gives way to every real one.
    """
    values: dict[str, Any] = dict(present)
    changed: list[str] = []
    kept: list[str] = []
    overwritten: list[str] = []
    remembered: dict[str, Any] = dict(last_sent or {})
    for name, wanted in desired.items():
        here = present.get(name)
        if name in LIST_FIELDS:
            same = value_key(name, phone_region)
            result = _merge_list(
                None if last_sent is None else _real(last_sent.get(name)),
                _real(here),
                _real(wanted),
                on_crm_edit,
                same,
            ) or [value for value in wanted or [] if is_placeholder(value)]
            # What is not taken up in Krayin, or was removed there, is remembered all the same: the
            # next merge would take it for new.
            remembered[name] = list(wanted or [])
            if result != list(here or []):
                values[name] = result
                changed.append(name)
                removed_there = {same(value) for value in _real((last_sent or {}).get(name))} - {
                    same(value) for value in _real(here)
                }
                if removed_there & {same(value) for value in result}:
                    overwritten.append(name)
            if {same(value) for value in _real(wanted)} - {same(value) for value in result}:
                kept.append(name)
            continue
        if same_value(name, here, wanted):
            remembered[name] = wanted
        elif _may_write(name, last_sent, here, wanted, on_crm_edit):
            values[name] = wanted
            changed.append(name)
            remembered[name] = wanted
            if last_sent is not None and not same_value(name, here, last_sent.get(name)):
                overwritten.append(name)
        else:
            kept.append(name)
    return Merged(values, tuple(changed), tuple(kept), remembered, tuple(overwritten))


def _may_write(
    name: str, last_sent: Mapping[str, Any] | None, here: Any, wanted: Any, on_crm_edit: OnCrmEdit
) -> bool:
    if last_sent is None:
        return blank(here)
    sent = last_sent.get(name)
    if same_value(name, here, sent):
        return True
    return on_crm_edit == "overwrite" and not (silent(wanted) and silent(sent))


def _merge_list(
    sent: list[str] | None,
    here: list[str],
    wanted: list[str],
    on_crm_edit: OnCrmEdit,
    same: Callable[[str], str],
) -> list[str]:
    if sent is None:
        return here or wanted
    wanted_keys = {same(value) for value in wanted}
    sent_keys = {same(value) for value in sent}
    here_keys = {same(value) for value in here}
    result = [value for value in here if same(value) in wanted_keys or same(value) not in sent_keys]
    for value in wanted:
        removed_there = same(value) in sent_keys and same(value) not in here_keys
        if same(value) not in here_keys and not (removed_there and on_crm_edit == "keep"):
            result.append(value)
            here_keys.add(same(value))
    return result


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
