-- What waits for a contact's record is due as soon as that record is known, whoever finds or makes it: all of it at
-- one moment, so that it is carried out in the order in which it was planned.
CREATE OR REPLACE FUNCTION release_waiting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE krayin_sync.operation
    SET next_attempt_at = statement_timestamp()
    WHERE scope_id = NEW.scope_id AND contact_id = split_part(NEW.source_id, '/', 1)::bigint
      AND waits_for = CASE NEW.source_kind WHEN 'lead' THEN 'lead/' || split_part(NEW.source_id, '/', 2)
                                           ELSE NEW.crm_kind END
      AND state = 'planned' AND next_attempt_at > clock_timestamp();
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS mapping_linked_insert ON mapping;
CREATE TRIGGER mapping_linked_insert AFTER INSERT ON mapping
    FOR EACH ROW WHEN (NEW.source_kind IN ('contact', 'lead') AND NEW.state = 'linked')
    EXECUTE FUNCTION release_waiting();
DROP TRIGGER IF EXISTS mapping_linked_update ON mapping;
CREATE TRIGGER mapping_linked_update AFTER UPDATE OF state, crm_id ON mapping
    FOR EACH ROW WHEN (NEW.source_kind IN ('contact', 'lead') AND NEW.state = 'linked'
                       AND (OLD.state <> 'linked' OR OLD.crm_id IS DISTINCT FROM NEW.crm_id))
    EXECUTE FUNCTION release_waiting();

-- Whoever gives a row another record need not think of it.
CREATE OR REPLACE FUNCTION forget_crm_created_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.crm_created_at := NULL;
    RETURN NEW;
END $$;
DROP TRIGGER IF EXISTS mapping_other_record ON mapping;
CREATE TRIGGER mapping_other_record BEFORE UPDATE OF crm_id ON mapping
    FOR EACH ROW WHEN (OLD.crm_id IS DISTINCT FROM NEW.crm_id
                       AND OLD.crm_created_at IS NOT DISTINCT FROM NEW.crm_created_at)
    EXECUTE FUNCTION forget_crm_created_at();
