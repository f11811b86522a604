"""Deletes everything a stack keeps."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from stack.errors import SettingsError
from stack.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path


def delete(data_dir: Path) -> None:
    """Delete the data directory; its stack must be down.

    Raises:
        SettingsError: the directory is not one that a stack made.
    """
    layout = Layout(data_dir)
    if not layout.root.exists():
        return
    if not layout.marker.exists():
        raise SettingsError(
            f"DATA_DIR={data_dir} was not made by `make up` (it has no {layout.marker.name}).\n"
            "To remove it, delete it yourself."
        )
    shutil.rmtree(data_dir)
