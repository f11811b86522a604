"""docker-compose.yaml and the image it builds."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from typing import TYPE_CHECKING

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stack.settings import ROOT

if TYPE_CHECKING:
    from pathlib import Path

COMPOSE = ROOT / "docker-compose.yaml"
CELERY_SERVICES = ("redis", "worker")
AIRFLOW_SERVICES = ("api-server", "scheduler", "dag-processor", "triggerer")


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load(COMPOSE.read_text())


def test_it_follows_the_compose_specification(tmp_path: Path) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, str(COMPOSE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = tmp_path / "docker-compose.yaml"
    wrong.write_text(COMPOSE.read_text().replace("    command: scheduler", "    comand: scheduler"))
    done = subprocess.run([*check, str(wrong)], capture_output=True, text=True, check=False)
    assert done.returncode != 0


def test_every_service_is_watched_restarted_and_pinned(compose: dict) -> None:
    services = compose["services"]
    assert set(services) == {"postgres", "init", *AIRFLOW_SERVICES, *CELERY_SERVICES}
    for name, service in services.items():
        assert re.fullmatch(r"[a-z-]+:\d+[\w.-]*", service["image"]), name
        if name != "init":
            assert service["healthcheck"]["test"], name
            assert service["restart"] == "unless-stopped", name
    assert services["init"]["restart"] == "no"


def test_airflow_waits_for_databases_and_migrations(compose: dict) -> None:
    for name in AIRFLOW_SERVICES:
        after = compose["services"][name]["depends_on"]
        assert after["postgres"]["condition"] == "service_healthy"
        assert after["init"]["condition"] == "service_completed_successfully"


def test_all_containers_share_the_keys(compose: dict) -> None:
    for name in ("init", "worker", *AIRFLOW_SERVICES):
        environment = compose["services"][name]["environment"]
        assert environment["AIRFLOW__CORE__FERNET_KEY"].startswith("${FERNET_KEY:?")
        assert environment["AIRFLOW__API_AUTH__JWT_SECRET"].startswith("${JWT_SECRET:?")
        assert environment["AIRFLOW__CORE__EXECUTOR"] == "${AIRFLOW_EXECUTOR:-LocalExecutor}"


def test_workers_and_their_broker_run_only_in_their_profile(compose: dict) -> None:
    services = compose["services"]
    assert {name for name, service in services.items() if service.get("profiles") == ["celery"]} == set(
        CELERY_SERVICES
    )
    worker, scheduler = services["worker"], services["scheduler"]
    assert worker["command"] == "celery worker"
    assert worker["depends_on"].keys() == {*scheduler["depends_on"], "redis"}
    assert scheduler["environment"].items() <= worker["environment"].items()
    assert "@redis:6379" in worker["environment"]["AIRFLOW__CELERY__BROKER_URL"]


def test_it_holds_no_secret(compose: dict) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"KEY$|SECRET|PASSWORD|TOKEN|_CONN_|_CONN$", name):
                assert "${" in str(value), name


def test_every_variable_is_explained_in_the_example(compose: dict) -> None:
    text = COMPOSE.read_text()
    needed = set(re.findall(r"(?<!\$)\$\{([A-Z_]+):\?", text))
    offered = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert needed <= offered


def locked(name: str) -> dict[str, str]:
    """The versions in a lock by package; those that only another Python gets left out."""
    found = {}
    for line in (ROOT / name).read_text().splitlines():
        if line[0] not in " #":
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"python_full_version": "3.11.15"}):
                (version,) = requirement.specifier
                found[canonicalize_name(requirement.name)] = version.version
    return found


def test_the_image_is_the_locked_airflow() -> None:
    version = locked("requirements-image.txt")["apache-airflow"]
    assert f"FROM apache/airflow:slim-{version}-python3.11\n" in (ROOT / "Dockerfile").read_text()


def test_both_locks_have_the_product_s_packages_in_one_version() -> None:
    image, machine = locked("requirements-image.txt"), locked("requirements.txt")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = {canonicalize_name(Requirement(line).name) for line in project["project"]["dependencies"]}
    assert {name: image[name] for name in names} == {name: machine[name] for name in names}


def test_the_image_has_every_package_that_our_code_imports() -> None:
    available = locked("requirements-image.txt")
    providers = packages_distributions()
    ours = {path.name for path in (ROOT / "plugins").iterdir()} | {"krayin_sync_plugin"}
    code = [file for name in ("plugins", "dags", "deploy") for file in (ROOT / name).rglob("*.py")]
    # What only Airflow's OpenLineage provider imports, where somebody has installed that.
    code.remove(ROOT / "plugins" / "reconciliation" / "airflow" / "lineage.py")
    for file in code:
        for module in imports(file):
            if module in sys.stdlib_module_names or module in ours:
                continue
            names = {canonicalize_name(each) for each in providers.get(module, [])}
            assert names & available.keys(), (
                f"{file.relative_to(ROOT)} imports {module}, which the image lacks"
            )


def test_one_service_builds_the_image_for_all(compose: dict) -> None:
    services = compose["services"]
    assert {name for name, service in services.items() if "build" in service} == {"init"}
    assert {services[name]["image"] for name in ("init", "worker", *AIRFLOW_SERVICES)} == {
        services["init"]["image"]
    }


def imports(file: Path) -> set[str]:
    """Top-level modules that `file` imports absolutely."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_the_uis_address_follows_its_port(compose: dict) -> None:
    """Signing in leads to that address: with another port nobody would get in."""
    (port,) = compose["services"]["api-server"]["ports"]
    address = compose["x-airflow"]["environment"]["AIRFLOW__API__BASE_URL"]
    assert "${AIRFLOW_PORT:-8080}:8080" in port
    assert address == "${AIRFLOW_BASE_URL:-http://localhost:${AIRFLOW_PORT:-8080}}"


def test_tasks_find_the_api_server_under_the_path_of_the_ui(compose: dict) -> None:
    address = compose["x-airflow"]["environment"]["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]
    assert address == "http://api-server:8080${AIRFLOW_BASE_PATH:-}/execution/"
