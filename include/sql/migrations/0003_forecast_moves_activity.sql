-- Purpose: what a plan is expected to cost, which addresses it gives up, and when a customer was last heard of.
-- Parameters: none. Run once, in one transaction, by the migration tool.
SET LOCAL search_path = krayin_sync;

ALTER TABLE operation
    -- The bulk reads it takes part in (persons, leads, leads_of, organizations); forecast_calls are its writes.
    ADD COLUMN forecast_reads   text[] NOT NULL DEFAULT '{}',
    -- The company whose organization becomes known with it.
    ADD COLUMN forecast_company text,
    -- E-mails and phones its person has now and gives up; also among natural_keys.
    ADD COLUMN releases         text[] NOT NULL DEFAULT '{}';

ALTER TABLE mapping
    -- Leads that were closed and followed by a new one: still the contact's, never written again.
    ADD COLUMN former_crm_ids bigint[] NOT NULL DEFAULT '{}',
    -- The contact's last activity when its lead was last looked at.
    ADD COLUMN active_at      timestamptz;
CREATE INDEX mapping_former_records ON mapping USING gin (former_crm_ids) WHERE former_crm_ids <> '{}';

-- Nothing is kept in it between runs.
DELETE FROM staged_contact;
ALTER TABLE staged_contact
    ADD COLUMN person_hash bytea NOT NULL,
    ADD COLUMN lead_hash   bytea NOT NULL,
    -- Set where only the contact's activity is news.
    ADD COLUMN active_at   timestamptz;

ALTER TABLE crm_snapshot_mark
    -- Rows stamped up to here were read when nobody could be writing them any more.
    ADD COLUMN settled_mark timestamptz;
