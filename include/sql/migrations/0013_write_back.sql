-- Purpose: what was written back to Chatwoot: the ids of a contact's records in Krayin, as one text.
-- Parameters: none. Run once, in one transaction, by the migration tool.
SET LOCAL search_path = krayin_sync;

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
