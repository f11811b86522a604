"""What we ask of Krayin, one method each."""

from __future__ import annotations

import logging
import re
from dataclasses import asdict, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar
from urllib.parse import quote

from krayin import endpoints
from krayin.configuration import Attribute, LeadType, Pipeline, Source, User, Workflow
from krayin.dialect import Dialect
from krayin.errors import (
    DeletionsLimited,
    NotFound,
    OutcomeUnknown,
    Rejected,
    ServerFailed,
    UnexpectedAnswer,
    UnreadableRecord,
)
from krayin.folding import fold_email, fold_name
from krayin.json_values import ShapeError, list_of, object_of
from krayin.payloads import no_number
from krayin.records import Activity, CreatedLead, Extent, Lead, Named, Organization, Page, Person, RawEntity
from krayin.search import is_searchable, lookup_query, mysql_search, person_searches, spellings
from krayin.session import Session
from krayin.text import clean_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from krayin.endpoints import Endpoint
    from krayin.payloads import (
        ActivityDraft,
        ActivityUpdate,
        LeadDraft,
        LeadUpdate,
        OrganizationUpdate,
        Payload,
        PersonDraft,
        PersonUpdate,
    )

T = TypeVar("T")
Listed = TypeVar("Listed", Person, Lead, Organization, Activity)
"""A kind of record that has a list."""
Setting = TypeVar("Setting", Source, LeadType, Attribute, User, Workflow)
"""What an administrator sets up, read whole."""

IDS_PER_CALL: Final = 100
"""Ids in one filter; leads cost Krayin about 4 ms a row."""

ENTITIES_PER_CALL: Final = 25
"""Ids in one lookup-entity call."""

VALUES_PER_CALL: Final = 50
"""Names, addresses or external keys in one filter."""

URL_BYTES: Final = 3_000
"""Percent-encoded bytes of one filter, so that no proxy's limit on URLs is met."""

ROWS_PER_PAGE: Final = 500
"""Rows of one page when everything that matches is wanted."""

EntityType = Literal["persons", "leads", "organizations"]

_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")

log = logging.getLogger(__name__)


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

    def _learn(self, **shown: bool) -> None:
        self.dialect = replace(self.dialect, **shown)

    # What this Krayin is set up with.

    def whoami(self) -> User:
        """Return the user the token belongs to."""
        return self._one(endpoints.WHOAMI, User.from_json)

    def pipelines(self) -> list[Pipeline]:
        """Return all pipelines with their stages in order, by id."""
        pipelines = self._all(endpoints.PIPELINES, Pipeline.from_json)
        # The API of 2.2, which stands on a Laravel that stores blanks as null, is the first to show it.
        has_order = any(stage.sort_order is not None for one in pipelines for stage in one.stages)
        if self.dialect.blank_is_null is not has_order:
            # Another Krayin than before: nothing else that is known of it need be true.
            self.dialect = Dialect(blank_is_null=has_order, is_limited=self.dialect.is_limited)
        return pipelines

    def every(self, setting: type[Setting]) -> list[Setting]:
        """Return all lead sources, types, attributes (of all entity types), users or workflows, by id."""
        return self._all(_LISTS[setting], setting.from_json)

    # Writing.

    def create_lead(self, draft: LeadDraft) -> CreatedLead:
        """Create a lead, with its person and organization where the draft says so, in one call."""
        created = self._one(endpoints.CREATE_LEAD, CreatedLead.from_json, draft)
        if draft.person is not None and draft.person.emails is None:
            self._learn(takes_no_email=True)
        return created

    def create_person(self, draft: PersonDraft) -> Person:
        """Create a person."""
        return self._one(endpoints.CREATE_PERSON, Person.from_json, draft)

    def create_activity(self, draft: ActivityDraft) -> Activity:
        """Create an activity.

        The person or lead it links to must exist: with a dead id Krayin fails and leaves an
        unlinked activity behind.
        """
        return self._one(endpoints.CREATE_ACTIVITY, Activity.from_json, draft)

    def update_person(self, person_id: int, update: PersonUpdate) -> Person:
        """Write a person whole.

        Where Krayin keeps the phones of a person who shall have none, what stands for "no phone" takes
        their place, so that somebody else can have them.
        """
        freed = update.model_copy(update={"contact_numbers": (no_number(person_id),)})
        if update.frees_phones and self.dialect.blank_is_null:
            return self._one(endpoints.UPDATE_PERSON, Person.from_json, freed, person_id)
        person = self._one(endpoints.UPDATE_PERSON, Person.from_json, update, person_id)
        if update.frees_phones and person.contact_numbers:
            self._learn(blank_is_null=True)
            return self._one(endpoints.UPDATE_PERSON, Person.from_json, freed, person_id)
        return person

    def update_lead(self, lead_id: int, update: LeadUpdate) -> Lead:
        """Change some fields of a lead; its products, owner and unnamed fields stay."""
        if update.clears_description and self.dialect.blank_is_null:
            return self._clear_description(lead_id, update)
        return self._one(endpoints.UPDATE_LEAD, Lead.from_json, update, lead_id)

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
            return self._one(endpoints.UPDATE_LEAD, Lead.from_json, kept, lead_id)
        whole = update.model_copy(
            update={
                "title": update.title or lead.title,
                "lead_pipeline_stage_id": update.lead_pipeline_stage_id or lead.stage_id,
            }
        )
        return self._one(endpoint, Lead.from_json, whole, lead_id)

    def update_organization(self, organization_id: int, update: OrganizationUpdate) -> Organization:
        """Change some fields of an organization."""
        return self._one(endpoints.UPDATE_ORGANIZATION, Organization.from_json, update, organization_id)

    def update_activity(self, activity_id: int, update: ActivityUpdate) -> Activity:
        """Change some fields of an activity."""
        return self._one(endpoints.UPDATE_ACTIVITY, Activity.from_json, update, activity_id)

    def mark_activities(self, ids: Iterable[int], done: bool) -> None:  # noqa: FBT001
        """Watermark activities done or not done, many in one call; Krayin skips missing ids."""
        for chunk in _chunks(sorted(set(ids)), IDS_PER_CALL):
            self.call(endpoints.MARK_ACTIVITIES, body={"indices": chunk, "value": int(done)})

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
        self, record: type[Listed], page: int, limit: int, sort: str = "id", order: str = "asc"
    ) -> Page[Listed]:
        """Return one page of a kind of record; pages count from 1, `sort` is a column. Leads: 4 ms a row.

        Activities are notes, calls and e-mails, without the many entries Krayin makes itself.
        """
        query = [*([_NOT_ITS_OWN] if record is Activity else []), *_paging(page, limit, sort, order)]
        return self._page(_LISTS[record], record.from_json, query)

    def by_ids(self, record: type[Listed], ids: Iterable[int]) -> list[Listed]:
        """Return the records of a kind with these ids, by id; missing ones are absent."""
        return [
            row
            for chunk in _chunks(sorted(set(ids)), IDS_PER_CALL)
            for row in self._all(_LISTS[record], record.from_json, [("id", _joined(chunk))])
        ]

    def leads_of_persons(self, person_ids: Iterable[int]) -> list[Lead]:
        """Return all leads of these persons, by id."""
        wanted = set(person_ids)
        found = [
            lead
            for chunk in _chunks(sorted(wanted), IDS_PER_CALL)
            for lead in self._all(endpoints.LEADS, Lead.from_json, [("person_id", _joined(chunk))])
            if lead.person_id in wanted
        ]
        return sorted(found, key=lambda lead: lead.id)

    def lookup_entities(
        self, entity_type: EntityType, ids: Iterable[int], *, chunk_size: int = ENTITIES_PER_CALL
    ) -> dict[int, RawEntity]:
        """Return records as stored (raw dates, owner, custom attributes); unknown ids are absent.

        This is the read to merge against; `chunk_size` ids are read in one call.
        """
        endpoint = endpoints.LOOKUP_ENTITY[entity_type]
        found: dict[int, RawEntity] = {}
        for chunk in _chunks(sorted(set(ids)), chunk_size):
            answer = self.call(endpoint, query=[("query[]", str(one)) for one in chunk])
            rows = answer if isinstance(answer, list) else [answer]
            entities = [_parsed(endpoint, RawEntity.from_json, row) for row in rows if row]
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
            answer = self.call(endpoints.PERSON_SEARCH, query=query)
            rows += _rows(endpoints.PERSON_SEARCH, Person.from_json, answer)
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
            answer = self.call(endpoints.PERSON_SEARCH, query=mysql_search())
            self._learn(takes_no_email=bool(_rows(endpoints.PERSON_SEARCH, Person.from_json, answer)))
        return self.dialect.takes_no_email

    def organizations_by_names(self, names: Sequence[str]) -> list[Organization]:
        """Return the organizations with one of these names (case, accents, outer blanks aside), by id."""
        cleaned = {fold_name(name): clean_text(name).strip() for name in names if name.strip()}
        found: dict[int, Organization] = {}
        for chunk in _chunks_of_values([name for name in cleaned.values() if "," not in name]):
            rows = self._all(endpoints.ORGANIZATIONS, Organization.from_json, [("name", ",".join(chunk))])
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

        None where this Krayin cannot be asked so (2.2 refuses the filter): look in what its lists showed.

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
            try:
                rows = self._all(endpoints.ACTIVITIES, Activity.from_json, [(column, ",".join(chunk))])
            except Rejected as refusal:
                if column not in refusal.fields:
                    raise
                self._learn(filters_by_json=False)
                return None
            found += [one for one in rows if str(one.additional.get(key)) in wanted]
        if wanted:
            self._learn(filters_by_json=True)
        return sorted(found, key=lambda activity: activity.id)

    def activities_titled(self, title: str) -> list[Activity]:
        """Return the newest notes, calls and e-mails of a title (no comma in it), case and accents aside."""
        query = [("title", title), _NOT_ITS_OWN, *_paging(1, ROWS_PER_PAGE, "id", "desc")]
        return list(self._page(endpoints.ACTIVITIES, Activity.from_json, query).rows)

    def activities_of(self, kind: str, crm_id: int) -> list[Activity]:
        """Return what is linked to a `person` or `lead`, by id, Krayin's own too; none for a missing one."""
        endpoint = endpoints.ACTIVITIES_OF[kind]
        answer = self.call(endpoint, record_id=crm_id)
        return sorted(_rows(endpoint, Activity.from_json, answer), key=lambda activity: activity.id)

    # What the methods above share.

    def _one(
        self,
        endpoint: Endpoint,
        parse: Callable[[Any], T],
        payload: Payload | None = None,
        record_id: int | None = None,
    ) -> T:
        body = None if payload is None else payload.to_body()
        try:
            answer = self.call(endpoint, record_id=record_id, body=body)
        except NotFound as missing:
            # Where no limiter shows who answered, it may have been something between us and Krayin.
            listed = _LIST_OF.get(endpoint) if self.dialect.is_limited is False else None
            if listed is not None and self._all(listed, Named.from_json, [("id", str(record_id))]):
                message = "Krayin says that the record does not exist and lists it: ask what stands before it"
                raise UnexpectedAnswer(message, **endpoint.where(missing.status)) from None
            raise
        return _parsed(endpoint, lambda value: parse(object_of(value, "answer").get("data")), answer)

    def _page(
        self,
        endpoint: Endpoint,
        parse: Callable[[Any], T],
        query: Sequence[tuple[str, str]],
    ) -> Page[T]:
        answer = self.call(endpoint, query=query)
        return _parsed(endpoint, lambda value: _page_of(value, parse), answer)

    def _all(
        self,
        endpoint: Endpoint,
        parse: Callable[[Any], T],
        filters: Sequence[tuple[str, str]] = (),
    ) -> list[T]:
        rows: list[T] = []
        page, last = 1, 1
        while page <= last:
            one = self._page(endpoint, parse, [*filters, *_paging(page, ROWS_PER_PAGE, "id", "asc")])
            rows += one.rows
            page, last = page + 1, one.last_page
        return rows

    def _delete(self, endpoint: Endpoint, record_id: int) -> bool:
        try:
            self.call(endpoint, record_id=record_id)
        except NotFound:
            return False
        return True

    def _organization_ids_like(self, name: str, wanted: Iterable[str]) -> list[int]:
        endpoint = endpoints.ORGANIZATION_LOOKUP
        answer = self.call(endpoint, query=[("query", lookup_query(name))])
        options = _rows(endpoint, Named.from_json, answer)
        return [one.id for one in options if fold_name(one.name) in set(wanted)]


_LISTS: Final[dict[type[Any], Endpoint]] = {
    Person: endpoints.PERSONS,
    Lead: endpoints.LEADS,
    Organization: endpoints.ORGANIZATIONS,
    Activity: endpoints.ACTIVITIES,
    Source: endpoints.SOURCES,
    LeadType: endpoints.LEAD_TYPES,
    Attribute: endpoints.ATTRIBUTES,
    User: endpoints.USERS,
    Workflow: endpoints.WORKFLOWS,
}
_NOT_ITS_OWN: Final = ("type", "note,call,email")
"""The filter that leaves out of activities what Krayin notes itself."""

_LIST_OF: Final = {
    endpoints.UPDATE_PERSON: endpoints.PERSONS,
    endpoints.UPDATE_LEAD: endpoints.LEADS,
    endpoints.REPLACE_LEAD: endpoints.LEADS,
    endpoints.UPDATE_ORGANIZATION: endpoints.ORGANIZATIONS,
    endpoints.UPDATE_ACTIVITY: endpoints.ACTIVITIES,
}
"""The list that shows a record which a route changes."""


def _parsed(endpoint: Endpoint, parse: Callable[[Any], T], value: Any) -> T:
    try:
        return parse(value)
    except ShapeError as error:
        message = f"the answer has another shape than Krayin gives: {error}"
        if endpoint.repeatable:
            raise UnreadableRecord(message, **endpoint.where(200)) from None
        raise OutcomeUnknown(message, **endpoint.where(200)) from None


def _rows(endpoint: Endpoint, parse: Callable[[Any], T], answer: Any) -> list[T]:
    def of(value: Any) -> list[T]:
        return [_row(parse, row) for row in list_of(object_of(value, "answer").get("data"), "data")]

    return _parsed(endpoint, of, answer)


def _row(parse: Callable[[Any], T], row: Any) -> T:
    try:
        return parse(row)
    except ShapeError as error:
        # Among hundreds of a page somebody must find it.
        number = row.get("id") if isinstance(row, dict) else None
        if not isinstance(number, int):
            raise
        message = f"record {number}: {error}"
        raise ShapeError(message) from None


def _page_of(value: Any, parse: Callable[[Any], T]) -> Page[T]:
    answer = object_of(value, "answer")
    rows = tuple(_row(parse, row) for row in list_of(answer.get("data"), "data"))
    return Page(rows, **asdict(Extent.from_json(answer.get("meta"))))


def _paging(page: int, limit: int, sort: str, order: str) -> list[tuple[str, str]]:
    return [("page", str(page)), ("limit", str(limit)), ("sort", sort), ("order", order)]


def _joined(ids: Iterable[int]) -> str:
    return ",".join(map(str, ids))


def _chunks(items: Sequence[T], size: int) -> Iterator[list[T]]:
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
