"""Makes the options of choices that the settings name and Krayin lacks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from krayin.endpoints import ENTITY_TYPES
from krayin.text import fold_name

from reconciliation.model.field_values import OPTION_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from krayin.catalogue import Attribute, Catalogue
    from krayin.client import KrayinClient

    from reconciliation.crm.reads import CurrentAttributes
    from reconciliation.settings.sync_settings import SyncSettings

log = logging.getLogger(__name__)


def make_options(settings: SyncSettings, client: KrayinClient, attributes: CurrentAttributes) -> Catalogue:
    """Make what is missing of the options that the settings name; return the catalogue with them.

    No call where nothing is missing. What Krayin does not show afterwards is not taken for made.

    Raises:
        KrayinError: a call failed.
    """
    if any(_missing(settings, attributes.catalogue)):
        attributes.expire()
        attributes.refresh()
        for attribute, names in _missing(settings, attributes.catalogue):
            log.info("Making %d options of %s in Krayin", len(names), attribute.code)
            client.add_options(attribute, names)
        attributes.expire()
        attributes.refresh()
        for attribute, names in _missing(settings, attributes.catalogue):
            log.warning("Krayin did not make %d options of %s: add them there", len(names), attribute.code)
    return attributes.catalogue


def _missing(settings: SyncSettings, catalogue: Catalogue) -> Iterator[tuple[Attribute, list[str]]]:
    for kind, fields in settings.filled.items():
        for code, one in fields.items():
            attribute = catalogue.attribute(ENTITY_TYPES[kind], code)
            if one.options is None or attribute is None or attribute.type not in OPTION_TYPES:
                continue
            there = {fold_name(option.name) for option in attribute.options}
            # Of two spellings of one name the first is made.
            wanted: dict[str, str] = {}
            for name in one.options:
                wanted.setdefault(fold_name(name), name)
            names = [name for folded, name in wanted.items() if folded not in there]
            if names:
                yield attribute, names
