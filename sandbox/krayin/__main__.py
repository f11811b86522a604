"""``python -m sandbox.krayin``."""

from __future__ import annotations

from sandbox.krayin.cli import main

main()
