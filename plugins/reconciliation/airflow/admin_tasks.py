"""What the tasks of the krayin_* DAGs do: setup, alerts, replay, erasure, recovery, maintenance."""

from __future__ import annotations

import html
import logging
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from reconciliation.admin import contact_erasure, recovery
from reconciliation.admin.alerts import notify, watch
from reconciliation.admin.approval import APPROVE
from reconciliation.admin.retention import load_retention, retain
from reconciliation.airflow.connections import (
    airflow_secret_box,
    api_base_url,
    chatwoot_api_hook,
    given_secret,
    open_sync,
    sync_dsn,
)
from reconciliation.airflow.params import asked_by
from reconciliation.airflow.sync_tasks import responder
from reconciliation.airflow.task_errors import log_lines, task_errors
from reconciliation.extract.look import FEWER, OTHER, confirm_source
from reconciliation.migrations import upgrade
from reconciliation.model.happened import Happened
from reconciliation.run.setup import check_sync
from reconciliation.settings.sync_files import sync_named, usable_syncs
from reconciliation.store.connection import connect
from reconciliation.store.decisions import ReplayRequest
from reconciliation.store.decisions import replay as replay_operations
from reconciliation.store.incidents import open_incidents
from reconciliation.web.webhook_setup import set_up_webhook

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow.sdk import Context

    from reconciliation.admin.alerts import Notice
    from reconciliation.settings.sync_settings import NotifySettings

log = logging.getLogger(__name__)


@task_errors()
def migrate() -> None:
    """Bring the sync database to the newest schema."""
    upgrade(sync_dsn())


@task_errors()
def check(name: str) -> None:
    """Check one sync: connections, settings against Krayin; write what was found to the log."""
    log_lines(list(check_sync(open_sync(name))))
    log_lines(list(_set_up_webhook(name)))


def _set_up_webhook(name: str) -> Iterator[str]:
    settings = sync_named(name)
    conn_id, account_id = settings.webhook.api_conn_id, settings.chatwoot.account_id
    source = None if conn_id is None else chatwoot_api_hook(conn_id, account_id).source()
    with nullcontext() if source is None else source.session() as api:
        yield from set_up_webhook(
            settings,
            sync_dsn(),
            base_url=api_base_url(),
            api=api,
            given_secret=given_secret(name),
            box=airflow_secret_box,
        )


@task_errors()
def watch_syncs(context: Context) -> dict[str, list[str]]:
    """Look at every sync and send what changed; return the alerts that are raised now, by sync.

    Raises:
        AirflowException: a message could not be sent; it is tried again with the next run.
    """
    raised: dict[str, list[str]] = {}
    failed: list[str] = []
    with connect(sync_dsn()) as connection:
        syncs = list(usable_syncs())
        for settings in syncs:
            raised[settings.name] = [one.name for one in watch(connection, settings) if one.raised]
            for condition in raised[settings.name]:
                log.warning("%s: %s", settings.name, condition.replace("_", " "))
        for settings in syncs:
            senders = {
                "http": partial(_by_http, settings.notify, context),
                "mail": partial(_by_mail, settings.notify, context),
            }
            failed += notify(connection, settings, senders, api_base_url(), syncs)
    if failed:
        raise AirflowException("\n".join(failed))
    return raised


def _by_http(settings: NotifySettings, context: Context, notice: Notice) -> None:
    from airflow.providers.http.notifications.http import HttpNotifier  # noqa: PLC0415 - seldom needed

    conn_id = settings.http_conn_id or ""
    HttpNotifier(http_conn_id=conn_id, endpoint=settings.endpoint, json=notice.to_json()).notify(context)


def _by_mail(settings: NotifySettings, context: Any, notice: Notice) -> None:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier  # noqa: PLC0415 - see above

    SmtpNotifier(
        smtp_conn_id=settings.smtp_conn_id,
        from_email=settings.email_from,
        to=list(settings.email_to),
        subject=notice.subject,
        html_content=f"<p>{html.escape(notice.message)}</p><p>{notice.since:%Y-%m-%d %H:%M} UTC.</p>"
        f'<p><a href="{html.escape(notice.page)}">Open the page</a></p>',
    ).notify(context)


@task_errors()
def replay(context: Mapping[str, Any]) -> dict[str, int]:
    """Plan quarantined or declined operations again that a form names; return how many, and how many not."""
    params = context["params"]
    request = ReplayRequest(
        str(params["sync"]),
        params.get("operation"),
        params.get("error_class") or None,
        bool(params.get("all")),
        params.get("approval"),
    )
    with connect(sync_dsn()) as connection:
        done = replay_operations(connection, request, by=asked_by(context))
    return {"planned": done.planned, "left": done.left}


@task_errors()
def erase(params: Mapping[str, Any]) -> dict[str, Any]:
    """Erase the contact a form names, or lift its erasure; return the receipt (ids and numbers only)."""
    if not params.get("sync") or not params.get("contact_id"):
        problem = "Name the sync and the contact's id in Chatwoot: nothing was erased."
        raise AirflowFailException(problem)
    sync, contact_id = open_sync(str(params["sync"])), int(params["contact_id"])
    if params.get("lift"):
        with connect(sync.sync_dsn) as connection:
            identity = contact_erasure.identity_of(sync, connection)
            lifted = contact_erasure.unerase(connection, identity, contact_id)
        if lifted:
            log.info("Contact %d may be synced again: run %s__sync for it", contact_id, sync.settings.name)
        else:
            log.info("Contact %d was not erased", contact_id)
        return {"contact": contact_id, "lifted": lifted}
    receipt = contact_erasure.erase(sync, contact_id, also_adopted=bool(params.get("also_adopted")))
    return {"contact": contact_id, **receipt.to_json()}


@task_errors()
def plan_recovery(context: Mapping[str, Any]) -> dict[str, Any]:
    """Do what the form says: plan a recovery, and return `recovery` (its id), `subject` and `body`.

    Raises:
        AirflowSkipException: it was a false alarm, or Chatwoot is right; nothing is to be approved.
    """
    params, by = context["params"], asked_by(context)
    if not params.get("sync") or not params.get("happened"):
        problem = "Name the sync and say what happened: nothing was done."
        raise AirflowFailException(problem)
    happened = Happened(str(params["happened"]))
    if happened is Happened.CHATWOOT_IS_RIGHT:
        number = _confirm_chatwoot(str(params["sync"]), by)
        message = f"{number} incident(s) closed: what Chatwoot shows is right, and the sync goes on."
        raise AirflowSkipException(message)
    sync = open_sync(str(params["sync"]))
    if happened is Happened.FALSE_ALARM:
        number = recovery.declare_false_alarm(sync, by=by)
        message = f"{number} incident(s) closed: it is the same Krayin, and its syncs go on."
        raise AirflowSkipException(message)
    plan = recovery.plan_recovery(
        sync,
        happened,
        make_again=bool(params.get("make_again", True)),
        former_address=params.get("former_address"),
    )
    log.info("%s\n\n%s", plan.subject, plan.body)
    return {"recovery": plan.recovery_id, "subject": plan.subject, "body": plan.body}


def _confirm_chatwoot(name: str, by: str) -> int:
    """Close what Chatwoot's looks opened for a sync and a person may explain; return how many that were."""
    with connect(sync_dsn()) as connection:
        doubted = [one for one in open_incidents(connection, sync_name=name) if one.kind in {OTHER, FEWER}]
        for incident in doubted:
            confirm_source(connection, incident, by=by)
    return len(doubted)


@task_errors()
def answer_recovery(plan: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Carry out a recovery or leave everything as it is; `given` is what the operator returned."""
    approved = given["chosen_options"] == [APPROVE]
    recovery.answer_recovery(
        sync_dsn(), int(plan["recovery"]), approved=approved, decided_by=responder(given)
    )
    if approved:
        log.info("The links are corrected. The next run of each sync makes the missing records again.")
    else:
        log.info("Declined: nothing was changed, and the syncs stay stopped. Start this again to go on.")


@task_errors()
def delete_old_rows() -> dict[str, int]:
    """Delete what the sync database need not keep; return how many rows of each kind that was."""
    with connect(sync_dsn()) as connection:
        return retain(connection, load_retention())
