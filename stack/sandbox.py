"""The sandbox: a Chatwoot database with sample data and a stand-in for Krayin."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import httpx

from stack.errors import ComponentError
from stack.instance import CHATWOOT_DATABASE
from stack.process import run_to_end
from stack.settings import ROOT

if TYPE_CHECKING:
    from stack.instance import Instance

COMPONENT = "krayin-sandbox"


def fill(instance: Instance) -> None:
    """Make the Chatwoot database and fill it, unless that was done.

    Raises:
        ComponentError: the sample data could not be written.
    """
    if instance.state().get("sandbox_filled"):
        return
    # Half-filled by an interrupted start: begin anew.
    instance.cluster.drop_database(CHATWOOT_DATABASE)
    instance.cluster.create_database(CHATWOOT_DATABASE)
    settings, log = instance.settings, instance.layout.log("chatwoot-sandbox")
    command = [
        sys.executable, "-m", "sandbox.chatwoot",
        "--database-url", instance.dsn(CHATWOOT_DATABASE),
        "--contacts", str(settings.sandbox_contacts),
        "--conversations", str(settings.sandbox_conversations),
        "--messages", str(settings.sandbox_messages),
        "--seed", str(settings.sandbox_seed),
    ]  # fmt: skip
    run_to_end("The sandbox's Chatwoot", command, log, directory=ROOT, environment=os.environ)
    instance.remember(sandbox_filled=True)


def krayin_command(instance: Instance) -> list[str]:
    """Return the command line of the stand-in for Krayin."""
    return [
        sys.executable, "-m", "sandbox.krayin",
        "--port", str(instance.settings.krayin_sandbox_port),
        "--token", instance.keys.sandbox_token,
        "--instance", "unlimited",
        "--version", instance.settings.krayin_sandbox_version,
        "--state", str(instance.layout.sandbox),
    ]  # fmt: skip


def wait_for_krayin(instance: Instance, seconds: float) -> None:
    """Wait until the stand-in accepts connections.

    Raises:
        ComponentError: it did not within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            httpx.get(instance.krayin_url, timeout=2.0, trust_env=False)
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise ComponentError(
                    "The sandbox's Krayin",
                    f"does not answer after {seconds:.0f} s",
                    instance.layout.log(COMPONENT),
                ) from None
            time.sleep(0.3)
        else:
            return
