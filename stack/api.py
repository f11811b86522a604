"""Airflow's REST API, as much of it as the stack needs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import httpx

from stack.errors import RunFailedError, StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FINISHED = {"success", "failed"}
PAGE = 100


@dataclass(slots=True)
class AirflowApi:
    """One signed-in session with Airflow's API at `url`; use it as a context manager."""

    url: str
    user: str
    password: str = field(repr=False)
    client: httpx.Client = field(init=False, repr=False)
    signed_in: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        """Open the HTTP session."""
        # The first task makes Airflow 3.3 build its task API, and nothing else is answered for that long:
        # three seconds, on a busy machine half a minute.
        self.client = httpx.Client(
            base_url=self.url,
            timeout=httpx.Timeout(120.0, connect=5.0),
            # It is on this machine, whatever proxy leads out of it.
            trust_env=False,
        )

    def __enter__(self) -> Self:
        """Return the session itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the HTTP session."""
        self.client.close()

    def health(self) -> dict[str, str]:
        """Return the state of each part (metadatabase, scheduler, …), empty while the API is down."""
        try:
            answer = self.client.get("/api/v2/monitor/health")
        except httpx.TransportError:
            return {}
        if answer.status_code != httpx.codes.OK:
            return {}
        return {name: part["status"] for name, part in answer.json().items() if part}

    def paused(self) -> dict[str, bool]:
        """Return every DAG that Airflow knows now, with whether it is paused."""
        return {each["dag_id"]: each["is_paused"] for each in self._pages("/api/v2/dags", "dags")}

    def import_errors(self) -> list[str]:
        """Return the last line of every DAG file's import error, with the file's name."""
        errors = self._pages("/api/v2/importErrors", "import_errors")
        return [f"{each['filename']}: {each['stack_trace'].strip().splitlines()[-1]}" for each in errors]

    def unpause(self, dag_id: str) -> None:
        """Let `dag_id` run."""
        self._call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": False})

    def parse_again(self, dag_ids: Iterable[str]) -> None:
        """Ask for the DAGs' files to be read at once: only then a watcher begins to listen."""
        for token in {str(self._call("GET", f"/api/v2/dags/{dag_id}")["file_token"]) for dag_id in dag_ids}:
            self._call("PUT", f"/api/v2/parseDagFile/{token}")

    def write_connections(self, connections: list[dict[str, Any]]) -> None:
        """Create the connections, or replace those that exist."""
        action = {"action": "create", "action_on_existence": "overwrite", "entities": connections}
        answer = self._call("PATCH", "/api/v2/connections", json={"actions": [action]})
        if errors := (answer.get("create") or {}).get("errors"):
            raise StackError(f"Airflow refused the connections: {errors}")

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Start a manual run of `dag_id` and return the run's id."""
        body = {
            "logical_date": None,
            "conf": conf or {},
            "dag_run_id": f"manual__{datetime.now(UTC).isoformat()}",
        }
        return str(self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def active_runs(self, dag_id: str) -> list[str]:
        """Return the ids of the DAG's queued and running runs, oldest first."""
        query = {"state": ["queued", "running"], "order_by": "run_after", "limit": PAGE}
        found = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns", params=query)
        return [str(run["dag_run_id"]) for run in found["dag_runs"]]

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run: queued, running, success or failed."""
        return str(self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def wait(
        self, dag_id: str, run_id: str, timeout: float, watch: Callable[[str], None] = lambda _: None
    ) -> str:
        """Wait until the run has ended or `timeout` seconds are over; return its state.

        `watch` is called with the state about once a second.

        Raises:
            RunFailedError: the run failed; the message has the last error of each failed task.
        """
        deadline = time.monotonic() + timeout
        while True:
            state = self.run_state(dag_id, run_id)
            if state == "failed":
                raise RunFailedError(
                    "\n".join([f"The run {run_id} of {dag_id} failed.", *self.failures(dag_id, run_id)])
                )
            if state in FINISHED or time.monotonic() > deadline:
                return state
            watch(state)
            time.sleep(1.0)

    def failures(self, dag_id: str, run_id: str) -> list[str]:
        """Return one line per failed task of a run: its name and its last error."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        lines = []
        for task in self._pages(path, "task_instances"):
            if task["state"] == "failed":
                words = self._last_error(f"{path}/{task['task_id']}", task["try_number"], task["map_index"])
                lines.append(f"{task['task_id']}: {words}")
        return lines

    def _last_error(self, path: str, attempt: int, index: int) -> str:
        answer = self._call(
            "GET", f"{path}/logs/{attempt}", params={"map_index": index, "full_content": True}
        )
        last = "see its log in Airflow"
        for entry in answer["content"]:
            if not isinstance(entry, dict) or entry.get("level") not in {"error", "critical"}:
                continue
            detail = entry.get("error_detail") or []
            last = f"{detail[-1]['exc_type']}: {detail[-1]['exc_value']}" if detail else str(entry["event"])
        return last

    def _pages(self, path: str, key: str) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            page = self._call("GET", path, params={"limit": PAGE, "offset": offset})
            yield from page[key]
            offset += PAGE
            if offset >= page["total_entries"]:
                return

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        # Tokens live a day, first syncs may be watched for longer.
        if time.monotonic() - self.signed_in > 3600 or not self.signed_in:
            token = self.client.post("/auth/token", json={"username": self.user, "password": self.password})
            token.raise_for_status()
            self.client.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
            self.signed_in = time.monotonic()
        answer = self.client.request(method, path, headers={"Accept": "application/json"}, **arguments)
        if answer.is_error:
            raise StackError(f"Airflow answered {answer.status_code} to {method} {path}: {answer.text[:500]}")
        content = answer.json() if answer.content else {}
        return content if isinstance(content, dict) else {}
