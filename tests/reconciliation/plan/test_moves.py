"""E-mails and phones that pass from one contact to another within one run."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reconciliation.plan.contact_planner import Move, arrange

if TYPE_CHECKING:
    from reconciliation.store.run_rows import Run

    from tests.reconciliation.world import World


def emails_of(world: World) -> dict[str, list[str]]:
    return {row["name"]: [one["value"] for one in row["emails"]] for row in world.persons()}


def phones_of(world: World) -> dict[str, list[str]]:
    return {
        row["name"]: [one["value"] for one in row["contact_numbers"] or () if one["value"]]
        for row in world.persons()
    }


def undisturbed(world: World, run: Run) -> None:
    """Nothing was refused by Krayin, nothing waits, nothing is quarantined, and nothing is left to do."""
    assert world.operations("quarantined") == world.operations("planned") == []
    assert {status for _, _, status in world.calls(run.id)} == {200}
    assert world.calls(world.run().id) == []


@pytest.mark.parametrize("giver_first", [True, False])
def test_an_email_moves_to_another_contact(world: World, *, giver_first: bool) -> None:
    ids = [
        world.add(name=name, email=f"{name}@example.com", phone_number=f"+1415555010{number}")
        for number, name in enumerate(("giver", "taker") if giver_first else ("taker", "giver"))
    ]
    world.run()
    giver, taker = ids if giver_first else reversed(ids)
    world.change(giver, email="new@example.com")
    world.change(taker, email="giver@example.com")
    run = world.run()
    assert emails_of(world) == {"giver": ["new@example.com"], "taker": ["giver@example.com"]}
    undisturbed(world, run)


def test_an_email_is_given_away_without_a_replacement_to_a_new_contact(world: World) -> None:
    giver = world.add(name="giver", email="shared@example.com", phone_number="+14155550101")
    world.run()
    world.change(giver, email=None)
    taker = world.add(name="taker", email="shared@example.com")
    run = world.run()
    placeholder = f"contact-{giver}@account-1.chatwoot.invalid"
    assert emails_of(world) == {"giver": [placeholder], "taker": ["shared@example.com"]}
    assert run.summary["created"] == {"person": 1, "lead": 1}
    assert taker != giver
    undisturbed(world, run)


def test_what_a_salesperson_added_to_a_person_is_not_given_away(world: World) -> None:
    giver = world.add(name="giver", email="first@example.com")
    world.run()
    (person,) = world.persons()
    numbers = [{"value": "", "label": "work"}]
    both = [*person["emails"], {"value": "typed@example.com", "label": "work"}]
    world.api("PUT", f"contacts/persons/{person['id']}", {"emails": both, "contact_numbers": numbers})
    world.change(giver, email="second@example.com")
    world.add(name="other", email="typed@example.com")
    world.run()
    assert emails_of(world) == {"giver": ["typed@example.com", "second@example.com"]}
    assert [why for _, _, why, _ in world.operations("quarantined")] == ["person_taken"]


@pytest.mark.parametrize("size", [2, 3])
def test_contacts_that_pass_their_emails_round_in_a_circle(world: World, size: int) -> None:
    ids = [world.add(name=f"c{n}", email=f"c{n}@example.com") for n in range(size)]
    world.run()
    # Chatwoot keeps e-mails unique as well: it takes a detour, which we do not get to see.
    with_detour(world, ids, [f"c{(n + 1) % size}@example.com" for n in range(size)])
    run = world.run()
    assert emails_of(world) == {f"c{n}": [f"c{(n + 1) % size}@example.com"] for n in range(size)}
    assert run.summary["writes"] == 2 * size + 1
    undisturbed(world, run)


def test_two_contacts_swap_their_phones(world: World) -> None:
    ids = [world.add(name=f"p{n}", phone_number=f"+1415555020{n}") for n in range(2)]
    world.run()
    world.change(ids[0], phone_number=None, email="x@example.com")
    world.change(ids[1], phone_number="+14155550200")
    world.change(ids[0], phone_number="+14155550201", email=None)
    run = world.run()
    assert phones_of(world) == {"p0": ["+14155550201"], "p1": ["+14155550200"]}
    undisturbed(world, run)


def test_phones_are_swapped_twice_where_nobody_needs_an_email(world: World) -> None:
    """To Krayin two persons without e-mail, phone, owner and organization are one."""
    world.krayin.edit(attributes=[{"id": 29, "is_required": 0}])
    ids = [world.add(name=f"p{n}", phone_number=f"+1415555020{n}") for n in range(4)]
    world.run()
    for contact in ids:
        world.change(contact, phone_number=f"+1415555099{contact}")
    for n, other in enumerate((1, 0, 3, 2)):
        world.change(ids[n], phone_number=f"+1415555020{other}")
    run = world.run()
    assert phones_of(world) == {f"p{n}": [f"+1415555020{other}"] for n, other in enumerate((1, 0, 3, 2))}
    assert emails_of(world) == {f"p{n}": [] for n in range(4)}
    undisturbed(world, run)


def with_detour(world: World, ids: list[int], emails: list[str]) -> None:
    for contact in ids:
        world.change(contact, email=f"detour{contact}@example.com")
    for contact, email in zip(ids, emails, strict=True):
        world.change(contact, email=email)


# --- the order itself -------------------------------------------------------------------------

KEYS = "abcdef"


@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from(KEYS)), st.sets(st.sampled_from(KEYS))), min_size=1, max_size=7
    )
)
def test_every_key_is_given_up_before_it_is_claimed(pairs: list[tuple[set[str], set[str]]]) -> None:
    taken: set[str] = set()
    moves = []
    for number, (claims, releases) in enumerate(pairs):
        # Nobody claims what he gives up, and one person at most has a key.
        held = frozenset(releases - taken)
        taken |= held
        moves.append(Move(number, frozenset(claims) - held, held))
    arranged = arrange(moves)
    assert sorted(arranged.order) == list(range(len(moves)))
    by_id = {move.operation_id: move for move in moves}
    holders = {key: move.operation_id for move in moves for key in move.releases}
    for one in arranged.release_first:
        for key in by_id[one].releases:
            del holders[key]
    # Those that gave up their keys beforehand come back for the rest when all others are done.
    last = [one for one in arranged.order if one in arranged.release_first]
    for one in [*(one for one in arranged.order if one not in arranged.release_first), *last]:
        move = by_id[one]
        assert all(holders.get(key, one) == one for key in move.claims)
        for key in move.releases:
            holders.pop(key, None)


def test_the_lowest_id_of_a_circle_goes_first() -> None:
    circle = [Move(n, frozenset({f"k{(n + 1) % 3}"}), frozenset({f"k{n}"})) for n in range(3)]
    for order in itertools.permutations(circle):
        assert arrange(list(order)) == arrange(circle)
    assert arrange(circle).release_first == {0}
    assert arrange(
        [Move(5, frozenset({"a"}), frozenset()), Move(7, frozenset(), frozenset({"a"}))]
    ).order == (7, 5)
