"""What docker-compose.yaml runs before everything else."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import psycopg
import pytest

from stack.settings import ROOT

if TYPE_CHECKING:
    from pathlib import Path

spec = importlib.util.spec_from_file_location("prepare", ROOT / "deploy/docker/prepare.py")
assert spec
assert spec.loader
prepare = importlib.util.module_from_spec(spec)
spec.loader.exec_module(prepare)

ENVIRONMENT = {
    "CHATWOOT_DATABASE_URL": "postgresql://reader:secret@chat.example.com/chatwoot",
    "KRAYIN_API_URL": "https://crm.example.com",
    "ADMIN_USER": "admin",
    "ADMIN_PASSWORD": "secret",
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHATWOOT_DATABASE_URL", "postgresql://reader:secret@localhost:5432/chatwoot"),
        ("CHATWOOT_DATABASE_URL", "postgresql://reader:secret@[::1]/chatwoot"),
        ("CHATWOOT_DATABASE_URL", "postgresql://reader:secret@chat.example.com,127.0.0.1:5433/chatwoot"),
        ("CHATWOOT_DATABASE_URL", "postgresql:///chatwoot"),
        ("CHATWOOT_DATABASE_URL", "postgresql://reader@/chatwoot?host=/var/run/postgresql"),
        ("KRAYIN_API_URL", "http://localhost:8000"),
        ("KRAYIN_API_URL", "http://crm.localhost/api/v1"),
        ("KRAYIN_API_URL", "127.0.0.1:8000"),
    ],
)
def test_an_address_that_is_the_container_itself_is_refused(name: str, value: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        prepare.main({**ENVIRONMENT, name: value})
    assert str(stopped.value).startswith(f"{name} in .env: in a container, localhost is the container itself")
    assert "host.docker.internal" in str(stopped.value)
    assert "secret" not in str(stopped.value)


def test_an_address_it_cannot_read_is_left_to_setup() -> None:
    assert prepare.database_hosts("postgresql://reader@chat.example.com/chatwoot?pool=5") == []
    assert prepare.web_hosts("https://[crm.example.com") == []


def test_it_does_its_work_once_and_again_when_the_image_changed(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment, ran = {**ENVIRONMENT, "AIRFLOW_CONN_SYNC_DB": database_url}, list[tuple[str, ...]]()
    monkeypatch.setattr(prepare, "run", lambda *command: ran.append(command))
    monkeypatch.setattr(prepare, "fingerprint", lambda _: "one image")
    prepare.main(environment)
    assert [command[:3] for command in ran][::2] == [
        ("airflow", "db", "migrate"),
        ("airflow", "users", "create"),
    ]
    assert ran[1][1:] == ("-m", "reconciliation.migrations", database_url)
    prepare.main(environment)
    assert len(ran) == 3
    assert "nothing to do" in capsys.readouterr().out
    monkeypatch.setattr(prepare, "fingerprint", lambda _: "another image")
    prepare.main(environment)
    assert len(ran) == 6


def test_what_failed_is_not_noted(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: str) -> None:
        raise SystemExit(1)

    monkeypatch.setattr(prepare, "run", fail)
    with pytest.raises(SystemExit):
        prepare.main({**ENVIRONMENT, "AIRFLOW_CONN_SYNC_DB": database_url})
    with psycopg.connect(database_url) as connection:
        assert prepare.noted(connection) is None


def test_a_command_that_fails_ends_it() -> None:
    with pytest.raises(SystemExit) as stopped:
        prepare.run("false")
    assert stopped.value.code == 1


def test_the_fingerprint_follows_whatever_decides(tmp_path: Path) -> None:
    files = (
        "requirements-image.txt",
        "include/sql/migrations/0001_a.sql",
        "plugins/reconciliation/migrations/a.py",
    )
    seen = set()
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
        seen.add(prepare.fingerprint(tmp_path))
    (tmp_path / "README.md").write_text("not this")
    seen.add(prepare.fingerprint(tmp_path))
    assert len(seen) == len(files)
