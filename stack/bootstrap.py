"""Makes `.venv` and installs the lock into it; runs on the system's Python, with nothing installed.

Written for old interpreters too, so that a Python that is too old is told so instead of failing to
parse this file. Start it as `python3 -I stack/bootstrap.py`.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys

OLDEST = (3, 11)
NEWEST = (3, 14)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
LOCK = os.path.join(ROOT, "requirements.txt")
STAMP = os.path.join(VENV, ".lock")


def main():
    """Leave a `.venv` that holds exactly the lock; exit with a message when that cannot be."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        sys.exit(
            "Python {}.{} to {}.{} is needed, but {} is Python {}.{}.\n"
            "Install one of them, then name it: make PYTHON=/path/to/python3.12 up".format(
                *(OLDEST + NEWEST + (sys.executable,) + sys.version_info[:2])
            )
        )
    wanted = fingerprint()
    if read(STAMP) == wanted and os.path.exists(python()):
        return
    if not os.path.exists(python()) or not works(python()):
        say("Making the virtual environment .venv with Python {}.{}".format(*sys.version_info[:2]))
        make_environment()
    say("Installing the locked packages (once; a minute or two on a slow line)")
    install()
    with open(STAMP, "w") as stamp:
        stamp.write(wanted)


def python():
    """Return the path of the environment's interpreter."""
    return os.path.join(VENV, "bin", "python")


def works(interpreter):
    """Tell whether the environment's interpreter runs, is of a fitting version and has pip."""
    code = "import sys, pip; sys.exit(not {!r} <= sys.version_info[:2] <= {!r})".format(OLDEST, NEWEST)
    with open(os.devnull, "w") as nothing:
        return subprocess.call([interpreter, "-I", "-c", code], stdout=nothing, stderr=nothing) == 0


def make_environment():
    """Make `.venv` anew."""
    shutil.rmtree(VENV, ignore_errors=True)
    if subprocess.call([sys.executable, "-m", "venv", VENV]) != 0 or not works(python()):
        shutil.rmtree(VENV, ignore_errors=True)
        sys.exit(
            "Python cannot make virtual environments here. On Debian and Ubuntu its venv module is a "
            "package of its own:\n  sudo apt-get install python{}.{}-venv".format(*sys.version_info[:2])
        )


def install():
    """Install the lock with uv, for speed; with pip where uv cannot be had or cannot do it."""
    pip = [python(), "-m", "pip", "--disable-pip-version-check"]
    with open(LOCK) as lock:
        uv = re.search(r"^uv==\S+", lock.read(), re.M)
    if uv and subprocess.call([*pip, "install", "--quiet", uv.group()]) == 0:
        # Compiled here on all cores; else four Airflow processes compile the same files at their start.
        arguments = ["pip", "install", "--quiet", "--compile-bytecode", "--python", python(), "-r", LOCK]
        if subprocess.call([os.path.join(VENV, "bin", "uv"), *arguments], env=uv_environment(pip)) == 0:
            return
        say("uv could not install the lock; trying pip")
    if subprocess.call([*pip, "install", "--quiet", "-r", LOCK]) != 0:
        sys.exit(
            "The packages could not be installed; the reason stands above. If it is the network, "
            "set PIP_INDEX_URL or HTTPS_PROXY and run the command again."
        )


def uv_environment(pip):
    """Return the environment for uv with pip's own settings, which uv does not read."""
    listed = subprocess.check_output([*pip, "config", "list"]).decode()
    settings = dict(re.findall(r"^[^\s.]*\.([a-z-]+)='(.*)'$", listed, re.M))
    names = {
        "index-url": "UV_DEFAULT_INDEX",
        "find-links": "UV_FIND_LINKS",
        "cert": "SSL_CERT_FILE",
    }
    found = {names[key]: value for key, value in settings.items() if key in names}
    return dict(found, **os.environ)


def fingerprint():
    """Return what the environment depends on: the lock's hash and the interpreter's version."""
    with open(LOCK, "rb") as lock:
        return "{} {}\n".format(hashlib.sha256(lock.read()).hexdigest(), os.path.realpath(VENV))


def read(path):
    """Return the text of `path`, empty if there is none."""
    if not os.path.exists(path):
        return ""
    with open(path) as file:
        return file.read()


def say(line):
    """Print `line` at once, also into a pipe."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
