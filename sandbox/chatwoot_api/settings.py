"""How the stand-in is set up."""

from __future__ import annotations

from dataclasses import dataclass, field

DEFAULT_TOKEN = "sandbox-access-token"
RACK_ATTACK_LIMIT = 3_000


@dataclass(slots=True)
class Settings:
    """Switches of one running server.

    Attributes:
        database_url: the Chatwoot database it answers from.
        token: the access token of the first administrator of account 1; tokens in the table
            access_tokens are taken as well.
        requests_per_minute: Chatwoot's limit by address. A real one spares 127.0.0.1, this one does not.
        retry_after: whether a throttled answer says how long to wait; Chatwoot's own does not.
        knows_updated_within: whether conversations can be asked for by change (3.6 and later).
        filters_by_contact: whether conversations can be filtered by contact (not in the first versions 4).
        conversations_per_page: its environment's CONVERSATION_RESULTS_PER_PAGE.
        version: what it says it is.
    """

    database_url: str = field(repr=False)
    token: str = field(default=DEFAULT_TOKEN, repr=False)
    requests_per_minute: int = RACK_ATTACK_LIMIT
    retry_after: bool = False
    knows_updated_within: bool = True
    filters_by_contact: bool = True
    conversations_per_page: int = 25
    version: str = "4.15.1"
