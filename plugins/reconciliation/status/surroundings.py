"""The status page's surroundings in Airflow: who is signed in, and which DAGs that user may read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import get_user
from airflow.models.dag import DagModel
from airflow.utils.session import create_session
from sqlalchemy import select

from reconciliation.settings.airflow_connections import sync_dsn
from reconciliation.settings.sync_files import load_syncs
from reconciliation.status.app import Surroundings, create_app

if TYPE_CHECKING:
    from fastapi import FastAPI


def in_airflow() -> FastAPI:
    """Return the application for Airflow's API server."""
    return create_app(
        Surroundings(
            signed_in=get_user,
            readable=readable_dags,
            login=lambda address: get_auth_manager().get_url_login(next_url=address),
            syncs=load_syncs,
            sync_dsn=sync_dsn,
        )
    )


def readable_dags(user: Any) -> dict[str, bool]:
    """Return the DAGs a user may read, by id, and whether each is paused."""
    allowed = get_auth_manager().get_authorized_dag_ids(user=user, method="GET")
    with create_session() as session:
        rows = session.execute(
            select(DagModel.dag_id, DagModel.is_paused).where(DagModel.is_stale.is_(False))
        )
        return {dag_id: bool(paused) for dag_id, paused in rows if dag_id in allowed}
