"""What real connections do to a call: they are refused, reset, cut short, kept silent and kept alive."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from dataclasses import dataclass, field

import pytest
from krayin.client import KrayinClient
from krayin.errors import NotSent, OutcomeUnknown, ServerFailed
from krayin.payloads import Labelled, PersonDraft
from krayin.permits import NoopLimiter

DRAFT = PersonDraft(name="Anna", emails=(Labelled(value="anna@example.com"),))
USER = json.dumps({"data": {"id": 3, "name": "Sync", "email": "s@example.com"}}).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: 9\r\n"
GOOD = HEAD + b"Content-Length: %d\r\n\r\n" % len(USER) + USER
CUT_SHORT = HEAD + b"Content-Length: %d\r\n\r\n" % len(USER) + USER[:9]
SILENT = b""
KEPT_OPEN = None


@dataclass
class Peer:
    """A server that answers the requests of each connection by fixed bytes and then hangs up.

    An answer of `KEPT_OPEN` says nothing until the client gives up.
    """

    answers: list[bytes | None]
    connections: int = 0
    methods: list[str] = field(default_factory=list)

    def serve(self, server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            self.connections += 1
            with connection, contextlib.suppress(OSError):
                self.talk(connection)

    def talk(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        for answer in self.answers:
            request = stream.readline()
            if not request:
                return
            self.methods.append(request.split()[0].decode())
            length = 0
            while (line := stream.readline()) not in (b"\r\n", b""):
                name, _, value = line.decode().partition(":")
                length = int(value) if name.lower() == "content-length" else length
            stream.read(length)
            if answer is KEPT_OPEN:
                stream.read(1)
                return
            connection.sendall(answer)


@pytest.fixture
def peer():
    servers: list[tuple[socket.socket, threading.Thread]] = []

    def start(*answers: bytes | None) -> tuple[Peer, KrayinClient]:
        server = socket.create_server(("127.0.0.1", 0))
        peer = Peer(list(answers))
        thread = threading.Thread(target=peer.serve, args=(server,), daemon=True)
        thread.start()
        servers.append((server, thread))
        return peer, client_of(server.getsockname()[1])

    yield start
    for server, _ in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
    for _, thread in servers:
        thread.join(10)


def client_of(port: int) -> KrayinClient:
    return KrayinClient(
        f"http://127.0.0.1:{port}/api/v1",
        "1|token",
        limiter=NoopLimiter(),
        read_timeout=0.3,
        sleep=lambda _: None,
    )


@pytest.mark.parametrize("answer", [SILENT, CUT_SHORT, KEPT_OPEN], ids=["hung up", "cut short", "silent"])
def test_a_creation_whose_answer_is_lost_is_sent_once_and_unknown(peer, answer):
    server, client = peer(answer)
    with client, pytest.raises(OutcomeUnknown):
        client.create_person(DRAFT)
    assert server.methods == ["POST"]


@pytest.mark.parametrize("answer", [SILENT, CUT_SHORT], ids=["hung up", "cut short"])
def test_a_read_whose_answer_is_lost_is_sent_four_times(peer, answer):
    server, client = peer(answer)
    with client, pytest.raises(ServerFailed):
        client.whoami()
    assert server.methods == ["GET"] * 4


def test_many_calls_share_one_connection(peer):
    server, client = peer(GOOD, GOOD, GOOD)
    with client:
        assert [client.whoami().id for _ in range(3)] == [3, 3, 3]
    assert server.connections == 1


def test_a_connection_the_server_closed_in_between_is_made_anew(peer):
    server, client = peer(GOOD)
    with client:
        assert [client.whoami().id for _ in range(3)] == [3, 3, 3]
    assert server.connections >= 3


def test_a_refused_connection_sent_nothing():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with client_of(closed.getsockname()[1]) as client, pytest.raises(NotSent, match="refused"):
            client.create_person(DRAFT)
