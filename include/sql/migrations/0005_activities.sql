-- Purpose: conversations and messages as activities, and lead stages that follow the conversation.
-- Parameters: none. Run once, in one transaction, by the migration tool.
SET LOCAL search_path = krayin_sync;

ALTER TABLE mapping DROP CONSTRAINT mapping_source_kind_check;
ALTER TABLE mapping ADD CONSTRAINT mapping_source_kind_check
    CHECK (source_kind IN ('contact', 'conversation', 'message', 'company', 'stage'));
ALTER TABLE operation DROP CONSTRAINT operation_source_kind_check;
ALTER TABLE operation ADD CONSTRAINT operation_source_kind_check
    CHECK (source_kind IN ('contact', 'conversation', 'message', 'company', 'stage'));

ALTER TABLE operation
    -- The contact whose person or lead it hangs on (or moves), and which of the two it waits for.
    ADD COLUMN contact_id bigint,
    ADD COLUMN waits_for  text CHECK (waits_for IN ('person', 'lead'));
CREATE INDEX operation_waiting_for_contact
    ON operation (target_id, installation_id, account_id, contact_id)
    WHERE contact_id IS NOT NULL AND state = 'planned';

-- What waits for a contact's record is due as soon as that record is known, whoever finds or makes it.
CREATE FUNCTION release_waiting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE krayin_sync.operation
    SET next_attempt_at = clock_timestamp()
    WHERE target_id = NEW.target_id AND installation_id = NEW.installation_id AND account_id = NEW.account_id
      AND contact_id = NEW.source_id::bigint AND waits_for = NEW.crm_kind
      AND state = 'planned' AND next_attempt_at > clock_timestamp();
    RETURN NULL;
END $$;
CREATE TRIGGER mapping_linked_insert AFTER INSERT ON mapping
    FOR EACH ROW WHEN (NEW.source_kind = 'contact' AND NEW.state = 'linked')
    EXECUTE FUNCTION release_waiting();
CREATE TRIGGER mapping_linked_update AFTER UPDATE OF state, crm_id ON mapping
    FOR EACH ROW WHEN (NEW.source_kind = 'contact' AND NEW.state = 'linked'
                       AND (OLD.state <> 'linked' OR OLD.crm_id IS DISTINCT FROM NEW.crm_id))
    EXECUTE FUNCTION release_waiting();

-- Mapped activities and stage moves of a run that differ from what was last planned, between extract and plan.
CREATE UNLOGGED TABLE staged_activity (
    run_id      bigint NOT NULL,
    source_kind text NOT NULL,
    source_id   text NOT NULL,
    contact_id  bigint NOT NULL,
    source_hash bytea NOT NULL,
    desired     jsonb NOT NULL,
    PRIMARY KEY (run_id, source_kind, source_id)
);

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
