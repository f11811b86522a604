"""The settings of one sync, as written in a file of `include/syncs/`."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from chatwoot.contact_rule import ContactRule
from chatwoot.source import SourceFilter
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from reconciliation.model.field_source import (
    CRM_FIELDS,
    CUSTOM_PREFIX,
    TEXT,
    TEXT_FIELDS,
    FilledField,
    OwnField,
    Policy,
)
from reconciliation.model.hashing import stable_hash
from reconciliation.settings.ages import age_or_date
from reconciliation.settings.by_inbox import NamesByInbox, StagesByInbox
from reconciliation.settings.contact_where import ContactWhere  # noqa: TC001 - pydantic resolves it at run time

if TYPE_CHECKING:
    from reconciliation.model.field_values import FieldType
    from reconciliation.model.text_template import TextTemplate

SYNC_DB_CONN_ID = "sync_db"
SECRET_CONN_ID = "chatwoot_webhook_{sync}"  # noqa: S105 - the id of a connection

_SYNC_NAME = re.compile(r"[a-z][a-z0-9_-]{0,59}")
_CRON_FIELDS = 5


def _sync_name(value: str) -> str:
    if not _SYNC_NAME.fullmatch(value):
        message = (
            "must start with a lower-case letter and hold only a-z, 0-9, '-' and '_', at most 60 characters"
        )
        raise ValueError(message)
    return value


def _schedule(value: str) -> str:
    if value.startswith("@") or len(value.split()) == _CRON_FIELDS:
        from croniter import croniter  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415 - a parse-time import would slow every DAG file

        if value == "@once" or croniter.is_valid(value):
            return value
    message = (
        "must be a cron expression of five fields such as '*/10 * * * *', a preset such as '@hourly', or null"
    )
    raise ValueError(message)


def _region(value: str) -> str:
    # Its tables of all countries would be read with every parse of a DAG file.
    import phonenumbers  # noqa: PLC0415

    if value.upper() not in phonenumbers.SUPPORTED_REGIONS:
        message = "must be a two-letter country code such as 'DE' or 'US'"
        raise ValueError(message)
    return value.upper()


def _timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        message = "must be an IANA time zone such as 'Europe/Berlin' or 'UTC'"
        raise ValueError(message) from None
    return value


def _object_storage(value: str) -> str:
    parts = urlsplit(value)
    if not parts.scheme or not (parts.netloc or parts.scheme == "file"):
        message = "must be an address such as 's3://connection@bucket/folder' or 'file:///srv/reports'"
        raise ValueError(message)
    if ":" in parts.netloc.rpartition("@")[0]:
        message = "must name an Airflow connection before the @, not a key or password"
        raise ValueError(message)
    return value


def _history(value: object) -> object:
    if value == "all":
        return value
    try:
        return age_or_date(value)
    except ValueError as error:
        message = str(error).replace("must be", "must be 'all',", 1)
        raise ValueError(message) from None


Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
RepairPolicy = Literal["report", "repair"]
Repairable = Literal["missing", "changed", "orphan", "unmapped", "stale_mapping", "moved_stage"]
REPAIRABLE: tuple[Repairable, ...] = get_args(Repairable)


# What contacts are mapped from beside their own fields: whoever writes these would change Krayin.
READ_ATTRIBUTES = frozenset(
    {
        "job_title", "lead_value", "city", "country", "description",
        "company_name", "company", "organization",
        "company_address", "company_city", "company_state", "company_country", "company_zipcode",
    }
)  # fmt: skip


# Krayin's own fields with rules of their own, by their names there: no custom attribute is called so.
OTHER_FIELDS = frozenset(
    {
        "emails", "phones", "contact_numbers", "organization", "organization_id", "user_id", "address",
        "lead_source_id", "lead_type_id", "lead_pipeline_id", "lead_pipeline_stage_id", "expected_close_date",
        "person_id", "closed_at", "lost_reason", "status",
    }
)  # fmt: skip

CHANGE_FLOOR = 50
STAGE_KEYS = ("stage_on_conversation_created", "stage_on_first_response", "stage_on_conversation_resolved")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class ChatwootSettings(_Strict):
    """Where the records come from."""

    source: Literal["database", "api"] = "database"
    """Read Chatwoot's database, or its REST API if you cannot reach the database."""
    conn_id: str = Field("chatwoot_default", min_length=1)
    """Airflow connection of that source."""
    installation: Annotated[str, Field(min_length=1)] | None = None
    """Only with `source: api`: the name of the Chatwoot installation, part of every key. Default: its
    address. When you move a sync from the database to the API, enter the name that `krayin_setup` showed
    before.
    """
    account_id: PositiveInt
    """The Chatwoot account: the number in its address bar."""
    inboxes: Annotated[
        Annotated[tuple[PositiveInt, ...], Field(min_length=1)] | None,
        BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v),
    ] = None
    """Ids of the inboxes whose contacts are brought over. Default: all inboxes."""
    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")] | None = None
    """Address at which agents open Chatwoot, for example `https://chat.example.com`. Activities then link to
    their conversation.
    """

    exact_look_share: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Share of the time that exact looks at Chatwoot's database may take. One of up to 0.3 s is made in each
    run, one of 40 s about every hour. In between, changes are found by index: new records, contacts who
    wrote, conversations in which something happened. 1: every run looks exactly.
    """

    @model_validator(mode="after")
    def _installation_of_an_api(self) -> Self:
        if self.installation is not None and self.source != "api":
            message = "installation: a database says its own name; only `source: api` takes one"
            raise ValueError(message)
        return self


class KrayinSettings(_Strict):
    """Where the records go."""

    conn_id: str = Field("krayin_default", min_length=1)
    """Airflow connection of type Krayin CRM."""
    requests_per_minute: PositiveInt | Literal["auto"] | None = None
    """Calls a minute of this API user, shared by all its syncs. Default: what the connection says, else
    `auto`. `auto` follows the limit that Krayin reports (2.1 ships with 60). If Krayin reports none (2.2),
    it starts at 60, rises while Krayin answers quickly, and falls when Krayin slows down or fails.
    """
    max_requests_per_minute: PositiveInt = 1_200
    """Calls a minute that `auto` never exceeds."""
    loaders: Annotated[int, Field(ge=1, le=16)] = 1
    """Tasks that carry out one run's plan side by side. One task waits for each call: 300 a minute if Krayin
    takes 200 ms; more help only if Krayin allows more than that.
    """


class ContactsSettings(_Strict):
    """Which contacts are brought over."""

    where: ContactWhere | None = None
    """What a contact has to be. One that does not match, or stops matching, is left in Krayin as it is:
    never updated, never removed. Default: every contact.
    """


class LeadsSettings(_Strict):
    """Which contacts get a lead, and in which source, type and stage by where they write."""

    create: Literal["always", "on_conversation", "never"] = "always"
    """When a contact gets a lead beside its person: always, once it has a conversation, or never. One that
    has a lead keeps it, and it is updated.
    """
    where: ContactWhere | None = None
    """What a contact has to be to get one. Default: every contact."""
    per: Literal["contact", "inbox"] = "contact"
    """One lead for each contact, or one for each inbox in which a contact has conversations, with the
    pipeline, stage, source, type and owner of that inbox. A contact that has not written yet has one lead in
    both cases; it becomes that of the first inbox in which the contact writes.
    """
    source: NamesByInbox = NamesByInbox()
    type: NamesByInbox = NamesByInbox()
    stage: StagesByInbox = StagesByInbox()

    @model_validator(mode="after")
    def _makes_some(self) -> Self:
        if self.create == "never" and self.where is not None:
            message = "where says who gets a lead, but create is never: remove one of them"
            raise ValueError(message)
        return self

    @property
    def shown(self) -> str:
        """The settings that decide who gets a lead, as they stand in the file."""
        return f"leads.create: {self.create}" + (", leads.where" if self.where is not None else "")

    def rule(self, now: datetime, zone: ZoneInfo) -> ContactRule | None:
        """Return the rule for those who get a lead, None for everybody or nobody."""
        if self.where is None and self.create != "on_conversation":
            return None
        rule = ContactRule() if self.where is None else self.where.rule(now, zone)
        return replace(rule, has_conversation=True) if self.create == "on_conversation" else rule

    @property
    def asks_inboxes(self) -> bool:
        """Whether it matters where a contact writes."""
        return any(one.by_inbox or one.by_channel for one in (self.source, self.type, self.stage))


class OwnerSettings(_Strict):
    """Which Krayin user owns new persons and leads; who is not found here has `lead_owner`."""

    assignee: bool = False
    """The user with the e-mail of the agent to whom the contact's latest conversation is assigned."""
    teams: dict[PositiveInt, PositiveInt] = Field(default_factory=dict)
    """Else by the team of that conversation: id of the team in Chatwoot, and of the user in Krayin, as in
    `{4: 2}`.
    """
    inboxes: dict[PositiveInt, PositiveInt] = Field(default_factory=dict)
    """Else by its inbox: id of the inbox in Chatwoot and of the user in Krayin."""
    round_robin: Annotated[
        tuple[PositiveInt, ...], BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v)
    ] = ()
    """Else these Krayin users in turn, by the contact's id, as in `[2, 5, 7]`."""

    @field_validator("round_robin")
    @classmethod
    def _each_once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) < len(value):
            message = "names a user more than once"
            raise ValueError(message)
        return value

    @property
    def asks_conversations(self) -> bool:
        """Whether it matters who handles a contact's conversation."""
        return self.assignee or bool(self.teams) or bool(self.inboxes)

    @property
    def chooses(self) -> bool:
        """Whether anything but `lead_owner` matters."""
        return self.asks_conversations or bool(self.round_robin)


class TagSettings(_Strict):
    """Labels of contacts as tags in Krayin."""

    persons: bool = False
    """Put them on persons."""
    leads: bool = False
    """Put them on leads."""
    labels: dict[str, Annotated[str, Field(min_length=1, max_length=255)]] | None = None
    """Label: name of its tag, for example `{vip: VIP customer}`. Default: every label, under its own name."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The CRM kinds that get tags."""
        return ("person",) * self.persons + ("lead",) * self.leads


class WebhookSettings(_Strict):
    """How Chatwoot tells of changes at once."""

    api_conn_id: Annotated[str, Field(min_length=1)] | None = None
    """Airflow connection of type HTTP to Chatwoot's API, with an administrator's access token as password.
    With it, `krayin_setup` registers the webhook.
    """
    url: Annotated[str, Field(pattern=r"^https?://[^\s/]+(/\S*)?$")] | None = None
    """Address at which Chatwoot reaches this sync's webhook. Default: Airflow's base URL with
    `/chatwoot/webhooks/<name>`.
    """
    allow_unsigned: bool = False
    """Accept webhooks without a signature, which Chatwoot before 4.11.2 sends. Anybody who knows the address
    can then make the sync look again.
    """


class FieldSetting(_Strict):
    """What fills one field of Krayin, and whose value counts; text alone is the name of an attribute."""

    attribute: Annotated[str, Field(min_length=1)] | None = None
    """Attribute of the contact, custom ones before additional ones."""
    field: OwnField | None = None
    """Else this of the contact: `id`, `name`, `email`, `phone` (E.164), `identifier`, `labels` or
    `created_at`.
    """
    template: str | None = None
    """Else a template, which names what those of leads name but `ready`."""
    options: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=255)], ...] | None,
        BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v),
    ] = None
    """Of a select, multiselect or checkbox: options that are made in Krayin if it has none of that name."""
    policy: Policy | None = None
    """Whose value counts where both sides have one. `chatwoot`: Chatwoot's. `krayin`: what somebody typed or
    emptied in Krayin, else Chatwoot's. `fill_blank`: Krayin's, whoever filled it; only what was never filled
    is. `newest`: the later edit; if that cannot be known, Krayin's stays and the comparison reports it.
    Default: as `on_crm_edit` says.
    """

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        sources = [name for name in _SOURCES if getattr(self, name) is not None]
        if len(sources) > 1:
            message = f"{' and '.join(sources)} both say what fills it: keep one of them"
            raise ValueError(message)
        if self.template is not None:
            _template("field", self.template)
        return self

    @property
    def has_source(self) -> bool:
        """Whether it says what fills the field."""
        return any(getattr(self, name) is not None for name in _SOURCES)

    def source(self, key: str = "", kind: FieldType = TEXT) -> FilledField:
        """Return what fills the field, of a type in Krayin; `key` is that of this setting."""
        template = None if self.template is None else _template("field", self.template)
        return FilledField(self.attribute, self.field, template, kind, key)


_SOURCES = ("attribute", "field", "template")
OneField = Annotated[
    FieldSetting, BeforeValidator(lambda value: {"attribute": value} if isinstance(value, str) else value)
]


class FieldSettings(_Strict):
    """What fills fields of Krayin, by their codes there; docs/guides/custom-attributes.md has the types."""

    person: dict[str, OneField] = Field(default_factory=dict)
    """By code of a custom attribute of persons, or `name` or `job_title`: a Chatwoot attribute, or what
    follows.
    """
    lead: dict[str, OneField] = Field(default_factory=dict)
    """The same for leads: a custom attribute or `lead_value`; `title` and `description` take a policy
    only.
    """
    organization: dict[str, OneField] = Field(default_factory=dict)
    """The same for organizations: custom attributes."""

    @model_validator(mode="after")
    def _can_be_filled(self) -> Self:
        for kind, fields in self:
            for code, one in fields.items():
                if why := _not_possible(kind, code, one):
                    message = f"{kind}.{code}: {why}"
                    raise ValueError(message)
        return self


def _not_possible(kind: str, code: str, one: FieldSetting) -> str | None:
    if code in TEXT_FIELDS[kind]:
        return f"its text is that of `templates.lead_{code}`: set a policy only" if one.has_source else None
    if code in OTHER_FIELDS:
        return "has a rule of its own and cannot be filled by another"
    if not one.has_source and code not in CRM_FIELDS[kind]:
        return "must say what fills it: attribute, field or template"
    if kind == "organization" and one.policy == "newest":
        return "Krayin does not note who edited an organization when: choose another policy"
    return None


class CustomFields(_Strict):
    """Chatwoot attribute to Krayin attribute code, as before there was `fields`."""

    person: dict[str, str] = Field(default_factory=dict)
    """An earlier form of `fields.person`, the other way round: Chatwoot attribute: code in Krayin."""
    lead: dict[str, str] = Field(default_factory=dict)
    """An earlier form of `fields.lead`."""
    organization: dict[str, str] = Field(default_factory=dict)
    """An earlier form of `fields.organization`."""

    @model_validator(mode="after")
    def _one_source_each(self) -> Self:
        for kind, fields in self:
            sources: dict[str, list[str]] = {}
            for source, code in fields.items():
                sources.setdefault(code, []).append(source)
            for code, names in sources.items():
                if len(names) > 1:
                    message = f"{kind}: {' and '.join(names)} both fill {code!r}: keep one of them"
                    raise ValueError(message)
        return self


class Templates(_Strict):
    """Texts of your own, as Jinja2 templates: docs/guides/templates.md has what they may name."""

    lead_title: str | None = None
    """Title of a lead, for example `{{ name }} ({{ attributes.plan }})`. Default: the contact's name."""
    lead_description: str | None = None
    """Description of a lead. Default: what Chatwoot knows of the contact."""
    conversation_title: str | None = None
    """Title of a conversation's activity. Default: `Conversation #12`."""
    conversation_comment: str | None = None
    """Comment of a conversation's activity. Default: its details and latest messages."""
    message_title: str | None = None
    """Title of a message's activity. Default: `Message from Ada - Conversation #12`."""
    message_comment: str | None = None
    """Comment of a message's activity. Default: who, when, where and what."""

    @field_validator("*")
    @classmethod
    def _is_a_template(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            _template(str(info.field_name), value)
        return value

    def of(self, *kinds: str) -> dict[str, TextTemplate]:
        """Return the templates that are set for some kinds (lead, conversation, message), by place."""
        return {
            place: _template(place, source)
            for place, source in self
            if source is not None and place.startswith(kinds)
        }


def _template(place: str, source: str) -> TextTemplate:
    # Jinja would be imported with every parse of a DAG file.
    from reconciliation.model.text_template import text_template  # noqa: PLC0415

    return text_template(place, source)


class ChangeLimits(_Strict):
    """How much may be changed in Krayin within a period before a person is asked."""

    share: float = Field(0.2, gt=0, le=1)
    """Share of the contacts and companies known in Krayin that may be changed without asking."""
    number: PositiveInt = CHANGE_FLOOR
    """Number of changed records up to which nobody is asked, whatever the share."""
    hours: PositiveInt = Field(24, le=24 * 31)
    """Hours over which changes are counted, from all runs and webhooks together."""
    days_to_answer: PositiveInt = Field(7, le=365)
    """Days until an unanswered question ends. Its plan stays held."""


class RemovalLimits(_Strict):
    """How much may be removed or overwritten in Krayin within a period before a person is asked."""

    number: Annotated[int, Field(ge=0)] = 10
    """Number of records that may be deleted, closed or overwritten without asking."""
    share: float = Field(0.01, ge=0, le=1)
    """The same as a share of the contacts and companies known in Krayin. The smaller of the two counts."""
    hours: PositiveInt = Field(24, le=24 * 31)
    """Hours over which removals are counted, from all runs and webhooks together."""


class NotifySettings(_Strict):
    """Who is told when something is wrong, and from when on it is."""

    http_conn_id: Annotated[str, Field(min_length=1)] | None = None
    """Airflow connection of type HTTP. Each change is posted there as JSON."""
    endpoint: str = ""
    """Path at that connection, for example `hooks/krayin`."""
    smtp_conn_id: str = Field("smtp_default", min_length=1)
    """Airflow connection of type SMTP for mails."""
    email_to: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[^@\s,;]+@[^@\s,;]+$")], ...],
        BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v),
    ] = ()
    """Addresses that get a mail for each change."""
    email_from: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    """Sender of these mails. Default: the one in the SMTP connection."""
    reports: bool = False
    """Also send the numbers of each comparison, with a link to its report."""
    quarantined_over: Annotated[int, Field(ge=0)] = 20
    """Report when more contacts than this are quarantined."""
    unknown_minutes: PositiveInt = 60
    """Report when a call has had no known outcome for this many minutes."""
    behind_minutes: PositiveInt = 120
    """Report when a scheduled sync has not read Chatwoot for this many minutes."""


class ReportSettings(_Strict):
    """Where the report of each comparison is written, beside the pages in Airflow."""

    path: Annotated[str, AfterValidator(_object_storage)] | None = None
    """Folder in any object storage that Airflow reaches, with the id of its connection, for example
    `s3://reports@bucket/krayin`. Each report gets `sync=<name>/run=<number>` below it.
    """
    with_customer_values: bool = False
    """true: the files written there have both sides' values, which are customers' data. No erasure reaches
    them. false: ids, names of fields, numbers and links.
    """

    @model_validator(mode="after")
    def _written_somewhere(self) -> Self:
        if self.with_customer_values and self.path is None:
            message = "with_customer_values is about the files written to path: say where"
            raise ValueError(message)
        return self


class ReconcileSettings(_Strict):
    """How Krayin is compared with Chatwoot, and what is mended by itself."""

    schedule: Annotated[str, AfterValidator(_schedule)] | None = "30 2 * * *"
    """When to compare: cron expression or preset, UTC. null: only by hand."""
    full_on: Weekday | None = "sunday"
    """Weekday (UTC) on which all of Krayin's lists are read; only that shows what was deleted there. On other
    days only changes are read. null: only by hand.
    """
    repair: RepairPolicy = "report"
    """`report` lists the differences, `repair` also corrects them."""
    repair_by_class: dict[Repairable, RepairPolicy] = Field(default_factory=dict)
    """A different choice for some classes of differences, for example `{missing: repair}`."""
    report: ReportSettings = ReportSettings()

    def repairs(self, difference: str) -> bool:
        """Tell whether differences of this class are mended by themselves."""
        return any(
            name == difference and self.repair_by_class.get(name, self.repair) == "repair"
            for name in REPAIRABLE
        )


class SyncSettings(_Strict):
    """One sync: which Chatwoot account goes to which Krayin, and how."""

    name: Annotated[str, AfterValidator(_sync_name)]
    """Name of the sync, used in its DAGs: `<name>__sync` and so on."""
    schedule: Annotated[str, AfterValidator(_schedule)] | None = "*/10 * * * *"
    """When to run: cron expression or preset, UTC. null: only by hand."""
    enabled: bool = True
    """false: nothing is sent, and nothing read or planned but for previews and dry runs."""
    chatwoot: ChatwootSettings
    krayin: KrayinSettings = KrayinSettings()
    webhook: WebhookSettings = WebhookSettings()
    contacts: ContactsSettings = ContactsSettings()
    leads: LeadsSettings = LeadsSettings()
    owner: OwnerSettings = OwnerSettings()
    tags: TagSettings = TagSettings()

    lead_pipeline_id: PositiveInt | None = None
    """Pipeline of new leads. Default: Krayin's default pipeline."""
    lead_pipeline_stage_id: PositiveInt | None = None
    """Stage of new leads. Default: the first stage of the pipeline."""
    lead_source_id: PositiveInt | None = None
    """Source of new leads. Default: one with 'web' in its name, else the first."""
    lead_type_id: PositiveInt | None = None
    """Type of new leads. Default: the first."""
    lead_owner: PositiveInt | None = None
    """Krayin user who owns new records. Without an owner, users with group or individual view do not see
    them.
    """

    sync_conversations: bool = False
    """Bring conversations over as activities."""
    sync_messages: bool = False
    """Bring messages over as activities."""
    transcript: Literal["on_resolve"] | None = None
    """`on_resolve`: a conversation that is resolved becomes one activity with all that was said, as much as
    fits. Without `sync_conversations` it is there only then, so a long chat costs one call.
    """
    sync_to_organization: bool = False
    """Link persons to an organization by company name."""

    stage_progression_enabled: bool = False
    """Move the stage of a lead as its conversation progresses."""
    stage_on_conversation_created: PositiveInt | None = None
    """Id of the stage that a lead reaches when there is a conversation."""
    stage_on_first_response: PositiveInt | None = None
    """Id of the stage that a lead reaches with the first human reply."""
    stage_on_conversation_resolved: PositiveInt | None = None
    """Id of the stage that a lead reaches when the conversation is resolved."""

    phone_only_contacts: Literal["placeholder", "skip"] = "placeholder"
    """What to do with a contact without e-mail if Krayin requires one: give it a reserved .invalid address,
    or skip it.
    """
    fields: FieldSettings = FieldSettings()
    """What fills fields of Krayin."""
    custom_fields: CustomFields = CustomFields()
    """Chatwoot attribute to Krayin attribute code."""
    templates: Templates = Templates()
    """Texts of your own for leads and activities."""
    new_lead_after_close: bool = False
    """Make a new lead for a customer who writes again after the lead was won or lost."""
    confirmed_workflows: Annotated[
        tuple[PositiveInt, ...], BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v)
    ] = ()
    """Ids of Krayin workflows that may send e-mails for records this sync creates or changes. The first load
    waits until every such workflow is listed here or switched off.
    """
    recreate_deleted: bool = False
    """Make a person or lead again that was deleted in Krayin, when its contact changes."""
    skip_blocked: bool = True
    """Leave blocked contacts out."""
    history: Annotated[Literal["all"] | timedelta | date, BeforeValidator(_history)] = "all"
    """How far back records are brought over: 'all', an age such as '90 days', or a date."""
    default_phone_region: Annotated[str, AfterValidator(_region)] | None = None
    """Country of phone numbers written without a country code."""
    timezone: Annotated[str, AfterValidator(_timezone)] = "UTC"
    """Time zone of the account, an IANA name such as `Europe/Berlin`: for times in activities, and for the
    day of a date attribute that holds a moment. Activities in Krayin keep the times they have.
    """
    on_crm_edit: Literal["keep", "overwrite"] = "keep"
    """What happens to fields edited in Krayin since our last write, when their contact changes. Fields that
    Chatwoot never filled are always kept.
    """
    on_source_delete: Literal["report", "close_lead", "delete"] = "report"
    """What happens in Krayin when a contact is deleted in Chatwoot."""
    write_back_attribute: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")] | None = None
    """Custom attribute of Chatwoot contacts in which their Krayin ids are written:
    `krayin:person:123|krayin:lead:456`. Needs Chatwoot's API: `webhook.api_conn_id` or `source: api`.
    """
    activity_link: Literal["person", "lead", "both"] = "person"
    """Record to which activities are linked."""
    max_changes_without_approval: ChangeLimits = ChangeLimits()
    """A plan that changes more waits for approval."""
    max_removals_without_approval: RemovalLimits = RemovalLimits()
    """Deletions, closings and overwritten edits above this wait for approval."""

    doubt_fall_share: Annotated[float, Field(gt=0, le=1)] = 0.1
    """If more than this share of the known Chatwoot records (and more than 10) is missing, that is doubted.
    Nothing counts as deleted until a person has confirmed it.
    """

    reconcile: ReconcileSettings = ReconcileSettings()
    notify: NotifySettings = NotifySettings()

    @model_validator(mode="after")
    def _stages_need_the_switch(self) -> Self:
        configured = [name for name in STAGE_KEYS if getattr(self, name) is not None]
        if configured and not self.stage_progression_enabled:
            message = f"{', '.join(configured)} set, but stage_progression_enabled is false: make it true"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _written_back_is_not_read(self) -> Self:
        name = self.write_back_attribute
        if name is None:
            return self
        if self.api_conn_id is None:
            message = "write_back_attribute needs webhook.api_conn_id: ids are written through Chatwoot's API"
            raise ValueError(message)
        filled = [one.source() for fields in self.filled.values() for one in fields.values()]
        templates = [*self.templates.of("lead").values(), *(one.template for one in filled if one.template)]
        named = {attribute for template in templates for attribute in template.attributes}
        if name in READ_ATTRIBUTES | named | {one.attribute for one in filled}:
            message = f"write_back_attribute: {name!r} is brought over to Krayin; choose another attribute"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _types_are_shown(self) -> Self:
        for name, where in (("contacts", self.contacts.where), ("leads", self.leads.where)):
            if self.chatwoot.source == "api" and where is not None and where.types is not None:
                message = f"{name}.where.types: Chatwoot's API does not show them; use `source: database`"
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _filled_by_one(self) -> Self:
        for kind, fields in self.custom_fields:
            for source, code in fields.items():
                if code in getattr(self.fields, kind):
                    message = (
                        f"custom_fields.{kind}.{source}: fields.{kind}.{code} fills it already: keep one"
                    )
                    raise ValueError(message)
        return self

    @property
    def filled(self) -> dict[str, dict[str, FieldSetting]]:
        """What fills fields of Krayin, by CRM kind and code."""
        earlier = {
            kind: {code: FieldSetting(attribute=source) for source, code in fields.items()}
            for kind, fields in self.custom_fields
        }
        return {kind: earlier[kind] | fields for kind, fields in self.fields}

    def key_of_field(self, kind: str, code: str) -> str:
        """Return the key of the file that says what fills a field."""
        earlier: dict[str, str] = getattr(self.custom_fields, kind)
        source = next((source for source, filled in earlier.items() if filled == code), None)
        return f"fields.{kind}.{code}" if source is None else f"custom_fields.{kind}.{source}"

    def policies(self, kind: str) -> dict[str, Policy]:
        """Return whose value counts, by flat field of one CRM kind, where `fields` says it."""
        own = (*CRM_FIELDS[kind], *TEXT_FIELDS[kind])
        return {
            code if code in own else f"{CUSTOM_PREFIX}{code}": one.policy
            for code, one in getattr(self.fields, kind).items()
            if one.policy is not None
        }

    @property
    def api_conn_id(self) -> str | None:
        """The Airflow connection of Chatwoot's API, None where none is named."""
        return self.chatwoot.conn_id if self.chatwoot.source == "api" else self.webhook.api_conn_id

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the account."""
        return ZoneInfo(self.timezone)

    @property
    def _fills_with_labels(self) -> bool:
        return any(one.field == "labels" for fields in self.filled.values() for one in fields.values())

    def history_start(self, now: datetime) -> datetime | None:
        """Return the instant before which records stay behind, None for no bound; `now` is aware."""
        if isinstance(self.history, timedelta):
            return now - self.history
        if isinstance(self.history, date):
            return datetime(self.history.year, self.history.month, self.history.day, tzinfo=UTC)
        return None

    def scope(self, now: datetime) -> SourceFilter:
        """Return the part of Chatwoot that is brought over at `now` (aware)."""
        inboxes, where = self.chatwoot.inboxes, self.contacts.where
        return SourceFilter(
            self.chatwoot.account_id,
            None if inboxes is None else frozenset(inboxes),
            None if where is None else where.rule(now, self.zone),
            self.leads.rule(now, self.zone),
            handling=self.owner.asks_conversations or self.leads.asks_inboxes,
            labels=bool(self.tags.kinds) or self._fills_with_labels,
            transcripts=self.transcript is not None,
            by_inbox=self.leads.per == "inbox",
        )

    def scope_document(self) -> dict[str, Any]:
        """Return the settings that decide which records are brought over at all, as JSON."""
        inboxes, where = self.chatwoot.inboxes, self.contacts.where
        # Whoever does not set a rule gets no other hash by an upgrade.
        chosen = {} if where is None else {"where": where.model_dump(mode="json", exclude_none=True)}
        return {"inboxes": sorted(set(inboxes)) if inboxes else None, **chosen}

    def contents_hash(self) -> bytes:
        """Return a hash of the settings that decide what a contact turns into."""
        deciding = self.model_dump(
            mode="json",
            include={
                "phone_only_contacts", "custom_fields", "sync_to_organization", "default_phone_region",
                "skip_blocked", "history", "recreate_deleted",
            },
        )  # fmt: skip
        deciding |= self.scope_document()
        if self.fields != FieldSettings():
            deciding["fields"] = self.fields.model_dump(mode="json", exclude_none=True)
        if self.tags != TagSettings():
            deciding["tags"] = self.tags.model_dump(mode="json")
        leads = self.leads.model_dump(mode="json", include={"create", "where"}, exclude_none=True)
        if leads != {"create": "always"}:
            deciding["leads"] = leads
        if self.leads.per == "inbox":
            deciding["leads_per"] = "inbox"
        if self.timezone != "UTC":
            # Whoever does not set it gets no other hash by an upgrade.
            deciding["timezone"] = self.timezone
        for place, template in self.templates.of("lead").items():
            deciding[place] = template.source
        return stable_hash(deciding)
