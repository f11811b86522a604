"""The lies: what makes Chatwoot show what is not so, and what makes a Krayin another one than was known.

`begin` and `end` are called while a sync may be at work. What a lie needs to remember stands in the scenario's `kept`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import httpx
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from reconciliation.admin.recovery import Happened, declare_false_alarm
from reconciliation.drift.request import ReconcileRequest
from reconciliation.drift.run import compare, repair

from tests.reconciliation.another_krayin import empty, recover, replace_krayin, table
from tests.worlds.scenario import ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.worlds.scenario import Scenario

    Act = Callable[[Scenario], object]

# Without Chatwoot's triggers, which number conversations anew.
AS_IT_WAS = "SET session_replication_role = replica;"
TABLES = ("contacts", "contact_inboxes", "conversations", "messages")


def _nothing(_: Scenario) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Lie:
    """One lying world.

    Attributes:
        prepare: before the news come, as a backup is made.
        begin: from now on it lies.
        end: the truth is back, as far as it comes back by itself.
        answer: what a person does about it then.
        twin: whom the world is to be like in the end: the one without a lie, one loaded afresh by then, or
            one to which the same happened while nobody worked.
        asked: whether only the question about removals stands between what it shows and the records: no
            truthful deletion comes with it, and the person says no.
        copy: what is written while it lasts goes to a copy of Krayin, and harms nobody.
    """

    begin: Act
    end: Act = _nothing
    prepare: Act = _nothing
    answer: Act = _nothing
    twin: Literal["calm", "fresh", "same"] = "calm"
    asked: bool = False
    copy: bool = False


# --- Chatwoot's database -------------------------------------------------------------------------


def _row_security(table_name: str, policy: str | None = None) -> Lie:
    def begin(scenario: Scenario) -> None:
        scenario.world.chatwoot(f"ALTER TABLE {table_name} ENABLE ROW LEVEL SECURITY")
        if policy:
            scenario.world.chatwoot(f"CREATE POLICY few ON {table_name} USING ({policy})")

    def end(scenario: Scenario) -> None:
        scenario.world.chatwoot(f"ALTER TABLE {table_name} DISABLE ROW LEVEL SECURITY")

    return Lie(begin, end)


def _keep(scenario: Scenario, name: str, tables: Iterable[str] = TABLES) -> None:
    for one in tables:
        scenario.world.chatwoot(f"CREATE TABLE {name}_{one} AS TABLE {one}")


def _put(scenario: Scenario, name: str, tables: Iterable[str] = TABLES) -> None:
    """Fill the tables with what was kept, as a restore does."""
    for one in tables:
        scenario.world.chatwoot(
            f"{AS_IT_WAS} TRUNCATE {one}; INSERT INTO {one} SELECT * FROM {name}_{one};"
            # Beyond all that was ever given out: of the newest some may be deleted.
            f"SELECT setval(pg_get_serial_sequence('{one}', 'id'), max(id) + 50) FROM {one}"
        )


def _missing(which: str, *tables: str, asked: bool = False) -> Lie:
    """Rows that are not there, whatever takes them away."""

    def begin(scenario: Scenario) -> None:
        _keep(scenario, "whole", tables)
        for one in tables:
            scenario.world.chatwoot(f"DELETE FROM {one} WHERE {which}")

    def end(scenario: Scenario) -> None:
        for one in tables:
            scenario.world.chatwoot(
                f"{AS_IT_WAS} INSERT INTO {one} SELECT * FROM whole_{one} ON CONFLICT (id) DO NOTHING"
            )

    return Lie(begin, end, asked=asked)


def _truncated(*, refilled: bool) -> Lie:
    def begin(scenario: Scenario) -> None:
        _keep(scenario, "whole")
        scenario.world.chatwoot(f"TRUNCATE {', '.join(TABLES)} RESTART IDENTITY")
        if refilled:
            for number in range(20):
                scenario.world.add(name=f"Other {number}", email=f"other{number}@example.com")

    return Lie(begin, lambda scenario: _put(scenario, "whole"))


def _older(*, in_place: bool) -> Lie:
    """An older dump: put in the place of the tables, or row by row as a standby shows it."""

    def prepare(scenario: Scenario) -> None:
        _keep(scenario, "older")

    def begin(scenario: Scenario) -> None:
        _keep(scenario, "whole")
        if in_place:
            _put(scenario, "older")
            return
        for one in TABLES:
            scenario.world.chatwoot(
                f"{AS_IT_WAS} DELETE FROM {one}; INSERT INTO {one} SELECT * FROM older_{one}"
            )

    return Lie(begin, lambda scenario: _put(scenario, "whole"), prepare)


def _server(scenario: Scenario) -> psycopg.Connection[Any]:
    """Connect to the server's own database, where databases are made."""
    return psycopg.connect(make_conninfo(scenario.world.chatwoot_url, dbname="postgres"), autocommit=True)


def _elsewhere(change: str) -> Lie:
    """The connection leads to a copy of the database, taken before the news and changed since."""

    def prepare(scenario: Scenario) -> None:
        known = str(conninfo_to_dict(scenario.world.chatwoot_url)["dbname"])
        copy = f"copy_of_{known}"
        with _server(scenario) as connection:
            # Who has just left may still be seen, and nobody may be connected to the original.
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (known,)
            )
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(copy), sql.Identifier(known))
            )
        with psycopg.connect(make_conninfo(scenario.world.chatwoot_url, dbname=copy)) as connection:
            connection.execute(change.encode())
        scenario.kept["copy"] = copy

    def begin(scenario: Scenario) -> None:
        scenario.kept["reader"] = scenario.world.reader
        assert scenario.world.reader is not None
        scenario.world.reader = make_conninfo(scenario.world.reader, dbname=scenario.kept["copy"])

    def end(scenario: Scenario) -> None:
        scenario.world.reader = scenario.kept["reader"]
        with _server(scenario) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(scenario.kept["copy"]))
            )

    return Lie(begin, end, prepare)


# What a standby answers that stopped replaying an hour ago.
_STANDBY = """
CREATE SCHEMA standby;
CREATE FUNCTION standby.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION standby.pg_last_wal_receive_lsn() RETURNS pg_lsn LANGUAGE sql AS $$SELECT '0/2'::pg_lsn$$;
CREATE FUNCTION standby.pg_last_wal_replay_lsn() RETURNS pg_lsn LANGUAGE sql AS $$SELECT '0/1'::pg_lsn$$;
CREATE FUNCTION standby.pg_last_xact_replay_timestamp() RETURNS timestamptz LANGUAGE sql
    AS $$SELECT now() - interval '1 hour'$$;
CREATE FUNCTION standby.txid_current_snapshot() RETURNS txid_snapshot LANGUAGE sql
    AS $$SELECT {snapshot}::txid_snapshot$$;
GRANT USAGE ON SCHEMA standby TO PUBLIC;
"""


def _standby() -> Lie:
    older = _older(in_place=False)

    def prepare(scenario: Scenario) -> None:
        older.prepare(scenario)
        with psycopg.connect(scenario.world.chatwoot_url, autocommit=True) as connection:
            row = connection.execute("SELECT txid_current_snapshot()::text").fetchone()
            assert row is not None
            connection.execute(_STANDBY.replace("{snapshot}", f"'{row[0]}'").encode())

    def begin(scenario: Scenario) -> None:
        older.begin(scenario)
        _search(scenario, "standby, pg_catalog, public")

    def end(scenario: Scenario) -> None:
        _search(scenario, "public")
        older.end(scenario)

    return Lie(begin, end, prepare)


def _search(scenario: Scenario, path: str) -> None:
    assert scenario.world.reader is not None
    role = conninfo_to_dict(scenario.world.reader)["user"]
    scenario.world.chatwoot(f"ALTER ROLE {role} SET search_path = {path}")


def _view() -> Lie:
    def begin(scenario: Scenario) -> None:
        scenario.world.chatwoot(
            "ALTER TABLE contacts RENAME TO contacts_whole;"
            "CREATE VIEW contacts AS SELECT * FROM contacts_whole WHERE id NOT IN (6, 12)"
        )

    def end(scenario: Scenario) -> None:
        scenario.world.chatwoot("DROP VIEW contacts; ALTER TABLE contacts_whole RENAME TO contacts")

    return Lie(begin, end)


def _updated(statement: str, undone: str) -> Lie:
    return Lie(
        lambda scenario: scenario.world.chatwoot(statement), lambda scenario: scenario.world.chatwoot(undone)
    )


def _setting(**wrong: Any) -> Lie:
    """A sync file that somebody got wrong."""

    def begin(scenario: Scenario) -> None:
        scenario.kept["settings"] = dict(scenario.world.settings)
        scenario.world.settings = {
            **scenario.world.settings,
            "chatwoot": {**scenario.world.settings["chatwoot"], **wrong},
        }

    def end(scenario: Scenario) -> None:
        scenario.world.settings = scenario.kept["settings"]

    return Lie(begin, end)


# --- Chatwoot's API ------------------------------------------------------------------------------


def _answering(rewrite: Callable[[httpx.Request, Any], Any], *, asked: bool = False) -> Lie:
    """An API whose answers are others; `rewrite` gets the request and the body, None leaves the answer."""

    def answered(request: httpx.Request, response: httpx.Response) -> httpx.Response | None:
        try:
            body = response.json()
        except ValueError:
            return None
        made = rewrite(request, body)
        if made is None or isinstance(made, httpx.Response):
            return made
        return httpx.Response(200, json=made, request=request)

    def begin(scenario: Scenario) -> None:
        assert scenario.wire is not None
        scenario.wire.rewrite = answered

    def end(scenario: Scenario) -> None:
        assert scenario.wire is not None
        scenario.wire.rewrite = None

    return Lie(begin, end, asked=asked)


def _lists(request: httpx.Request) -> bool:
    return request.url.path.endswith(("/contacts", "/contacts/filter"))


def _one(request: httpx.Request) -> int | None:
    parts = request.url.path.split("/")
    return int(parts[-1]) if parts[-2] == "contacts" and parts[-1].isdigit() else None


def _not_found(request: httpx.Request) -> httpx.Response:
    return httpx.Response(404, json={"error": "Resource could not be found"}, request=request)


def _showing(shown: Callable[[int], bool], *, count_fits: bool, singly: bool, asked: bool = False) -> Lie:
    """Some contacts only; `count_fits` says whether it counts these, `singly` whether it shows each alone."""

    def rewrite(request: httpx.Request, body: Any) -> Any:
        number = _one(request)
        if number is not None:
            return None if singly or shown(number) else _not_found(request)
        if not _lists(request) or "payload" not in body:
            return None
        kept = [row for row in body["payload"] if shown(row["id"])]
        fewer = body["meta"]["count"] - (len(body["payload"]) - len(kept))
        return {
            **body,
            "payload": kept,
            "meta": {**body["meta"], "count": fewer if count_fits else body["meta"]["count"]},
        }

    return _answering(rewrite, asked=asked)


def _silent(request: httpx.Request, body: Any) -> Any:
    """All lists empty, of contacts and conversations, with counts to match."""
    if _lists(request):
        return {**body, "payload": [], "meta": {**body["meta"], "count": 0}}
    if request.url.path.endswith(("/conversations", "/conversations/filter")):
        return {"data": {"meta": {"all_count": 0}, "payload": []}} if "data" in body else {"payload": []}
    return None


def _refusing(status: int, body: Any) -> Lie:
    return _answering(lambda request, _: httpx.Response(status, json=body, request=request))


# --- Krayin --------------------------------------------------------------------------------------


def _recovering(happened: Happened) -> Act:
    """Whoever put Krayin back, emptied or replaced it knows that, whether a sign was seen or not yet."""

    def answer(scenario: Scenario) -> None:
        scenario.ordinary()
        recover(scenario.world, happened)

    return answer


def _restored_and_repaired(scenario: Scenario) -> None:
    _recovering(Happened.RESTORED)(scenario)
    _repaired_by_hand(scenario)


def _emptied_and_repaired(scenario: Scenario) -> None:
    _recovering(Happened.EMPTIED)(scenario)
    _repaired_by_hand(scenario)


def _repaired_by_hand(scenario: Scenario) -> None:
    """Values that were set back look like a salesperson's, and few records that are gone like deleted ones."""
    scenario.ordinary()
    asked = ReconcileRequest(depth="full", repair=True, contact_ids=frozenset({3, 10, 14, 17, 18}))
    sync = scenario.world.sync(on_crm_edit="overwrite", recreate_deleted=True)
    repair(sync, compare(sync, asked))


def _false_alarm(scenario: Scenario) -> None:
    if scenario.world.kinds():
        declare_false_alarm(scenario.world.sync(), by="ada")


def _restored() -> Lie:
    def prepare(scenario: Scenario) -> None:
        scenario.kept["backup"] = scenario.world.krayin.application.krayin.database.backup()

    def begin(scenario: Scenario) -> None:
        scenario.world.krayin.application.krayin.database.bring_back(scenario.kept["backup"])
        scenario.world.krayin.application.krayin.clock.offset_seconds += 5

    return Lie(begin, prepare=prepare, answer=_restored_and_repaired)


def _emptied(*, counting_on: bool) -> Lie:
    return Lie(
        lambda scenario: empty(scenario.world, counting_on=counting_on),
        answer=_emptied_and_repaired,
        twin="fresh",
    )


def _replaced() -> Lie:
    def begin(scenario: Scenario) -> None:
        replace_krayin(scenario.world, 20)
        scenario.world.krayin.seed(attributes=ATTRIBUTES)

    return Lie(begin, answer=_recovering(Happened.REPLACED), twin="fresh")


def _copy_for_testing() -> Lie:
    def begin(scenario: Scenario) -> None:
        scenario.kept["true"] = scenario.world.krayin.application.krayin.database.backup()
        for row in list(table(scenario.world, "persons")):
            emails = [{"value": f"anonymous{row['id']}@test.invalid", "label": "work"}]
            table(scenario.world, "persons").update(row["id"], {"emails": json.dumps(emails)})

    def end(scenario: Scenario) -> None:
        scenario.world.krayin.application.krayin.database.bring_back(scenario.kept["true"])

    return Lie(begin, end, answer=_restored_and_repaired, copy=True)


def _restricted() -> Lie:
    """The sync's user sees its own records only, which are none."""

    def show(scenario: Scenario, view: str) -> None:
        table(scenario.world, "users").update(1, {"view_permission": view})

    return Lie(
        lambda scenario: show(scenario, "individual"),
        lambda scenario: show(scenario, "global"),
        answer=_false_alarm,
    )


def _attribute_added() -> Lie:
    """An administrator adds attributes, salespeople fill them in at once."""

    def begin(scenario: Scenario) -> None:
        kinds = ("persons", "leads")
        scenario.world.krayin.seed(
            attributes=[
                {"code": "hot", "name": "Hot", "type": "boolean", "entity_type": kind} for kind in kinds
            ]
        )
        for row in list(table(scenario.world, "persons")):
            # Krayin 2.1 takes no person without a phone in this form.
            if row["contact_numbers"]:
                ticked = {**_typed(row), "entity_type": "persons", "hot": True}
                scenario.world.api("PUT", f"contacts/persons/{row['id']}", ticked)
        for row in list(table(scenario.world, "leads")):
            scenario.world.api("PUT", f"leads/attributes/edit/{row['id']}", {"hot": True})

    return Lie(begin, twin="same")


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": row["name"],
        "job_title": row["job_title"],
        "emails": json.loads(row["emails"] or "[]"),
        "contact_numbers": json.loads(row["contact_numbers"]),
    }


def _attribute_removed() -> Lie:
    def begin(scenario: Scenario) -> None:
        (found,) = [row["id"] for row in table(scenario.world, "attributes") if row["code"] == "vip"]
        table(scenario.world, "attributes").delete(found)

    return Lie(begin, twin="same")


IN_DATABASE: dict[str, Lie] = {
    "row-security-hides-all": _row_security("contacts"),
    "row-security-hides-some": _row_security("contacts", "id % 3 = 0"),
    "row-security-on-messages": _row_security("messages"),
    "row-security-on-conversations": _row_security("conversations", "id = 1"),
    # Chatwoot's API shows no time of change by which an older contact could be told.
    "older-dump": _older(in_place=True),
    "copy-elsewhere": _elsewhere("SELECT 1"),
    "other-installation-elsewhere": _elsewhere(
        'UPDATE installation_configs SET serialized_value = \'{"value": "another"}\''
        " WHERE name = 'INSTALLATION_IDENTIFIER'; UPDATE contacts SET created_at = created_at - interval '1 year'"
    ),
    "emptied-copy-elsewhere": _elsewhere("TRUNCATE contacts, conversations, messages, contact_inboxes"),
    "standby-behind": _standby(),
    "view-in-its-place": _view(),
}
IN_TABLES: dict[str, Lie] = {
    "most-contacts-missing": _missing("id > 2", "contacts"),
    "few-contacts-missing": _missing("id IN (6, 12, 13)", "contacts", asked=True),
    "talk-missing": _missing("true", "messages", "conversations"),
    "contacts-and-talk-missing": _missing("id > 1", "contacts", "messages", "conversations"),
    "inbox-links-missing": _missing("true", "contact_inboxes"),
    "truncated": _truncated(refilled=False),
    "refilled": _truncated(refilled=True),
    "account-gone": _updated(
        "UPDATE accounts SET id = 99 WHERE id = 1", "UPDATE accounts SET id = 1 WHERE id = 99"
    ),
    "inbox-forgotten-in-file": _setting(inboxes=[2]),
}
IN_ANSWERS: dict[str, Lie] = {
    "answers-empty": _answering(_silent),
    "lists-empty-with-count": _showing(lambda _: False, count_fits=False, singly=True),
    "lists-short-of-count": _showing(lambda number: number % 2 == 0, count_fits=False, singly=True),
    "answers-less": _showing(lambda number: number <= 2, count_fits=True, singly=False),
    "answers-few-less": _showing(
        lambda number: number not in {6, 12}, count_fits=True, singly=False, asked=True
    ),
    "each-alone-not-found": _answering(
        lambda request, _: _not_found(request) if _one(request) is not None else None
    ),
    "token-refused": _refusing(401, {"error": "Invalid Access Token"}),
    "another-web-site": _refusing(200, {"hello": "world"}),
}
IN_KRAYIN: dict[str, Lie] = {
    "restored": _restored(),
    "emptied-by-hand": _emptied(counting_on=True),
    "emptied-anew": _emptied(counting_on=False),
    "replaced": _replaced(),
    "copy-for-testing": _copy_for_testing(),
    "user-sees-less": _restricted(),
    "attribute-added": _attribute_added(),
    "attribute-removed": _attribute_removed(),
}
LIES = {**IN_DATABASE, **IN_TABLES, **IN_ANSWERS, **IN_KRAYIN}
