"""The sync files in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from reconciliation.settings.sync_files import load_sync

from stack import syncs
from stack.settings import ROOT, load

if TYPE_CHECKING:
    from pathlib import Path

REAL = {
    "chatwoot_database_url": "postgresql://h/d",
    "krayin_api_url": "https://crm.example.com",
    "krayin_api_token": "t",
}


def test_the_sandbox_has_its_own_folder() -> None:
    assert syncs.folder(load(_env_file=None)) == ROOT / "sandbox" / "syncs"
    found = syncs.read(ROOT / "sandbox" / "syncs")
    assert (found.first, found.problems) == (["sandbox"], [])


def test_real_systems_use_the_users_folder(tmp_path: Path) -> None:
    assert syncs.folder(load(_env_file=None, **REAL)) == ROOT / "include" / "syncs"
    assert syncs.folder(load(_env_file=None, krayin_sync_syncs=tmp_path, **REAL)) == tmp_path


def test_the_file_written_for_a_new_user_is_a_valid_sync(tmp_path: Path) -> None:
    assert syncs.empty(tmp_path / "new")
    file = syncs.write_first(tmp_path / "new", account=12)
    assert not syncs.empty(tmp_path / "new")
    sync = load_sync(file)
    assert (sync.chatwoot.account_id, sync.krayin.requests_per_minute) == (12, None)
    assert (sync.chatwoot.conn_id, sync.krayin.conn_id) == ("chatwoot_default", "krayin_default")


def test_every_option_offered_in_that_file_is_valid(tmp_path: Path) -> None:
    file = syncs.write_first(tmp_path, account=12)
    heading, _, body = file.read_text().partition("\n")
    assert heading.startswith("#")
    file.write_text(body.replace("\n# ", "\n").replace("\n  # ", "\n  "))
    sync = load_sync(file)
    assert sync.chatwoot.inboxes == (1, 2)
    assert sync.sync_messages


def test_a_broken_file_stops_only_itself(tmp_path: Path) -> None:
    syncs.write_first(tmp_path, account=12)
    (tmp_path / "broken.yaml").write_text("name: broken\nchatwot: {}\n")
    found = syncs.read(tmp_path)
    assert found.first == ["chatwoot"]
    assert len(found.problems) == 1
    assert "broken.yaml" in found.problems[0]


@pytest.mark.parametrize(
    "line", ["enabled: false", "chatwoot: {account_id: 1, conn_id: other}", "krayin: {conn_id: other}"]
)
def test_others_are_not_run_by_up(tmp_path: Path, line: str) -> None:
    lines = ["name: shop", line]
    if not line.startswith("chatwoot"):
        lines.append("chatwoot: {account_id: 1}")
    (tmp_path / "shop.yaml").write_text("\n".join(lines))
    found = syncs.read(tmp_path)
    assert (found.first, found.problems) == ([], [])


def test_the_example_has_every_key_with_its_default(tmp_path: Path) -> None:
    (tmp_path / "example.yaml").write_text((ROOT / "include" / "syncs" / "example.yaml.sample").read_text())
    example = load_sync(tmp_path / "example.yaml")
    (tmp_path / "least.yaml").write_text("name: example\nchatwoot: {account_id: 1}\n")
    assert example == load_sync(tmp_path / "least.yaml")
    for part in (example, example.chatwoot, example.krayin, example.custom_fields):
        assert part.model_fields_set == set(type(part).model_fields)
