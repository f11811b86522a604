-- Purpose: what people decided stands in the ledger, with who and when, and can be taken back.
SET LOCAL search_path = krayin_sync;

-- answer: this       the contact is the person crm_id in Krayin
--         new        it is none of the candidates: it gets a person of its own
--         leave_out  it is not brought over
--         replay     it is tried again as it is
--         accept     the difference may stay
CREATE TABLE decision (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sync_name    text NOT NULL,
    scope_id     integer NOT NULL REFERENCES scope,
    answer       text NOT NULL CHECK (answer IN ('this', 'new', 'leave_out', 'replay', 'accept')),
    contact_id   bigint,
    -- The operation that was quarantined, and why; ids of the candidates, to ask again.
    operation_id bigint,
    reason       text,
    candidates   jsonb,
    finding_id   bigint,
    crm_id       bigint,
    decided_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- A user's name, or the DAG run.
    decided_by   text NOT NULL,
    -- When it was taken back, or another decision took its place.
    ended_at     timestamptz,
    ended_by     text,
    CHECK (answer <> 'this' OR crm_id IS NOT NULL)
);
CREATE INDEX decision_latest ON decision (sync_name, id DESC);
-- Whom a contact is counts for every plan until it is taken back.
CREATE INDEX decision_standing ON decision (scope_id, contact_id)
    WHERE ended_at IS NULL AND answer IN ('this', 'new', 'leave_out');
CREATE INDEX decision_of_contact ON decision (scope_id, contact_id);
