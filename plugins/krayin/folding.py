"""When two names, addresses or numbers are the same to Krayin or to us."""

from __future__ import annotations

import unicodedata


def fold_name(name: str) -> str:
    """Return the form in which Krayin's database compares names: no case, accents or outer blanks.

    Its collation (utf8mb4_unicode_ci) takes "Müller GmbH" and "Muller gmbh " for one organization.
    """
    decomposed = unicodedata.normalize("NFKD", name.strip().casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def fold_email(address: str) -> str:
    """Return the form in which two e-mail addresses of one mailbox are equal; Krayin itself heeds case."""
    return address.strip().casefold()
