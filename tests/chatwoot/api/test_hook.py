from __future__ import annotations

import json

import pytest
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from chatwoot.api.hook import ChatwootApiHook
from chatwoot.errors import UnusableConnection

from sandbox.chatwoot_api.testing import running_chatwoot_api

TOKEN = "a-token-of-nobody"


@pytest.fixture
def connect(monkeypatch):
    """Make an Airflow connection of these fields and return its hook."""

    def made(conn_type="http", account_id=1, **fields):
        connection = Connection(conn_id="here", conn_type=conn_type, **{"password": TOKEN, **fields})
        monkeypatch.setenv("AIRFLOW_CONN_HERE", connection.get_uri())
        return ChatwootApiHook("here", account_id)

    return made


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({"host": "https://app.chatwoot.com"}, "https://app.chatwoot.com"),
        ({"host": "chat.example.com"}, "https://chat.example.com"),
        ({"host": "chat.example.com", "schema": "http", "port": 3000}, "http://chat.example.com:3000"),
        ({"host": "http://chat.example.com/sub", "port": 3000}, "http://chat.example.com:3000/sub"),
        ({"host": "http://chat.example.com:3000", "port": 3000}, "http://chat.example.com:3000"),
    ],
)
def test_the_connection_names_the_api(connect, fields, address):
    source = connect(**fields, account_id=7).source("the same as before")
    assert (source.base_url, source.token, source.account_id) == (address, TOKEN, 7)
    assert source.installation == "the same as before"
    assert (source.requests_per_minute, source.parallel) == (2_500, 4)
    assert TOKEN not in repr(source)


def test_its_extra_sets_the_pace(connect):
    extra = json.dumps({"requests_per_minute": "900", "parallel": 2})
    source = connect(host="chat.example.com", extra=extra).source()
    assert (source.requests_per_minute, source.parallel) == (900, 2)


def test_its_extra_says_how_calls_are_made(connect):
    extra = {"verify": False, "proxies": {"https": "http://proxy:3128"}, "timeout": 7, "X-Team": 3}
    source = connect(host="chat.example.com", extra=json.dumps({**extra, "parallel": 2})).source()
    with source.session() as session:
        client = session._client
        assert client.headers["X-Team"] == "3"
        assert client.headers["api_access_token"] == TOKEN
        assert "parallel" not in client.headers
        assert client.timeout.read == 7
        assert "https://" in [pattern.pattern for pattern in client._mounts]
    assert source.http.verify is False


@pytest.mark.parametrize("number", ["many", 0, -1, 1.5, None])
def test_a_pace_that_is_no_number_is_named(connect, number):
    extra = json.dumps({"requests_per_minute": number})
    with pytest.raises(UnusableConnection, match=r"'here'.*requests_per_minute.*number from 1"):
        connect(host="chat.example.com", extra=extra).source()


def test_a_connection_of_another_type_is_told_apart(connect):
    with pytest.raises(UnusableConnection, match=r"'postgres'.*type HTTP") as caught:
        connect("postgres", host="chatwoot-db").source()
    assert TOKEN not in str(caught.value)


def test_no_connection_at_all():
    with pytest.raises(AirflowNotFoundException):
        ChatwootApiHook("nowhere").source()


def test_its_test_says_what_was_found(connect, chatwoot_url):
    with running_chatwoot_api(chatwoot_url) as api:
        works, said = connect(host=api.url, password=api.token).test_connection()
        assert works
        assert said == "Chatwoot version 4.15.1, accounts: 1 (Acme Support)"
        works, said = connect(host=api.url).test_connection()
    assert not works
    assert "access token" in said
    assert TOKEN not in said


def test_a_connection_without_an_address_is_told_at_once(connect):
    works, said = connect().test_connection()
    assert not works
    assert "looks like https://app.chatwoot.com" in said
