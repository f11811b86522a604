-- Purpose: what is bound carries the number of its scope (a Krayin, a Chatwoot and an account of it) in place of the three.
-- What is unique in one Krayin, or queues for it, names the Krayin as well: several scopes may share one.
SET LOCAL search_path = krayin_sync;

-- They name columns that go. Their files make them anew.
DROP VIEW IF EXISTS external_ids, coverage, error_summary, open_findings;
DROP FUNCTION IF EXISTS contact_hash(integer, integer, bigint, text);

-- Between which Chatwoot account and which Krayin records are bound; syncs of the same two share it.
CREATE TABLE scope (
    id              integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target_id       integer NOT NULL REFERENCES krayin_target,
    installation_id integer NOT NULL REFERENCES chatwoot_installation,
    account_id      bigint NOT NULL,
    CONSTRAINT scope_of_account UNIQUE (target_id, installation_id, account_id),
    -- For what names the Krayin beside the scope.
    UNIQUE (id, target_id)
);
INSERT INTO scope (target_id, installation_id, account_id)
SELECT target_id, installation_id, account_id FROM mapping
UNION SELECT target_id, installation_id, account_id FROM operation
UNION SELECT target_id, installation_id, account_id FROM organization_member
UNION SELECT target_id, installation_id, account_id FROM removal
UNION SELECT target_id, installation_id, account_id FROM watermark
UNION SELECT target_id, installation_id, account_id FROM source_baseline
UNION SELECT target_id, installation_id, account_id FROM write_back
UNION SELECT target_id, installation_id, account_id FROM checksum_stream
UNION SELECT target_id, installation_id, account_id FROM checksum_diff
UNION SELECT target_id, installation_id, account_id FROM reconciliation
UNION SELECT target_id, installation_id, account_id FROM finding
UNION SELECT target_id, installation_id, account_id FROM erasure
ORDER BY 1, 2, 3;

-- The column of the installation becomes that of the scope. So each table is written anew as a whole, and its indexes
-- with it: quicker than an update, and without a dead row for each living one.
CREATE FUNCTION scope_of(integer, integer, bigint) RETURNS integer LANGUAGE sql STABLE AS
    'SELECT id FROM krayin_sync.scope WHERE target_id = $1 AND installation_id = $2 AND account_id = $3';

DROP INDEX mapping_orphaned, mapping_gone, mapping_read_later;
ALTER TABLE mapping
    DROP CONSTRAINT mapping_target_id_installation_id_account_id_source_kind_so_key,
    DROP CONSTRAINT mapping_installation_id_fkey,
    DROP CONSTRAINT mapping_target_id_fkey;
ALTER TABLE mapping RENAME installation_id TO scope_id;
ALTER TABLE mapping ALTER scope_id TYPE integer USING scope_of(target_id, scope_id, account_id);
ALTER TABLE mapping
    DROP COLUMN account_id,
    ADD FOREIGN KEY (scope_id, target_id) REFERENCES scope (id, target_id),
    ADD CONSTRAINT mapping_of_source UNIQUE (scope_id, source_kind, source_id, crm_kind);
CREATE INDEX mapping_orphaned ON mapping (scope_id) WHERE state = 'orphaned' AND settled_at IS NULL;
CREATE INDEX mapping_gone ON mapping (scope_id) WHERE state = 'gone';
-- What was planned from a reading later than a comparison of all rows.
CREATE INDEX mapping_read_later ON mapping (scope_id, source_kind, source_read_at);

DROP INDEX operation_planned, operation_waiting_for_contact, operation_quarantined_record, operation_of_record,
    operation_of_contact;
ALTER TABLE operation DROP CONSTRAINT operation_installation_id_fkey, DROP CONSTRAINT operation_target_id_fkey;
ALTER TABLE operation RENAME installation_id TO scope_id;
ALTER TABLE operation ALTER scope_id TYPE integer USING scope_of(target_id, scope_id, account_id);
ALTER TABLE operation
    DROP COLUMN account_id,
    ADD FOREIGN KEY (scope_id, target_id) REFERENCES scope (id, target_id);
-- One plan per source record waits at any time; a newer one takes its place.
CREATE UNIQUE INDEX operation_planned ON operation (scope_id, source_kind, source_id) WHERE state IN ('planned', 'held');
CREATE INDEX operation_waiting_for_contact ON operation (scope_id, contact_id)
    WHERE contact_id IS NOT NULL AND state = 'planned';
CREATE INDEX operation_quarantined_record ON operation (scope_id, source_kind, source_id) WHERE state = 'quarantined';
-- The history of one contact is found without reading all operations.
CREATE INDEX operation_of_record ON operation (scope_id, source_id, id) WHERE source_kind IN ('contact', 'stage');
CREATE INDEX operation_of_contact ON operation (scope_id, contact_id, id) WHERE contact_id IS NOT NULL;

DROP INDEX removal_of_source;
ALTER TABLE removal DROP CONSTRAINT removal_installation_id_fkey, DROP CONSTRAINT removal_target_id_fkey;
ALTER TABLE removal RENAME installation_id TO scope_id;
ALTER TABLE removal ALTER scope_id TYPE integer USING scope_of(target_id, scope_id, account_id);
ALTER TABLE removal
    DROP COLUMN account_id,
    ADD FOREIGN KEY (scope_id, target_id) REFERENCES scope (id, target_id);
CREATE INDEX removal_of_source ON removal (scope_id, source_kind, source_id) WHERE ended_at IS NULL;

DROP INDEX organization_member_by_name, organization_member_with_address;
ALTER TABLE organization_member
    DROP CONSTRAINT organization_member_pkey,
    DROP CONSTRAINT organization_member_installation_id_fkey;
ALTER TABLE organization_member RENAME installation_id TO scope_id;
ALTER TABLE organization_member ALTER scope_id TYPE integer USING scope_of(target_id, scope_id, account_id);
ALTER TABLE organization_member
    DROP COLUMN target_id,
    DROP COLUMN account_id,
    ADD FOREIGN KEY (scope_id) REFERENCES scope,
    ADD PRIMARY KEY (scope_id, contact_id);
CREATE INDEX organization_member_by_name ON organization_member (scope_id, folded_name, contact_id);
-- Finds the contact whose address a company takes without looking at all others that name it.
CREATE INDEX organization_member_with_address ON organization_member (scope_id, folded_name, contact_id)
    WHERE address IS NOT NULL;

ALTER TABLE watermark DROP CONSTRAINT watermark_pkey, DROP CONSTRAINT watermark_installation_id_fkey;
ALTER TABLE watermark RENAME installation_id TO scope_id;
ALTER TABLE watermark ALTER scope_id TYPE integer USING scope_of(target_id, scope_id, account_id);
ALTER TABLE watermark
    DROP COLUMN target_id,
    DROP COLUMN account_id,
    ADD FOREIGN KEY (scope_id) REFERENCES scope,
    ADD PRIMARY KEY (sync_name, stream, scope_id);

ALTER TABLE source_baseline DROP CONSTRAINT source_baseline_pkey, DROP CONSTRAINT source_baseline_installation_id_fkey;
ALTER TABLE source_baseline RENAME installation_id TO scope_id;
ALTER TABLE source_baseline ALTER scope_id TYPE integer USING scope_of(target_id, scope_id, account_id);
ALTER TABLE source_baseline
    DROP COLUMN target_id,
    DROP COLUMN account_id,
    ADD FOREIGN KEY (scope_id) REFERENCES scope,
    ADD PRIMARY KEY (sync_name, scope_id);

ALTER TABLE write_back DROP CONSTRAINT write_back_pkey, DROP CONSTRAINT write_back_installation_id_fkey;
ALTER TABLE write_back RENAME installation_id TO scope_id;
ALTER TABLE write_back ALTER scope_id TYPE integer USING scope_of(target_id, scope_id, account_id);
ALTER TABLE write_back
    DROP COLUMN target_id,
    DROP COLUMN account_id,
    ADD FOREIGN KEY (scope_id) REFERENCES scope,
    ADD PRIMARY KEY (sync_name, scope_id, contact_id);

ALTER TABLE checksum_stream
    DROP CONSTRAINT checksum_stream_sync_name_stream_target_id_installation_id_acc_,
    DROP CONSTRAINT sweep_stream_installation_id_fkey;
ALTER TABLE checksum_stream RENAME installation_id TO scope_id;
ALTER TABLE checksum_stream ALTER scope_id TYPE integer USING scope_of(target_id, scope_id, account_id);
ALTER TABLE checksum_stream
    DROP COLUMN target_id,
    DROP COLUMN account_id,
    ADD FOREIGN KEY (scope_id) REFERENCES scope,
    ADD CONSTRAINT checksum_stream_of_scope UNIQUE (sync_name, stream, scope_id);

ALTER TABLE checksum_diff RENAME installation_id TO scope_id;
ALTER TABLE checksum_diff ALTER scope_id TYPE integer USING scope_of(target_id, scope_id, account_id);
ALTER TABLE checksum_diff
    DROP COLUMN target_id,
    DROP COLUMN account_id,
    ADD FOREIGN KEY (scope_id) REFERENCES scope;

ALTER TABLE reconciliation DROP CONSTRAINT reconciliation_installation_id_fkey;
ALTER TABLE reconciliation RENAME installation_id TO scope_id;
ALTER TABLE reconciliation ALTER scope_id TYPE integer USING scope_of(target_id, scope_id, account_id);
ALTER TABLE reconciliation
    DROP COLUMN target_id,
    DROP COLUMN account_id,
    ADD FOREIGN KEY (scope_id) REFERENCES scope;

DROP INDEX finding_of_contact;
ALTER TABLE finding DROP CONSTRAINT finding_installation_id_fkey;
ALTER TABLE finding RENAME installation_id TO scope_id;
ALTER TABLE finding ALTER scope_id TYPE integer USING scope_of(target_id, scope_id, account_id);
ALTER TABLE finding
    DROP COLUMN target_id,
    DROP COLUMN account_id,
    ADD FOREIGN KEY (scope_id) REFERENCES scope;
CREATE INDEX finding_of_contact ON finding (scope_id, contact_id);

DROP INDEX erasure_of_contact;
ALTER TABLE erasure DROP CONSTRAINT erasure_installation_id_fkey;
ALTER TABLE erasure RENAME installation_id TO scope_id;
ALTER TABLE erasure ALTER scope_id TYPE integer USING scope_of(target_id, scope_id, account_id);
ALTER TABLE erasure
    DROP COLUMN target_id,
    DROP COLUMN account_id,
    ADD FOREIGN KEY (scope_id) REFERENCES scope;
-- Syncs leave out the contacts whose hash stands here.
CREATE UNIQUE INDEX erasure_of_contact ON erasure (scope_id, contact_hash) WHERE lifted_at IS NULL;

DROP FUNCTION scope_of(integer, integer, bigint);
-- What is known of a column is lost with its type.
ANALYZE mapping, operation, organization_member, finding;
