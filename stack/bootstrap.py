"""Makes `.venv` and installs the lock into it; runs on the system's Python, with nothing installed.

Written for Python 3.6 and later, so that one that is too old is told so instead of failing to
parse this file. Start it as `python3 -I stack/bootstrap.py`.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
NEWEST = (3, 14)
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.txt"
STAMP = VENV / ".lock"


def main() -> None:
    """Leave a `.venv` that has what the lock names; exit with a message when that cannot be."""
    present = sys.version_info[:2]
    if not OLDEST <= present <= NEWEST:
        sys.exit(
            f"Python {_shown(OLDEST)} to {_shown(NEWEST)} is needed, "
            f"but {sys.executable} is Python {_shown(present)}.\n"
            "Install one of them, then name it: make PYTHON=/path/to/python3.12 up"
        )
    wanted = _fingerprint()
    if STAMP.exists() and STAMP.read_text() == wanted and PYTHON.exists():
        return
    if not _works():
        _say(f"Making the virtual environment .venv with Python {_shown(present)}")
        _make_environment()
    _say("Installing the locked packages (once; a minute or two on a slow line)")
    _install()
    STAMP.write_text(wanted)


def _works() -> bool:
    """Tell whether `.venv` has an interpreter that runs, is of a fitting version and has pip."""
    code = f"import sys, pip; sys.exit(not {OLDEST} <= sys.version_info[:2] <= {NEWEST})"
    if not PYTHON.exists():
        return False
    nothing = subprocess.DEVNULL
    return subprocess.call([str(PYTHON), "-I", "-c", code], stdout=nothing, stderr=nothing) == 0


def _make_environment() -> None:
    shutil.rmtree(str(VENV), ignore_errors=True)
    if subprocess.call([sys.executable, "-m", "venv", str(VENV)]) != 0 or not _works():
        shutil.rmtree(str(VENV), ignore_errors=True)
        sys.exit(
            "Python cannot make virtual environments here. "
            "On Debian and Ubuntu that is a package of its own:\n"
            f"  sudo apt-get install python{_shown(sys.version_info[:2])}-venv"
        )


def _install() -> None:
    """Install the lock with uv, for speed; with pip where uv cannot be had or cannot do it."""
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check"]
    uv = re.search(r"^uv==\S+", LOCK.read_text(), re.MULTILINE)
    if uv and subprocess.call([*pip, "install", "--quiet", uv.group()]) == 0:
        # Compiled here on all cores; else four Airflow processes compile the same files at their start.
        arguments = ["pip", "install", "--quiet", "--compile-bytecode", "--python", str(PYTHON)]
        command = [str(VENV / "bin" / "uv"), *arguments, "-r", str(LOCK)]
        if subprocess.call(command, env=_uv_environment(pip)) == 0:
            return
        _say("uv could not install the lock; trying pip")
    if subprocess.call([*pip, "install", "--quiet", "-r", str(LOCK)]) != 0:
        sys.exit(
            "The packages could not be installed; the reason stands above. If it is the network, "
            "set PIP_INDEX_URL or HTTPS_PROXY and run the command again."
        )


def _uv_environment(pip: list) -> dict:  # type: ignore[type-arg]  # a subscript fails on old interpreters
    """Return the environment for uv with pip's own settings, which uv does not read."""
    listed = subprocess.check_output([*pip, "config", "list"]).decode()
    # The environment's lines (`:env:.`) come first and count more than the files' (`global.`).
    settings = dict(reversed(re.findall(r"^[^\s.]*\.([a-z-]+)='(.*)'$", listed, re.MULTILINE)))
    names = {"index-url": "UV_DEFAULT_INDEX", "find-links": "UV_FIND_LINKS", "cert": "SSL_CERT_FILE"}
    found = {names[key]: value for key, value in settings.items() if key in names}
    return {**found, **os.environ}


def _fingerprint() -> str:
    """Return what the environment depends on: the lock, and where it lies, which scripts name."""
    return f"{hashlib.sha256(LOCK.read_bytes()).hexdigest()} {VENV}\n"


def _shown(version: tuple) -> str:  # type: ignore[type-arg]  # a subscript fails on old interpreters
    return ".".join(str(part) for part in version)


def _say(line: str) -> None:
    # At once, also into a pipe: the line stands before what pip writes.
    print(line, flush=True)


if __name__ == "__main__":
    main()
