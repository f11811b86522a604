"""Generated keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet

from stack.instance import load_keys

if TYPE_CHECKING:
    from pathlib import Path


def test_they_are_made_once_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    first = load_keys(file)
    assert load_keys(file) == first
    assert load_keys(tmp_path / "other.json") != first
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("keys")] == ["keys.json"]


def test_a_key_added_by_a_newer_version_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    first = load_keys(file)
    kept = json.loads(file.read_text())
    del kept["admin"]
    file.write_text(json.dumps(kept))
    second = load_keys(file)
    assert (second.fernet, second.jwt, second.postgres) == (first.fernet, first.jwt, first.postgres)
    assert second.admin
    assert second.admin == load_keys(file).admin


def test_the_fernet_key_is_one(tmp_path: Path) -> None:
    secret = Fernet(load_keys(tmp_path / "keys.json").fernet)
    assert secret.decrypt(secret.encrypt(b"token")) == b"token"


def test_no_key_is_shown(tmp_path: Path) -> None:
    made = load_keys(tmp_path / "keys.json")
    assert made.fernet not in repr(made)
    assert made.admin not in repr(made)
