"""The sandbox: a Chatwoot database with sample data and a stand-in for Krayin."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import httpx

from stack.errors import ComponentError
from stack.instance import CHATWOOT_DATABASE
from stack.settings import ROOT

if TYPE_CHECKING:
    from stack.instance import Instance

COMPONENT = "krayin-sandbox"


def fill(instance: Instance) -> bool:
    """Make the Chatwoot database and fill it, unless that was done; tell whether it was done now.

    Raises:
        ComponentError: the sample data could not be written.
    """
    if instance.state().get("sandbox_filled"):
        return False
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
    with log.open("w") as output:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, check=False
        )
    if done.returncode != 0:
        tail = log.read_text(errors="replace").splitlines()[-15:]
        raise ComponentError("The sandbox's Chatwoot", f"ended with exit code {done.returncode}", log, tail)
    instance.remember(sandbox_filled=True)
    return True


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


def krayin_answers(instance: Instance) -> bool:
    """Tell whether the stand-in accepts connections."""
    try:
        httpx.get(instance.krayin_url, timeout=2.0)
    except httpx.TransportError:
        return False
    return True


def wait_for_krayin(instance: Instance, seconds: float) -> None:
    """Wait until the stand-in accepts connections.

    Raises:
        ComponentError: it did not within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not krayin_answers(instance):
        if time.monotonic() > deadline:
            log = instance.layout.log(COMPONENT)
            tail = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
            raise ComponentError("The sandbox's Krayin", f"does not answer after {seconds:.0f} s", log, tail)
        time.sleep(0.3)
