"""Whether containers can be run here, and the base images of the project."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from stack.settings import ROOT

HERE = Path(__file__).parent
STANDINS = HERE / "standins"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


@cache
def why_not() -> str | None:
    """Return why no container can be run here; None where one can."""
    if not os.environ.get("CONTAINERS"):
        return "builds images and runs them for a quarter of an hour: make test-containers"
    if shutil.which("docker") is None:
        return "docker is not installed"
    for command, lacking in (
        (["docker", "info"], "no container engine answers (docker info)"),
        (["docker", "compose", "version"], "docker compose is not installed"),
    ):
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return lacking
    for image in base_images():
        if not (present(image) or pulled(image) or stood_in(image)):
            return f"{image} can neither be pulled nor be made here (as root, with debootstrap)"
    return None


def base_images() -> list[str]:
    """Return the images that the project is built on and runs beside its own."""
    compose = (ROOT / "docker-compose.yaml").read_text(encoding="utf-8")
    found = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    return found + re.findall(r"image: ((?:postgres|redis):\S+)", compose)


def present(image: str) -> bool:
    """Tell whether the engine has the image."""
    return not subprocess.run(
        ["docker", "image", "inspect", image], capture_output=True, check=False
    ).returncode


def pulled(image: str) -> bool:
    """Pull the image; tell whether that was possible."""
    return not subprocess.run(
        ["docker", "pull", "--quiet", image], capture_output=True, check=False
    ).returncode


def stood_in(image: str) -> bool:
    """Make a stand-in for the image out of Debian's packages and PyPI; tell whether that was possible."""
    if os.geteuid() or platform.system() != "Linux" or shutil.which("debootstrap") is None:
        return False
    name = image.partition(":")[0].rpartition("/")[2]
    file = STANDINS / f"{name}.Dockerfile"
    suite = re.search(r"^FROM standin/debian:(\S+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    assert suite
    subprocess.run([STANDINS / "debian.sh", suite[1], CERTIFICATES], check=True)
    version = re.search(r"\d+\.\d+\.\d+", image)
    arguments = ["--build-arg", f"AIRFLOW_VERSION={version[0]}"] if version else []
    build = ["docker", "build", "--quiet", "--file", file, "--tag", image, *arguments, STANDINS]
    return not subprocess.run(build, check=False).returncode
