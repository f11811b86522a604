"""The pages that people work with: find a contact, see its record, decide what waits."""

from __future__ import annotations

import logging
import tempfile
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import urlencode, urlsplit

from chatwoot.errors import ChatwootError
from fastapi import APIRouter, Depends, Form, HTTPException, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from krayin.errors import KrayinError
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask

from reconciliation.drift.finding import LABELS
from reconciliation.drift.finding_store import accept, reopen
from reconciliation.drift.record_now import RecordNow, read_now
from reconciliation.errors import ReconciliationError
from reconciliation.model.happened import Happened
from reconciliation.model.templates import page
from reconciliation.plan.preview import MOST
from reconciliation.run.preview import chosen, open_preview
from reconciliation.settings.sync_files import BrokenSync
from reconciliation.store.decisions import Answer, decide, undo
from reconciliation.store.run_rows import find_run
from reconciliation.web import records
from reconciliation.web.facts import ONE_SYNC, WAITING, read_facts
from reconciliation.web.findings import FORMATS, SCHEMA, WITH_VALUES
from reconciliation.web.labels import NOT_BROUGHT_OVER, hint
from reconciliation.web.page_context import RECOVER
from reconciliation.web.sync_page import plots_of, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import psycopg

    from reconciliation.run.preview import PreviewRun
    from reconciliation.settings.sync_settings import SyncSettings
    from reconciliation.web.page_context import PageContext
    from reconciliation.web.records import Row

log = logging.getLogger(__name__)
BIGGEST_ID: Final = 2**63 - 1
LONGEST_TEXT: Final = 200
LONGEST_LIST: Final = 2000
RUNS: Final = 10
NAME: Final = "^[A-Za-z0-9_.-]+$"
DECISIONS: Final = {"accept": accept, "reopen": reopen}
Id = Annotated[int, Path(ge=1, le=BIGGEST_ID)]
Before = Annotated[int | None, Query(ge=1, le=BIGGEST_ID)]
Ids = Annotated[list[Annotated[int, Form(ge=1, le=BIGGEST_ID)]], Form()]


class Filters(BaseModel):
    """Which differences are meant, of those that are there; None means all."""

    kind: Annotated[str | None, Field(alias="class", pattern=NAME)] = None
    field: Annotated[str | None, Field(pattern=NAME)] = None
    information: bool | None = None
    side: Literal["ours", "theirs"] | None = None
    change: Literal["new", "gone", "still"] | None = None
    before: Annotated[int | None, Field(ge=1, le=BIGGEST_ID)] = None


class Work(BaseModel):
    """Which of what waits is shown; `decided` of `of` were just decided."""

    sync: str | None = None
    reason: Annotated[str | None, Field(pattern="^[a-z_]+$")] = None
    before: Annotated[int | None, Field(ge=1, le=BIGGEST_ID)] = None
    chosen: Literal["all"] | None = None
    told: Literal["Approve", "Decline"] | None = None
    decided: Annotated[int | None, Field(ge=0)] = None
    of: Annotated[int | None, Field(ge=0)] = None


class Runs(BaseModel):
    """Which runs are shown; the run `started` of a DAG was just started."""

    before: Annotated[int | None, Field(ge=1, le=BIGGEST_ID)] = None
    dag: Annotated[str | None, Field(pattern=NAME)] = None
    started: Annotated[str | None, Field(max_length=LONGEST_TEXT)] = None


class Start(BaseModel):
    """A run that is to be started: of one contact or all, or a recovery of what `happened`."""

    what: Literal["sync", "compare", "recover"]
    contact_id: Annotated[int | None, Field(ge=1, le=BIGGEST_ID)] = None
    happened: Annotated[str | None, Field(max_length=LONGEST_TEXT)] = None
    make_again: bool = False


def _made(begun: PreviewRun) -> None:
    """Make a preview after its page was answered; why one failed stands in its run."""
    try:
        begun.make()
    except (ChatwootError, KrayinError, ReconciliationError):
        log.warning("Preview %d failed; its page says why.", begun.run_id)


def _chatwoot(sync: SyncSettings | BrokenSync) -> str | None:
    """Return where agents open Chatwoot, None where that is not known."""
    return None if isinstance(sync, BrokenSync) else sync.chatwoot.url


def from_this_site(request: Request) -> None:
    """See that a form was sent by one of our own pages.

    Raises:
        HTTPException: 403, another site sent it.
    """
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    host = request.headers.get("x-forwarded-host") or request.headers.get("host")
    # Browsers that know Sec-Fetch-Site cannot be made to lie in it; older ones send Origin with every form.
    ours = site == "same-origin" if site else origin is not None and urlsplit(origin).netloc == host
    if not ours:
        raise HTTPException(HTTPStatus.FORBIDDEN, "Another site sent this form. Open the page again.")


def console_routes(
    context: PageContext, database: Callable[[], AbstractContextManager[psycopg.Connection]]
) -> APIRouter:
    """Return the routes; `database` opens the sync database for one request.

    Whoever may read a sync's DAG sees ids and states; whoever may start it sees values and decides.
    """
    console = _Console(context, database)
    router = APIRouter()
    for path, method, answer in (
        ("/find", "GET", console.find_form),
        ("/find", "POST", console.find),
        ("/records/{sync_name}/{contact_id}", "GET", console.record),
        ("/records/{sync_name}/{contact_id}", "POST", console.record_now),
        ("/differences/{sync_name}", "GET", console.differences),
        ("/differences/{sync_name}", "POST", console.decide),
        ("/differences/{sync_name}/differences.{ending}", "GET", console.download),
        ("/comparisons/{sync_name}", "GET", console.comparisons),
        ("/preview/{sync_name}", "GET", console.preview_form),
        ("/preview/{sync_name}", "POST", console.preview),
        ("/preview/{sync_name}/{run_id}", "GET", console.previewed),
        ("/runs/{sync_name}", "GET", console.runs),
        ("/syncs/{sync_name}", "GET", console.one_sync),
        ("/work", "GET", console.work),
        ("/work/{sync_name}", "POST", console.answer),
        ("/answers/{sync_name}", "POST", console.verdict),
        ("/decisions/{sync_name}", "GET", console.decisions),
        ("/decisions/{sync_name}", "POST", console.undo),
        ("/start/{sync_name}", "POST", console.start),
    ):
        checks = [Depends(from_this_site)] if method == "POST" else []
        router.add_api_route(path, answer, methods=[method], response_class=HTMLResponse, dependencies=checks)
    return router


class _Console:
    """What the routes answer; they run in threads."""

    def __init__(
        self, context: PageContext, database: Callable[[], AbstractContextManager[psycopg.Connection]]
    ) -> None:
        self._context = context
        self._database = database

    def find_form(self, request: Request) -> HTMLResponse:
        return HTMLResponse(page("find.html.j2", text="", found=None, syncs=self._readable(request)))

    # The text comes in the form's body: addresses are kept in logs and histories.
    def find(
        self, request: Request, text: Annotated[str, Form(max_length=LONGEST_TEXT)] = ""
    ) -> HTMLResponse:
        found: list[tuple[str, bool, int, list[Row]]] = []
        syncs = self._readable(request)
        with self._database() as connection:
            for name in syncs:
                scope = records.scope_of(connection, name)
                if scope is None:
                    continue
                values = self._may_act(request, name)
                by_contact: dict[int, list[Row]] = {}
                # That a part of a name or number is found tells that there is such a customer.
                for row in records.find(connection, scope, text, ids_only=not values):
                    by_contact.setdefault(row["contact_id"], []).append(row)
                found += [(name, values, contact_id, rows) for contact_id, rows in by_contact.items()]
        return HTMLResponse(page("find.html.j2", text=text, found=found, syncs=syncs))

    def record(self, request: Request, sync_name: str, contact_id: Id) -> HTMLResponse:
        return self._record(request, sync_name, contact_id, None)

    # It makes calls, so it is a form; what they show is kept nowhere.
    def record_now(self, request: Request, sync_name: str, contact_id: Id) -> HTMLResponse:
        self._acting(request, sync_name)
        with self._database() as connection:
            scope = records.scope_of(connection, sync_name)
        if scope is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"The sync {sync_name} has not run yet.")
        now: RecordNow | str
        try:
            now = read_now(self._context.open_sync(sync_name), scope, contact_id)
        except (ChatwootError, KrayinError, ReconciliationError) as error:
            now = str(error)
        return self._record(request, sync_name, contact_id, now)

    def _record(
        self, request: Request, sync_name: str, contact_id: int, now: RecordNow | str | None
    ) -> HTMLResponse:
        sync = self._sync(request, sync_name)
        read = now if isinstance(now, RecordNow) else RecordNow()
        with self._database() as connection:
            scope = records.scope_of(connection, sync_name)
            record = scope and records.record_of(connection, sync_name, scope, contact_id, read)
            waiting = records.quarantine_page(connection, sync_name, contact_id=contact_id)
            candidates = records.candidates_of(connection, [row["id"] for row in waiting])
        if not (scope and record):
            raise HTTPException(
                HTTPStatus.NOT_FOUND, f"The sync {sync_name} knows nothing of contact {contact_id} yet."
            )
        url = _chatwoot(sync)
        html = page(
            "record.html.j2",
            chatwoot=url,
            sync=sync_name,
            contact_id=contact_id,
            account_id=scope["account_id"],
            chatwoot_page=records.chatwoot_page(url, scope["account_id"], contact_id),
            record=record,
            now=now,
            not_brought_over=NOT_BROUGHT_OVER,
            waiting=waiting,
            candidates=candidates,
            values=self._may_act(request, sync_name),
            labels=LABELS,
            hint=hint,
        )
        return HTMLResponse(html)

    def differences(
        self, request: Request, sync_name: str, filters: Annotated[Filters, Query()]
    ) -> HTMLResponse:
        self._sync(request, sync_name)
        chosen = filters.model_dump(by_alias=True, exclude={"before"})
        with self._database() as connection:
            groups = records.difference_groups(connection, sync_name)
            rows = records.difference_page(connection, sync_name, chosen, filters.before)
            last = records.comparison_page(connection, sync_name, None, size=1)
        html = page(
            "differences.html.j2",
            sync=sync_name,
            groups=groups,
            rows=rows,
            last=next(iter(last), None),
            chosen={name: value for name, value in chosen.items() if value is not None},
            may_act=self._may_act(request, sync_name),
            formats=FORMATS,
            size=records.PAGE,
            labels=LABELS,
        )
        return HTMLResponse(html)

    def download(
        self,
        request: Request,
        sync_name: str,
        ending: Literal["csv", "parquet", "xlsx"],
        filters: Annotated[Filters, Query()],
    ) -> StreamingResponse:
        """Answer with differences as a file; what people see of customers needs the right to see it."""
        sync = self._sync(request, sync_name)
        values = self._may_act(request, sync_name)
        media_type, sheet_of = FORMATS[ending]
        schema = WITH_VALUES if values else SCHEMA
        url = _chatwoot(sync)
        chosen = filters.model_dump(by_alias=True, exclude={"before"})
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed once it is sent
        with self._database() as connection, sheet_of(file, schema) as sheet:
            for rows in records.difference_chunks(connection, sync_name, chosen, url):
                sheet.write(rows)
        facts = f"differences as {ending}, {'with' if values else 'without'} values"
        self._context.audit(request.state.user, "krayin_sync.download", f"{sync_name}__sync", facts)
        file.seek(0)
        headers = {"Content-Disposition": f'attachment; filename="{sync_name}-differences.{ending}"'}
        return StreamingResponse(
            file, media_type=media_type, headers=headers, background=BackgroundTask(file.close)
        )

    def comparisons(self, request: Request, sync_name: str, before: Before = None) -> HTMLResponse:
        self._sync(request, sync_name)
        with self._database() as connection:
            rows = records.comparison_page(connection, sync_name, before)
        return HTMLResponse(page("comparisons.html.j2", sync=sync_name, rows=rows, size=records.PAGE))

    def decide(
        self,
        request: Request,
        sync_name: str,
        decision: Annotated[Literal["accept", "reopen"], Form()],
        findings: Ids,
        contact_id: Annotated[int | None, Form(ge=1, le=BIGGEST_ID)] = None,
    ) -> RedirectResponse:
        user = self._acting(request, sync_name)
        with self._database() as connection:
            decided = DECISIONS[decision](connection, sync_name, findings, by=user)
        if not decided:
            raise HTTPException(HTTPStatus.CONFLICT, "These differences have changed meanwhile. Look again.")
        event, facts = f"krayin_sync.finding_{decision}", f"findings {', '.join(map(str, findings))}"
        self._context.audit(request.state.user, event, f"{sync_name}__sync", facts)
        back = sync_name if contact_id is None else f"../records/{sync_name}/{contact_id}"
        return RedirectResponse(back, HTTPStatus.SEE_OTHER)

    def preview_form(self, request: Request, sync_name: str) -> HTMLResponse:
        return self._preview_page(request, sync_name)

    # What is typed in names customers: it goes no further than into Chatwoot.
    def preview(
        self,
        request: Request,
        sync_name: str,
        text: Annotated[str, Form(max_length=LONGEST_LIST)] = "",
        newest: Annotated[int, Form(ge=0, le=MOST)] = 0,
    ) -> Response:
        """Start a preview, and show the page that shows it as soon as it is there."""
        self._acting(request, sync_name)
        try:
            sync = self._context.open_sync(sync_name)
            contact_ids = chosen(sync, text, newest)
            if not contact_ids:
                problem = "No contact in Chatwoot is meant by that. Give ids, e-mails or phone numbers."
                return self._preview_page(request, sync_name, problem=problem)
            begun = open_preview(sync, contact_ids)
        except (ChatwootError, KrayinError, ReconciliationError) as error:
            return self._preview_page(request, sync_name, problem=str(error))
        facts = f"run {begun.run_id}, {len(contact_ids)} contacts"
        self._context.audit(request.state.user, "krayin_sync.preview", f"{sync_name}__sync", facts)
        return RedirectResponse(
            f"{sync_name}/{begun.run_id}",
            HTTPStatus.SEE_OTHER,
            background=BackgroundTask(_made, begun),
        )

    def previewed(self, request: Request, sync_name: str, run_id: Id) -> HTMLResponse:
        self._sync(request, sync_name)
        with self._database() as connection:
            run = find_run(connection, run_id)
            if run is None or run.sync_name != sync_name or not run.dry_run:
                raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such preview.")
            scope = records.scope_of(connection, sync_name)
            ids = [one["contact"] for one in run.summary.get("records", ())]
            known = records.links_of(connection, scope, ids) if scope else []
        return self._preview_page(request, sync_name, run=run, known={row["contact_id"] for row in known})

    def _preview_page(self, request: Request, sync_name: str, **facts: Any) -> HTMLResponse:
        sync = self._sync(request, sync_name)
        broken = str(sync.error) if isinstance(sync, BrokenSync) else None
        given = {
            "run": None,
            "known": set(),
            "chatwoot": _chatwoot(sync),
            "account_id": None if isinstance(sync, BrokenSync) else sync.chatwoot.account_id,
            "problem": broken,
            "is_broken": broken is not None,
            "is_off": not isinstance(sync, BrokenSync) and not sync.enabled,
            "may_act": broken is None and self._may_act(request, sync_name),
            **facts,
        }
        return HTMLResponse(
            page("preview.html.j2", sync=sync_name, hint=hint, longest=LONGEST_LIST, most=MOST, **given)
        )

    def runs(self, request: Request, sync_name: str, asked: Annotated[Runs, Query()]) -> HTMLResponse:
        self._sync(request, sync_name)
        with self._database() as connection:
            rows = records.run_page(connection, sync_name, asked.before)
        return HTMLResponse(page("runs.html.j2", sync=sync_name, rows=rows, asked=asked, size=records.PAGE))

    def one_sync(self, request: Request, sync_name: str) -> HTMLResponse:
        sync, now = self._sync(request, sync_name), datetime.now(UTC)
        with self._database() as connection:
            facts = read_facts(connection, [sync_name], ONE_SYNC)[sync_name]
            rows = records.run_page(connection, sync_name, None, size=RUNS)
            scope = records.scope_of(connection, sync_name)
            plots = plots_of(connection, sync_name, scope["target_id"] if scope else None, facts.allowed, now)
        html = page(
            "sync.html.j2",
            sync=sync_name,
            now=now,
            facts=facts,
            rows=rows,
            plots=plots,
            problem=str(sync.error) if isinstance(sync, BrokenSync) else None,
            settings=[] if isinstance(sync, BrokenSync) else settings_of(sync),
            may_act=self._may_act(request, sync_name),
        )
        return HTMLResponse(html)

    def work(self, request: Request, asked: Annotated[Work, Query()]) -> HTMLResponse:
        syncs = self._readable(request)
        names = [name for name in syncs if asked.sync in {None, name}]
        with self._database() as connection:
            pages = {
                name: records.quarantine_page(connection, name, asked.reason, asked.before) for name in names
            }
            reasons = {name: records.quarantine_reasons(connection, name) for name in names}
            shown = [row["id"] for rows in pages.values() for row in rows]
            candidates = records.candidates_of(connection, shown)
            facts = read_facts(connection, names, WAITING)
        user, question = request.state.user, self._context.question
        html = page(
            "work.html.j2",
            chatwoot={name: _chatwoot(syncs[name]) for name in names},
            incidents=self._context.answerable(user, request.state.readable, facts),
            happened=Happened,
            question=question(RECOVER),
            approvals={name: facts[name].approvals for name in names},
            questions={name: question(f"{name}__approval") for name in names if facts[name].approvals},
            asked=asked,
            pages=pages,
            reasons=reasons,
            candidates=candidates,
            may_act={name: self._may_act(request, name) for name in names},
            size=records.PAGE,
            hint=hint,
        )
        return HTMLResponse(html)

    def answer(
        self,
        request: Request,
        sync_name: str,
        operations: Ids,
        answer: Annotated[Literal["this", "email", "new", "leave_out", "replay"], Form()],
        person: Annotated[int | None, Form(ge=1, le=BIGGEST_ID)] = None,
    ) -> RedirectResponse:
        user = self._acting(request, sync_name)
        chosen: dict[int, int | None] = dict.fromkeys(operations)
        with self._database() as connection:
            if answer == "email":
                chosen = dict(records.with_same_email(connection, operations))
            elif answer == "this":
                chosen = dict.fromkeys(operations, person)
            known = Answer.THIS if answer == "email" else Answer(answer)
            decided = decide(connection, sync_name, known, chosen, by=user)
        listed = f"{answer}, operations {', '.join(map(str, operations))}"
        self._context.audit(request.state.user, "krayin_sync.decide", f"{sync_name}__sync", listed)
        told = f"sync={sync_name}&decided={decided}&of={len(operations)}"
        return RedirectResponse(f"../work?{told}", HTTPStatus.SEE_OTHER)

    def verdict(
        self,
        request: Request,
        sync_name: str,
        what: Annotated[Literal["approval", "recover"], Form()],
        run_id: Annotated[str, Form(max_length=LONGEST_TEXT)],
        option: Annotated[Literal["Approve", "Decline"], Form()],
    ) -> RedirectResponse:
        """Answer what a DAG run asks under Required Actions; the run carries the answer out."""
        self._acting(request, sync_name)
        dag_id = RECOVER if what == "recover" else f"{sync_name}__approval"
        self._context.answer(request.state.user, dag_id, run_id, option)
        self._context.audit(request.state.user, "krayin_sync.answer", dag_id, f"{option}, run {run_id}")
        return RedirectResponse(f"../work?told={option}", HTTPStatus.SEE_OTHER)

    def decisions(self, request: Request, sync_name: str, before: Before = None) -> HTMLResponse:
        self._sync(request, sync_name)
        with self._database() as connection:
            rows = records.decision_page(connection, sync_name, before=before)
        may_act = self._may_act(request, sync_name)
        html = page(
            "decisions.html.j2", sync=sync_name, rows=rows, may_act=may_act, size=records.PAGE, labels=LABELS
        )
        return HTMLResponse(html)

    def undo(self, request: Request, sync_name: str, decisions: Ids) -> RedirectResponse:
        user = self._acting(request, sync_name)
        with self._database() as connection:
            undone = undo(connection, sync_name, decisions, by=user)
        if not undone:
            raise HTTPException(
                HTTPStatus.CONFLICT, "It has been carried out or taken back meanwhile. Look again."
            )
        listed = f"decisions {', '.join(map(str, decisions))}"
        self._context.audit(request.state.user, "krayin_sync.undo", f"{sync_name}__sync", listed)
        return RedirectResponse(sync_name, HTTPStatus.SEE_OTHER)

    def start(self, request: Request, sync_name: str, wanted: Annotated[Start, Form()]) -> RedirectResponse:
        self._acting(request, sync_name)
        only = {"contact_ids": str(wanted.contact_id or "")}
        recovery = {"sync": sync_name, "happened": wanted.happened, "make_again": wanted.make_again}
        runs: dict[str, tuple[str, dict[str, Any]]] = {
            "sync": (f"{sync_name}__sync", only),
            "compare": (f"{sync_name}__reconcile", only),
            "recover": (RECOVER, recovery),
        }
        dag_id, form = runs[wanted.what]
        if not self._context.may_start(request.state.user, dag_id):
            raise HTTPException(HTTPStatus.FORBIDDEN, f"You may not start {dag_id}.")
        run_id = self._context.start(request.state.user, dag_id, form)
        if wanted.what == "recover":
            return RedirectResponse("../work", HTTPStatus.SEE_OTHER)
        told = urlencode({"dag": dag_id, "started": run_id})
        return RedirectResponse(f"../runs/{sync_name}?{told}", HTTPStatus.SEE_OTHER)

    def _readable(self, request: Request) -> dict[str, SyncSettings | BrokenSync]:
        return self._context.readable_syncs(request.state.readable)

    def _sync(self, request: Request, sync_name: str) -> SyncSettings | BrokenSync:
        sync = self._readable(request).get(sync_name)
        # Who may not see a sync is not told either whether there is one.
        if sync is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such sync.")
        return sync

    def _may_act(self, request: Request, sync_name: str) -> bool:
        return self._context.may_start(request.state.user, f"{sync_name}__sync")

    def _acting(self, request: Request, sync_name: str) -> str:
        """Return the name of a user who may decide here."""
        self._sync(request, sync_name)
        if not self._may_act(request, sync_name):
            raise HTTPException(
                HTTPStatus.FORBIDDEN,
                f"You may look at {sync_name}, but not start it: that right decides here.",
            )
        return str(request.state.user.get_name())
