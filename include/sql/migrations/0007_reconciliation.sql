-- Purpose: comparisons of Chatwoot with Krayin, and the differences they found.
-- Parameters: none. Run once, in one transaction, by the migration tool.
SET LOCAL search_path = krayin_sync;

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

ALTER TABLE crm_snapshot
    -- The state that was last compared with what was sent, and when: only what differs is looked at again.
    ADD COLUMN compared_hash bytea,
    ADD COLUMN compared_at   timestamptz;

ALTER TABLE mapping
    -- When what is to happen to the records of a deleted or merged contact had happened.
    ADD COLUMN settled_at timestamptz;
CREATE INDEX mapping_orphaned ON mapping (target_id, installation_id, account_id)
    WHERE state = 'orphaned' AND settled_at IS NULL;
CREATE INDEX mapping_gone ON mapping (target_id, installation_id, account_id) WHERE state = 'gone';

-- Rows that move to another contact when two are merged, and stay behind or vanish when one is deleted: ids only.
CREATE TABLE contact_trace (
    installation_id  integer NOT NULL REFERENCES chatwoot_installation,
    account_id       bigint NOT NULL,
    contact_id       bigint NOT NULL,
    conversation_id  bigint,
    contact_inbox_id bigint,
    PRIMARY KEY (installation_id, account_id, contact_id)
);
CREATE INDEX contact_trace_conversation ON contact_trace (installation_id, account_id, conversation_id);
CREATE INDEX contact_trace_contact_inbox ON contact_trace (installation_id, account_id, contact_inbox_id);

-- Which activities hang on a person or lead through us: those of a deleted or merged contact.
CREATE INDEX mapping_activity_person ON mapping (target_id, (last_sent ->> 'person')) WHERE crm_kind = 'activity';
CREATE INDEX mapping_activity_lead ON mapping (target_id, (last_sent ->> 'lead'))
    WHERE crm_kind = 'activity' AND last_sent ? 'lead';
