"""Pools of names, companies and places, drawn from Faker once and not again for every row."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faker import Faker

if TYPE_CHECKING:
    from random import Random

# Locale, ISO 3166 region, English country name as Chatwoot's country list has it, weight.
_LOCALES = (
    ("en_US", "US", "United States", 30),
    ("pt_BR", "BR", "Brazil", 14),
    ("de_DE", "DE", "Germany", 10),
    ("es_MX", "MX", "Mexico", 10),
    ("hi_IN", "IN", "India", 8),
    ("id_ID", "ID", "Indonesia", 6),
    ("tr_TR", "TR", "Turkey", 5),
    ("it_IT", "IT", "Italy", 5),
    ("pl_PL", "PL", "Poland", 4),
    ("sv_SE", "SE", "Sweden", 3),
    ("ar_SA", "SA", "Saudi Arabia", 3),
    ("he_IL", "IL", "Israel", 2),
)
_NAMES = 150
JOB_TITLES = (
    "Account Manager", "CEO", "CTO", "Head of Operations", "Procurement Lead", "Office Manager",
    "Geschäftsführerin", "Diretor Comercial", "Jefa de Compras", "Software Engineer", "Receptionist",
    "VP Sales & Marketing", "Owner",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """A city with its street addresses."""

    city: str
    state: str
    postcode: str
    street: str


@dataclass(frozen=True, slots=True)
class Company:
    """A company of the pool; `domain` lies below a domain reserved for examples."""

    name: str
    domain: str


@dataclass(frozen=True, slots=True)
class Locale:
    """What people of one locale are called and where they live."""

    region: str
    country: str
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    places: tuple[Place, ...]
    companies: tuple[Company, ...]


@dataclass(frozen=True, slots=True)
class Pools:
    """All locales with their weights, and sentences that customers write."""

    locales: tuple[Locale, ...]
    weights: tuple[int, ...]
    sentences: tuple[str, ...]

    def locale(self, random: Random) -> Locale:
        """Draw a locale."""
        return random.choices(self.locales, self.weights)[0]

    @property
    def companies(self) -> tuple[Company, ...]:
        """The companies of all locales, in a fixed order."""
        return tuple(company for locale in self.locales for company in locale.companies)


def make_pools(seed: int, companies: int) -> Pools:
    """Draw the pools that belong to `seed`, with about `companies` companies in all."""
    total = sum(weight for *_, weight in _LOCALES)
    locales = tuple(
        _locale(code, region, country, seed, max(2, companies * weight // total))
        for code, region, country, weight in _LOCALES
    )
    faker = _faker("en_US", seed)
    sentences = tuple(faker.sentence(nb_words=9) for _ in range(40)) + SENTENCES
    return Pools(locales, tuple(weight for *_, weight in _LOCALES), sentences)


def slug(text: str) -> str:
    """Return `text` in ASCII letters and digits joined by dashes, or "" where nothing is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def _faker(code: str, seed: int) -> Faker:
    faker = Faker(code)
    faker.seed_instance(seed)
    return faker


def _locale(code: str, region: str, country: str, seed: int, companies: int) -> Locale:
    faker = _faker(code, seed)
    return Locale(
        region,
        country,
        tuple(faker.first_name() for _ in range(_NAMES)),
        tuple(faker.last_name() for _ in range(_NAMES)),
        tuple(
            Place(faker.city(), _state(faker), faker.postcode(), faker.street_address()) for _ in range(40)
        ),
        tuple(_company(_company_name(faker, code), region, number) for number in range(companies)),
    )


def _state(faker: Faker) -> str:
    for provider in ("state", "administrative_unit", "region"):
        if hasattr(faker, provider):
            return str(getattr(faker, provider)())
    return ""


def _company_name(faker: Faker, code: str) -> str:
    # Faker's Turkish companies are real ones.
    return f"{faker.last_name()} {faker.last_name()} Ltd. Şti." if code == "tr_TR" else faker.company()


def _company(name: str, region: str, number: int) -> Company:
    # The number keeps two companies that Faker names alike on two domains.
    return Company(name, f"{slug(name) or 'company'}-{region.lower()}{number}.example.com")


SENTENCES = (
    "Hello, is anyone there?",
    "Hi! I'd like a quote for 25 seats please 🙏",
    "Our invoice from last month shows the wrong VAT number.",
    "Bom dia! Gostaria de saber o prazo de entrega.",
    "Guten Tag, wann können Sie liefern?",
    "¿Tienen soporte los fines de semana?",
    "مرحبا، هل يمكنكم المساعدة؟",
    "שלום, אפשר לקבל הצעת מחיר?",
    "Perfect, thank you so much!",
    "The app shows <b>error 500</b> & a blank page since this morning.",
    "Line one\nLine two\n\nLine four after an empty line",
    "👍",
)
