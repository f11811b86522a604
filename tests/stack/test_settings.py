"""Settings from the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stack import airflow
from stack.errors import SettingsError
from stack.settings import ROOT, Settings, load

if TYPE_CHECKING:
    from pathlib import Path

URL = "postgresql://reader:hunter2@db.example.com/chatwoot"


def settings(**values: object) -> Settings:
    return load(_env_file=None, **values)


def test_without_anything_the_sandbox_is_used() -> None:
    found = settings()
    assert found.real is None
    assert found.data_dir == ROOT / ".data"
    assert (found.airflow_host, found.airflow_port) == ("127.0.0.1", 8080)


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CHATWOOT_DATABASE_URL", "KRAYIN_API_URL", "KRAYIN_API_TOKEN", "AIRFLOW_PORT"):
        monkeypatch.setenv(name, "")
    assert settings().real is None
    assert settings().airflow_port == 8080


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("AIRFLOW_PORT=8111\nPOSTGRES_PORT=5611\nSOMETHING_ELSE=1\n")
    monkeypatch.setenv("AIRFLOW_PORT", "8222")
    found = load(_env_file=file)
    assert (found.airflow_port, found.postgres_port) == (8222, 5611)


def test_three_variables_choose_real_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATWOOT_DATABASE_URL", URL)
    monkeypatch.setenv("KRAYIN_API_URL", "https://crm.example.com")
    monkeypatch.setenv("KRAYIN_API_TOKEN", "1|secret")
    monkeypatch.setenv("CHATWOOT_ACCOUNT_ID", "7")
    real = settings().real
    assert real is not None
    assert real.krayin_api_token.get_secret_value() == "1|secret"
    assert real.chatwoot_account_id == 7


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"krayin_api_url": "https://c"}, ["CHATWOOT_DATABASE_URL", "KRAYIN_API_TOKEN"]),
        ({"krayin_api_url": "https://c", "krayin_api_token": "t"}, ["CHATWOOT_DATABASE_URL"]),
        ({"chatwoot_database_url": URL, "krayin_api_url": "https://c"}, ["KRAYIN_API_TOKEN"]),
    ],
)
def test_one_or_two_of_the_three_are_refused_by_name(given: dict[str, str], missing: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        _ = settings(**given).real
    assert f"Missing: {', '.join(missing)}." in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_wrong_values_are_all_named_with_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_PORT", "eighty")
    monkeypatch.setenv("POSTGRES_PORT", "70000")
    with pytest.raises(SettingsError) as caught:
        settings()
    assert "AIRFLOW_PORT" in str(caught.value)
    assert "'eighty'" in str(caught.value)
    assert "POSTGRES_PORT" in str(caught.value)


def test_the_sandboxs_krayin_is_one_of_two_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings().krayin_sandbox_version == "2.2"
    monkeypatch.setenv("KRAYIN_SANDBOX_VERSION", "2.1")
    assert settings().krayin_sandbox_version == "2.1"
    monkeypatch.setenv("KRAYIN_SANDBOX_VERSION", "2.3")
    with pytest.raises(
        SettingsError, match=r"KRAYIN_SANDBOX_VERSION: Input should be '2.1' or '2.2' .*'2.3'"
    ):
        settings()


def test_secrets_are_not_shown() -> None:
    found = settings(chatwoot_database_url=URL, krayin_api_url="https://c", krayin_api_token="1|secret")
    assert "hunter2" not in repr(found) + repr(found.real)
    assert "1|secret" not in repr(found) + repr(found.real)


def test_relative_folders_count_from_the_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings(data_dir="kept").data_dir == ROOT / "kept"
    assert settings(data_dir=tmp_path / "x y").data_dir == tmp_path / "x y"


def test_a_broker_puts_the_tasks_into_workers() -> None:
    alone = settings(airflow_parallelism=4)
    assert not [name for name in airflow.components(alone) if name.startswith("worker")]
    many = settings(
        airflow_parallelism=8, celery_broker_url="redis://:hidden@broker:6379/0", celery_workers=3
    )
    assert [name for name in airflow.components(many) if name.startswith("worker")] == [
        "worker-1",
        "worker-2",
        "worker-3",
    ]
    assert "hidden" not in repr(many) + repr(airflow.components(many))


def test_a_misspelt_name_in_the_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("KRAYIN_API_ULR=https://crm.example.com\nMY_OWN=1\n")
    with pytest.raises(SettingsError, match=r"KRAYIN_API_ULR, .* Did you mean KRAYIN_API_URL"):
        load(_env_file=file)
    file.write_text("FERNET_KEY=x\nPOSTGRES_PASSWORD=y\nMY_OWN=1\n")
    load(_env_file=file)


def test_a_file_in_utf_16_is_told(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("AIRFLOW_PORT=8111\n", encoding="utf-16")
    with pytest.raises(SettingsError, match="UTF-8"):
        load(_env_file=file)


def test_airflow_is_reached_under_the_path_that_browsers_use() -> None:
    assert airflow.local_url(settings()) == "http://127.0.0.1:8080"
    found = settings(airflow_base_url="https://tools.example.com/airflow/", airflow_port=8111)
    assert airflow.local_url(found) == "http://127.0.0.1:8111/airflow"


def test_this_machine_is_reached_without_a_proxy() -> None:
    assert airflow.loopback_without_proxy({})["no_proxy"] == "localhost,127.0.0.1,::1"
    given = airflow.loopback_without_proxy({"NO_PROXY": "example.com,localhost"})
    assert given == dict.fromkeys(("no_proxy", "NO_PROXY"), "example.com,localhost,127.0.0.1,::1")
