"""What happens to a Krayin behind the sync's back, and the recovery that a person asks for afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciliation.admin.recovery import Happened, answer_recovery, plan_recovery

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciliation.admin.recovery import RecoveryPlan

    from tests.reconciliation.world import World

WRITES = frozenset({"POST", "PUT", "DELETE"})


def writes(world: World) -> list[dict[str, Any]]:
    """The calls that changed something."""
    return [call for call in world.krayin.calls() if call["method"] in WRITES]


def recover(world: World, happened: Happened = Happened.RESTORED, **form: Any) -> RecoveryPlan:
    """Have Krayin read whole, and approve the plan."""
    plan = plan_recovery(world.sync(), happened, **form)
    answer_recovery(world.sync_url, plan.recovery_id, approved=True, decided_by="somebody")
    return plan


def table(world: World, name: str) -> Any:
    """A table of the stand-in, to be changed behind everybody's back."""
    return world.krayin.application.krayin.database[name]


def empty(world: World, *, counting_on: bool) -> None:
    """Delete all records; their ids go on where they were, or begin at 1 again."""
    for name in ("leads", "persons", "activities", "attribute_values"):
        following = table(world, name).next_id
        for key in list(table(world, name).rows):
            table(world, name).delete(key)
        table(world, name).next_id = following if counting_on else 1


def replace_krayin(world: World, number: int) -> list[dict[str, Any]]:
    """Put another Krayin under the address, with `number` persons and more; two are customers of ours."""
    world.krayin.reset()
    # Not by quarters of an hour, as another time zone would.
    world.krayin.advance(3607)
    # Its users were made long before the Krayin that we knew was, which may have been this very second.
    world.krayin.edit(users=[{"id": 1, "created_at": "2024-05-06 07:08:09"}])
    world.krayin.seed(
        persons=[
            {"name": f"Theirs {one}", "emails": [{"value": f"theirs{one}@other.example", "label": "work"}]}
            for one in range(number + 5)
        ]
        + [
            {"name": f"Customer {one}", "emails": [{"value": f"customer{one}@example.com", "label": "work"}]}
            for one in (3, 7)
        ]
    )
    return world.krayin.records("persons")["persons"]


def after_posts(world: World, actions: Mapping[int, Callable[[], object]]) -> list[int]:
    """Do something inside Krayin right after so many writing calls; the list grows with each of these."""
    add, posts = world.krayin.application.log.add, []

    def count(entry: Any) -> None:
        add(entry)
        if entry.method == "POST":
            posts.append(len(posts) + 1)
            actions.get(posts[-1], lambda: None)()

    world.krayin.application.log.add = count
    return posts
