"""``python -m sandbox.chatwoot_api``."""

from __future__ import annotations

from sandbox.chatwoot_api.cli import main

main()
