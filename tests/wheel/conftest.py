"""One wheel for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.wheel.build import built

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this project."""
    return built(tmp_path_factory.mktemp("dist"))
