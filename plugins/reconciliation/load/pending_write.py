"""What counts as sent by us when an update's answer was lost and nobody knows whether it took effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciliation.mapping.merge import LIST_FIELDS, same_value, value_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


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
