"""What the supervisor of a stack has to keep running."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from stack import airflow, process, sandbox, syncs
from stack.checks import PortUse
from stack.settings import ROOT
from stack.supervisor import Component, Plan

if TYPE_CHECKING:
    from pathlib import Path

    from stack.instance import Instance

# Loaded once by long-lived processes: a change takes a restart. DAG files are read again by themselves.
CODE = (
    "plugins/**/*.py",
    "plugins/**/*.txt",
    "sandbox/**/*.py",
    "include/sql/**/*.sql",
    "stack/supervisor.py",
    "requirements.txt",
)

NETWORK = frozenset(
    {
        "ALL_PROXY",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
    }
)
"""What of the environment decides how the processes reach others."""


def make(instance: Instance) -> Plan:
    """Return the plan that fits the instance's settings and the code as it is now."""
    settings = instance.settings
    environ = environment(instance)
    mark = {process.MARK: str(instance.layout.root)}
    home = str(instance.layout.airflow)
    components = []
    if settings.real is None:
        # First, as it is up in a second and setup calls it.
        components.append(
            Component(sandbox.COMPONENT, sandbox.krayin_command(instance), environ | mark, str(ROOT))
        )
    components += [
        Component(name, command, environ | mark, home)
        for name, command in airflow.components(settings).items()
    ]
    plan = Plan(
        data_dir=str(instance.layout.root),
        fingerprint="",
        ports=[use.port for use in ports(instance)],
        postgres_port=settings.postgres_port,
        postgres_password=instance.keys.postgres,
        postgres_settings=dict(instance.cluster.settings),
        components=components,
    )
    return replace(plan, fingerprint=_fingerprint(plan))


def environment(instance: Instance) -> dict[str, str]:
    """Return the environment of the instance's Airflow processes."""
    return airflow.environment(
        instance.settings,
        instance.keys,
        instance.layout,
        instance.dsn(airflow.DATABASE),
        str(syncs.folder(instance.settings)),
    )


def ports(instance: Instance) -> list[PortUse]:
    """Return the ports that the instance's settings need."""
    settings = instance.settings
    needed = [
        PortUse(settings.airflow_host, settings.airflow_port, "AIRFLOW_PORT", "Airflow's UI"),
        PortUse("127.0.0.1", settings.postgres_port, "POSTGRES_PORT", "PostgreSQL"),
    ]
    if settings.real is None:
        needed.append(
            PortUse("127.0.0.1", settings.krayin_sandbox_port, "KRAYIN_SANDBOX_PORT", "the sandbox's Krayin")
        )
    return needed


def _fingerprint(plan: Plan) -> str:
    digest = hashlib.sha256()
    for component in plan.components:
        # Only what counts: a terminal's own variables differ from one `make up` to the next.
        ours = {
            name: value
            for name, value in component.environment.items()
            if name.startswith(("AIRFLOW", "KRAYIN_", "PYTHONPATH")) or name.upper() in NETWORK
        }
        digest.update(json.dumps({**asdict(component), "environment": ours}, sort_keys=True).encode())
    for pattern in CODE:
        for file in sorted(ROOT.glob(pattern)):
            digest.update(_content(file))
    return digest.hexdigest()


def _content(file: Path) -> bytes:
    return str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes()
