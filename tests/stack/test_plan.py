"""What makes `make up` restart the processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stack import plan
from stack.instance import open_instance
from tests.running_stack import settings_for

if TYPE_CHECKING:
    from pathlib import Path

    from stack.instance import Instance


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return open_instance(settings_for(tmp_path))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SSL_CERT_FILE", "/etc/ssl/own.pem"),
        ("REQUESTS_CA_BUNDLE", "/etc/ssl/own.pem"),
        ("https_proxy", "http://proxy.example.com:3128"),
        ("HTTP_PROXY", "http://proxy.example.com:3128"),
        ("no_proxy", "crm.example.com"),
    ],
)
def test_what_decides_how_others_are_reached_restarts_them(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.delenv(name, raising=False)
    before = plan.make(instance).fingerprint
    monkeypatch.setenv(name, value)
    assert plan.make(instance).fingerprint != before


def test_anything_else_in_the_environment_restarts_nothing(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = plan.make(instance).fingerprint
    monkeypatch.setenv("TERM_PROGRAM", "another")
    assert plan.make(instance).fingerprint == before
