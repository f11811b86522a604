"""What we ask of Krayin, one method each."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from functools import cached_property
from http import HTTPStatus
from itertools import zip_longest
from json import dumps
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from krayin import endpoints
from krayin.catalogue import Attribute, LeadType, Pipeline, Source, Tag, User, Workflow
from krayin.dialect import Dialect
from krayin.errors import (
    ConfigurationError,
    DeletionsLimited,
    FilterIgnored,
    NotFound,
    Rejected,
    ServerFailed,
)
from krayin.payloads import no_number
from krayin.records import (
    Activity,
    CreatedLead,
    Lead,
    Named,
    Organization,
    Page,
    Person,
    RawEntity,
    Record,
    Shown,
    data_of,
    page_of,
    raw_entities,
    rows_of,
)
from krayin.session import Session
from krayin.text import clean_text, fold_email, fold_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from krayin.endpoints import Endpoint, EntityType
    from krayin.payloads import (
        ActivityDraft,
        ActivityUpdate,
        LeadDraft,
        LeadUpdate,
        OrganizationUpdate,
        PersonDraft,
        PersonUpdate,
    )

SEARCH_ROWS = 50
"""Rows of one search; without a limit Krayin answers ten."""

UNSEARCHABLE = frozenset(":;")
"""With one of these in the value Krayin's search ignores the filter and answers its first rows."""

Setting = TypeVar("Setting", bound=Source | LeadType | Attribute | User | Tag | Workflow)
NamedSetting = TypeVar("NamedSetting", bound=Source | LeadType | Tag)
"""What an administrator sets up, read whole."""

IDS_PER_CALL: Final = 100
"""Ids in one filter; leads cost Krayin about 4 ms a row."""

FILTER_PROOF: Final = 60.0
"""Seconds for which a list that was seen to find records by their ids counts as one that does."""

ENTITIES_PER_CALL: Final = 25
"""Ids in one lookup-entity call."""

VALUES_PER_CALL: Final = 50
"""Names, addresses or external keys in one filter."""

URL_BYTES: Final = 3_000
"""Percent-encoded bytes of one filter, so that no proxy's limit on URLs is met."""

ROWS_PER_PAGE: Final = 500
"""Rows of one page when everything that matches is wanted."""

_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
log = logging.getLogger(__name__)
_LISTS: Final[dict[type[Any], Endpoint]] = {
    Person: endpoints.PERSONS,
    Lead: endpoints.LEADS,
    Organization: endpoints.ORGANIZATIONS,
    Activity: endpoints.ACTIVITIES,
    Source: endpoints.SOURCES,
    LeadType: endpoints.LEAD_TYPES,
    Tag: endpoints.TAGS,
    Attribute: endpoints.ATTRIBUTES,
    User: endpoints.USERS,
    Workflow: endpoints.WORKFLOWS,
}
_CREATIONS: Final[dict[type[Any], Endpoint]] = {
    Source: endpoints.CREATE_SOURCE,
    LeadType: endpoints.CREATE_LEAD_TYPE,
    Tag: endpoints.CREATE_TAG,
}
TAG_COLOR: Final = "#546E7A"
"""Of tags that are made by us: a grey blue that Krayin's form offers."""
_OF_AN_ATTRIBUTE: Final = ("code", "name", "type", "entity_type", "validation", "lookup_type")
_NOT_ITS_OWN: Final = ("type", "note,call,email")
"""The filter that leaves out of activities what Krayin notes itself."""


def is_searchable(value: str) -> bool:
    """Return whether the search route can look for `value`: not empty, no colon, no semicolon."""
    return bool(value.strip()) and not UNSEARCHABLE & set(value)


def like_escaped(text: str) -> str:
    r"""Return `text` with `\`, `%` and `_` escaped, so that LIKE takes them literally."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def json_column_patterns(value: str) -> tuple[str, ...]:
    r"""Return the LIKE patterns that match `value` as one whole string inside a JSON column.

    The double quotes make it the whole value. MariaDB keeps the text PHP wrote (non-ASCII as
    `\u00fc`, a slash as `\/`), MySQL its own normal form (both plain), so there are two patterns
    where these differ.
    """
    as_php_writes = dumps(value).replace("/", "\\/")
    as_mysql_shows = dumps(value, ensure_ascii=False)
    return tuple(dict.fromkeys(like_escaped(form) for form in (as_php_writes, as_mysql_shows)))


def lookup_query(name: str) -> str:
    """Return the `query` of a lookup route for a name: Krayin decodes it once more than usual."""
    return quote(like_escaped(name), safe="")


def spellings(emails: Sequence[str]) -> tuple[str, ...]:
    """Return each address as given and in lower case, because Krayin's search heeds case."""
    cleaned = [clean_text(address).strip() for address in emails]
    return tuple(dict.fromkeys(one for address in cleaned for one in (address, address.lower()) if one))


def person_searches(emails: Sequence[str], phones: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Return the query strings of the searches for those of these e-mails or phones that can be searched for.

    One search takes one e-mail and one phone, either of which may match, in any position.
    """
    return [
        _search([("emails", email), ("contact_numbers", phone)], SEARCH_ROWS)
        for email, phone in zip_longest(_patterns(emails), _patterns(phones), fillvalue="")
    ]


def mysql_search() -> list[tuple[str, str]]:
    """Return the search that finds any person with an e-mail on MySQL, and nobody on MariaDB.

    MySQL writes a blank behind each comma of a JSON column's text, MariaDB keeps what PHP wrote.
    """
    return _search([("emails", '", "')], 1)


def _patterns(values: Sequence[str]) -> list[str]:
    return [pattern for value in values if is_searchable(value) for pattern in json_column_patterns(value)]


def _search(terms: Sequence[tuple[str, str]], rows: int) -> list[tuple[str, str]]:
    given = [(column, value) for column, value in terms if value]
    return [
        ("search", ";".join(f"{column}:{value}" for column, value in given)),
        ("searchFields", ";".join(f"{column}:like" for column, _ in given)),
        ("limit", str(rows)),
    ]


class KrayinClient(Session):
    """Krayin's REST API below one base address (`https://crm.example.com/api/v1`), for one token.

    All methods raise the errors of `krayin.errors`. GET, PUT, DELETE and the idempotent mass
    update are repeated up to three times, after 2, 4 and 8 seconds with jitter or after
    `Retry-After`. A creating POST is repeated only when the connection could not be made, or
    after an answer known to be the rate limiter's; every other failure of it is `OutcomeUnknown`.
    A client is for one thread at a time.

    What one Krayin answers otherwise than another is decided here, by its `dialect`: callers say what
    they need. What an answer shows of it is taken up at once; who keeps it for the next client reads it here.
    """

    may_search = True
    """Whether the token's user may use the search routes: only with the view permission "global"."""

    setup_changed = False
    """Whether an answer showed that Krayin is not set up any more as it was when that was read."""

    @cached_property
    def _finds_ids(self) -> dict[type[Any], float]:
        """When a list was last seen to find records by their ids."""
        return {}

    def _learn(self, **shown: bool) -> None:
        self.dialect = replace(self.dialect, **shown)

    # What this Krayin is set up with.

    def whoami(self) -> User:
        """Return the user the token belongs to."""
        return self.call(endpoints.WHOAMI, data_of(User))

    def pipelines(self) -> list[Pipeline]:
        """Return all pipelines with their stages in order, by id."""
        pipelines = self._all(endpoints.PIPELINES, Pipeline)
        # The API of 2.2, which stands on a Laravel that stores blanks as null, is the first to show it.
        has_order = any(stage.sort_order is not None for one in pipelines for stage in one.stages)
        if self.dialect.blank_is_null is not has_order:
            # Another Krayin than before: nothing else that is known of it need be true.
            self.dialect = Dialect(blank_is_null=has_order, is_limited=self.dialect.is_limited)
        return pipelines

    def every(self, setting: type[Setting]) -> list[Setting]:
        """Return all lead sources, types, attributes (of all entity types), users or workflows, by id."""
        return self._all(_LISTS[setting], setting)

    # Writing.

    def create_lead(self, draft: LeadDraft) -> CreatedLead:
        """Create a lead, with its person and organization where the draft says so, in one call.

        Raises:
            ConfigurationError: its stage was deleted since Krayin's settings were read.
            NotFound: its person was deleted.
        """
        endpoint = endpoints.CREATE_LEAD
        try:
            created = self.call(endpoint, data_of(CreatedLead), body=draft.to_body())
        except NotFound as missing:
            # Beside its stage Krayin looks for nothing but its person (CONTRACT: POST /leads).
            if draft.person_id is not None and not self.by_ids(Person, [draft.person_id]):
                raise
            self.setup_changed = True
            message = (
                f"the stage {draft.lead_pipeline_stage_id} of new leads was deleted in Krayin; nothing was "
                "made, and the next run reads Krayin's pipelines anew"
            )
            raise ConfigurationError(message, **endpoint.where(missing.status)) from missing
        if draft.person is not None and draft.person.emails is None:
            self._learn(takes_no_email=True)
        return created

    def create_person(self, draft: PersonDraft) -> Person:
        """Create a person, and its organization by name, in one call."""
        person = self.call(endpoints.CREATE_PERSON, data_of(Person), body=draft.to_body())
        if draft.emails is None:
            self._learn(takes_no_email=True)
        return person

    def create_named(self, setting: type[NamedSetting], name: str) -> NamedSetting:
        """Create a tag, lead source or lead type; no two may have the same name."""
        body = {"name": name, "color": TAG_COLOR} if issubclass(setting, Tag) else {"name": name}
        return self.call(_CREATIONS[setting], data_of(setting), body=body)

    def put_tag_on(self, kind: str, record_id: int, tag_id: int) -> None:
        """Put a tag on a `person` or `lead`; nothing tells what tags a record has."""
        self.call(endpoints.PUT_TAG_ON[kind], _nothing, record_id, body={"tag_id": tag_id})

    def take_tag_off(self, kind: str, record_id: int, tag_id: int) -> None:
        """Take a tag off a `person` or `lead`."""
        self.call(endpoints.TAKE_TAG_OFF[kind], _nothing, record_id, body={"tag_id": tag_id})

    def create_activity(self, draft: ActivityDraft) -> Activity:
        """Create an activity.

        The person or lead it links to must exist: with a dead id Krayin fails and leaves an
        unlinked activity behind.
        """
        return self.call(endpoints.CREATE_ACTIVITY, data_of(Activity), body=draft.to_body())

    def update_person(self, person_id: int, update: PersonUpdate) -> Person:
        """Write a person whole.

        Where Krayin keeps the phones of a person who shall have none, what stands for "no phone" takes
        their place, so that somebody else can have them.
        """
        freed = update.model_copy(update={"contact_numbers": (no_number(person_id),)})
        if update.frees_phones and self.dialect.blank_is_null:
            return self.call(endpoints.UPDATE_PERSON, data_of(Person), person_id, body=freed.to_body())
        person = self.call(endpoints.UPDATE_PERSON, data_of(Person), person_id, body=update.to_body())
        if update.frees_phones and person.contact_numbers:
            self._learn(blank_is_null=True)
            return self.call(endpoints.UPDATE_PERSON, data_of(Person), person_id, body=freed.to_body())
        return person

    def update_lead(self, lead_id: int, update: LeadUpdate) -> Lead:
        """Change some fields of a lead; its products, owner and unnamed fields stay."""
        if update.clears_description and self.dialect.blank_is_null:
            return self._clear_description(lead_id, update)
        return self.call(endpoints.UPDATE_LEAD, data_of(Lead), lead_id, body=update.to_body())

    def _clear_description(self, lead_id: int, update: LeadUpdate) -> Lead:
        """Change a lead and empty its description where only the route that writes leads whole can do that.

        Krayin 2.2 shows the first description again after the other one. This one deletes products and
        closes a closed lead anew, so the description of such a lead stays.
        """
        endpoint = endpoints.REPLACE_LEAD
        lead = next(iter(self.by_ids(Lead, [lead_id])), None)
        if lead is None:
            message = "the record does not exist in Krayin"
            raise NotFound(message, **endpoint.where())
        if lead.product_ids or lead.closed_at is not None or lead.stage_id is None:
            log.warning(
                "Krayin lead %d: this version of Krayin cannot empty the description of a lead that is closed"
                " or has products: it stays, empty it by hand",
                lead_id,
            )
            kept = type(update).model_validate(update.model_dump(exclude_unset=True, exclude={"description"}))
            return self.call(endpoints.UPDATE_LEAD, data_of(Lead), lead_id, body=kept.to_body())
        whole = update.model_copy(
            update={
                "title": update.title or lead.title,
                "lead_pipeline_stage_id": update.lead_pipeline_stage_id or lead.stage_id,
            }
        )
        return self.call(endpoint, data_of(Lead), lead_id, body=whole.to_body())

    def update_organization(self, organization_id: int, update: OrganizationUpdate) -> Organization:
        """Change some fields of an organization."""
        return self.call(
            endpoints.UPDATE_ORGANIZATION, data_of(Organization), organization_id, body=update.to_body()
        )

    def add_options(self, attribute: Attribute, names: Sequence[str]) -> None:
        """Add what can be chosen in an attribute, below what there is; everything else of it stays."""
        last = len(attribute.options)
        options = [
            {"isNew": "true", "name": name, "sort_order": last + number}
            for number, name in enumerate(names, 1)
        ]
        # As Krayin's own form sends all of it: what is left out might be taken for cleared.
        same: dict[str, Any] = {key: getattr(attribute, key) for key in _OF_AN_ATTRIBUTE}
        same |= {"is_required": int(attribute.is_required), "is_unique": int(attribute.is_unique)}
        self.call(endpoints.UPDATE_ATTRIBUTE, _nothing, attribute.id, body={**same, "options": options})

    def update_activity(self, activity_id: int, update: ActivityUpdate) -> Activity:
        """Change some fields of an activity."""
        return self.call(endpoints.UPDATE_ACTIVITY, data_of(Activity), activity_id, body=update.to_body())

    def mark_activities(self, ids: Iterable[int], done: bool) -> None:  # noqa: FBT001
        """Mark activities done or not done, many in one call; Krayin skips missing ids."""
        for chunk in _chunks(sorted(set(ids)), IDS_PER_CALL):
            self.call(endpoints.MARK_ACTIVITIES, _nothing, body={"indices": chunk, "value": int(done)})

    def delete_lead(self, lead_id: int) -> bool:
        """Delete a lead with its activities; False when it was gone already."""
        return self._delete(endpoints.DELETE_LEAD, lead_id)

    def delete_activity(self, activity_id: int) -> bool:
        """Delete an activity; False when it was gone already."""
        return self._delete(endpoints.DELETE_ACTIVITY, activity_id)

    def delete_person(self, person_id: int) -> bool:
        """Delete a person who has no lead; False when it was gone already.

        Krayin 2.1.5 answers the deletion of a person with leads by a 500, keeps the person and
        destroys their activities and attribute values, so this asks for leads first.

        Raises:
            DeletionsLimited: more persons than the limiter of this route allows; nothing was done.
            Rejected: the person has leads; delete these before. Nothing was changed.
        """
        endpoint = endpoints.DELETE_PERSON
        leads = self.leads_of_persons([person_id])
        if leads:
            message = f"the person has {len(leads)} lead(s): delete these first"
            fields = {"leads": ("The person has leads.",)}
            raise Rejected(message, fields=fields, **endpoint.where())
        try:
            return self._delete(endpoint, person_id)
        except (ServerFailed, DeletionsLimited) as failure:
            # A missing person is a 500 here, and so are a real failure, a refusal of the limiter of this
            # route and a dead token: only looking tells them apart.
            if failure.status == HTTPStatus.TOO_MANY_REQUESTS or self.by_ids(Person, [person_id]):
                raise
            return False

    # Reading lists.

    def page(
        self, record: type[Shown], page: int, limit: int, sort: str = "id", order: str = "asc"
    ) -> Page[Shown]:
        """Return one page of a kind of record; pages count from 1, `sort` is a column. Leads: 4 ms a row.

        Activities are notes, calls and e-mails, without the many entries Krayin makes itself.
        """
        query = [*([_NOT_ITS_OWN] if record is Activity else []), *_paging(page, limit, sort, order)]
        return self.call(_LISTS[record], page_of(record), query=query)

    def by_ids(self, record: type[Shown], ids: Iterable[int]) -> list[Shown]:
        """Return the records of a kind with these ids, by id; missing ones are absent.

        What is absent counts as deleted, so a list that shows none of them must show one that is there.

        Raises:
            FilterIgnored: Krayin, or what stands before it, does not look for ids.
        """
        wanted = sorted(set(ids))
        found = [row for chunk in _chunks(wanted, IDS_PER_CALL) for row in self._with_ids(record, chunk)]
        if found:
            self._finds_ids[record] = self._monotonic()
        elif wanted:
            self._see_one_by_id(record)
        return found

    def _with_ids(self, record: type[Shown], ids: Collection[int]) -> list[Shown]:
        filters = [("id", _joined(ids))]
        return self._all(_LISTS[record], record, filters, lambda row: row.id in ids)

    def _see_one_by_id(self, record: type[Shown]) -> None:
        """Look whether the newest record is found by its id, unless one was a moment ago; two calls."""
        proved = self._finds_ids.get(record)
        if proved is not None and self._monotonic() - proved < FILTER_PROOF:
            return
        newest = self.page(record, 1, 1, order="desc").rows
        if newest and not self._with_ids(record, [newest[0].id]):
            raise FilterIgnored(**_LISTS[record].where())
        self._finds_ids[record] = self._monotonic()

    def leads_of_persons(self, person_ids: Iterable[int]) -> list[Lead]:
        """Return all leads of these persons, by id."""
        wanted = set(person_ids)
        found = [
            lead
            for chunk in _chunks(sorted(wanted), IDS_PER_CALL)
            for lead in self._all(
                endpoints.LEADS,
                Lead,
                [("person_id", _joined(chunk))],
                lambda lead: lead.person_id in wanted,
            )
        ]
        return sorted(found, key=lambda lead: lead.id)

    def lookup_entities(self, entity_type: EntityType, ids: Iterable[int]) -> dict[int, RawEntity]:
        """Return records as stored (raw dates, owner, custom attributes); unknown ids are absent.

        This is the read to merge against.
        """
        endpoint = endpoints.LOOKUP_ENTITY[entity_type]
        found: dict[int, RawEntity] = {}
        for chunk in _chunks(sorted(set(ids)), ENTITIES_PER_CALL):
            entities = self.call(endpoint, raw_entities, query=[("query[]", str(one)) for one in chunk])
            found |= {one.id: one for one in entities if one.id in chunk}
        return found

    # Finding.

    def find_persons(self, emails: Sequence[str], phones: Sequence[str]) -> list[Person]:
        """Return the persons who have one of these e-mails (case aside) or phones (exactly), by id.

        One call looks for one e-mail and one phone, in any position of a person's lists. Krayin
        heeds case, so each e-mail is looked for as given and in lower case; a spelling that
        differs from both (`Anna@Example.com` for `anna@EXAMPLE.com`) is not found, nor is what
        `can_search` denies.
        """
        addresses = spellings(emails)
        numbers = tuple(dict.fromkeys(clean_text(phone).strip() for phone in phones))
        rows: list[Person] = []
        for query in person_searches(addresses, numbers) if self.may_search else ():
            rows += self.call(endpoints.PERSON_SEARCH, rows_of(Person), query=query)
        return _having(rows, addresses, numbers)

    def can_search(self, emails: Sequence[str], phones: Sequence[str]) -> bool:
        """Return whether `find_persons` can look for all of these: Krayin's search takes no `:` and `;`."""
        return self.may_search and all(is_searchable(one) for one in (*emails, *phones) if one.strip())

    def takes_no_email(self, anybody_has_one: Callable[[], bool]) -> bool | None:
        """Return whether a person may be made without e-mails though the attribute is required.

        Told by how the database keeps those that persons have: `anybody_has_one`, asked only while it is
        not known, says whether somebody in Krayin does. None while nobody has and none was tried.
        """
        if self.dialect.takes_no_email is None and self.may_search and anybody_has_one():
            found = self.call(endpoints.PERSON_SEARCH, rows_of(Person), query=mysql_search())
            self._learn(takes_no_email=bool(found))
        return self.dialect.takes_no_email

    def organizations_by_names(self, names: Sequence[str]) -> list[Organization]:
        """Return the organizations with one of these names (case, accents, outer blanks aside), by id."""
        cleaned = {fold_name(name): clean_text(name).strip() for name in names if name.strip()}
        found: dict[int, Organization] = {}
        for chunk in _chunks_of_values([name for name in cleaned.values() if "," not in name]):
            rows = self._all(endpoints.ORGANIZATIONS, Organization, [("name", ",".join(chunk))])
            found |= {one.id: one for one in rows}
        # A filter value is split at commas, so these names go through the lookup of the admin's forms.
        ids = [
            one
            for name in cleaned.values()
            if "," in name
            for one in self._organization_ids_like(name, cleaned)
        ]
        found |= {one.id: one for one in self.by_ids(Organization, ids)}
        return [found[one] for one in sorted(found) if fold_name(found[one].name) in cleaned]

    def activities_by_key(self, key: str, values: Iterable[str]) -> list[Activity] | None:
        """Return the activities whose `additional` has one of these values under `key`, by id.

        None where this Krayin cannot be asked so (2.2 refuses the filter, others show every activity): look
        in what its lists showed.

        Raises:
            ValueError: the key is no plain word, or a value holds a comma, which cannot be looked for.
        """
        wanted = set(values)
        if not _KEY.fullmatch(key):
            message = "the key must consist of letters, digits, - and _"
            raise ValueError(message)
        if any("," in value or not value for value in wanted):
            message = "Krayin splits values at commas: a key's value may not contain one, nor be empty"
            raise ValueError(message)
        column = f"additional->{key}"
        found: list[Activity] = []
        for chunk in _chunks_of_values(sorted(wanted)):
            if self.dialect.filters_by_json is False:
                return None
            filters = [(column, ",".join(chunk))]
            try:
                found += self._all(
                    endpoints.ACTIVITIES,
                    Activity,
                    filters,
                    lambda one: str(one.additional.get(key)) in wanted,
                )
            except (Rejected, FilterIgnored) as refusal:
                if isinstance(refusal, Rejected) and column not in refusal.fields:
                    raise
                self._learn(filters_by_json=False)
                return None
        if wanted:
            self._learn(filters_by_json=True)
        return sorted(found, key=lambda activity: activity.id)

    def activities_titled(self, title: str) -> list[Activity]:
        """Return the newest notes, calls and e-mails of a title (no comma in it), case and accents aside."""
        query = [("title", title), _NOT_ITS_OWN, *_paging(1, ROWS_PER_PAGE, "id", "desc")]
        return self.call(endpoints.ACTIVITIES, rows_of(Activity), query=query)

    def activities_of(self, kind: str, crm_id: int) -> list[Activity]:
        """Return what is linked to a `person` or `lead`, by id, Krayin's own too; none for a missing one."""
        found = self.call(endpoints.ACTIVITIES_OF[kind], rows_of(Activity), crm_id)
        return sorted(found, key=lambda activity: activity.id)

    # What the methods above share.

    def _all(
        self,
        endpoint: Endpoint,
        record: type[Record],
        filters: Sequence[tuple[str, str]] = (),
        fits: Callable[[Record], bool] = lambda _: True,
    ) -> list[Record]:
        """Return all rows of a list; each must fit its filters.

        Raises:
            FilterIgnored: one does not.
        """
        rows: list[Record] = []
        page, last = 1, 1
        while page <= last:
            query = [*filters, *_paging(page, ROWS_PER_PAGE, "id", "asc")]
            one = self.call(endpoint, page_of(record), query=query)
            if not all(map(fits, one.rows)):
                raise FilterIgnored(**endpoint.where())
            rows += one.rows
            page, last = page + 1, one.last_page
        return rows

    def _delete(self, endpoint: Endpoint, record_id: int) -> bool:
        try:
            self.call(endpoint, _nothing, record_id)
        except NotFound:
            return False
        return True

    def _organization_ids_like(self, name: str, wanted: Iterable[str]) -> list[int]:
        query = [("query", lookup_query(name))]
        options = self.call(endpoints.ORGANIZATION_LOOKUP, rows_of(Named), query=query)
        return [one.id for one in options if fold_name(one.name) in set(wanted)]


def _nothing(_: Any) -> None:
    """Read nothing in an answer."""


def _paging(page: int, limit: int, sort: str, order: str) -> list[tuple[str, str]]:
    return [("page", str(page)), ("limit", str(limit)), ("sort", sort), ("order", order)]


def _joined(ids: Iterable[int]) -> str:
    return ",".join(map(str, ids))


def _chunks(items: Sequence[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def _chunks_of_values(values: Sequence[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    room = URL_BYTES
    for value in values:
        size = len(quote(value, safe="")) + len(quote(","))
        if chunk and (size > room or len(chunk) == VALUES_PER_CALL):
            yield chunk
            chunk, room = [], URL_BYTES
        chunk.append(value)
        room -= size
    if chunk:
        yield chunk


def _having(persons: Iterable[Person], emails: Iterable[str], phones: Iterable[str]) -> list[Person]:
    wanted_emails = {fold_email(one) for one in emails if one}
    wanted_phones = {one for one in phones if one}
    matching = {
        person.id: person
        for person in persons
        if wanted_emails & {fold_email(one.value) for one in person.emails}
        or wanted_phones & {one.value for one in person.contact_numbers}
    }
    return [matching[one] for one in sorted(matching)]
