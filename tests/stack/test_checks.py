"""What is looked at before anything starts."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import psycopg
import pytest

from stack import checks
from stack.checks import PortUse
from stack.errors import MachineError, PortInUseError, SettingsError, UnreachableError
from stack.settings import RealSystems
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def real(url: str, account: int | None = None) -> RealSystems:
    return RealSystems(
        chatwoot_database_url=url,
        chatwoot_account_id=account,
        krayin_api_url="http://127.0.0.1:9",
        krayin_api_token="1|secret",
    )


@pytest.fixture
def chatwoot_url(new_database: Callable[..., str], chatwoot_template: str) -> str:
    url = new_database("chatwoot", chatwoot_template)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO accounts (id, name, created_at, updated_at) VALUES (3, 'North', now(), now())"
        )
    return url


class TestPorts:
    def test_a_taken_port_names_the_setting_and_the_holder(self) -> None:
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            port = holder.getsockname()[1]
            with pytest.raises(PortInUseError) as caught:
                checks.ports([PortUse("127.0.0.1", port, "AIRFLOW_PORT", "Airflow's UI")])
        assert (caught.value.port, caught.value.setting) == (port, "AIRFLOW_PORT")
        assert f"process {os.getpid()}" in str(caught.value)
        assert f"AIRFLOW_PORT={port + 1} make up" in str(caught.value)

    def test_our_own_stack_may_hold_it(self) -> None:
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            port = holder.getsockname()[1]
            checks.ports([PortUse("127.0.0.1", port, "AIRFLOW_PORT", "Airflow's UI")], own=[port])

    def test_one_port_for_two_purposes(self) -> None:
        with pytest.raises(SettingsError, match="POSTGRES_PORT and AIRFLOW_PORT both name port 8080"):
            checks.ports(
                [
                    PortUse("127.0.0.1", 8080, "AIRFLOW_PORT", "Airflow's UI"),
                    PortUse("127.0.0.1", 8080, "POSTGRES_PORT", "PostgreSQL"),
                ],
                own=[8080],
            )

    def test_an_address_of_another_machine(self) -> None:
        with pytest.raises(MachineError, match="AIRFLOW_PORT=8080"):
            checks.ports([PortUse("192.0.2.1", 8080, "AIRFLOW_PORT", "Airflow's UI")])


class TestDataDir:
    def test_it_is_made_also_with_spaces(self, tmp_path: Path) -> None:
        checks.data_dir(tmp_path / "a b" / "c")
        assert list((tmp_path / "a b" / "c").iterdir()) == []

    def test_a_file_in_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(MachineError, match="cannot be written"):
            checks.data_dir(tmp_path / "file")

    def test_it_belongs_to_someone_else(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
        with pytest.raises(MachineError, match="belongs to another user"):
            checks.data_dir(tmp_path)


class TestChatwoot:
    def test_it_tells_the_accounts(self, chatwoot_url: str) -> None:
        assert checks.chatwoot(real(chatwoot_url)).keys() == {1, 3}

    def test_another_database(self, database_url: str) -> None:
        with pytest.raises(UnreachableError, match=r"(?s)not a Chatwoot database.*CHATWOOT_DATABASE_URL"):
            checks.chatwoot(real(database_url))

    def test_a_user_without_rights(self, chatwoot_url: str) -> None:
        with psycopg.connect(chatwoot_url, autocommit=True) as connection:
            connection.execute("DROP ROLE IF EXISTS stranger")
            connection.execute("CREATE ROLE stranger LOGIN PASSWORD 'hunter2'")
            connection.execute("GRANT SELECT ON accounts TO stranger")
        parts = psycopg.conninfo.conninfo_to_dict(chatwoot_url)
        url = f"postgresql://stranger:hunter2@{parts['host']}:{parts['port']}/{parts['dbname']}"
        with pytest.raises(UnreachableError, match=r'Role "stranger" may not read .*contacts') as caught:
            checks.chatwoot(real(url))
        assert "hunter2" not in str(caught.value)

    def test_a_server_that_does_not_answer(self) -> None:
        port = free_port()
        with pytest.raises(UnreachableError, match="cannot be reached") as caught:
            checks.chatwoot(real(f"postgresql://reader:hunter2@127.0.0.1:{port}/chatwoot"))
        assert f"127.0.0.1:{port}" in str(caught.value)
        assert "hunter2" not in str(caught.value)

    def test_a_wrong_password_is_not_shown(self, chatwoot_url: str) -> None:
        parts = psycopg.conninfo.conninfo_to_dict(chatwoot_url)
        url = f"postgresql://postgres:hunter2@{parts['host']}:{parts['port']}/{parts['dbname']}"
        with pytest.raises(UnreachableError, match="password authentication failed") as caught:
            checks.chatwoot(real(url))
        assert "hunter2" not in str(caught.value)

    def test_no_postgresql_address(self) -> None:
        with pytest.raises(UnreachableError, match="postgresql://user:password@host") as caught:
            checks.chatwoot(real("mysql://user:hunter2@host/db"))
        assert "hunter2" not in str(caught.value)


class TestAccount:
    def test_the_only_one(self) -> None:
        assert checks.account(None, {4: "Shop"}) == 4

    def test_the_wanted_one(self) -> None:
        assert checks.account(5, {4: "Shop", 5: "Office"}) == 5

    def test_several_are_listed(self) -> None:
        with pytest.raises(SettingsError, match="CHATWOOT_ACCOUNT_ID:\n    4  Shop\n    5  Office"):
            checks.account(None, {4: "Shop", 5: "Office"})

    def test_an_unknown_one(self) -> None:
        with pytest.raises(SettingsError, match="CHATWOOT_ACCOUNT_ID=6"):
            checks.account(6, {4: "Shop"})

    def test_none_at_all(self) -> None:
        with pytest.raises(SettingsError, match="no account yet"):
            checks.account(None, {})
