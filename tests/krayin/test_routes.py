"""Whatever form of the address is given, the API is found or it is said what is wrong."""

from __future__ import annotations

import socket
import ssl
import threading

import httpx
import pytest
from krayin.errors import ConfigurationError, NotSent, ServerFailed
from krayin.routes import candidate_base_urls, find_api, normalise_base_url

GENERIC = {"message": "admin::app.common.internal-server-error"}
MISSING = {"message": "admin::app.common.resource-not-found"}


def krayin_at(*paths: str, status: int = 500, body=GENERIC):
    """A web server that is Krayin below the given paths and answers 404 elsewhere."""
    asked: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if request.url.path in [f"{path}/get" for path in paths]:
            return httpx.Response(status, json=body)
        return httpx.Response(404, json=MISSING)

    return httpx.MockTransport(handle), asked


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://CRM.Example.com/api/v1/", "https://crm.example.com/api/v1"),
        ("crm.example.com", "https://crm.example.com"),
        (" crm.example.com:8443//sub///api/v1// ", "https://crm.example.com:8443/sub/api/v1"),
        ("localhost:8000", "http://localhost:8000"),
        ("127.0.0.1:8000/api/v1", "http://127.0.0.1:8000/api/v1"),
        ("krayin/api/v1", "http://krayin/api/v1"),
        ("http://[::1]:8000/x?token=1#y", "http://[::1]:8000/x"),
    ],
)
def test_an_address_is_put_into_one_form(address, expected):
    assert normalise_base_url(address) == expected


@pytest.mark.parametrize(
    "address",
    ["", "https://", "ftp://crm.example.com", "https://crm.example.com:port", "https://u:p@crm.example.com"],
)
def test_what_is_no_address_is_refused_without_being_shown(address):
    with pytest.raises(ConfigurationError) as caught:
        normalise_base_url(address)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://crm.example.com/api/admin",
        "https://crm.example.com/api/v1",
        "https://crm.example.com/api/v1/",
        "https://crm.example.com/api",
        "https://crm.example.com",
        "https://crm.example.com/admin/login",
        "https://crm.example.com/admin",
        "crm.example.com",
    ],
)
def test_the_api_is_found_from_every_form(address):
    transport, _ = krayin_at("/api/v1")
    assert find_api(address, transport=transport) == "https://crm.example.com/api/v1"


@pytest.mark.parametrize(
    "address", ["https://x.example/crm", "https://x.example/crm/api/admin", "x.example/crm/api/v1"]
)
def test_a_prefix_is_kept(address):
    transport, _ = krayin_at("/crm/api/v1")
    assert find_api(address, transport=transport) == "https://x.example/crm/api/v1"


def test_the_given_form_wins_where_it_answers():
    transport, asked = krayin_at("/api/admin", "/api/v1")
    assert find_api("https://x.example/api/admin", transport=transport) == "https://x.example/api/admin"
    assert len(asked) == 1


def test_a_path_of_ones_own_is_tried_last():
    assert candidate_base_urls("https://x.example/rest") == (
        "https://x.example/rest/api/v1",
        "https://x.example/rest/api/admin",
        "https://x.example/rest",
    )
    transport, _ = krayin_at("/rest")
    assert find_api("https://x.example/rest", transport=transport) == "https://x.example/rest"


def test_a_debug_krayin_says_401():
    transport, _ = krayin_at("/api/v1", status=401, body={"message": "admin::app.common.unauthenticated"})
    assert find_api("https://x.example", transport=transport) == "https://x.example/api/v1"


def test_no_token_is_needed_nor_sent():
    transport, asked = krayin_at("/api/v1")
    find_api("https://x.example/api/admin", transport=transport)
    assert asked
    assert all("Authorization" not in request.headers for request in asked)


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (httpx.Response(404, json=MISSING), "no such route"),
        (httpx.Response(200, html="<html>"), "page instead of JSON"),
        (httpx.Response(404, html="<html>"), "page instead of JSON"),
        (httpx.Response(200, json={"hello": "world"}), "not Krayin's"),
        (httpx.Response(500, json={"error": "Server Error"}), "not Krayin's"),
        (httpx.Response(500, json={"message": {"a": 1}}), "not Krayin's"),
        (
            httpx.Response(301, headers={"Location": "https://www.x.example/?k=secret"}),
            "https://www.x.example/",
        ),
        (httpx.Response(302, headers={"Location": "/admin/login"}), "redirect to /admin/login"),
    ],
)
def test_a_wrong_address_is_told_with_everything_tried(response, said):
    transport = httpx.MockTransport(lambda _: response)
    with pytest.raises(ConfigurationError) as caught:
        find_api("https://x.example", transport=transport)
    assert said in str(caught.value)
    assert "https://x.example/api/v1 (" in str(caught.value)
    assert "https://x.example/api/admin (" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (
            httpx.Response(
                403, html="<title>Just a moment...</title>", headers={"cf-mitigated": "challenge"}
            ),
            "Cloudflare",
        ),
        (
            httpx.Response(403, html='<script src="/cdn-cgi/challenge-platform/h/b/orchestrate/x"></script>'),
            "Cloudflare",
        ),
        (
            httpx.Response(401, html="Sign in", headers={"WWW-Authenticate": 'Basic realm="staging"'}),
            "basic authentication",
        ),
        (
            httpx.Response(
                500,
                text='<br />\n<b>Notice</b>: Undefined index: x in <b>/srv/a.php</b> on line <b>3</b>{"message":"x"}',
            ),
            "display_errors",
        ),
        (
            httpx.Response(
                500, text='\nDeprecated: Return type of X in /srv/a.php on line 12\n{"message":"x"}'
            ),
            "display_errors",
        ),
    ],
)
def test_what_stands_before_krayin_is_named(response, said):
    with pytest.raises(ConfigurationError, match=said):
        find_api("https://crm.example.com/api/v1", transport=httpx.MockTransport(lambda _: response))


@pytest.mark.parametrize("status", [502, 503, 504])
def test_maintenance_is_no_matter_of_configuration(status):
    transport = httpx.MockTransport(lambda _: httpx.Response(status, html="<html>"))
    with pytest.raises(ServerFailed):
        find_api("https://x.example", transport=transport)


def test_a_silent_server_is_told():
    def handle(_: httpx.Request) -> httpx.Response:
        message = "t"
        raise httpx.ReadTimeout(message)

    with pytest.raises(ServerFailed, match="does not answer properly"):
        find_api("https://x.example", transport=httpx.MockTransport(handle))


def _caused_by(cause: BaseException) -> httpx.ConnectError:
    error = httpx.ConnectError("x")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (_caused_by(ConnectionRefusedError()), "refused"),
        (_caused_by(socket.gaierror()), "cannot be resolved"),
        (_caused_by(ssl.SSLCertVerificationError()), "SSL_CERT_FILE"),
        (_caused_by(ssl.SSLError()), "handshake"),
        (httpx.ConnectTimeout("t"), "time allowed"),
        (httpx.ConnectError("x"), "could not be made"),
    ],
)
def test_a_failure_to_connect_is_told_apart(failure, said):
    def handle(_: httpx.Request) -> httpx.Response:
        raise failure

    with pytest.raises(NotSent, match=said):
        find_api("https://x.example", transport=httpx.MockTransport(handle))


def test_real_sockets_give_the_same_reasons():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(NotSent, match="refused"):
        find_api(f"http://127.0.0.1:{port}")
    with pytest.raises(NotSent, match="cannot be resolved"):
        find_api("http://krayin.invalid")
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def answer_in_plain_text() -> None:
            connection, _ = plain.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer_in_plain_text)
        thread.start()
        with pytest.raises(NotSent, match="handshake"):
            find_api(f"https://127.0.0.1:{plain.getsockname()[1]}")
        thread.join()
