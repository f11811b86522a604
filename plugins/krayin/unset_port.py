"""Makes the Test button of Airflow 3.3.2 work for connections that have no port."""

from __future__ import annotations

import sys


def accept_unset_port() -> bool:
    """Let an unset port equal the 0 that Airflow's list of connections sends; tell whether it was done.

    Airflow 3.3.2 compares the two, finds them different and answers "Bad Request" to every test of
    a stored connection without a port. Does nothing outside the API server, or once Airflow has
    changed this.
    """
    if "airflow.api_fastapi.app" not in sys.modules:
        return False
    try:
        from airflow.api_fastapi.core_api.routes.public import connections  # noqa: PLC0415
    except ImportError:
        return False
    same_endpoint = getattr(connections, "_same_endpoint", None)
    if same_endpoint is None or same_endpoint(0, None):
        return False

    def same(requested: str | int | None, stored: str | int | None) -> bool:
        return bool(same_endpoint(requested or None, stored or None))

    connections._same_endpoint = same  # noqa: SLF001
    return True
