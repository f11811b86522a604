"""Names fold as Krayin's database compares them."""

from __future__ import annotations

import pytest
from krayin.folding import fold_email, fold_name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Müller GmbH", "Muller gmbh"),
        ("Ácme", "acme "),
        ("Straße", "STRASSE"),
        ("Łódź"[1:], "odz"),
        ("Pizza 🍕", "pizza 🍔"),
        ("Ac\u200dme\ufe0f", "acme"),
    ],
)
def test_names_krayin_takes_for_one(one, other):
    assert fold_name(one) == fold_name(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Acme", "Acme Inc"), ("A B", "AB"), ("😀 Co", "Co"), ("A\tB", "AB"), ("กิ", "กี"), ("सत्य", "सतय")],
)
def test_names_krayin_tells_apart(one, other):
    assert fold_name(one) != fold_name(other)


def test_addresses_of_one_mailbox_fold_alike():
    assert fold_email(" Anna@Example.COM ") == "anna@example.com"


@pytest.mark.parametrize(
    ("one", "other"),
    [("info@straße.example", "info@strasse.example"), ("ﬁ@a.example", "fi@a.example")],
)
def test_addresses_of_two_mailboxes_stay_two(one, other):
    assert fold_email(one) != fold_email(other)
