"""Names fold as Krayin's database compares them."""

from __future__ import annotations

import pytest
from krayin.folding import fold_email, fold_name


@pytest.mark.parametrize(
    ("one", "other"),
    [("Müller GmbH", "Muller gmbh"), ("Ácme", "acme "), ("Straße", "STRASSE"), ("Łódź"[1:], "odz")],
)
def test_names_krayin_takes_for_one(one, other):
    assert fold_name(one) == fold_name(other)


@pytest.mark.parametrize(("one", "other"), [("Acme", "Acme Inc"), ("A B", "AB"), ("😀 Co", "Co")])
def test_names_krayin_tells_apart(one, other):
    assert fold_name(one) != fold_name(other)


def test_addresses_of_one_mailbox_fold_alike():
    assert fold_email(" Anna@Example.COM ") == "anna@example.com"
