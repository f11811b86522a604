"""No request of any shape makes the stand-in itself fail."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.krayin import requests
from sandbox.krayin.application import Application
from sandbox.krayin.routing import routes
from sandbox.krayin.settings import Settings
from sandbox.krayin.versions import DATABASES, HANDLERS, RELEASES, VERSIONS

KEYS = [
    "id",
    "name",
    "emails",
    "contact_numbers",
    "job_title",
    "user_id",
    "organization_id",
    "organization_name",
    "entity_type",
    "quick_add",
    "title",
    "description",
    "lead_value",
    "lead_source_id",
    "lead_type_id",
    "lead_pipeline_id",
    "lead_pipeline_stage_id",
    "person",
    "person_id",
    "lead_id",
    "expected_close_date",
    "closed_at",
    "status",
    "lost_reason",
    "products",
    "type",
    "comment",
    "additional",
    "schedule_from",
    "schedule_to",
    "is_done",
    "participants",
    "file",
    "indices",
    "value",
    "tag_id",
    "code",
    "is_required",
    "is_unique",
    "validation",
    "options",
    "stages",
    "rotten_days",
    "is_default",
    "address",
    "sku",
    "quantity",
    "price",
    "email",
    "password",
    "device_name",
    "role_id",
    "view_permission",
    "limit",
    "page",
    "sort",
    "order",
    "pagination",
    "search",
    "searchFields",
    "searchJoin",
    "orderBy",
    "sortedBy",
    "filter",
    "with",
    "query",
    "emails->[0]->value",
    "additional->id",
    "emails->[*]",
    "attribute_values.text_value",
    "custom",
    "flags",
    "groups",
    "permission_type",
]
TEXTS = st.sampled_from(
    [
        "",
        "0",
        "1",
        "2",
        "-1",
        "99",
        "abc",
        "1abc",
        "x@example.com",
        "work",
        "note",
        "call",
        "meeting",
        "file",
        "won",
        "2130-01-31",
        "2026-05-05 10:00:00",
        "9999-99-99",
        "garbage",
        "name:like",
        "id:in",
        "emails:like;name:=",
        "a:b;c",
        "person.name:like",
        "asc",
        "desc",
        "text",
        "integer",
        "select",
        "address",
        "date",
        '{"a":1}',
        "[]",
        "\u00fc",
        "😀",
        "%",
        "_\\",
        "1e400",
        "-",
        "organization.user.name:=",
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-2, 9)
    | st.floats()
    | TEXTS
    | st.text(max_size=12)
)
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "value": SCALARS,
        "label": SCALARS,
        "product_id": SCALARS,
        "price": SCALARS,
        "quantity": SCALARS,
        "code": SCALARS,
        "name": SCALARS,
    },
)
VALUES = st.recursive(
    SCALARS | ROWS | st.lists(ROWS, max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*KEYS, "0", "1", "product_0", "stage_1", "persons", "users"]), inner, max_size=4
        )
    ),
    max_leaves=6,
)
BODIES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=9)
QUERIES = st.lists(
    st.tuples(st.sampled_from([*KEYS, "query[]", "id[]", "a[b][c]", "[", "x[", "x]"]), TEXTS), max_size=4
)
INSTALLATIONS = st.fixed_dictionaries(
    {
        "instance": st.sampled_from(["unlimited", "unlimited-debug"]),
        "version": st.sampled_from(VERSIONS),
        "handler": st.sampled_from(HANDLERS),
        "database": st.sampled_from(DATABASES),
    }
)
IDS = st.sampled_from(
    [
        "1",
        "2",
        "3",
        "99",
        "abc",
        "1abc",
        "0",
        "-1",
        "99999999999999999999",
        "persons",
        "leads",
        "users",
        "x y",
        "é",
    ]
)
HEADERS = {
    "accept": "application/json",
    "content-type": "application/json",
    "authorization": "Bearer 1|sandbox",
    "host": "h",
}

PERSON = {
    "name": "P",
    "emails": [{"value": "p@example.com", "label": "work"}],
    "contact_numbers": [{"value": "1", "label": "work"}],
}


def asked(application, method, path, query, body, headers=HEADERS):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    arrival = requests.Arrival(method, path, "http://h", headers, query, content)
    call = requests.read(arrival, application.krayin.version)
    answer = application.kernel.handle(call)
    if not isinstance(answer.body, bytes):
        json.dumps(answer.body)
    return answer


def filled(installation):
    application = Application(Settings(**installation))
    for kind, code in (
        ("text", "custom"),
        ("multiselect", "flags"),
        ("datetime", "closed_at"),
        ("boolean", "status"),
    ):
        for entity in ("persons", "leads"):
            asked(
                application,
                "POST",
                "/api/v1/settings/attributes",
                "",
                {"code": code, "name": code, "type": kind, "entity_type": entity, "is_unique": 1},
            )
    asked(application, "POST", "/api/v1/contacts/persons", "", PERSON)
    asked(application, "POST", "/api/v1/products", "", {"name": "P", "sku": "S", "price": 1, "quantity": 1})
    lead = {
        "title": "L",
        "lead_pipeline_stage_id": 1,
        "person": {"id": 1},
        "products": [{"product_id": 1, "name": "P", "price": 1, "quantity": 1}],
    }
    asked(application, "POST", "/api/v1/leads", "", lead)
    asked(
        application,
        "POST",
        "/api/v1/activities",
        "",
        {"type": "note", "comment": "c", "person_id": 1, "additional": '{"id": 1}'},
    )
    assert len(application.krayin.database["leads"].rows) == 1
    return application


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(routes(RELEASES["2.1"])), IDS, QUERIES, BODIES), min_size=1, max_size=8
    ),
    installation=INSTALLATIONS,
)
def test_no_call_crashes_it(steps, installation):
    application = filled(installation)
    for route, key, query, body in steps:
        path = "/" + route.template
        for name in ("{id:n}", "{id}", "{id?}", "{lookup?}", "{pipeline_id?}"):
            path = path.replace(name, key)
        answer = asked(
            application, route.method, path, "&".join(f"{name}={value}" for name, value in query), body
        )
        assert application.kernel.crashes == []
        assert answer.status in {200, 302, 400, 401, 404, 405, 422, 429, 500}


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    version=st.sampled_from(VERSIONS),
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "X"]),
    path=st.text(max_size=30).map(lambda text: "/api/v1/" + text)
    | st.sampled_from(["/", "/api", "/api/user", "/admin/login"]),
    query=st.text(max_size=30),
    content=st.binary(max_size=60),
    kind=st.sampled_from(
        [
            "application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=B",
            "multipart/form-data",
            "text/plain",
            "",
        ]
    ),
)
def test_no_noise_crashes_it(version, method, path, query, content, kind):
    application = Application(Settings(version=version))
    asked(application, method, path, query, content, {**HEADERS, "content-type": kind})
    asked(application, method, "/api/v1/contacts/persons", query, content, {**HEADERS, "content-type": kind})
    assert application.kernel.crashes == []
