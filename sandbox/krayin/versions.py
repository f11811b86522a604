"""What differs between the Krayins the stand-in can be: by release, by exception handler, by database.

The modules ask for a behaviour (``krayin.version.blank_is_null``), never for a number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

VersionName = Literal["2.1", "2.2"]
VERSIONS: tuple[str, ...] = get_args(VersionName)
DatabaseName = Literal["mariadb", "mysql"]
DATABASES: tuple[str, ...] = get_args(DatabaseName)
HandlerName = Literal["shipped", "rest-api"]
HANDLERS: tuple[str, ...] = get_args(HandlerName)

# Types of attributes that Krayin 2.2's API accepts.
ATTRIBUTE_TYPES = (
    "text,textarea,price,boolean,select,multiselect,datetime,date,lookup,image,file,checkbox,address,"
    "email,phone"
)


@dataclass(frozen=True, eq=False)
class Version:
    """One release of Krayin with its REST API; the defaults are Krayin 2.1.5 with rest-api 2.1.1.

    Attributes:
        usual_limit: calls a minute of an installation with a raised limit; None has no limiter at all.
        trimmed: characters beside white space that are cut off both ends of every text, as ranges of a
            regular expression.
        blank_is_null: "" in a request is null, wherever it stands.
        strict_list_keys: a list refuses (422) keys that are no columns; array values stay an error 500.
        missing_is_404: showing a record that is not there is 404, not 500.
        phones_optional: a person's phones may be absent or blank; then they stay as they were.
        stage_optional: a lead written without a stage goes to the default pipeline's first.
        close_date_checked: a lead's close date must be Y-m-d and not past.
        attribute_types: what an attribute's type must be one of; None takes anything.
        tags_checked: tagging needs the id of a tag that exists, and a record that exists.
        detached: what taking a tag off a person says.
        users_by_view: users without a global view see only themselves among the users.
        stages_ordered: stages show their sort_order and lead_pipeline_id.
        links_numbered: the links of a list say their page.
        workflow_events_shown: a workflow shows its event; else its entity type stands there.
        html: Content-Type of pages.
        any_meeting_meets: a meeting overlaps with whatever is scheduled (Laravel 12 joins the
            conditions of an orWhere by OR).
        numeric_attribute_ids: showing an attribute takes digits only, so that /download is reached.
        texts: what the shipped exception handler says, by status.
        reseeded: id of a seeded attribute -> what a new installation holds otherwise.
    """

    usual_limit: int | None = 100_000
    trimmed: str = "\ufeff\u200b\u200e"
    blank_is_null: bool = False
    strict_list_keys: bool = False
    missing_is_404: bool = False
    phones_optional: bool = False
    stage_optional: bool = False
    close_date_checked: bool = True
    attribute_types: str | None = None
    tags_checked: bool = False
    detached: str = "rest-api::app.contacts.persons.view.tags.destroy-success"
    users_by_view: bool = False
    stages_ordered: bool = False
    links_numbered: bool = False
    workflow_events_shown: bool = True
    html: str = "text/html; charset=UTF-8"
    any_meeting_meets: bool = False
    numeric_attribute_ids: bool = False
    texts: dict[int, str] = field(
        default_factory=lambda: {
            401: "admin::app.common.unauthenticated",
            404: "admin::app.common.resource-not-found",
            500: "admin::app.common.internal-server-error",
        }
    )
    reseeded: dict[int, dict[str, Any]] = field(default_factory=dict)


def _reseeded() -> dict[int, dict[str, Any]]:
    """Return how the attributes of a new Krayin 2.2 differ from those of 2.1 (ids of 2.1)."""
    changed: dict[int, dict[str, Any]] = {number: {"id": number + 18} for number in range(1, 10)}
    for number in (*range(3, 10), 31, 32, 33, *range(46, 52), 60):
        changed[number] = {**changed.get(number, {}), "quick_add": 0}
    changed[3] |= {"name": "Estimated Lead Value", "is_required": 0}
    return changed


RELEASES = {
    "2.1": Version(),
    "2.2": Version(
        usual_limit=None,
        # Laravel 12's Str::trim.
        trimmed=(
            "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u2000-\u200f\u202f\u205f-\u2065\u206a-\u206f"
            "\u2800\u3000\u3164\ufeff\uffa0\U0001d159\U0001d173-\U0001d17a\U000e0020"
        ),
        blank_is_null=True,
        strict_list_keys=True,
        missing_is_404=True,
        phones_optional=True,
        stage_optional=True,
        close_date_checked=False,
        attribute_types=ATTRIBUTE_TYPES,
        tags_checked=True,
        detached="Tag detached successfully.",
        users_by_view=True,
        stages_ordered=True,
        links_numbered=True,
        workflow_events_shown=False,
        html="text/html; charset=utf-8",
        any_meeting_meets=True,
        numeric_attribute_ids=True,
        texts={
            401: "401 Unauthorized",
            404: "404 Page Not Found",
            500: "500 Internal Server Error",
        },
        reseeded=_reseeded(),
    ),
}


@dataclass(frozen=True, slots=True)
class Storage:
    """What a database makes of JSON; Krayin runs on both alike otherwise.

    Attributes:
        product: how its own error messages call it.
        json_is_text: a JSON column is the text PHP wrote, compared and searched byte by byte, so that an
            escaped letter is not the letter; else it is a value that the database writes in its own form.
        missing_is_json_null: a JSON column that must not be NULL and gets no value holds the JSON null;
            else its check refuses the row.
        values_in_index_order: attribute values are read along the index by attribute, not by id.
    """

    product: str
    json_is_text: bool
    missing_is_json_null: bool
    values_in_index_order: bool


STORAGES = {
    "mariadb": Storage("MariaDB", json_is_text=True, missing_is_json_null=False, values_in_index_order=False),
    "mysql": Storage("MySQL", json_is_text=False, missing_is_json_null=True, values_in_index_order=True),
}
