from __future__ import annotations

from itertools import product

import pytest
from reconciliation.drift.finding import FindingClass, Side
from reconciliation.model.desired_contact import Skip
from reconciliation.web.labels import NOT_BROUGHT_OVER, difference

KINDS = [
    ("contact", "person"),
    ("contact", "lead"),
    ("message", "activity"),
    (None, "person"),
    ("contact", None),
]


@pytest.mark.parametrize("kind", FindingClass)
def test_every_difference_is_a_sentence(kind: str) -> None:
    said = set()
    for side, field, (source, crm) in product([*Side, None], ["emails", None], KINDS):
        row = {"class": kind, "side": side, "field": field, "source_kind": source, "crm_kind": crm}
        text = difference(row)
        assert text[0].isupper()
        assert "{" not in text
        assert "_" not in text
        said.add(text)
    assert said


def test_whose_change_it_is_and_of_what() -> None:
    row = {
        "class": "changed",
        "side": "ours",
        "field": "job_title",
        "source_kind": "contact",
        "crm_kind": "lead",
    }
    assert difference(row) == "The job title changed in Chatwoot; the lead in Krayin has another"
    assert difference({**row, "side": "theirs"}) == "Krayin's lead has a salesperson's own job title"
    assert difference({**row, "class": "missing", "field": None}) == "Krayin has no lead for the contact"
    assert "level" in difference({**row, "field": "custom.level", "side": "theirs"})


def test_every_reason_to_leave_a_contact_out_is_a_sentence() -> None:
    assert set(Skip) <= NOT_BROUGHT_OVER.keys()
    assert all(one.rule for one in Skip)
