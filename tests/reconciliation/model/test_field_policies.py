"""Whatever edits both sides make, in whatever order they are looked at: nothing typed goes but as the policy says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reconciliation.drift.field_differences import compare
from reconciliation.model.merge import SEEN, UNDECIDED, as_sent, is_newer, merge

NAME = "custom.x"
START = datetime(2026, 1, 1, tzinfo=UTC)
values = st.sampled_from(["", "a", "b", "c"])
minutes = st.sampled_from([1, 10])
steps = st.lists(
    st.tuples(st.sampled_from(["chatwoot", "krayin", "other", "sync"]), values, minutes), max_size=14
)
policies = st.sampled_from(["chatwoot", "krayin", "fill_blank", "newest"])


@dataclass
class Pair:
    """A field in Chatwoot and in Krayin, and what is remembered; `noted` is whether Krayin notes changes."""

    policy: Any
    noted: bool
    now: datetime = START
    chatwoot: str = ""
    krayin: str = ""
    changed_at: datetime = START
    """When the contact was changed, in whatever field."""
    said_at: datetime = START
    """When Chatwoot's value was changed last."""
    typed: str | None = None
    """What somebody typed in Krayin last, if it is still the last thing written there."""
    typed_at: datetime = START
    last_sent: dict[str, Any] = field(default_factory=dict)
    wiped: list[tuple[str, bool]] = field(default_factory=list)
    """What was typed and overwritten, with whether Chatwoot's change was the later one."""

    def created(self) -> Pair:
        desired = {NAME: self.chatwoot}
        self.last_sent = {**desired, **as_sent(desired, {NAME: self.policy}, self.now)}
        self.krayin = self.chatwoot
        return self

    def step(self, what: str, value: str, after: int) -> None:
        self.now += timedelta(minutes=after)
        if what == "chatwoot" and value != self.chatwoot:
            self.chatwoot, self.changed_at, self.said_at = value, self.now, self.now
        elif what == "other":
            self.changed_at = self.now
        elif what == "krayin" and value != self.krayin:
            self.krayin, self.typed, self.typed_at = value, value, self.now
        elif what == "sync":
            self.sync()

    def sync(self) -> None:
        edited_at = self.typed_at if self.noted and self.typed is not None else None
        merged = merge(
            last_sent=self.last_sent,
            present={NAME: self.krayin},
            desired={NAME: self.chatwoot},
            on_crm_edit="keep",
            policies={NAME: self.policy},
            newer=lambda name: is_newer(name, self.last_sent, self.changed_at, edited_at),
            seen_at=self.now,
        )
        if NAME in merged.changed:
            # Who types what we sent ourselves has changed nothing.
            if self.typed and self.typed != self.last_sent[NAME]:
                self.wiped.append((self.typed, self.said_at > self.typed_at))
            self.krayin, self.typed = merged.values[NAME], None
        self.last_sent = merged.last_sent

    def differences(self) -> list[str]:
        found = compare(
            last_sent=self.last_sent,
            present={NAME: self.krayin},
            desired={NAME: self.chatwoot},
            on_crm_edit="keep",
            policies={NAME: self.policy},
        )
        return [str(one.side) for one in found]


@given(policies, st.booleans(), values, steps)
def test_nothing_typed_goes_but_as_the_policy_says(policy, noted, first, edits):
    pair = Pair(policy, noted, chatwoot=first).created()
    for edit in edits:
        pair.step(*edit)
    if policy in {"krayin", "fill_blank"}:
        assert pair.wiped == []
    if policy == "newest":
        assert all(later for _, later in pair.wiped)
        assert noted or pair.wiped == []


@given(policies, st.booleans(), values, steps)
def test_after_a_sync_nothing_is_left_to_do_and_only_what_is_not_known_is_told(policy, noted, first, edits):
    pair = Pair(policy, noted, chatwoot=first).created()
    for edit in edits:
        pair.step(*edit)
    pair.sync()
    before = pair.krayin
    assert pair.differences() == (["theirs"] if pair.last_sent.get(UNDECIDED) else [])
    pair.sync()
    assert pair.krayin == before
    if policy == "chatwoot" and pair.chatwoot:
        assert pair.krayin == pair.chatwoot


@given(policies, values, steps)
def test_what_nobody_touches_in_krayin_follows_chatwoot(policy, first, edits):
    pair = Pair(policy, noted=True, chatwoot=first).created()
    for what, value, after in edits:
        pair.step("other" if what == "krayin" else what, value, after)
    pair.sync()
    if policy == "fill_blank":
        assert bool(pair.krayin) is bool(first or pair.chatwoot or pair.krayin)
        assert not first or pair.krayin == first
    else:
        assert pair.krayin == pair.chatwoot


@pytest.mark.parametrize(
    ("seen", "changed", "edited", "verdict"),
    [
        (0, 60, -10, True),
        (0, 60, 70, False),
        (0, 60, 30, None),
        # Clocks that differ by two minutes at most say nothing of what lies within them.
        (0, 60, -1, None),
        (0, 60, 61, None),
        (None, 60, -10, None),
        (None, 60, 70, False),
        (0, None, 70, None),
        (0, 60, None, None),
    ],
)
def test_which_edit_is_the_later_one(seen, changed, edited, verdict):
    def at(minute):
        return None if minute is None else START + timedelta(minutes=minute)

    last_sent = {} if seen is None else {SEEN: {NAME: at(seen).timestamp()}}
    assert is_newer(NAME, last_sent, at(changed), at(edited)) is verdict
