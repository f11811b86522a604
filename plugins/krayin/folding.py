"""When two names, addresses or numbers are the same to Krayin or to us."""

from __future__ import annotations

import unicodedata

# Joiners, marks of direction and control characters; beside them what selects the look of another one.
_UNSEEN = frozenset({"Cf", "Cc"})
_SELECTORS = frozenset({"\u034f", *map(chr, range(0xFE00, 0xFE10))})
# It silences a vowel of Indic scripts and makes another word.
_VIRAMA = 9
_LAST_OF_THE_BASIC_PLANE = "\uffff"
_ANY_OTHER = "\N{REPLACEMENT CHARACTER}"


def fold_name(name: str) -> str:
    """Return the form in which Krayin's database compares names: no case, accents or outer blanks.

    Its collation (utf8mb4_unicode_ci) takes "Müller GmbH" and "Muller gmbh " for one organization, and
    all characters beyond the basic plane, emoji above all, for one and the same.
    """
    decomposed = unicodedata.normalize("NFKD", name.strip().casefold())
    if decomposed.isascii() and decomposed.isprintable():
        return decomposed
    return "".join(
        character if character <= _LAST_OF_THE_BASIC_PLANE else _ANY_OTHER
        for character in decomposed
        if not _is_weightless(character)
    )


def _is_weightless(character: str) -> bool:
    if unicodedata.combining(character) not in {0, _VIRAMA} or character in _SELECTORS:
        return True
    return unicodedata.category(character) in _UNSEEN and not character.isspace()


def fold_email(address: str) -> str:
    """Return the form in which two e-mail addresses of one mailbox are equal; Krayin itself heeds case.

    Only case is folded: "straße.example" and "strasse.example" are two domains.
    """
    return address.strip().lower()
