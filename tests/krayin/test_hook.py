"""The Airflow connection: its fields, its test and the client it gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import krayin
import pytest
from airflow.sdk import Connection
from krayin import hook as hook_module
from krayin.errors import ConfigurationError
from krayin.hook import KrayinHook
from krayin.permits import NoopLimiter
from krayin.provider_info import get_provider_info

GENERIC = {"message": "admin::app.common.internal-server-error"}
PLUGINS = Path(krayin.__file__).parents[1]


@pytest.fixture(autouse=True)
def _nothing_found_yet(monkeypatch):
    monkeypatch.setattr(hook_module, "_found", {})


@pytest.fixture
def connected(monkeypatch):
    """Make the connection `krayin_default` of the given parts."""

    def connect(**parts: object) -> KrayinHook:
        parts = {"host": "https://crm.example.com", "password": "7|sEcReT", **parts}
        extra = parts.pop("extra", None)
        connection = Connection(
            conn_id="krayin_default", conn_type="krayin", extra=json.dumps(extra) if extra else None, **parts
        )
        monkeypatch.setattr(KrayinHook, "get_connection", classmethod(lambda _, __: connection))
        return KrayinHook()

    return connect


@pytest.fixture
def server(monkeypatch):
    """LimitFeedback every httpx client of this test by `handle`."""

    def serve(handle) -> list[httpx.Request]:
        asked: list[httpx.Request] = []

        def record(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            return handle(request)

        original = httpx.Client

        def client(**options: object) -> httpx.Client:
            return original(**{**options, "transport": httpx.MockTransport(record)})

        monkeypatch.setattr(httpx, "Client", client)
        return asked

    return serve


def krayin_server(user: dict):
    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/api/v1/get":
            return httpx.Response(404, json={"message": "admin::app.common.resource-not-found"})
        if request.headers.get("Authorization") != "Bearer 7|sEcReT":
            return httpx.Response(500, json=GENERIC)
        return httpx.Response(
            200, json=user, headers={"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "59"}
        )

    return handle


def test_the_type_is_declared_alike_on_hook_and_provider():
    (declared,) = get_provider_info()["connection-types"]
    assert declared["connection-type"] == KrayinHook.conn_type
    assert declared["hook-name"] == KrayinHook.hook_name
    assert declared["hook-class-name"] == f"{KrayinHook.__module__}.{KrayinHook.__name__}"
    behaviour = declared["ui-field-behaviour"]
    assert behaviour["relabeling"] == {"host": "API URL", "password": "Sanctum token"}
    assert set(behaviour["hidden-fields"]) == {"schema", "login", "port"}


def test_a_good_connection_names_where_and_who(connected, server, kit):
    server(krayin_server(kit.user))
    assert connected(host="https://crm.example.com/api/admin").test_connection() == (
        True,
        "Krayin answers at https://crm.example.com/api/v1; the token belongs to Sync (user 3).",
    )


def test_a_user_who_cannot_search_is_told(connected, server, kit):
    server(krayin_server({"data": {**kit.user["data"], "view_permission": "individual"}}))
    worked, message = connected().test_connection()
    assert worked
    assert "'individual'" in message


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"password": "8|wrong"}, "token"),
        ({"password": None}, "token is missing"),
        ({"password": "two words"}, "token"),
        ({"host": None}, "URL is empty"),
        ({"host": "ftp://x"}, "must look like"),
        ({"host": "https://crm.example.com/shop"}, "no Krayin REST API"),
        ({"extra": {"requests_per_minute": 0}}, "requests_per_minute"),
        ({"extra": {"requests_per_minute": "many"}}, "or left empty"),
    ],
)
def test_a_bad_connection_says_what_is_wrong(connected, server, kit, parts, said):
    server(krayin_server(kit.user))
    worked, message = connected(**parts).test_connection()
    assert not worked
    assert said in message
    assert "8|wrong" not in message


def test_an_unreachable_krayin_is_told_in_one_try(connected, server):
    def handle(_: httpx.Request) -> httpx.Response:
        message = "x"
        raise httpx.ConnectError(message)

    asked = server(handle)
    worked, message = connected().test_connection()
    assert not worked
    assert "connection could not be made" in message
    assert len(asked) == 1


def test_the_budget_of_the_user_is_a_field_of_the_connection(connected):
    assert connected().requests_per_minute() == "auto"
    for left_out in (None, "", "auto"):
        assert connected(extra={"requests_per_minute": left_out}).requests_per_minute() == "auto"
    assert connected(extra={"requests_per_minute": "120"}).requests_per_minute() == 120
    with pytest.raises(ConfigurationError):
        connected(extra={"requests_per_minute": -1}).requests_per_minute()


def test_a_connection_given_in_parts_is_put_together(connected):
    assert (
        connected(host="crm.example.com", schema="https", port=8443).address()
        == "https://crm.example.com:8443"
    )
    assert connected(host="crm.example.com/api/v1", port=81).address() == "crm.example.com:81/api/v1"
    assert connected(host="https://crm.example.com/api/v1").address() == "https://crm.example.com/api/v1"


def test_the_client_is_ready_and_the_address_is_looked_for_once(connected, server, kit):
    asked = server(krayin_server(kit.user))
    hook = connected()
    calls = []
    for _ in range(2):
        with hook.client(NoopLimiter(), calls.append) as client:
            assert client.base_url == "https://crm.example.com/api/v1"
            assert client.whoami().id == 3
    assert [("Authorization" in request.headers) for request in asked] == [False, True, True]
    assert [call.route for call in calls] == ["get", "get"]


def test_airflow_lists_the_type_with_nothing_but_the_python_path(tmp_path):
    code = (
        "import json; from airflow.providers_manager import ProvidersManager as M; m = M();"
        "hook = m.hooks['krayin'];"
        "print(json.dumps([hook.hook_class_name, hook.hook_name, hook.package_name,"
        " m.field_behaviours['krayin']['relabeling'],"
        " 'extra__krayin__requests_per_minute' in m.connection_form_widgets]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(PLUGINS), "AIRFLOW_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.strip().splitlines()[-1]) == [
        "krayin.hook.KrayinHook",
        "Krayin CRM",
        "chatwoot-krayin-sync",
        {"host": "API URL", "password": "Sanctum token"},
        True,
    ]
