from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reconciliation.model.desired_contact import DesiredContact
from reconciliation.plan.matching import Ambiguous, KnownPerson, match_person

MAIL, PHONE, OTHER = "email:anna@example.com", "phone:+491701234567", "email:other@example.com"
ANNA = DesiredContact(7, {}, {}, natural_keys=(MAIL, PHONE))


def person(crm_id, *keys, owner=None):
    return KnownPerson(crm_id, frozenset(keys), owner)


def test_nobody_has_them():
    assert match_person(ANNA, []) is None
    assert match_person(ANNA, [person(1, OTHER), person(2)]) is None
    nameless = DesiredContact(7, {}, {})
    assert match_person(nameless, [person(1, MAIL), person(2)]) is None


def test_one_person_has_them():
    for keys in ((MAIL,), (PHONE,), (MAIL, PHONE, OTHER)):
        one = person(1, *keys)
        assert match_person(ANNA, [person(2, OTHER), one]) == one


@pytest.mark.parametrize("keys", [((MAIL,), (PHONE,)), ((MAIL,), (MAIL,)), ((MAIL, PHONE), (PHONE, OTHER))])
def test_several_have_them(keys):
    persons = [person(number, *some) for number, some in enumerate(keys, 1)]
    answers = [match_person(ANNA, order) for order in itertools.permutations(persons)]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].reason == "ambiguous_person"
    assert answers[0].candidates == tuple(persons)
    assert "1, 2" in answers[0].message


def test_the_person_belongs_to_another_contact():
    answer = match_person(ANNA, [person(1, MAIL, owner="contact 3 of account 1")])
    assert isinstance(answer, Ambiguous)
    assert answer.reason == "person_taken"
    assert "contact 3 of account 1" in answer.message


def test_the_id_an_earlier_integration_kept_decides_alone():
    contact = DesiredContact(7, {}, {}, natural_keys=(MAIL,), adopt={"person": 5})
    kept = person(5)
    assert match_person(contact, [person(1, MAIL), kept]) == kept
    # Deleted in Krayin since: whoever has the address is taken instead.
    assert match_person(contact, [person(1, MAIL)]) == person(1, MAIL)
    taken = match_person(contact, [person(5, owner="contact 3 of account 1")])
    assert taken.reason == "person_taken"
    # The id of another kind means nothing here.
    assert match_person(DesiredContact(7, {}, {}, adopt={"lead": 5}), [kept]) is None


def test_what_is_shown_to_decide_holds_no_address():
    answer = match_person(ANNA, [person(1, MAIL), person(2, PHONE)])
    shown = repr([one.described() for one in answer.candidates]) + answer.message
    assert "anna@example.com" not in shown
    assert "+49170" not in shown


keys = st.frozensets(st.sampled_from([MAIL, PHONE, OTHER]))
persons = st.lists(
    st.builds(KnownPerson, st.integers(1, 5), keys, st.none() | st.just("contact 1 of account 1")),
    unique_by=lambda one: one.crm_id,
)


@given(persons, st.dictionaries(st.just("person"), st.integers(1, 5)))
def test_only_a_free_person_nobody_else_competes_with_is_adopted(known, adopt):
    contact = DesiredContact(7, {}, {}, natural_keys=(MAIL, PHONE), adopt=adopt)
    answer = match_person(contact, known)
    named = [one for one in known if one.crm_id == adopt.get("person")]
    hits = named or [one for one in known if one.keys & {MAIL, PHONE}]
    if isinstance(answer, KnownPerson):
        assert hits == [answer]
        assert answer.owner is None
    elif answer is None:
        assert hits == []
    else:
        assert len(hits) > 1 or hits[0].owner is not None
