"""Texts of one's own in whole runs, read back from both Krayins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from krayin.text import CUT_MARK, TEXT_BYTES
from reconciliation.run.request import RunRequest

from sandbox.chatwoot import conversations
from tests.reconciliation.run.test_activity_run import BOTH, NOON, activities, ada_with_a_talk, say, writes
from tests.reconciliation.world import api_world, on_each_krayin

if TYPE_CHECKING:
    from tests.reconciliation.world import World

TEMPLATES = {
    "templates": {
        "lead_title": "{{ company|default(name) }} ({{ attributes.plan|default('no plan') }})",
        "lead_description": "{{ ready }}\n{{ email|upper }}",
        "conversation_title": "{{ assignee|default('Nobody') }}: {{ number }}",
        "conversation_comment": "{% for one in messages %}<i>{{ one.author }}</i>: {{ one.text }}\n{% endfor %}",
        "message_title": "{{ author }}: {{ text|truncate(12) }}",
        "message_comment": "{{ place }} & {{ time }}\n{{ text }}",
    }
}
pytestmark = on_each_krayin


def test_texts_of_ones_own_arrive_once_and_are_no_difference(world: World) -> None:
    contact, talk = ada_with_a_talk(world)
    world.change(contact, custom_attributes={"plan": "pro"})
    say(world, talk, "Do you <b>sell</b> plums?", created_at=NOON)
    world.run(**BOTH)
    run = world.run(**BOTH, **TEMPLATES)
    assert sorted(writes(world, run.id)) == [*["PUT activities/{id}"] * 2, "PUT leads/attributes/edit/{id}"]
    talked, said = activities(world)
    assert (talked["title"], talked["comment"]) == (
        "Nobody: 1",
        "&lt;i&gt;Ada&lt;/i&gt;: Do you &lt;b&gt;sell&lt;/b&gt; plums?",
    )
    assert (said["title"], said["comment"]) == (
        "Ada: Do you <b>s…",
        "Website (Website) &amp; 2026-05-05 12:00 UTC<br>Do you &lt;b&gt;sell&lt;/b&gt; plums?",
    )
    (lead,) = world.leads()
    assert (lead["title"], lead["description"].splitlines()[-1]) == ("Ada (pro)", "ADA@EXAMPLE.COM")
    assert writes(world, world.run(RunRequest(full=True), **BOTH, **TEMPLATES).id) == []
    world.compared(repairing=False, **BOTH, **TEMPLATES)
    assert world.rows("SELECT class, field FROM finding") == []
    keys = {"chatwoot": {"account_id": 1, "source": "api"}, **BOTH, **TEMPLATES}
    with api_world(world.chatwoot_url, world.sync_url, world.krayin, **keys) as by_api:
        assert writes(by_api, by_api.run(RunRequest(full=True)).id) == []


def test_what_a_salesperson_wrote_over_a_template_stays(world: World) -> None:
    _, talk = ada_with_a_talk(world)
    say(world, talk, "Plums?", created_at=NOON)
    world.run(**BOTH, **TEMPLATES)
    (lead,), (_, said) = world.leads(), activities(world)
    world.api("PUT", f"activities/{said['id']}", {"title": "Plums!"})
    world.krayin.edit(leads=[{"id": lead["id"], "title": "Big deal"}])
    world.run(**BOTH)
    assert activities(world)[1]["title"] == "Plums!"
    assert activities(world)[1]["comment"].endswith(":<br>Plums?")
    assert world.leads()[0]["title"] == "Big deal"


def test_a_megabyte_by_a_template_is_cut_to_the_column(world: World) -> None:
    _, talk = ada_with_a_talk(world)
    said = say(world, talk, "<plum>" * 11_000, created_at=NOON)
    with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
        for number in range(60):
            conversations.add_attachment(connection, said, f"{number}.txt", "text/plain", 1)
    big = {"templates": {"message_comment": "{% for one in files %}{{ text }}{{ text|upper }}{% endfor %}"}}
    run = world.run(**BOTH, **big)
    assert run.summary["failed"] == 0
    comment = activities(world)[1]["comment"]
    assert TEXT_BYTES - 50 < len(comment.encode()) <= TEXT_BYTES
    assert comment.endswith(CUT_MARK)
