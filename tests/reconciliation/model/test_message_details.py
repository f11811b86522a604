"""What a message says beside its text, whatever shape its attributes have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reconciliation.model.message_details import offer_lines, outcome_lines

from tests.reconciliation.model.test_comment import message

CSAT = {"submitted_values": {"csat_survey_response": {"rating": 4, "feedback_message": "Fine"}}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("content", "details", "said"),
    [
        ("Voice Call", {"kind": "voice_call"}, ["Voice Call"]),
        (
            "Voice Call",
            {"kind": "voice_call", "data": {"status": "completed", "call_direction": "inbound", "duration_seconds": 125}},
            ["Voice Call", "Call: incoming, completed, 2 min 5 s"],
        ),
        (
            "Voice Call",
            {"kind": "voice_call", "data": {"status": "no-answer", "call_direction": "outbound", "meta": {"duration": 0}}},
            ["Voice Call", "Call: outgoing, no answer"],
        ),
        ("", {"kind": "sticker"}, ["(sticker)"]),
        ("\N{THUMBS UP SIGN}", {"is_reaction": True}, ["Reaction: \N{THUMBS UP SIGN}"]),
        ("", {"is_unsupported": True}, ["(a kind of message that Chatwoot cannot show)"]),
        ("", CSAT, ["Rating: 4 of 5", "Fine"]),
        ("Mail?", {"submitted_email": "ada@example.com"}, ["Mail?", "E-mail: ada@example.com"]),
        (
            "Which?",
            {"items": [{"title": "Red", "value": "red"}, {"title": "Blue", "value": "b"}], "submitted_values": [{"title": "Red", "value": "red"}]},
            ["Which?", "- Red", "- Blue: b", "Answer: Red"],
        ),
        (
            "Form",
            {"items": [{"name": "size", "label": "Size"}], "submitted_values": [{"name": "size", "value": "XL"}]},
            ["Form", "- Size", "size: XL"],
        ),
        ("Read", {"items": [{"title": "Help", "description": "How to", "link": "https://x.example"}]}, ["Read", "- Help: How to: https://x.example"]),
        ("A later kind", {"items": "?", "submitted_values": 5, "data": []}, ["A later kind"]),
    ],
)  # fmt: skip
def test_it_says_what_was_offered_and_what_came_of_it(
    content: str, details: dict[str, Any], said: list[str]
) -> None:
    assert message(content=content, details=details).comment.split("<br>")[2:] == said


def test_only_what_came_of_it_makes_a_difference() -> None:
    plain = message(content="x").hash()
    assert message(content="x", details={"items": [{"title": "A"}]}).hash() == plain
    assert message(content="x", details=CSAT).hash() != plain


@given(
    st.dictionaries(st.sampled_from(["kind", "items", "submitted_values", "submitted_email", "data"]), JSON)
)
def test_attributes_of_any_shape_end_nothing(details: dict[str, Any]) -> None:
    for line in (*offer_lines(details), *outcome_lines({**details, "kind": "voice_call"})):
        assert line.strip()
