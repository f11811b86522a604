-- Purpose: the sync database: who is linked to what, what is planned, what was done.
-- Parameters: none. Run once, in one transaction, by the migration tool.
-- Times are timestamptz; every key starts with the Krayin target, because all work is done per target.

CREATE SCHEMA IF NOT EXISTS krayin_sync;
SET LOCAL search_path = krayin_sync;

-- A Krayin that is written to. Two connections with the same address are one target.
CREATE TABLE krayin_target (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    base_url   text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A Chatwoot that is read from, by the identity it gives itself.
CREATE TABLE chatwoot_installation (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    identity   text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Pipelines, stages, sources, types, attributes and the API user, kept one hour per connection.
CREATE TABLE krayin_catalogue (
    connection_key text PRIMARY KEY,
    target_id      integer NOT NULL REFERENCES krayin_target,
    document       jsonb NOT NULL,
    read_at        timestamptz NOT NULL
);

CREATE TABLE sync_run (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sync_name   text NOT NULL,
    dag_run_id  text,
    kind        text NOT NULL CHECK (kind IN ('scheduled', 'manual', 'backfill', 'events', 'reconcile', 'setup')),
    state       text NOT NULL DEFAULT 'planning'
                CHECK (state IN ('planning', 'planned', 'loading', 'done', 'stopped', 'failed')),
    dry_run     boolean NOT NULL DEFAULT false,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    summary     jsonb NOT NULL DEFAULT '{}',
    message     text
);
CREATE INDEX sync_run_latest ON sync_run (sync_name, id DESC);
-- A task that is retried goes on with its own run instead of opening another.
CREATE UNIQUE INDEX sync_run_of_dag_run ON sync_run (sync_name, dag_run_id) WHERE dag_run_id IS NOT NULL;

-- One row per source record and CRM kind, shared by all syncs that touch the record.
-- state: pending   planned, no CRM record known yet
--        linked    crm_id is its record
--        gone      its record was deleted in Krayin
--        orphaned  its source record was deleted or merged in Chatwoot
--        quarantined  a person must decide; see the operation with the reason
CREATE TABLE mapping (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target_id       integer NOT NULL REFERENCES krayin_target,
    installation_id integer NOT NULL REFERENCES chatwoot_installation,
    account_id      bigint NOT NULL,
    source_kind     text NOT NULL CHECK (source_kind IN ('contact', 'conversation', 'message', 'company')),
    source_id       text NOT NULL,
    crm_kind        text NOT NULL CHECK (crm_kind IN ('person', 'lead', 'organization', 'activity')),
    crm_id          bigint,
    origin          text CHECK (origin IN ('created', 'adopted')),
    state           text NOT NULL DEFAULT 'pending'
                    CHECK (state IN ('pending', 'linked', 'gone', 'orphaned', 'quarantined')),
    row_hash        bigint,
    source_hash     bytea,
    acked_hash      bytea,
    last_sent       jsonb,
    -- The clock of Chatwoot's database when the planned version was read: an older read never replaces a newer one.
    source_read_at  timestamptz,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    planned_at      timestamptz,
    acked_at        timestamptz,
    CHECK (state <> 'linked' OR (crm_id IS NOT NULL AND origin IS NOT NULL)),
    UNIQUE (target_id, installation_id, account_id, source_kind, source_id, crm_kind)
);
-- A person, lead or activity belongs to one source record; an organization may stand for many companies' spellings.
CREATE UNIQUE INDEX mapping_one_source_per_record ON mapping (target_id, crm_kind, crm_id)
    WHERE crm_id IS NOT NULL AND crm_kind <> 'organization' AND state = 'linked';
CREATE INDEX mapping_organizations ON mapping (target_id, crm_id) WHERE crm_kind = 'organization';

-- Which contact names which company, and the address it knows: the lowest contact id with an address wins.
CREATE TABLE organization_member (
    target_id       integer NOT NULL REFERENCES krayin_target,
    installation_id integer NOT NULL REFERENCES chatwoot_installation,
    account_id      bigint NOT NULL,
    contact_id      bigint NOT NULL,
    folded_name     text NOT NULL,
    name            text NOT NULL,
    address         jsonb,
    PRIMARY KEY (target_id, installation_id, account_id, contact_id)
);
CREATE INDEX organization_member_by_name
    ON organization_member (target_id, installation_id, account_id, folded_name, contact_id);

-- The durable plan and intent log: one row per source record that Krayin is to be brought equal to.
-- state: planned      waits for its turn (and for next_attempt_at)
--        in_flight    the intent of the call named in step is committed, the call may have been made
--        done         Krayin accepted it, or nothing was left to send
--        unknown      the call named in step may have taken effect; resolved by looking Krayin up
--        rejected     not carried out and not to be: the record was deleted in Krayin, or may not be touched
--        quarantined  a person must look; replay puts it back to planned
--        superseded   a newer plan for the same record replaced it
--        held         waits for approval
--        declined     approval was refused
CREATE TABLE operation (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id          bigint NOT NULL REFERENCES sync_run,
    sync_name       text NOT NULL,
    lane            smallint NOT NULL,
    target_id       integer NOT NULL REFERENCES krayin_target,
    installation_id integer NOT NULL REFERENCES chatwoot_installation,
    account_id      bigint NOT NULL,
    source_kind     text NOT NULL CHECK (source_kind IN ('contact', 'conversation', 'message', 'company')),
    source_id       text NOT NULL,
    -- The fields wanted per CRM kind; only the kinds that differ from what was last accepted.
    payload         jsonb NOT NULL,
    source_read_at  timestamptz NOT NULL,
    -- E-mails, phones and new organization names it claims: two workers never hold the same one.
    natural_keys    text[] NOT NULL DEFAULT '{}',
    forecast_calls  smallint NOT NULL,
    state           text NOT NULL DEFAULT 'planned'
                    CHECK (state IN ('planned', 'in_flight', 'done', 'unknown', 'rejected', 'quarantined',
                                     'superseded', 'held', 'declined')),
    step            text,
    attempts        smallint NOT NULL DEFAULT 0,
    worker          text,
    lease_until     timestamptz,
    fence           bigint NOT NULL DEFAULT 0,
    sent_at         timestamptz,
    error_class     text,
    error_message   text,
    candidates      jsonb,
    -- What became of each CRM kind: created, updated, adopted, unchanged.
    result          jsonb NOT NULL DEFAULT '{}',
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at     timestamptz,
    -- Owned by a worker exactly while leased.
    CHECK ((worker IS NULL) = (lease_until IS NULL))
);
-- The work queue: what one worker may take next.
CREATE INDEX operation_queue ON operation (target_id, lane, next_attempt_at, id)
    WHERE state IN ('planned', 'unknown', 'in_flight');
-- One plan per source record waits at any time; a newer one takes its place.
CREATE UNIQUE INDEX operation_planned ON operation (target_id, installation_id, account_id, source_kind, source_id)
    WHERE state IN ('planned', 'held');
-- What is being worked on or unresolved: few rows, looked at by every claim.
CREATE INDEX operation_busy ON operation (target_id, source_kind, source_id)
    WHERE worker IS NOT NULL OR state IN ('in_flight', 'unknown');
CREATE INDEX operation_of_run ON operation (run_id, state);
CREATE INDEX operation_quarantine ON operation (sync_name, error_class) WHERE state = 'quarantined';
CREATE INDEX operation_quarantined_record
    ON operation (target_id, installation_id, account_id, source_kind, source_id) WHERE state = 'quarantined';
CREATE SEQUENCE operation_fence;

-- How far each sync has read. mark is the reader's own: snapshot, system identifier, high mark.
CREATE TABLE watermark (
    sync_name       text NOT NULL,
    stream          text NOT NULL,
    target_id       integer NOT NULL REFERENCES krayin_target,
    installation_id integer NOT NULL REFERENCES chatwoot_installation,
    account_id      bigint NOT NULL,
    mark            jsonb NOT NULL,
    -- Settings that decide what is sent; when they change everything is read once more.
    settings_hash   bytea NOT NULL,
    run_id          bigint NOT NULL REFERENCES sync_run,
    moved_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (sync_name, stream, target_id, installation_id, account_id)
);

-- Mapped records of a run that differ from what was last planned, between extract and plan.
CREATE UNLOGGED TABLE staged_contact (
    run_id     bigint NOT NULL,
    contact_id bigint NOT NULL,
    desired    jsonb NOT NULL,
    PRIMARY KEY (run_id, contact_id)
);

-- What Krayin showed last.
CREATE TABLE crm_snapshot (
    target_id  integer NOT NULL REFERENCES krayin_target,
    crm_kind   text NOT NULL CHECK (crm_kind IN ('person', 'lead', 'organization', 'activity')),
    crm_id     bigint NOT NULL,
    updated_at timestamptz,
    hash       bytea NOT NULL,
    facts      jsonb NOT NULL,
    seen_at    timestamptz NOT NULL,
    PRIMARY KEY (target_id, crm_kind, crm_id)
);
-- E-mails (folded), phones (normalised) and names (folded) by which records are matched.
CREATE TABLE crm_snapshot_key (
    target_id integer NOT NULL,
    crm_kind  text NOT NULL,
    key       text NOT NULL,
    crm_id    bigint NOT NULL,
    PRIMARY KEY (target_id, crm_kind, key, crm_id),
    FOREIGN KEY (target_id, crm_kind, crm_id) REFERENCES crm_snapshot ON DELETE CASCADE
);
CREATE INDEX crm_snapshot_key_of_record ON crm_snapshot_key (target_id, crm_kind, crm_id);
-- How far the reading of Krayin's lists has come.
CREATE TABLE crm_snapshot_mark (
    target_id    integer NOT NULL REFERENCES krayin_target,
    crm_kind     text NOT NULL,
    next_page    integer NOT NULL DEFAULT 1,
    complete_at  timestamptz,
    high_mark    timestamptz,
    refreshed_at timestamptz,
    PRIMARY KEY (target_id, crm_kind)
);

-- One row per call to Krayin: no bodies, no token.
CREATE TABLE api_call (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL,
    target_id    integer NOT NULL REFERENCES krayin_target,
    run_id       bigint REFERENCES sync_run,
    operation_id bigint,
    lane         smallint,
    method       text NOT NULL,
    route        text NOT NULL,
    status       smallint,
    milliseconds integer NOT NULL,
    remaining    integer,
    outcome      text NOT NULL
);
CREATE INDEX api_call_recent ON api_call (target_id, at);
CREATE INDEX api_call_of_run ON api_call (run_id);
