"""What a first load reads and sends when a rule means 1,200 of 10,000 contacts, and when there is no rule.

python benchmarks/contact_scope.py [--contacts 10000] [--meant 1200]

Each contact has a conversation of two messages; all is brought over. Rows are those that Chatwoot's database
handed over, pages those of 8 kB that it looked at, API requests those of a first load through Chatwoot's API.
The calls to Krayin are the forecast of a dry run; with the rule they are made as well.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from reconciliation.run.request import RunRequest

from benchmarks.calls import new_world
from benchmarks.common.chatwoot_rows import add_contacts, add_talk
from benchmarks.common.results import keep, show
from sandbox.krayin.testing import running_krayin
from stack.postgres import Cluster
from tests.ports import free_ports
from tests.reconciliation.world import EVERYTHING, api_world

if TYPE_CHECKING:
    from tests.reconciliation.world import World

RULES: dict[str, dict[str, Any]] = {
    "none": {},
    "label": {"labels": {"any": ["meant"]}},
    "label of a conversation": {"conversation_labels": {"any": ["meant"]}},
    "attribute": {"attributes": {"meant": {"equals": True}}},
}
_MEANT = """
WITH chosen AS (SELECT id FROM contacts ORDER BY (id * 2654435761) %% 4294967296 LIMIT %(meant)s),
tag AS (INSERT INTO tags (name, taggings_count) VALUES ('meant', 0) RETURNING id),
labelled AS (
    INSERT INTO taggings (tag_id, taggable_type, taggable_id, context, created_at)
    SELECT tag.id, 'Contact', chosen.id, 'labels', now() FROM tag, chosen
),
talked AS (
    UPDATE conversations SET cached_label_list = 'meant' WHERE contact_id IN (SELECT id FROM chosen)
)
UPDATE contacts SET custom_attributes = custom_attributes || '{"meant": true}'
WHERE id IN (SELECT id FROM chosen)
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contacts", type=int, default=10_000)
    parser.add_argument("--meant", type=int, default=1_200)
    options = parser.parse_args()
    measured = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = Cluster(folder / "postgres", free_ports(1)[0], "benchmark")
        cluster.start()
        stack.callback(cluster.stop, "immediate")
        for number, (name, where) in enumerate(RULES.items()):
            with running_krayin() as krayin:
                world = new_world(cluster, f"rule_{number}", krayin)
                with psycopg.connect(world.chatwoot_url, autocommit=True) as connection:
                    add_contacts(connection, options.contacts)
                    add_talk(connection, options.contacts, options.contacts, 2 * options.contacts)
                    connection.execute(_MEANT, {"meant": options.meant})
                    connection.execute("VACUUM ANALYZE")
                settings = {**EVERYTHING, "contacts": {"where": where} if where else {}}
                measured.append({"rule": name, **first_load(world, settings, carry_out=bool(where))})
    show(measured, f"{options.meant} of {options.contacts} contacts")
    keep("contact_scope", {"rules": measured})


def first_load(world: World, settings: dict[str, Any], *, carry_out: bool) -> dict[str, Any]:
    """Return what a first load reads in Chatwoot and sends to Krayin, and what the run after it does."""
    found: dict[str, Any]
    before = pages(world.chatwoot_url)
    dry = world.run(RunRequest(dry_run=True), **settings).summary
    found = {
        "contacts": dry["read"],
        "conversations": dry["activities_read"]["conversation"],
        "messages": dry["activities_read"]["message"],
        "pages": pages(world.chatwoot_url) - before,
        "calls forecast": dry["forecast_calls"],
    }
    found |= {"calls": "-", "next run": "-"}
    if carry_out:
        found |= {name: world.run(**settings).summary["calls"] for name in ("calls", "next run")}
    with api_world(world.chatwoot_url, world.sync_url, world.krayin) as api:
        assert api.chatwoot_api is not None
        api.sync("api", **settings).run(RunRequest(dry_run=True, full=True))
        found["API requests"] = len(api.chatwoot_api.calls())
    return found


def pages(url: str) -> int:
    """Return how many pages the sessions on a database have looked at that are over."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
        row = connection.execute(
            "SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])


if __name__ == "__main__":
    main()
