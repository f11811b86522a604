"""Airflow connections as users make them: extras count, and a missing one is named."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from reconciliation.airflow import connections
from reconciliation.airflow.connections import open_sync, sync_dsn
from reconciliation.errors import ConnectionMissingError, SyncDatabaseError
from reconciliation.settings.sync_settings import SyncSettings
from reconciliation.store.connection import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stack.postgres import Cluster

# Its length and its code (PostgreSQL, message formats).
SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")


def certificate(name: str) -> tuple[bytes, bytes]:
    """Return a certificate that vouches for itself, and its key, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(pem), private


class TlsOnly:
    """Stands before a PostgreSQL and lets in only who speaks TLS."""

    def __init__(self, cluster: Cluster, context: ssl.SSLContext) -> None:
        self.cluster = cluster
        self.context = context
        self.port = 0

    async def serve(self, ready: Event, done: asyncio.Event) -> None:
        server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await done.wait()
        server.close()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            if await reader.readexactly(8) == SSL_REQUEST:
                writer.write(b"S")
                await writer.start_tls(self.context)
                there, back = await asyncio.open_connection("127.0.0.1", self.cluster.port)
                await asyncio.wait(
                    [asyncio.create_task(_pipe(reader, back)), asyncio.create_task(_pipe(there, writer))],
                    return_when=asyncio.FIRST_COMPLETED,
                )
                back.close()
        writer.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)


@pytest.fixture(scope="module")
def tls(postgres: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TlsOnly, Path]]:
    """A PostgreSQL that takes nobody without TLS, and the file of the authority that vouches for it."""
    folder = tmp_path_factory.mktemp("tls")
    public, private = certificate("localhost")
    authority = folder / "authority.pem"
    authority.write_bytes(public)
    (folder / "key.pem").write_bytes(private)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority, folder / "key.pem")
    server = TlsOnly(postgres, context)
    loop, ready, done = asyncio.new_event_loop(), Event(), asyncio.Event()
    thread = Thread(target=lambda: loop.run_until_complete(server.serve(ready, done)), daemon=True)
    thread.start()
    ready.wait(10)
    yield server, authority
    loop.call_soon_threadsafe(done.set)
    thread.join(10)


def given(monkeypatch: pytest.MonkeyPatch, server: TlsOnly, **extra: str) -> str:
    """Make the connection sync_db as a user would; return what it comes to."""
    connection = {
        "conn_type": "postgres", "host": "localhost", "port": server.port, "schema": "postgres",
        "login": "postgres", "password": server.cluster.password, "extra": extra,
    }  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_SYNC_DB", json.dumps(connection))
    return sync_dsn()


def test_the_sync_database_may_be_one_whose_certificate_is_verified(
    tls: tuple[TlsOnly, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, authority = tls
    options = {"sslmode": "verify-full", "sslrootcert": str(authority), "options": "-c work_mem=7MB"}
    with connect(given(monkeypatch, server, **options)) as connection:
        shown = connection.execute(
            "SELECT current_setting('work_mem'), current_setting('TimeZone'), current_setting('application_name')"
        ).fetchone()
    assert shown == ("7MB", "UTC", "krayin_sync")


def test_a_certificate_of_somebody_else_is_refused(
    tls: tuple[TlsOnly, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(certificate("localhost")[0])
    dsn = given(monkeypatch, tls[0], sslmode="verify-full", sslrootcert=str(other))
    with pytest.raises(SyncDatabaseError, match="certificate"):
        connect(dsn, patience=0)
    with pytest.raises(SyncDatabaseError, match="cannot be reached"):
        connect(given(monkeypatch, tls[0], sslmode="disable"), patience=0)


def test_connections_of_a_sync_are_looked_up_once_and_a_missing_one_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    lookup = connections.BaseHook.get_connection

    def counted(conn_id: str) -> object:
        asked.append(conn_id)
        return lookup(conn_id)

    monkeypatch.setattr(connections.BaseHook, "get_connection", staticmethod(counted))
    monkeypatch.setattr(
        connections,
        "sync_named",
        lambda name: SyncSettings.model_validate({"name": name, "chatwoot": {"account_id": 1}}),
    )
    monkeypatch.setattr(connections, "load_syncs", list)
    for conn_id, uri in {
        "sync_db": "postgresql://sync@db/sync",
        "chatwoot_default": "postgresql://reader@db/chatwoot",
        "krayin_default": '{"conn_type": "krayin", "host": "https://crm.example.com", "password": "1|t"}',
    }.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", uri)
    sync = open_sync("shop")
    assert sync.krayin.key() == sync.krayin.key()
    assert sync.krayin.requests_per_minute() == "auto"
    assert sorted(asked) == ["chatwoot_default", "krayin_default", "sync_db"]
    monkeypatch.delenv("AIRFLOW_CONN_KRAYIN_DEFAULT")
    with pytest.raises(ConnectionMissingError, match=r"'krayin_default' \(Krayin, type 'Krayin CRM'\)"):
        open_sync("shop")
