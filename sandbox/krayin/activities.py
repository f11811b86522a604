"""Activities: create, change, link, mail participants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.krayin import attributes, listing, massive, php, records, resources, validation
from sandbox.krayin.answers import Answer, redirect
from sandbox.krayin.clock import sql_datetime
from sandbox.krayin.errors import RecordNotFoundError, ServerError, type_error
from sandbox.krayin.records import ACTIVITY, Record
from sandbox.krayin.requests import Upload

if TYPE_CHECKING:
    from sandbox.krayin.requests import Call
    from sandbox.krayin.server import Krayin
    from sandbox.krayin.tables import Row

CREATED = "activity.create.after"
UPDATED = "activity.update.after"
RULES: validation.Rules = {
    "type": ["required"],
    "comment": ["required_if:type,note"],
    "schedule_from": ["required_unless:type,note,file"],
    "schedule_to": ["required_unless:type,note,file"],
    "file": ["required_if:type,file"],
}


def index(krayin: Krayin, call: Call) -> Any:
    """List activities, system entries included."""
    return listing.listed(
        krayin, call, "activities", lambda row: resources.activity(krayin, Record(ACTIVITY, row))
    )


def show(krayin: Krayin, call: Call) -> Any:
    """Show an activity."""
    record = records.find_or_fail(krayin, ACTIVITY, massive.typed_id(call))
    return {"data": resources.activity(krayin, record)}


def of_record(krayin: Krayin, pivot: str, column: str, key: str) -> Any:
    """List the activities joined to a record, newest first; an unknown record has none."""
    rows = krayin.database[pivot].found(column, records.row_key(key) or 0)
    ids = sorted({row["activity_id"] for row in rows}, reverse=True)
    found = [krayin.database["activities"].rows[number] for number in ids]
    return {"data": [resources.activity(krayin, Record(ACTIVITY, row)) for row in found]}


def store(krayin: Krayin, call: Call) -> Any:
    """Create an activity; errors after the insert leave it behind, unlinked."""
    data = call.all
    validation.validate(krayin.clock, data, RULES)
    if data["type"] == "meeting" and _overlaps(krayin, data):
        if call.ajax:
            return Answer(400, {"message": "Participants have another meeting at this time."})
        return redirect(call.headers.get("referer") or call.host)
    record = records.create(
        krayin,
        ACTIVITY,
        {**data, "is_done": 1 if data["type"] == "note" else 0, "user_id": call.user_id},
    )
    if data.get("file") is not None:
        _attach_file(krayin, data, record.id)
    if data.get("participants") is not None:
        _add_participants(krayin, record.id, data["participants"])
    _after(krayin, call, CREATED, record.id)
    fresh = records.find_or_fail(krayin, ACTIVITY, record.id)
    return {"data": resources.activity(krayin, fresh), "message": "Activity created successfully."}


def _attach_file(krayin: Krayin, data: dict[str, Any], activity_id: int) -> None:
    upload = data["file"]
    if not isinstance(upload, Upload):
        message = "Call to a member function getClientOriginalName() on string"
        raise ServerError(message, "Error", caught=False)
    now = krayin.clock.now_text()
    krayin.database["activity_files"].insert(
        {
            "name": data["name"] if data.get("name") is not None else upload.name,
            "path": attributes.keep(krayin, upload, f"activities/{activity_id}"),
            "activity_id": activity_id,
            "created_at": now,
            "updated_at": now,
        }
    )


def _add_participants(krayin: Krayin, activity_id: int, participants: Any) -> None:
    """Add users, then persons; a list instead of an object adds nobody."""
    table = krayin.database["activity_participants"]
    for group, column in (("users", "user_id"), ("persons", "person_id")):
        chosen = php.dig(participants, group)
        for _, number in php.items_of([] if chosen is None else chosen):
            table.insert({"activity_id": activity_id, column: number})


def _overlaps(krayin: Krayin, data: dict[str, Any]) -> bool:
    """Say whether another scheduled activity lies in the time of a meeting.

    Without participants every activity counts, with participants only those of the same ones. Where the
    conditions on its beginning are joined by OR, any activity lies in the time of any meeting.
    """
    later = any if krayin.version.any_meeting_meets else all
    start, end = (_comparable(data[name]) for name in ("schedule_from", "schedule_to"))
    if start is None or end is None:
        return False
    chosen = data.get("participants")
    own = records.row_key(data["id"]) if data.get("id") is not None else None
    for row in krayin.database["activities"]:
        begins, ends = row["schedule_from"], row["schedule_to"]
        if begins is None or ends is None or row["id"] == own:
            continue
        meets = begins <= start <= ends or later((start <= begins, begins <= end))
        if meets and (chosen is None or _shares(krayin, row, chosen)):
            return True
    return False


def _comparable(value: Any) -> str | None:
    if php.is_array(value):
        message = "Illegal operator and value combination."
        raise ServerError(message, "InvalidArgumentException")
    return sql_datetime(value)


def _shares(krayin: Krayin, row: Row, chosen: Any) -> bool:
    users, persons = (
        {records.row_key(number) for _, number in php.items_of(php.dig(chosen, group) or [])}
        for group in ("users", "persons")
    )
    if php.dig(chosen, "users") is None and php.dig(chosen, "persons") is None:
        return True
    return any(
        (participant["user_id"] is not None and participant["user_id"] in users)
        or (participant["person_id"] is not None and participant["person_id"] in persons)
        for participant in krayin.database["activity_participants"].found("activity_id", row["id"])
    )


def _after(krayin: Krayin, call: Call, event: str, activity_id: int) -> None:
    """Link the activity to what the request names, then run the workflows that mail participants."""
    _link(krayin, call, activity_id)
    _run_workflows(krayin, event, activity_id)


def _link(krayin: Krayin, call: Call, activity_id: int) -> None:
    for name, pivot in (("lead_id", "lead_activities"), ("person_id", "person_activities")):
        wanted = call.input(name)
        if php.truthy(wanted):
            _join(krayin, pivot, name, wanted, activity_id)
            return


def _join(krayin: Krayin, pivot: str, column: str, wanted: Any, activity_id: int) -> None:
    entity = records.LEAD if column == "lead_id" else records.PERSON
    record = records.find(krayin, entity, wanted)
    if record is None:
        message = 'Attempt to read property "activities" on null'
        raise ServerError(message)
    table = krayin.database[pivot]
    if all(row["activity_id"] != activity_id for row in table.found(column, record.id)):
        table.insert({"activity_id": activity_id, column: record.id})


def _run_workflows(krayin: Krayin, event: str, activity_id: int) -> None:
    row = krayin.database["activities"].get(activity_id)
    if row is None:
        return
    for workflow in krayin.database["workflows"]:
        if workflow["event"] != event or workflow["entity_type"] != "activities":
            continue
        conditions = php.decode_json(workflow["conditions"] or "[]")[1]
        actions = php.decode_json(workflow["actions"] or "[]")[1]
        if _holds(row, conditions) and any(
            php.dig(action, "id") == "send_email_to_participants" for _, action in php.items_of(actions)
        ):
            _mail(krayin, event, row)


def _holds(row: Row, conditions: Any) -> bool:
    return all(
        row.get(str(php.dig(condition, "attribute"))) in (php.dig(condition, "value") or [])
        for _, condition in php.items_of(conditions)
    )


def _mail(krayin: Krayin, event: str, row: Row) -> None:
    for participant in krayin.database["activity_participants"].found("activity_id", row["id"]):
        if participant["user_id"] is not None:
            addresses = [krayin.database["users"].rows[participant["user_id"]]["email"]]
        else:
            person = krayin.database["persons"].rows[participant["person_id"]]
            emails = php.decode_json(person["emails"])[1]
            addresses = [php.dig(email, "value") for email in emails] if isinstance(emails, list) else []
        krayin.mails.extend(
            {"to": address, "subject": row["title"], "activity_id": row["id"], "event": event}
            for address in addresses
        )


def update(krayin: Krayin, call: Call) -> Any:
    """Change what is sent of an activity; participants present replace all."""
    data = call.all
    record = records.find_or_fail(krayin, ACTIVITY, call.params["id"])
    records.update(krayin, record, data)
    if "participants" in data:
        _replace_participants(krayin, record.id, data["participants"])
    lead_id = data.get("lead_id")
    if php.truthy(lead_id):
        _join(krayin, "lead_activities", "lead_id", lead_id, record.id)
    _after(krayin, call, UPDATED, record.id)
    return {"data": resources.activity(krayin, record), "message": "Activity updated successfully."}


def _replace_participants(krayin: Krayin, activity_id: int, participants: Any) -> None:
    table = krayin.database["activity_participants"]
    for row in table.found("activity_id", activity_id):
        table.delete(row["id"])
    _add_participants(krayin, activity_id, participants)


def download(krayin: Krayin, call: Call) -> Any:
    """Send an uploaded file."""
    file = krayin.database["activity_files"].get(records.row_key(call.params.get("id")))
    if file is None:
        model = "Webkul\\Activity\\Models\\File"
        raise RecordNotFoundError(model, call.params.get("id"))
    return stored_file(krayin, file["path"])


def stored_file(krayin: Krayin, path: Any) -> Answer:
    """Send a file of the storage.

    Raises:
        ServerError: there is none at the path.
    """
    content = krayin.files.get(path) if isinstance(path, str) else None
    if content is None:
        message = "Unable to retrieve the file_size for file"
        raise ServerError(message, "League\\Flysystem\\UnableToRetrieveMetadata")
    name = path.rpartition("/")[2]
    kind = "text/plain; charset=UTF-8" if name.endswith(".txt") else "application/octet-stream"
    return Answer(200, content, kind, {"Content-Disposition": f"attachment; filename={name}"})


def destroy(krayin: Krayin, call: Call) -> Any:
    """Delete an activity."""
    record = records.find_or_fail(krayin, ACTIVITY, call.params["id"])
    krayin.database["activities"].delete(record.id)
    return {"message": "Activity deleted successfully."}


def mass_update(krayin: Krayin, call: Call) -> Any:
    """Set is_done of activities by id; participants are mailed."""
    for record in massive.present(krayin, call, ACTIVITY, massive.UPDATE):
        value = call.input("value")
        if php.is_array(value):
            message = "is_done cannot be an array"
            raise type_error(message)
        records.update(krayin, record, {"is_done": value})
        _after(krayin, call, UPDATED, record.id)
    return {"message": "Activities updated successfully."}


def mass_destroy(krayin: Krayin, call: Call) -> Any:
    """Delete activities by id, skipping missing ones."""
    for record in massive.present(krayin, call, ACTIVITY):
        krayin.database["activities"].delete(record.id)
    return {"message": "Activity deleted successfully."}
