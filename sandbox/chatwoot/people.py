"""Sample contacts: the usual ones, and the odd ones every CRM integration trips over."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.chatwoot.name_lists import JOB_TITLES, Company, Locale, Pools, slug

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from sandbox.chatwoot.agents import Office
    from sandbox.chatwoot.phones import PhoneBook

MAIL_DOMAINS = ("example.com", "example.org", "example.net", "mail.test", "inbox.test")
VISITOR, LEAD = 0, 1


@dataclass(slots=True)
class Person:
    """One contact with its contact_inboxes; times are UTC."""

    id: int
    account_id: int
    created_at: datetime
    updated_at: datetime
    name: str = ""
    email: str | None = None
    phone: str | None = None
    identifier: str | None = None
    blocked: bool = False
    company_id: int | None = None
    additional: dict[str, Any] = field(default_factory=dict)
    custom: dict[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    """Channel types, the same one at most once."""
    last_activity_at: datetime | None = None

    @property
    def contact_type(self) -> int:
        """Chatwoot makes a lead of a visitor who can be reached."""
        social = any(key.startswith("social_") and value for key, value in self.additional.items())
        return LEAD if self.email or self.phone or social else VISITOR


CONTACT_COLUMNS = (
    "id", "account_id", "name", "email", "phone_number", "identifier", "contact_type", "blocked",
    "location", "country_code", "company_id", "additional_attributes", "custom_attributes",
    "last_activity_at", "created_at", "updated_at",
)  # fmt: skip
CONTACT_INBOX_COLUMNS = (
    "id", "contact_id", "inbox_id", "source_id", "pubsub_token", "created_at", "updated_at",
)  # fmt: skip


def contact_row(person: Person) -> tuple[Any, ...]:
    """Return the row of `person` in the order of `CONTACT_COLUMNS`."""
    return (
        person.id, person.account_id, person.name, person.email, person.phone, person.identifier,
        person.contact_type, person.blocked,
        # Chatwoot copies the country's name, not its code, into country_code.
        person.additional.get("city", ""), person.additional.get("country", ""), person.company_id,
        json.dumps(person.additional, ensure_ascii=False), json.dumps(person.custom, ensure_ascii=False),
        person.last_activity_at, person.created_at, person.updated_at,
    )  # fmt: skip


def source_id(channel: str, person: Person, random: Random) -> str:
    """Return the name of `person` on a channel of type `channel`, in the form that channel uses."""
    if channel == "Channel::Email" and person.email:
        return person.email
    if channel == "Channel::Whatsapp" and person.phone:
        return person.phone.removeprefix("+")
    if channel in {"Channel::Sms", "Channel::TwilioSms"} and person.phone:
        return person.phone
    if channel in {"Channel::FacebookPage", "Channel::Instagram", "Channel::Telegram"}:
        return str(1_000_000_000 + person.id)
    if channel == "Channel::Line":
        return f"U{random.getrandbits(128):032x}"
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


@dataclass(slots=True)
class Crowd:
    """Makes the contacts of one account, the odd ones first."""

    office: Office
    pools: Pools
    random: Random
    phones: PhoneBook
    company_ids: dict[str, int]
    """Ids in table companies by domain."""
    start: datetime
    end: datetime

    def person(self, number: int, contact_id: int) -> Person:
        """Make the contact at position `number` (from 0) of the account."""
        created = self.start + timedelta(
            microseconds=self.random.randrange(int((self.end - self.start) / timedelta(microseconds=1)))
        )
        person = Person(contact_id, self.office.account_id, created, created)
        if number < len(ODD_ONES):
            ODD_ONES[number](self, person)
        else:
            self._usual(person)
        person.channels = self._channels(person)
        return person

    def _usual(self, person: Person) -> None:
        random = self.random
        locale = self.pools.locale(random)
        kind = random.random()
        first, last = random.choice(locale.first_names), random.choice(locale.last_names)
        person.name = f"{first} {last}" if kind < 0.97 else first
        company = random.choice(locale.companies) if random.random() < 0.4 else None
        if kind < 0.78 or kind >= 0.97:
            self.give_email(person, first, last, company)
        if (kind < 0.45 or 0.78 <= kind < 0.92) or kind >= 0.97:
            person.phone = self.phones.next(locale.region)
        if 0.92 <= kind < 0.97:
            # An anonymous visitor of the website: Chatwoot names it by two random words.
            person.name = f"{random.choice(_ADJECTIVES)}-{random.choice(_NOUNS)}-{random.randrange(1000)}"
            company = None
        self.give_attributes(person, locale, company)
        person.blocked = random.random() < 0.01
        if random.random() < 0.25:
            person.labels = tuple(random.sample(sorted(self.office.tags), k=random.choice((1, 1, 2, 3))))
        if random.random() < 0.1:
            person.identifier = f"shop-{person.account_id}-{person.id}"

    def give_email(self, person: Person, first: str, last: str, company: Company | None) -> None:
        """Give `person` an e-mail no one else of the account has."""
        local = ".".join(part for part in (slug(first), slug(last)) if part) or "kontakt"
        domain = company.domain if company else self.random.choice(MAIL_DOMAINS)
        person.email = f"{local}.{person.id}@{domain}"

    def give_attributes(self, person: Person, locale: Locale, company: Company | None) -> None:
        """Give `person` the attributes that widget, agents and forms collect."""
        random = self.random
        if random.random() < 0.7:
            place = random.choice(locale.places)
            person.additional |= {
                "city": place.city,
                "country": locale.country,
                "country_code": locale.region,
            }
        if company:
            self._employ(person, locale, company)
        if random.random() < 0.15:
            person.additional["social_profiles"] = {"linkedin": slug(person.name), "twitter": ""}
        if random.random() < 0.3:
            person.custom["plan"] = random.choice(("free", "pro", "enterprise"))
        if random.random() < 0.2:
            person.custom["lead_value"] = random.choice((0, 250, 1999.99, "1,200", "n/a", 125000))
        if random.random() < 0.1:
            person.custom |= {"newsletter": random.random() < 0.5, "renewal_date": "2027-03-31"}

    def _employ(self, person: Person, locale: Locale, company: Company) -> None:
        random = self.random
        name = random.choices(
            (company.name, company.name.upper(), company.name.lower(), f"  {company.name} "), (90, 4, 4, 2)
        )[0]
        where = random.random()
        if where < 0.6:
            person.additional["company_name"] = name
            person.company_id = self.company_ids.get(company.domain)
        else:
            person.custom[
                "company" if where < 0.75 else "company_name" if where < 0.88 else "organization"
            ] = name
        if random.random() < 0.5:
            title = random.choice(JOB_TITLES)
            (person.custom if random.random() < 0.7 else person.additional)["job_title"] = title
        if random.random() < 0.3:
            place = random.choice(locale.places)
            person.custom |= {
                "company_address": place.street,
                "company_city": place.city,
                "company_state": place.state,
                "company_country": locale.country,
                "company_zipcode": place.postcode,
            }

    def _channels(self, person: Person) -> tuple[str, ...]:
        suited = {
            "Channel::WebWidget": 40, "Channel::Api": 8, "Channel::FacebookPage": 6,
            "Channel::Instagram": 5, "Channel::Telegram": 4, "Channel::Line": 3, "Channel::Tiktok": 1,
        }  # fmt: skip
        if person.email:
            suited["Channel::Email"] = 45
        if person.phone:
            suited |= {"Channel::Whatsapp": 45, "Channel::Sms": 5, "Channel::TwilioSms": 7}
        suited = {channel: weight for channel, weight in suited.items() if channel in self.office.inboxes}
        if person.phone and not person.email:
            first = "Channel::Whatsapp"
        else:
            first = self.random.choices(list(suited), list(suited.values()))[0]
        if self.random.random() < 0.8:
            return (first,)
        second = self.random.choices(list(suited), list(suited.values()))[0]
        return (first,) if second == first else (first, second)


_ADJECTIVES = ("quiet", "old", "bold", "wispy", "green", "late", "solitary", "crimson")
_NOUNS = ("river", "sun", "meadow", "forest", "thunder", "leaf", "sky", "pond")


def _complete(crowd: Crowd, person: Person) -> None:
    person.name, person.email = "Priya Sharma", "priya.sharma@globex.example.com"
    person.phone = crowd.phones.next("IN")
    person.labels = ("lead", "vip")
    person.additional = {
        "city": "Pune", "country": "India", "country_code": "IN", "company_name": "Globex Trading",
        "description": "Met at the fair.", "social_profiles": {"linkedin": "sample"},
    }  # fmt: skip
    person.custom = {
        "job_title": "Head of Operations", "plan": "pro", "lead_value": 12500.5, "newsletter": True,
        "company_address": "12 Sample Road", "company_city": "Pune", "company_state": "MH",
        "company_country": "India", "company_zipcode": "411001",
    }  # fmt: skip


def _only_email(_: Crowd, person: Person) -> None:
    person.name, person.email = "Olga Nowak", "olga.nowak@example.org"


def _only_phone(crowd: Crowd, person: Person) -> None:
    person.name, person.phone = "Marcos do Vale", crowd.phones.next("BR")


def _unreachable(_: Crowd, person: Person) -> None:
    person.name = "solitary-sun-511"


def _nameless(_: Crowd, person: Person) -> None:
    person.email = "no.name@example.net"


def _nameless_phone(crowd: Crowd, person: Person) -> None:
    person.phone = crowd.phones.next("US")


def _emoji(crowd: Crowd, person: Person) -> None:
    person.name, person.phone = "🦄 Lívia ✨💼", crowd.phones.next("BR")


def _right_to_left(_: Crowd, person: Person) -> None:
    person.name, person.email = "\u200fليلى الهاشمي", "laila@mail.test"
    person.additional = {"company_name": "شركة المثال", "city": "الرياض", "country": "Saudi Arabia"}


def _very_long(_: Crowd, person: Person) -> None:
    person.name = ("Maximiliane Theodora von und zu " * 12).strip()
    person.email = "maximiliane@example.com"
    person.additional = {"company_name": "Donaudampfschifffahrtsgesellschaft " * 10}


def _blocked(crowd: Crowd, person: Person) -> None:
    person.name, person.phone, person.blocked = "Sir Spamalot", crowd.phones.next("US"), True
    person.labels = ("spam",)


def _company_in_custom(_: Crowd, person: Person) -> None:
    person.name, person.email = "Ken Globex", "ken@globex.example.com"
    person.custom = {"company": "GLOBEX TRADING", "job_title": "CTO"}


def _company_by_other_key(_: Crowd, person: Person) -> None:
    person.name, person.email = "Lena Globex", "lena@globex.example.com"
    person.custom = {"organization": " globex trading"}
    person.additional = {"job_title": "Owner"}


def _markup(_: Crowd, person: Person) -> None:
    person.name, person.email = '<script>alert("x")</script> & Söhne', "markup@example.com"
    person.additional = {"company_name": "Bits & <Bytes> \"quoted\" 'Ltd'"}


def _strange_attributes(crowd: Crowd, person: Person) -> None:
    person.name, person.email = "Attila Sample", "attributes@example.com"
    person.custom = {
        "lead_value": "1e400", "plan": None, "job_title": ["CEO", "CFO"], "company": {"name": "Nested"},
        "empty": "", "unknown key\twith tab": crowd.office.account_id, "big": 10**30,
    }  # fmt: skip


def _by_identifier(_: Crowd, person: Person) -> None:
    person.name, person.identifier = "Shop Customer", f"shop-{person.account_id}-{person.id}"


def _whitespace_name(_: Crowd, person: Person) -> None:
    person.name, person.email = "   ", "blank@example.com"


ODD_ONES: tuple[Callable[[Crowd, Person], None], ...] = (
    _complete, _only_email, _only_phone, _unreachable, _nameless, _nameless_phone, _emoji, _right_to_left,
    _very_long, _blocked, _company_in_custom, _company_by_other_key, _markup, _strange_attributes,
    _by_identifier, _whitespace_name,
)  # fmt: skip
