"""What the task of the alert DAG does, with Airflow's own notifiers."""

from __future__ import annotations

import html
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.http.notifications.http import HttpNotifier
from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.sdk.exceptions import AirflowException

from reconciliation.alert.alerts import tell, watch
from reconciliation.settings.airflow_connections import sync_dsn
from reconciliation.settings.sync_files import BrokenSync, load_syncs
from reconciliation.sync_database.connection import connect
from reconciliation.tasks.telling import telling

if TYPE_CHECKING:
    from airflow.sdk import Context

    from reconciliation.alert.alerts import Alert
    from reconciliation.settings.sync_settings import NotifySettings

log = logging.getLogger(__name__)


def look(context: Context) -> dict[str, list[str]]:
    """Look at every sync and tell what changed; return what is raised now, by sync.

    Raises:
        AirflowException: a message could not be sent; it is tried again with the next run.
    """
    raised: dict[str, list[str]] = {}
    failed: list[str] = []
    with telling(lambda: connect(sync_dsn())) as connection:
        for settings in load_syncs():
            if isinstance(settings, BrokenSync):
                continue
            raised[settings.name] = [one.name for one in watch(connection, settings) if one.raised]
            for condition in raised[settings.name]:
                log.warning("%s: %s", settings.name, condition.replace("_", " "))
            send = {
                "http": partial(_by_http, settings.notify, context),
                "mail": partial(_by_mail, settings.notify, context),
            }
            failed += tell(connection, settings, send)
    if failed:
        raise AirflowException("\n".join(failed))
    return raised


def _by_http(notify: NotifySettings, context: Context, alert: Alert) -> None:
    conn_id = notify.http_conn_id or ""
    HttpNotifier(http_conn_id=conn_id, endpoint=notify.endpoint, json=alert.to_json()).notify(context)


def _by_mail(notify: NotifySettings, context: Any, alert: Alert) -> None:
    SmtpNotifier(
        smtp_conn_id=notify.smtp_conn_id,
        from_email=notify.email_from,
        to=list(notify.email_to),
        subject=alert.subject,
        html_content=f"<p>{html.escape(alert.message)}</p><p>Since {alert.since:%Y-%m-%d %H:%M} UTC.</p>",
    ).notify(context)
