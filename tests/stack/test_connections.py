"""Airflow connections."""

from __future__ import annotations

import json

from stack import connections


def test_a_url_is_taken_apart_and_decoded() -> None:
    made = connections.postgres(
        "c", "postgresql://us%40er:p%2Fw@db.example.com:6432/chat%20woot?sslmode=require", "d"
    )
    assert (made["host"], made["port"], made["schema"]) == ("db.example.com", 6432, "chat woot")
    assert (made["login"], made["password"]) == ("us@er", "p/w")
    assert json.loads(made["extra"]) == {"sslmode": "require"}


def test_what_a_url_leaves_out() -> None:
    made = connections.postgres("c", "postgres:///chatwoot", "d")
    assert (made["host"], made["port"], made["login"], made["password"]) == ("localhost", 5432, None, None)
    assert made["extra"] is None


def test_krayin() -> None:
    made = connections.krayin("k", "https://crm.example.com/api/v1", "1|t", 90, "d")
    assert (made["conn_type"], made["host"], made["password"]) == (
        "krayin",
        "https://crm.example.com/api/v1",
        "1|t",
    )
    assert json.loads(made["extra"]) == {"requests_per_minute": 90}


def test_the_fingerprint_changes_with_the_token() -> None:
    one = [connections.krayin("k", "https://c", "1|t", 60, "d")]
    other = [connections.krayin("k", "https://c", "2|t", 60, "d")]
    assert connections.fingerprint(one) == connections.fingerprint(list(one))
    assert connections.fingerprint(one) != connections.fingerprint(other)


def test_several_hosts_keep_their_ports() -> None:
    made = connections.postgres("c", "postgresql://u:p@one:5432,two:5433/chatwoot", "d")
    assert (made["host"], made["port"], json.loads(made["extra"])) == (
        "one,two",
        5432,
        {"port": "5432,5433"},
    )
    alike = connections.postgres("c", "postgresql://u:p@one,two/chatwoot?target_session_attrs=any", "d")
    assert (alike["host"], alike["port"]) == ("one,two", 5432)
