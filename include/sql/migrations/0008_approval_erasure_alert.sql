-- Purpose: plans that wait for approval, contacts that were erased, and which alerts were sent.
-- Parameters: none. Run once, in one transaction, by the migration tool.
SET LOCAL search_path = krayin_sync;

-- A plan that would change too much, held until a person answers.
-- state: open       held, nobody is being asked (not yet, or the question ended without an answer)
--        asked      a DAG run waits for the answer; what is held from now on belongs to the next one
--        approved   its operations are planned
--        declined   its operations are declined
--        withdrawn  nothing of it is held any more: replaced by newer plans, or merged into another
CREATE TABLE approval (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sync_name  text NOT NULL,
    -- The run whose plan was held first.
    run_id     bigint REFERENCES sync_run ON DELETE SET NULL,
    state      text NOT NULL DEFAULT 'open'
               CHECK (state IN ('open', 'asked', 'approved', 'declined', 'withdrawn')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When Airflow was last told that there is something to ask.
    nudged_at  timestamptz,
    asked_at   timestamptz,
    dag_run_id text,
    -- The numbers, ids and names of fields that were shown with the question.
    shown      jsonb NOT NULL DEFAULT '{}',
    decided_at timestamptz,
    decided_by text
);
CREATE UNIQUE INDEX approval_asked ON approval (sync_name) WHERE state = 'asked';
CREATE INDEX approval_waiting ON approval (sync_name, id) WHERE state IN ('open', 'asked');

ALTER TABLE operation
    -- What it changes or deletes of records that exist in Krayin, as kind.field; empty where it only adds.
    ADD COLUMN changes     text[] NOT NULL DEFAULT '{}',
    -- The approval it waits for, or was decided by.
    ADD COLUMN approval_id bigint REFERENCES approval;
-- What counts towards the next approval.
CREATE INDEX operation_changes ON operation (sync_name, created_at)
    WHERE changes <> '{}' AND approval_id IS NULL;
CREATE INDEX operation_of_approval ON operation (approval_id, state) WHERE approval_id IS NOT NULL;

-- What stands for a contact that was erased: nothing of it, yet the same for the same contact.
CREATE FUNCTION contact_hash(target_id integer, installation_id integer, account_id bigint, contact_id text)
RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN sha256(convert_to(
    target_id::text || ':' || installation_id::text || ':' || account_id::text || ':' || contact_id, 'UTF8'
));

-- A contact that was erased on request: no data of it, and a hash in place of its id.
CREATE TABLE erasure (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sync_name       text NOT NULL,
    target_id       integer NOT NULL REFERENCES krayin_target,
    installation_id integer NOT NULL REFERENCES chatwoot_installation,
    account_id      bigint NOT NULL,
    contact_hash    bytea NOT NULL,
    requested_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at     timestamptz,
    -- Set when the contact was allowed back.
    lifted_at       timestamptz,
    -- Numbers by kind: what was deleted in Krayin, what was kept, which rows were cleared here.
    receipt         jsonb NOT NULL DEFAULT '{}'
);
-- Syncs leave out the contacts whose hash stands here.
CREATE UNIQUE INDEX erasure_of_contact ON erasure (target_id, installation_id, account_id, contact_hash)
    WHERE lifted_at IS NULL;

-- Which alerts are raised, so that each change of state is told once.
CREATE TABLE alert (
    sync_name   text NOT NULL,
    condition   text NOT NULL,
    raised      boolean NOT NULL,
    message     text NOT NULL,
    since       timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The channels that have taken the message about this state.
    told        text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (sync_name, condition)
);
