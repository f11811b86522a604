"""The values for Airflow's Helm chart: they name what the project's other files name."""

from __future__ import annotations

import re

import pytest
import yaml

from stack.settings import ROOT

HELM = ROOT / "deploy" / "helm"
COMMON = yaml.safe_load((HELM / "common.yaml").read_text())
EXECUTORS = {"celery": "CeleryExecutor", "kubernetes": "KubernetesExecutor"}


def test_the_image_and_airflow_are_those_of_the_dockerfile_and_compose() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"FROM apache/airflow:slim-{COMMON['airflowVersion']}-python" in dockerfile
    image = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["x-airflow"]["image"]
    assert image == f"{COMMON['defaultAirflowRepository'].rpartition('/')[2]}:{COMMON['defaultAirflowTag']}"


@pytest.mark.parametrize(("name", "executor"), EXECUTORS.items())
def test_each_executor_has_its_values(name: str, executor: str) -> None:
    values = yaml.safe_load((HELM / f"{name}.yaml").read_text())
    assert values["executor"] == executor
    assert str(values.get("defaultAirflowTag", COMMON["defaultAirflowTag"])).startswith(
        COMMON["defaultAirflowTag"]
    )


def test_the_sync_files_lie_where_the_image_looks() -> None:
    (mount,) = COMMON["volumeMounts"]
    (volume,) = COMMON["volumes"]
    assert mount["name"] == volume["name"]
    assert mount["mountPath"] == "/opt/airflow/include/syncs"
    assert "COPY --chown=airflow:0 include /opt/airflow/include" in (ROOT / "Dockerfile").read_text()


def test_every_secret_and_config_map_it_names_is_made_on_the_page() -> None:
    page = (ROOT / "docs" / "platforms" / "helm.md").read_text()
    named = {COMMON[key] for key in ("fernetKeySecretName", "apiSecretKeySecretName", "jwtSecretName")}
    named |= {COMMON["data"]["metadataSecretName"], COMMON["volumes"][0]["configMap"]["name"]}
    named |= {each["secretRef"]["name"] for each in yaml.safe_load(COMMON["extraEnvFrom"])}
    made = set(re.findall(r"create (?:secret generic|configmap) ([\w-]+)", page))
    assert named == made
    for connection in ("SYNC_DB", "CHATWOOT_DEFAULT", "KRAYIN_DEFAULT"):
        assert f"AIRFLOW_CONN_{connection}=" in page


def test_no_value_is_a_secret() -> None:
    for file in HELM.glob("*.yaml"):
        assert not re.search(
            r"(?i)(password|token|fernetKey|jwtSecret|apiSecretKey): *\S", file.read_text()
        ), file
