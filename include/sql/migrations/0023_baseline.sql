-- The sync database: who is linked to what, what is planned, what was done.
-- Its functions and views are in include/sql/functions and include/sql/views.
-- Most keys start with the Krayin target, because all work is done per target.
-- A database that took the steps 0001 to 0023 is the same as one that began here. So columns stand in the order in which
-- they came to be, and some constraints are named after former names of their tables: sweep, contact_trace, crm_snapshot_mark.


-- Both ends

-- A Krayin that is written to. Two connections with the same address are one target.
CREATE TABLE krayin_target (
    id                 integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    base_url           text NOT NULL UNIQUE,
    created_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- What was known before says nothing any more: a person has said so.
    known_since        timestamptz NOT NULL DEFAULT '-infinity',
    -- How it answers, as far as it showed; see plugins/krayin/dialect.py.
    dialect            jsonb NOT NULL DEFAULT '{}',
    -- When that was begun to be learned; it is kept for a day.
    dialect_learned_at timestamptz
);

-- A Chatwoot that is read from, by the identity it gives itself.
CREATE TABLE chatwoot_installation (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    identity   text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Pipelines, stages, sources, types, attributes and the API user, kept one hour per connection.
CREATE TABLE krayin_catalogue (
    connection_key     text PRIMARY KEY,
    target_id          integer NOT NULL REFERENCES krayin_target,
    document           jsonb NOT NULL,
    read_at            timestamptz NOT NULL,
    -- They are read more often than the rest: a write that leaves out a boolean attribute resets it.
    attributes_read_at timestamptz
);

-- What a sync knows of its Chatwoot from the last look that was whole, so that a lying one is noticed.
CREATE TABLE source_baseline (
    sync_name       text NOT NULL,
    target_id       integer NOT NULL REFERENCES krayin_target,
    installation_id integer NOT NULL REFERENCES chatwoot_installation,
    account_id      bigint NOT NULL,
    -- See reconciliation.extract.baseline.Baseline: counts, ids and times; no contents.
    document        jsonb NOT NULL,
    noted_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (sync_name, target_id, installation_id, account_id)
);


-- Runs

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

-- The files of a run's report: ids, classes, names of fields, numbers and links; never a person's data.
CREATE TABLE report_file (
    run_id     bigint NOT NULL REFERENCES sync_run ON DELETE CASCADE,
    name       text NOT NULL,
    media_type text NOT NULL,
    -- Before it was packed, in bytes.
    size       bigint NOT NULL,
    -- Packed with gzip.
    content    bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, name)
);
-- Packing it again would cost time and save nothing.
ALTER TABLE report_file ALTER COLUMN content SET STORAGE EXTERNAL;

-- How far each sync has read.
CREATE TABLE watermark (
    sync_name       text NOT NULL,
    stream          text NOT NULL,
    target_id       integer NOT NULL REFERENCES krayin_target,
    installation_id integer NOT NULL REFERENCES chatwoot_installation,
    account_id      bigint NOT NULL,
    -- The reader's own: snapshot, system identifier, high mark.
    position        jsonb NOT NULL,
    -- Settings that decide what is sent; when they change everything is read once more.
    settings_hash   bytea NOT NULL,
    run_id          bigint NOT NULL REFERENCES sync_run,
    moved_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (sync_name, stream, target_id, installation_id, account_id)
);


-- Which record in Krayin is which in Chatwoot

-- One row per source record and CRM kind, shared by all syncs that touch the record.
-- state: pending   planned, no CRM record known yet
--        linked    crm_id is its record
--        gone      its record was deleted in Krayin
--        orphaned  its source record was deleted or merged in Chatwoot
--        quarantined  a person must decide; see the operation with the reason
CREATE TABLE mapping (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target_id          integer NOT NULL REFERENCES krayin_target,
    installation_id    integer NOT NULL REFERENCES chatwoot_installation,
    account_id         bigint NOT NULL,
    source_kind        text NOT NULL
                       CHECK (source_kind IN ('contact', 'conversation', 'message', 'company', 'stage')),
    source_id          text NOT NULL,
    crm_kind           text NOT NULL CHECK (crm_kind IN ('person', 'lead', 'organization', 'activity')),
    crm_id             bigint,
    origin             text CHECK (origin IN ('created', 'adopted')),
    state              text NOT NULL DEFAULT 'pending'
                       CHECK (state IN ('pending', 'linked', 'gone', 'orphaned', 'quarantined')),
    source_hash        bytea,
    acked_hash         bytea,
    last_sent          jsonb,
    -- The clock of Chatwoot's database when the planned version was read: an older read never replaces a newer one.
    source_read_at     timestamptz,
    created_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    planned_at         timestamptz,
    acked_at           timestamptz,
    -- Leads that were closed and followed by a new one: still the contact's, never written again.
    former_crm_ids     bigint[] NOT NULL DEFAULT '{}',
    -- The contact's last activity when its lead was last looked at.
    active_at          timestamptz,
    -- Fields of the update that was sent last and not acknowledged yet, by name as in last_sent; NULL when none is open.
    -- Without it, what a lost update left in Krayin would look as if a salesperson had typed it.
    pending_write      jsonb,
    -- When what is to happen to the records of a deleted or merged contact had happened.
    settled_at         timestamptz,
    -- Those of former_crm_ids that we had adopted: an erasure keeps these, and a deletion their person.
    former_adopted_ids bigint[] NOT NULL DEFAULT '{}',
    -- When Krayin says that its record was made: tells it from another one with the same id. NULL: not seen since.
    crm_created_at     timestamptz,
    CHECK (state <> 'linked' OR (crm_id IS NOT NULL AND origin IS NOT NULL)),
    UNIQUE (target_id, installation_id, account_id, source_kind, source_id, crm_kind)
);
-- A person, lead or activity belongs to one source record; an organization may stand for many companies' spellings.
CREATE UNIQUE INDEX mapping_one_source_per_record ON mapping (target_id, crm_kind, crm_id)
    WHERE crm_id IS NOT NULL AND crm_kind <> 'organization' AND state = 'linked';
CREATE INDEX mapping_organizations ON mapping (target_id, crm_id) WHERE crm_kind = 'organization';
CREATE INDEX mapping_former_records ON mapping USING gin (former_crm_ids) WHERE former_crm_ids <> '{}';
CREATE INDEX mapping_orphaned ON mapping (target_id, installation_id, account_id)
    WHERE state = 'orphaned' AND settled_at IS NULL;
CREATE INDEX mapping_gone ON mapping (target_id, installation_id, account_id) WHERE state = 'gone';
-- Which activities hang on a person or lead through us: those of a deleted or merged contact.
CREATE INDEX mapping_activity_person ON mapping (target_id, (last_sent ->> 'person')) WHERE crm_kind = 'activity';
CREATE INDEX mapping_activity_lead ON mapping (target_id, (last_sent ->> 'lead'))
    WHERE crm_kind = 'activity' AND last_sent ? 'lead';
-- What was planned from a reading later than a comparison of all rows.
CREATE INDEX mapping_read_later
    ON mapping (target_id, installation_id, account_id, source_kind, source_read_at);

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
-- Finds the contact whose address a company takes without looking at all others that name it.
CREATE INDEX organization_member_with_address
    ON organization_member (target_id, installation_id, account_id, folded_name, contact_id)
    WHERE address IS NOT NULL;

-- Rows that move to another contact when two are merged, and stay behind or vanish when one is deleted: ids only.
CREATE TABLE merge_evidence (
    installation_id  integer NOT NULL CONSTRAINT contact_trace_installation_id_fkey REFERENCES chatwoot_installation,
    account_id       bigint NOT NULL,
    contact_id       bigint NOT NULL,
    conversation_id  bigint,
    contact_inbox_id bigint,
    PRIMARY KEY (installation_id, account_id, contact_id)
);
CREATE INDEX merge_evidence_conversation ON merge_evidence (installation_id, account_id, conversation_id);
CREATE INDEX merge_evidence_contact_inbox ON merge_evidence (installation_id, account_id, contact_inbox_id);

-- What was written back to Chatwoot: the ids of a contact's records in Krayin, as one text.
CREATE TABLE write_back (
    sync_name       text NOT NULL,
    target_id       integer NOT NULL REFERENCES krayin_target,
    installation_id integer NOT NULL REFERENCES chatwoot_installation,
    account_id      bigint NOT NULL,
    contact_id      bigint NOT NULL,
    -- The custom attribute of Chatwoot's contact, and what it held when we saw it last; NULL: not written yet.
    attribute       text NOT NULL,
    value           text,
    written_at      timestamptz,
    -- After a refusal: when to try again, and why it was refused.
    next_attempt_at timestamptz,
    error_message   text,
    PRIMARY KEY (sync_name, target_id, installation_id, account_id, contact_id)
);


-- What is to be done

-- Mapped records of a run that differ from what was last planned, between extract and plan.
CREATE UNLOGGED TABLE staged_contact (
    run_id      bigint NOT NULL,
    contact_id  bigint NOT NULL,
    desired     jsonb NOT NULL,
    person_hash bytea NOT NULL,
    lead_hash   bytea NOT NULL,
    -- Set where only the contact's activity is news.
    active_at   timestamptz,
    PRIMARY KEY (run_id, contact_id)
);
-- The same for activities and stage moves.
CREATE UNLOGGED TABLE staged_activity (
    run_id      bigint NOT NULL,
    source_kind text NOT NULL,
    source_id   text NOT NULL,
    contact_id  bigint NOT NULL,
    source_hash bytea NOT NULL,
    desired     jsonb NOT NULL,
    PRIMARY KEY (run_id, source_kind, source_id)
);

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
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id            bigint NOT NULL REFERENCES sync_run,
    sync_name         text NOT NULL,
    lane              smallint NOT NULL,
    target_id         integer NOT NULL REFERENCES krayin_target,
    installation_id   integer NOT NULL REFERENCES chatwoot_installation,
    account_id        bigint NOT NULL,
    source_kind       text NOT NULL
                      CHECK (source_kind IN ('contact', 'conversation', 'message', 'company', 'stage')),
    source_id         text NOT NULL,
    -- The fields wanted per CRM kind; only the kinds that differ from what was last accepted.
    payload           jsonb NOT NULL,
    source_read_at    timestamptz NOT NULL,
    -- E-mails, phones and new organization names it claims: two workers never hold the same one.
    natural_keys      text[] NOT NULL DEFAULT '{}',
    -- Its writes.
    forecast_calls    smallint NOT NULL,
    state             text NOT NULL DEFAULT 'planned'
                      CHECK (state IN ('planned', 'in_flight', 'done', 'unknown', 'rejected', 'quarantined',
                                       'superseded', 'held', 'declined')),
    step              text,
    attempts          smallint NOT NULL DEFAULT 0,
    worker            text,
    lease_until       timestamptz,
    fence             bigint NOT NULL DEFAULT 0,
    sent_at           timestamptz,
    error_class       text,
    error_message     text,
    candidates        jsonb,
    -- What became of each CRM kind: created, updated, adopted, unchanged.
    result            jsonb NOT NULL DEFAULT '{}',
    next_attempt_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at       timestamptz,
    -- The bulk reads it takes part in (persons, leads, leads_of, organizations).
    forecast_reads    text[] NOT NULL DEFAULT '{}',
    -- The company whose organization becomes known with it.
    forecast_company  text,
    -- E-mails and phones its person has now and gives up; also among natural_keys.
    releases          text[] NOT NULL DEFAULT '{}',
    -- The contact whose person or lead it hangs on (or moves), and which of the two it waits for.
    contact_id        bigint,
    waits_for         text CHECK (waits_for IN ('person', 'lead')),
    -- What it changes or deletes of records that exist in Krayin, as kind.field; empty where it only adds.
    changes           text[] NOT NULL DEFAULT '{}',
    -- The approval it waits for, or was decided by.
    approval_id       bigint REFERENCES approval,
    -- Chatwoot's updated_at of the version planned, so that it can be told how long the change took to Krayin; some of
    -- Chatwoot's writes leave it alone. NULL for what is no contact.
    source_changed_at timestamptz,
    -- What it deletes, closes or overwrites of records that exist in Krayin: lead.closed, person.name.overwritten.
    removes           text[] NOT NULL DEFAULT '{}',
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
CREATE INDEX operation_waiting_for_contact
    ON operation (target_id, installation_id, account_id, contact_id)
    WHERE contact_id IS NOT NULL AND state = 'planned';
CREATE INDEX operation_of_run ON operation (run_id, state);
-- What is neither under way nor over: few rows, looked at by the views.
CREATE INDEX operation_set_aside ON operation (sync_name, state) WHERE state IN ('held', 'rejected', 'quarantined');
CREATE INDEX operation_quarantine ON operation (sync_name, error_class) WHERE state = 'quarantined';
CREATE INDEX operation_quarantined_record
    ON operation (target_id, installation_id, account_id, source_kind, source_id) WHERE state = 'quarantined';
-- What counts towards the next approval.
CREATE INDEX operation_changes ON operation (sync_name, created_at)
    WHERE changes <> '{}' AND approval_id IS NULL;
CREATE INDEX operation_of_approval ON operation (approval_id, state) WHERE approval_id IS NOT NULL;
CREATE SEQUENCE operation_fence;

-- Activities to be marked done or not done, gathered so that a hundred share one call. Marking is repeatable:
-- a row stays until Krayin has confirmed it.
CREATE TABLE activity_mark (
    target_id   integer NOT NULL REFERENCES krayin_target,
    crm_id      bigint NOT NULL,
    is_done     boolean NOT NULL,
    sync_name   text NOT NULL,
    fence       bigint NOT NULL,
    lease_until timestamptz,
    PRIMARY KEY (target_id, crm_id)
);

-- A record of ours that was closed or deleted because its source record was gone in Chatwoot: ids, and where a lead stood.
CREATE TABLE removal (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sync_name       text NOT NULL,
    target_id       integer NOT NULL REFERENCES krayin_target,
    installation_id integer NOT NULL REFERENCES chatwoot_installation,
    account_id      bigint NOT NULL,
    source_kind     text NOT NULL,
    source_id       text NOT NULL,
    crm_kind        text NOT NULL,
    crm_id          bigint NOT NULL,
    action          text NOT NULL CHECK (action IN ('closed', 'deleted')),
    -- Of a closed lead: stage_id and lost_reason as they were.
    before          jsonb NOT NULL DEFAULT '{}',
    -- Of a closed lead: stage_id, lost_reason and closed_at as Krayin answered; empty when no answer came.
    after           jsonb NOT NULL DEFAULT '{}',
    removed_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When nothing was left to undo: the lead was reopened, the record made again, or somebody decided about it in
    -- Krayin (left).
    ended_at        timestamptz,
    ended_as        text CHECK (ended_as IN ('reopened', 'made_again', 'left'))
);
CREATE UNIQUE INDEX removal_standing ON removal (target_id, crm_kind, crm_id, action) WHERE ended_at IS NULL;
CREATE INDEX removal_of_source ON removal (target_id, installation_id, account_id, source_kind, source_id)
    WHERE ended_at IS NULL;


-- Webhooks

-- One accepted webhook. An event only says that its entities may have changed; its body is never written to Krayin.
CREATE TABLE inbox_event (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sync_name    text NOT NULL,
    delivery_id  uuid,
    event        text NOT NULL,
    -- What to read anew, as kind:id; the ids of conversations are display ids of the sync's account.
    entities     text[] NOT NULL,
    signed       boolean NOT NULL,
    content_hash bytea NOT NULL,
    body         bytea NOT NULL,
    received_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Taken by a run that has yet to read Chatwoot.
    claimed_at   timestamptz,
    -- Its entities were read and planned, in the transaction that sets this.
    processed_at timestamptz,
    run_id       bigint REFERENCES sync_run ON DELETE SET NULL
);
-- The same delivery again is no news: what it tells of was read after the first one came.
CREATE UNIQUE INDEX inbox_event_delivery ON inbox_event (sync_name, delivery_id) WHERE delivery_id IS NOT NULL;
-- The same content is no news only while the first one still waits: afterwards it may tell of a later change.
CREATE UNIQUE INDEX inbox_event_waiting ON inbox_event (sync_name, content_hash) WHERE claimed_at IS NULL;
CREATE INDEX inbox_event_open ON inbox_event (sync_name, id) WHERE processed_at IS NULL;
CREATE INDEX inbox_event_claimed ON inbox_event (sync_name, claimed_at DESC) WHERE claimed_at IS NOT NULL;
CREATE INDEX inbox_event_processed ON inbox_event (processed_at) WHERE processed_at IS NOT NULL;

-- The webhook that setup registered in Chatwoot for a sync; the secret is encrypted with Airflow's Fernet key.
CREATE TABLE webhook (
    sync_name     text PRIMARY KEY,
    url           text NOT NULL,
    chatwoot_id   bigint NOT NULL,
    secret        bytea,
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp()
);


-- What Krayin showed last

CREATE TABLE crm_snapshot (
    target_id     integer NOT NULL REFERENCES krayin_target,
    crm_kind      text NOT NULL CHECK (crm_kind IN ('person', 'lead', 'organization', 'activity')),
    crm_id        bigint NOT NULL,
    updated_at    timestamptz,
    hash          bytea NOT NULL,
    facts         jsonb NOT NULL,
    seen_at       timestamptz NOT NULL,
    -- The state that was last compared with what was sent, and when: only what differs is looked at again.
    compared_hash bytea,
    compared_at   timestamptz,
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
CREATE TABLE crm_snapshot_watermark (
    target_id    integer NOT NULL CONSTRAINT crm_snapshot_mark_target_id_fkey REFERENCES krayin_target,
    crm_kind     text NOT NULL,
    next_page    integer NOT NULL DEFAULT 1,
    complete_at  timestamptz,
    watermark    timestamptz,
    refreshed_at timestamptz,
    -- Rows stamped up to here were read when nobody could be writing them any more.
    settled_mark timestamptz,
    PRIMARY KEY (target_id, crm_kind)
);


-- Calls to Krayin

-- One row per call: no bodies, no token.
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

-- The calls of one API user, shared by every process that makes them (include/sql/functions/rate_budget.sql).
-- The row lock makes every decision about that user one at a time.
CREATE TABLE rate_budget (
    key              text PRIMARY KEY,
    window_seconds   double precision NOT NULL CHECK (window_seconds > 0),
    setting          integer NOT NULL CHECK (setting > 0),
    setting_at       timestamptz NOT NULL,
    server_limit     integer CHECK (server_limit > 0),
    server_limit_at  timestamptz,
    slots            integer NOT NULL DEFAULT 0,
    fence            bigint NOT NULL DEFAULT 0,
    clock            timestamptz NOT NULL,
    first_free_at    timestamptz NOT NULL DEFAULT '-infinity',
    pace_at          timestamptz NOT NULL DEFAULT '-infinity',
    passed_over      integer[] NOT NULL DEFAULT '{0,0,0,0,0}',
    answered_at      timestamptz NOT NULL DEFAULT '-infinity',
    refused_at       timestamptz,
    blocked_until    timestamptz NOT NULL DEFAULT '-infinity',
    near_limit_until timestamptz NOT NULL DEFAULT '-infinity',
    opened_after     timestamptz NOT NULL DEFAULT '-infinity',
    opened_by        timestamptz NOT NULL DEFAULT '-infinity',
    used             integer NOT NULL DEFAULT 0,
    used_sent_at     timestamptz NOT NULL DEFAULT '-infinity',
    used_at          timestamptz NOT NULL DEFAULT '-infinity',
    own              integer NOT NULL DEFAULT 0,
    foreign_calls    integer NOT NULL DEFAULT 0,
    auto_at          timestamptz NOT NULL DEFAULT '-infinity',
    pace             double precision NOT NULL DEFAULT 60 CHECK (pace >= 1),
    round_at         timestamptz NOT NULL DEFAULT '-infinity',
    slowness         real[] NOT NULL DEFAULT '{}',
    quickest         double precision,
    silent           integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON TABLE rate_budget IS 'Shared pacing state, one row per Krayin API user.';
COMMENT ON COLUMN rate_budget.setting IS 'Most calls per window by the settings, on auto its ceiling; of several settings the lowest one in use.';
COMMENT ON COLUMN rate_budget.server_limit IS 'Calls per window by the server''s own word, null until it said so and when it stopped.';
COMMENT ON COLUMN rate_budget.slots IS 'Rows of rate_budget_slot; more than the limit only while a lowered limit settles in.';
COMMENT ON COLUMN rate_budget.clock IS 'Latest time seen at a grant or a settlement; a clock behind it has jumped back.';
COMMENT ON COLUMN rate_budget.first_free_at IS 'No slot has a smaller free_at; spares the index scan the dead entries below.';
COMMENT ON COLUMN rate_budget.pace_at IS 'When the even pace has room for the next call of a lane below live.';
COMMENT ON COLUMN rate_budget.passed_over IS 'Per lane, slots that went to other lanes while it waited.';
COMMENT ON COLUMN rate_budget.opened_by IS 'The server''s window opened between opened_after and opened_by; used, own and foreign_calls count within it.';
COMMENT ON COLUMN rate_budget.used IS 'Highest number of calls the server reported in its window, by all programs.';
COMMENT ON COLUMN rate_budget.own IS 'At most so many of them are ours, calls in flight included.';
COMMENT ON COLUMN rate_budget.auto_at IS 'When somebody whose setting is auto asked last.';
COMMENT ON COLUMN rate_budget.pace IS 'Calls per window that the server''s answers allow on auto, as long as it says no limit within the setting.';
COMMENT ON COLUMN rate_budget.round_at IS 'When the pace was last judged.';
COMMENT ON COLUMN rate_budget.slowness IS 'Good answers since then: how many times as long as at its quickest the route of each takes.';
COMMENT ON COLUMN rate_budget.quickest IS 'Seconds that the latest calls take at their quickest, smoothed.';
COMMENT ON COLUMN rate_budget.silent IS 'Good answers in a row without a word of a limit, counted up to ten.';

-- The ring: a slot is free when free_at has passed; it is taken for one call and stays taken one window after its answer.
CREATE TABLE rate_budget_slot (
    key        text NOT NULL REFERENCES rate_budget ON DELETE CASCADE,
    number     integer NOT NULL,
    fence      bigint NOT NULL DEFAULT 0,
    lane       smallint,
    granted_at timestamptz NOT NULL DEFAULT '-infinity',
    settled_at timestamptz DEFAULT '-infinity',
    free_at    timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (key, number)
);
CREATE INDEX rate_budget_slot_free ON rate_budget_slot (key, free_at);
CREATE INDEX rate_budget_slot_in_flight ON rate_budget_slot (key) WHERE settled_at IS NULL;

-- Who waits. Unlogged: after a crash of the server the waiters that live ask again within a second.
CREATE UNLOGGED TABLE rate_budget_waiter (
    key     text NOT NULL,
    ticket  uuid NOT NULL,
    lane    smallint NOT NULL CHECK (lane BETWEEN 0 AND 4),
    since   timestamptz NOT NULL,
    asks_at timestamptz NOT NULL,
    PRIMARY KEY (key, ticket)
);

-- Calls that other programs made with the same API user, as the server's counts showed them.
CREATE TABLE rate_budget_foreign (
    key     text NOT NULL REFERENCES rate_budget ON DELETE CASCADE,
    seen_at timestamptz NOT NULL,
    calls   integer NOT NULL CHECK (calls > 0)
);
CREATE INDEX rate_budget_foreign_seen ON rate_budget_foreign (key, seen_at);

-- How quickly each route answered lately: a bulk read takes longer than a write on the calmest server.
CREATE TABLE rate_budget_route (
    key         text NOT NULL REFERENCES rate_budget ON DELETE CASCADE,
    route       text NOT NULL,
    answers     integer NOT NULL,
    recent      double precision NOT NULL CHECK (recent > 0),
    quickest    double precision NOT NULL CHECK (quickest > 0),
    quickest_at timestamptz NOT NULL,
    PRIMARY KEY (key, route)
);
COMMENT ON COLUMN rate_budget_route.answers IS 'Its good answers, counted up to ten.';
COMMENT ON COLUMN rate_budget_route.recent IS 'Seconds of its good answers, smoothed: the geometric mean with a weight of a tenth for the latest.';
COMMENT ON COLUMN rate_budget_route.quickest IS 'The lowest that recent has been since there were ten.';


-- What the last comparison of all rows saw in Chatwoot, so that the next reads only what differs

-- What a sync remembers of one stream (see chatwoot.checksums).
CREATE TABLE checksum_stream (
    id              integer GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME krayin_sync.sweep_stream_id_seq) PRIMARY KEY,
    sync_name       text NOT NULL,
    stream          text NOT NULL CONSTRAINT sweep_stream_stream_check
                    CHECK (stream IN ('contacts', 'conversations', 'messages', 'progress')),
    target_id       integer NOT NULL CONSTRAINT sweep_stream_target_id_fkey REFERENCES krayin_target,
    installation_id integer NOT NULL CONSTRAINT sweep_stream_installation_id_fkey REFERENCES chatwoot_installation,
    account_id      bigint NOT NULL,
    -- How the hashes were made; others cannot be compared with them.
    formula         text NOT NULL,
    -- The comparison that was remembered last, NULL before the first.
    diff_id         bigint,
    -- By Chatwoot's clock: what was planned from a later reading may differ from what is remembered.
    read_at         timestamptz,
    CONSTRAINT checksum_stream_sync_name_stream_target_id_installation_id_acc_
        UNIQUE (sync_name, stream, target_id, installation_id, account_id)
);
-- 64 consecutive keys: their checksum, and the hash of each at its place (of key 0 the first), NULL where there is no row.
CREATE TABLE checksum_bucket (
    stream_id integer NOT NULL CONSTRAINT sweep_bucket_stream_id_fkey REFERENCES checksum_stream ON DELETE CASCADE,
    bucket    bigint NOT NULL,
    checksum  bigint NOT NULL,
    hashes    bigint[] NOT NULL,
    PRIMARY KEY (stream_id, bucket)
);

-- A comparison, kept until the next one of its sync. Lost as a whole in a crash of the server: the next one finds again
-- what was not remembered.
CREATE SEQUENCE checksum_diff_number;
CREATE UNLOGGED TABLE checksum_diff (
    id              bigint PRIMARY KEY DEFAULT nextval('krayin_sync.checksum_diff_number'),
    sync_name       text NOT NULL,
    target_id       integer NOT NULL,
    installation_id integer NOT NULL,
    account_id      bigint NOT NULL,
    read_at         timestamptz NOT NULL,
    -- Set when it is complete.
    compared_at     timestamptz,
    -- Set with the plan that took up its differences.
    remembered_at   timestamptz
);
CREATE UNLOGGED TABLE checksum_diff_compared (
    diff_id   bigint NOT NULL CONSTRAINT sweep_compared_sweep_id_fkey REFERENCES checksum_diff ON DELETE CASCADE,
    stream_id integer NOT NULL CONSTRAINT sweep_compared_stream_id_fkey REFERENCES checksum_stream ON DELETE CASCADE,
    formula   text NOT NULL,
    -- The remembered comparison it was held against.
    base      bigint,
    -- What the stream's read_at becomes.
    read_at   timestamptz NOT NULL,
    PRIMARY KEY (diff_id, stream_id)
);
-- What a differing bucket holds now; checksum NULL: no row any more.
-- Without a reference to the comparison, like the next: checking one for each of a million rows takes seconds.
CREATE UNLOGGED TABLE checksum_diff_new_bucket (
    diff_id   bigint NOT NULL,
    stream_id integer NOT NULL,
    bucket    bigint NOT NULL,
    checksum  bigint,
    hashes    bigint[],
    PRIMARY KEY (diff_id, stream_id, bucket)
);
-- difference: new       not remembered
--             changed   remembered otherwise
--             awake     without activity within the history before, with some now
--             replanned planned since from another reading: it may have been other meanwhile
--             left      not in the scope any more, but in Chatwoot
--             vanished  not in Chatwoot any more
CREATE UNLOGGED TABLE checksum_diff_difference (
    diff_id    bigint NOT NULL,
    stream     text NOT NULL,
    key        bigint NOT NULL,
    difference text NOT NULL CONSTRAINT sweep_difference_difference_check
               CHECK (difference IN ('new', 'changed', 'awake', 'replanned', 'left', 'vanished')),
    PRIMARY KEY (diff_id, stream, key)
);


-- Comparisons of Chatwoot with Krayin

-- One comparison. depth: changed  what changed on either side since the last comparison
--                        full     every record in scope
CREATE TABLE reconciliation (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id          bigint NOT NULL REFERENCES sync_run,
    sync_name       text NOT NULL,
    target_id       integer NOT NULL REFERENCES krayin_target,
    installation_id integer NOT NULL REFERENCES chatwoot_installation,
    account_id      bigint NOT NULL,
    depth           text NOT NULL CHECK (depth IN ('changed', 'full')),
    repair          boolean NOT NULL DEFAULT false,
    started_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at     timestamptz,
    -- in_scope, in_sync, and one number per class that was found.
    counts          jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX reconciliation_latest ON reconciliation (sync_name, id DESC);
CREATE UNIQUE INDEX reconciliation_of_run ON reconciliation (run_id);

-- One difference, from the comparison that saw it first to the one that did not see it any more.
-- state: open       it is there; repair would mend it, the sync's setting is to report
--        reported   it is there, and a person decides: no repair is made
--        repairing  its repair is planned (operation_id)
--        repaired   it was repaired and is not there any more
--        resolved   it is not there any more without a repair
--        accepted   it is there, and a person said that it may be
CREATE TABLE finding (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The comparison that saw it last.
    reconciliation_id bigint NOT NULL REFERENCES reconciliation,
    sync_name         text NOT NULL,
    target_id         integer NOT NULL REFERENCES krayin_target,
    installation_id   integer NOT NULL REFERENCES chatwoot_installation,
    account_id        bigint NOT NULL,
    -- What tells it from every other difference of the sync.
    key               text NOT NULL,
    source_kind       text CHECK (source_kind IN ('contact', 'conversation', 'message', 'company', 'stage')),
    source_id         text,
    -- The contact whose data it shows, for erasure.
    contact_id        bigint,
    crm_kind          text CHECK (crm_kind IN ('person', 'lead', 'organization', 'activity')),
    crm_id            bigint,
    class             text NOT NULL CHECK (class IN (
        'missing', 'changed', 'duplicate', 'orphan', 'unmapped', 'stale_mapping', 'quarantined', 'unknown',
        'truncated', 'moved_stage')),
    field             text,
    side              text CHECK (side IN ('ours', 'theirs')),
    -- Values of contact fields and ids of other records; never what was said in a message or comment.
    detail            jsonb NOT NULL DEFAULT '{}',
    repair            text NOT NULL,
    repair_calls      smallint NOT NULL DEFAULT 0,
    state             text NOT NULL CHECK (state IN (
        'open', 'reported', 'repairing', 'repaired', 'resolved', 'accepted')),
    operation_id      bigint REFERENCES operation ON DELETE SET NULL,
    first_seen        timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen         timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at          timestamptz
);
CREATE UNIQUE INDEX finding_present ON finding (sync_name, key) WHERE state NOT IN ('repaired', 'resolved');
CREATE INDEX finding_of_reconciliation ON finding (reconciliation_id, class);
CREATE INDEX finding_of_contact ON finding (target_id, installation_id, account_id, contact_id);


-- What people are told and asked

-- Which alerts are raised, so that each change of state is told once.
CREATE TABLE alert (
    sync_name text NOT NULL,
    condition text NOT NULL,
    raised    boolean NOT NULL,
    message   text NOT NULL,
    since     timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The channels that have taken the message about this state.
    told      text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (sync_name, condition)
);

-- What stands between a sync and its work until a person or a truthful look has explained it.
CREATE TABLE incident (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text NOT NULL,
    -- NULL: it concerns every sync to the Krayin of target_id.
    sync_name    text,
    target_id    integer REFERENCES krayin_target,
    -- What was seen and what to do, for people; neither a person's data nor a secret.
    sentence     text NOT NULL,
    -- The same for programs: counts and ids.
    facts        jsonb NOT NULL DEFAULT '{}',
    opened_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at    timestamptz,
    -- A user's name, or the run that saw that it is over.
    closed_by    text,
    closed_why   text,
    CHECK (sync_name IS NOT NULL OR target_id IS NOT NULL)
);
-- One open incident of a kind at a time; also finds the open ones.
CREATE UNIQUE INDEX incident_open ON incident (kind, coalesce(sync_name, ''), coalesce(target_id, 0))
    WHERE closed_at IS NULL;

-- A recovery: what becomes of the links to a Krayin that is another one than we knew.
-- state: planned   waits for a person's answer
--        done      carried out
--        declined  a person said no; nothing was changed
CREATE TABLE recovery (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target_id  integer NOT NULL REFERENCES krayin_target,
    -- The target that the sync's address was taken for until then, where Krayin was moved.
    moved_from integer REFERENCES krayin_target,
    happened   text NOT NULL,
    make_again boolean NOT NULL,
    state      text NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'done', 'declined')),
    -- Numbers only.
    shown      jsonb NOT NULL,
    planned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_at timestamptz,
    decided_by text
);
-- What becomes of one link; deleted with the answer.
CREATE TABLE recovery_item (
    recovery_id    bigint NOT NULL REFERENCES recovery ON DELETE CASCADE,
    mapping_id     bigint NOT NULL,
    action         text NOT NULL CHECK (action IN ('keep', 'relink', 'unlink')),
    crm_id         bigint,
    crm_created_at timestamptz,
    origin         text,
    former_crm_ids bigint[] NOT NULL,
    PRIMARY KEY (recovery_id, mapping_id)
);

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
