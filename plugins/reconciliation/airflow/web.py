"""The receiver and the pages as applications of Airflow's API server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciliation.airflow.connections import (
    airflow_secret_box,
    api_base_url,
    given_secret,
    open_sync,
    sync_dsn,
)
from reconciliation.settings.sync_files import load_syncs
from reconciliation.store.reports import PAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI

PAGES_PREFIX = "/krayin-sync"


def report_address(run_id: int, name: str = PAGE) -> str:
    """Return the address of a file of a run's report, a path alone while `[api] base_url` is not set."""
    return f"{api_base_url()}{PAGES_PREFIX}/reports/{run_id}/{name}"


def webhook_receiver() -> FastAPI:
    """Return the application that takes Chatwoot's webhooks."""
    from reconciliation.web.sync_registry import Dependencies  # noqa: PLC0415
    from reconciliation.web.webhook_app import create  # noqa: PLC0415 - tasks need an address only

    return create(Dependencies(sync_dsn, given_secret, airflow_secret_box))


def status_page() -> FastAPI:
    """Return the application with the status page and the reports."""
    from airflow.api_fastapi.app import get_auth_manager  # noqa: PLC0415 - see above
    from airflow.api_fastapi.core_api.security import get_user  # noqa: PLC0415

    from reconciliation.web.page_context import PageContext  # noqa: PLC0415
    from reconciliation.web.status_app import create_app  # noqa: PLC0415

    return create_app(
        PageContext(
            signed_in=get_user,
            readable=readable_dags,
            login=lambda address: get_auth_manager().get_url_login(next_url=address),
            may_start=may_start,
            start=start,
            question=question,
            answer=answer,
            audit=audit,
            syncs=load_syncs,
            open_sync=open_sync,
            sync_dsn=sync_dsn,
        )
    )


def may_start(user: Any, dag_id: str) -> bool:
    """Tell whether a user may start runs of a DAG."""
    from airflow.api_fastapi.app import get_auth_manager  # noqa: PLC0415 - see above
    from airflow.api_fastapi.auth.managers.models.resource_details import (  # noqa: PLC0415
        DagAccessEntity,
        DagDetails,
    )

    return get_auth_manager().is_authorized_dag(
        method="POST", access_entity=DagAccessEntity.RUN, details=DagDetails(id=dag_id), user=user
    )


def start(user: Any, dag_id: str, form: Mapping[str, Any]) -> str:
    """Start a run of a DAG with the values of its form; return the run's id."""
    from airflow.api.common.trigger_dag import trigger_dag  # noqa: PLC0415 - see above
    from airflow.utils.types import DagRunTriggeredByType  # noqa: PLC0415

    run = trigger_dag(
        dag_id, triggered_by=DagRunTriggeredByType.UI, triggering_user_name=user.get_name(), conf=dict(form)
    )
    assert run is not None
    audit(user, "krayin_sync.start", dag_id, f"run {run.run_id}")
    return str(run.run_id)


def question(dag_id: str) -> str | None:
    """Return the latest run of a DAG that waits for an answer under Required Actions, None without one."""
    from airflow.models.hitl import HITLDetail  # noqa: PLC0415 - see above
    from airflow.models.taskinstance import TaskInstance  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415
    from airflow.utils.state import TaskInstanceState  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415

    ended = {TaskInstanceState.SUCCESS, TaskInstanceState.FAILED, TaskInstanceState.SKIPPED}
    with create_session() as session:
        found = session.scalar(
            select(TaskInstance.run_id)
            .join(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
            .where(
                TaskInstance.dag_id == dag_id,
                HITLDetail.responded_at.is_(None),
                TaskInstance.state.not_in(ended),
            )
            .order_by(HITLDetail.created_at.desc())
            .limit(1)
        )
    return None if found is None else str(found)


def answer(user: Any, dag_id: str, run_id: str, option: str) -> None:
    """Answer what a run of a DAG asks under Required Actions, as Airflow's own page does.

    Raises:
        HTTPException: 403, the user may not answer there; 404, nothing is asked; 409, it has been answered.
    """
    from airflow.api_fastapi.app import get_auth_manager  # noqa: PLC0415 - see above
    from airflow.api_fastapi.auth.managers.models.resource_details import (  # noqa: PLC0415
        DagAccessEntity,
        DagDetails,
    )
    from airflow.api_fastapi.core_api.datamodels.hitl import UpdateHITLDetailPayload  # noqa: PLC0415
    from airflow.api_fastapi.core_api.routes.public.hitl import update_hitl_detail  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415
    from fastapi import HTTPException  # noqa: PLC0415

    entity, details = DagAccessEntity.HITL_DETAIL, DagDetails(id=dag_id)
    if not get_auth_manager().is_authorized_dag(
        method="PUT", access_entity=entity, details=details, user=user
    ):
        raise HTTPException(403, f"You may not answer for {dag_id}.")
    payload = UpdateHITLDetailPayload(chosen_options=[option], params_input={})
    with create_session() as session:
        update_hitl_detail(dag_id, run_id, "answer", payload, user, session, -1)


def audit(user: Any, event: str, dag_id: str, facts: str) -> None:
    """Note in Airflow's audit log what a user did on a page, with the DAG that it concerns."""
    from airflow.models.log import Log  # noqa: PLC0415 - see above
    from airflow.utils.session import create_session  # noqa: PLC0415

    with create_session() as session:
        name = user.get_name()
        session.add(Log(event, owner=name, owner_display_name=name, extra=facts, dag_id=dag_id))


def readable_dags(user: Any) -> dict[str, bool]:
    """Return the DAGs a user may read, by id, and whether each is paused."""
    from airflow.api_fastapi.app import get_auth_manager  # noqa: PLC0415 - see above
    from airflow.models.dag import DagModel  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415

    allowed = get_auth_manager().get_authorized_dag_ids(user=user, method="GET")
    with create_session() as session:
        rows = session.execute(
            select(DagModel.dag_id, DagModel.is_paused).where(DagModel.is_stale.is_(False))
        )
        return {dag_id: bool(paused) for dag_id, paused in rows if dag_id in allowed}
