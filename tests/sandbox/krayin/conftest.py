"""A stand-in for each test process, emptied before each test."""

from __future__ import annotations

import pytest

from sandbox.krayin.testing import running_krayin


@pytest.fixture(scope="session")
def server():
    with running_krayin() as running:
        yield running


@pytest.fixture
def krayin(server):
    server.configure(
        version="2.1",
        handler="shipped",
        database="mariadb",
        timezone="Asia/Kolkata",
        requests_per_minute=None,
        latency_ms=0,
        persons_email_required=True,
        races=0,
    )
    server.reset(instance="unlimited")
    yield server
    assert server.health()["crashes"] == []


@pytest.fixture
def api(krayin):
    with krayin.client() as client:
        yield client


@pytest.fixture
def add_person(api):
    """Create a person; keyword arguments replace or add fields."""

    def add(number: int = 1, **fields):
        body = {
            "name": f"Person {number}",
            "emails": [{"value": f"p{number}@example.com", "label": "work"}],
            "contact_numbers": [{"value": f"+100{number}", "label": "work"}],
            "user_id": 1,
            **fields,
        }
        answer = api.post("/api/v1/contacts/persons", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    return add


@pytest.fixture
def add_lead(api):
    """Create a lead; keyword arguments replace or add fields."""

    def add(**fields):
        body = {
            "title": "Lead",
            "lead_value": 100,
            "lead_source_id": 1,
            "lead_type_id": 1,
            "lead_pipeline_stage_id": 1,
            "user_id": 1,
            **fields,
        }
        answer = api.post("/api/v1/leads", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    return add
