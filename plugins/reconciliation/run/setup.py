"""Checks one sync before anything is sent: can it read, may it write, do its settings fit?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatwoot.source import ByIds
from krayin.catalogue import Workflow
from krayin.dialect import generation_of
from krayin.errors import ConfigurationError
from krayin.text import fold_name

from reconciliation.crm.workflows import described, mailing_workflows
from reconciliation.extract.look import looking
from reconciliation.extract.streams import CONVERSATIONS, streams
from reconciliation.settings.sync_settings import CHANGE_FLOOR
from reconciliation.settings.targets import missing_users, resolve_targets
from reconciliation.store.connection import connect

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from chatwoot.source import SourceSnapshot
    from krayin.catalogue import Catalogue
    from krayin.rate_limiter import BudgetState
    from krayin.records import Named

    from reconciliation.run.sync_run import Sync
    from reconciliation.settings.by_inbox import Given, NamesByInbox
    from reconciliation.settings.contact_where import Channel
    from reconciliation.settings.sync_settings import LeadsSettings, SyncSettings
    from reconciliation.settings.targets import LeadTargets


def check_sync(sync: Sync) -> Iterator[str]:
    """Check a sync and yield what was found, a line each. The catalogue is read anew.

    Raises:
        ChatwootError: Chatwoot cannot be read, or has no such account or inbox.
        KrayinError: Krayin does not answer, refuses the token, or cannot be written to safely.
        SettingsDoNotFitKrayinError: the settings name something this Krayin does not have.
        SyncDatabaseError: the sync database cannot be reached.
    """
    settings = sync.settings
    yield f"Sync {settings.name}: {'on' if settings.enabled else 'switched off (enabled: false)'}"
    with connect(sync.sync_dsn) as connection:
        with looking(connection, settings, sync.source) as snapshot:
            yield from _describe_chatwoot(sync, snapshot)
            yield from _unknown_inboxes(settings, snapshot)
        with sync.beside_runs(connection, fresh=True) as (_, krayin):
            generation = generation_of(krayin.client.base_url, krayin.client.dialect)
            user = krayin.catalogue.user
            yield (
                f"Krayin {krayin.client.base_url} {generation.shown}: API user {user.name} ({user.id}), "
                f"{_pace(krayin.budget.state())}"
            )
            if generation.problem:
                yield f"Warning: {generation.problem}"
            yield from generation.notes
            if user.view_permission != "global":
                yield (
                    f"Warning: the API user's view permission is {user.view_permission!r}. Such a user "
                    "cannot search in Krayin nor, from 2.2 on, see all users: finding persons takes more "
                    "calls, and lead_owner cannot be checked. Set it to Global under Settings > Users"
                )
            yield from _describe_guards(settings)
            targets = resolve_targets(settings, krayin.catalogue)
            yield from _describe(krayin.catalogue, targets, settings.owner.round_robin)
            yield from _describe_choices(settings.leads, krayin.catalogue)
            for number in missing_users(settings.owner.round_robin, krayin.catalogue):
                yield f"Warning: owner.round_robin: Krayin user {number} is not there or not active; left out"
            yield from _describe_workflows(krayin.client.every(Workflow), settings.confirmed_workflows)


def _describe_chatwoot(sync: Sync, snapshot: SourceSnapshot) -> Iterator[str]:
    scope, nobody = sync.scope, ByIds(frozenset())
    snapshot.check(scope)
    if streams(sync.settings):
        # It reads nothing, but asks whether the tables of conversations can be read.
        list(snapshot.rows(CONVERSATIONS.stream, scope, nobody))
    account = next(one for one in snapshot.accounts() if one.id == scope.account_id)
    known = snapshot.inboxes(account.id)
    version = snapshot.version
    yield (
        f"Chatwoot {snapshot.installation} {version.shown}: account {account.id} ({account.name}), "
        f"{len(known)} inboxes"
    )
    if version.problem:
        yield f"Warning: {version.problem}"
    if account.suspended:
        yield "Warning: the account is suspended in Chatwoot; its contacts are brought over anyway"
    vouch = snapshot.vouch
    for clause in (*vouch.narrow, *vouch.passing):
        yield f"Warning: Chatwoot may not show everything: {clause}"


def _unknown_inboxes(settings: SyncSettings, snapshot: SourceSnapshot) -> Iterator[str]:
    leads = settings.leads
    known = {one.id for one in snapshot.inboxes(settings.chatwoot.account_id)}
    for key, given in (
        ("leads.source.by_inbox", leads.source.by_inbox),
        ("leads.type.by_inbox", leads.type.by_inbox),
        ("leads.stage.by_inbox", leads.stage.by_inbox),
        ("owner.inboxes", settings.owner.inboxes),
    ):
        for inbox in sorted(given.keys() - known):
            yield f"Warning: {key}.{inbox}: this account of Chatwoot has no such inbox"


def _describe_guards(settings: SyncSettings) -> Iterator[str]:
    changes, removals = settings.max_changes_without_approval, settings.max_removals_without_approval
    yield (
        f"Approval is asked for changes of more than {changes.share:.0%} of the known records within "
        f"{changes.hours} hours, never for up to {changes.number}; for removals above {removals.number} or "
        f"{removals.share:.1%}, whichever is smaller, within {removals.hours} hours"
    )
    if changes.number > CHANGE_FLOOR:
        yield (
            f"Warning: max_changes_without_approval.number is {changes.number}: up to so many records change "
            f"without a question, whatever the share. The default is now {CHANGE_FLOOR}, and removals are "
            f"counted separately"
        )


def _pace(budget: BudgetState | None) -> str:
    assert budget is not None
    if not budget.auto:
        return f"{budget.setting} calls a minute"
    if budget.server_limit is not None and budget.server_limit <= budget.setting:
        return f"auto: {budget.limit} calls a minute, as Krayin's limit says"
    return f"auto: {budget.limit} calls a minute now, up to {budget.setting} while Krayin answers quickly"


def _describe(catalogue: Catalogue, targets: LeadTargets, in_turn: Sequence[int]) -> Iterator[str]:
    broken = catalogue.breaking_attributes()
    if broken:
        named = ", ".join(f"{one.entity_type}.{one.code} (type {one.type})" for one in broken)
        message = (
            f"these attributes make every write of their kind fail in Krayin: {named}. Delete them first"
        )
        raise ConfigurationError(message)
    pipeline, stage = catalogue.pipeline(targets.pipeline_id), catalogue.stage(targets.stage_id)
    assert pipeline is not None
    assert stage is not None
    yield f"New leads: pipeline {pipeline.id} ({pipeline.name}), stage {stage.id} ({stage.name})"
    sources = {source.id: source.name for source in catalogue.sources}
    types = {kind.id: kind.name for kind in catalogue.types}
    yield (
        f"New leads: source {targets.source_id} ({sources.get(targets.source_id or 0, 'none')}), "
        f"type {targets.type_id} ({types.get(targets.type_id or 0, 'none')})"
    )
    if targets.owner_id is None and not in_turn:
        yield (
            "New records have no owner: users whose view permission is group or individual will not see "
            "them; set lead_owner to change that"
        )
    if catalogue.email_required():
        yield (
            "Krayin requires an e-mail for every person: contacts with only a phone get a reserved .invalid "
            "address (or are skipped, see phone_only_contacts). Making the attribute 'Emails' optional in "
            "Settings > Attributes avoids both"
        )


def _describe_choices(leads: LeadsSettings, catalogue: Catalogue) -> Iterator[str]:
    """Say what new leads get by where their contacts write."""
    named: dict[str, tuple[NamesByInbox, Sequence[Named]]] = {
        "source": (leads.source, catalogue.sources),
        "type": (leads.type, catalogue.types),
    }
    for kind, (rule, there) in named.items():
        ids = {fold_name(one.name): one.id for one in there}
        otherwise = "made when it is needed" if rule.create_missing else "not in Krayin: the default is used"
        shown = [
            f"{where} {name} ({ids.get(fold_name(name), otherwise)})"
            for where, name in _by_place(rule.by_inbox, rule.by_channel)
        ]
        if shown:
            yield f"New leads by {kind}: {', '.join(shown)}"
    stages = {stage.id: stage.name for one in catalogue.pipelines for stage in one.stages}
    shown = [
        f"{where} {stages[stage]} ({stage})"
        for where, stage in _by_place(leads.stage.by_inbox, leads.stage.by_channel)
    ]
    if shown:
        yield f"New leads by stage: {', '.join(shown)}"


def _by_place(
    by_inbox: Mapping[int, Given], by_channel: Mapping[Channel, Given]
) -> Iterator[tuple[str, Given]]:
    yield from ((f"inbox {inbox}", given) for inbox, given in by_inbox.items())
    yield from by_channel.items()


def _describe_workflows(workflows: Iterable[Workflow], confirmed: Collection[int]) -> Iterator[str]:
    for workflow in mailing_workflows(workflows):
        if workflow.id in confirmed:
            yield f"Confirmed: Krayin sends e-mails by workflow {described(workflow)}"
        else:
            yield (
                f"Not confirmed: Krayin sends e-mails by workflow {described(workflow)}. A first load waits "
                f"until it is switched off in Krayin or named in confirmed_workflows"
            )
