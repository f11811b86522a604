"""URLs as people have them from Rails, Prisma or their own keyboard."""

from __future__ import annotations

import pytest
from chatwoot.database.address import objection
from chatwoot.database.source import DatabaseSource
from chatwoot.errors import ChatwootUnreachable


@pytest.mark.parametrize(
    "conninfo",
    [
        "postgresql://reader:secret@db.example.com:5432/chatwoot",
        "postgres://reader:s%40cret%2F@db.example.com/chatwoot?sslmode=verify-full&application_name=me@here",
        "postgresql://reader:se:cr#et@[::1]:5432/chatwoot",
        "postgresql://one.example.com:5432,two.example.com:5433/chatwoot?target_session_attrs=read-write",
        "postgresql:///chatwoot?host=/run/postgresql&user=reader@example.com",
        "postgresql://db.example.com:5432/chatwoot?user=reader@server&password=secret",
        "host=db.example.com user=reader password=p@ss",
        "",
    ],
)
def test_what_libpq_takes_is_taken(conninfo: str) -> None:
    assert objection(conninfo) is None


@pytest.mark.parametrize("password", ["hunter@2", "hunter/2", "hunter?2", "hun:ter/2", "@hunter2@"])
def test_a_password_as_it_is_typed_is_named_and_no_piece_of_it_shown(password: str) -> None:
    with pytest.raises(ChatwootUnreachable, match="percent-encoded") as caught:
        DatabaseSource(f"postgresql://reader:{password}@db.example.com/chatwoot").connect()
    assert "hun" not in str(caught.value)
    assert "2@" not in str(caught.value)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("pool=5", "pool"),
        ("pgbouncer=true&connection_limit=1", "pgbouncer, connection_limit"),
        ("schema=", "schema"),
    ],
)
def test_parameters_of_other_programs_are_named(query: str, named: str) -> None:
    said = objection(f"postgresql://reader:secret@db/chatwoot?{query}")
    assert said is not None
    assert f"no parameter {named} " in said
