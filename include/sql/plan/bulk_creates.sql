-- Purpose: plan, among the next staged contacts, those of whom nothing is known: no mapping, no person in Krayin with
--          one of their e-mails or phones, no id of an earlier integration. Each is created by one call. What else is
--          staged comes back as `rest`, to be planned contact by contact.
-- Parameters: run_id, after (contact id), size, sync_name, lane, target_id, installation_id, account_id, read_at,
--             examples (how many ids to return of those planned).
-- Indexes: staged_contact_pkey, mapping_target_id_installation_id_account_id_source_kind_so_key, crm_snapshot_key_pkey.
-- Sets are compared as `(... IN (SELECT ...)) IS TRUE`, which is always done by hashing: a join would be planned by the
-- statistics of tables that are just being filled, and loop.
WITH staged AS MATERIALIZED (
    SELECT contact_id, contact_id::text AS source_id, desired, person_hash, lead_hash,
           desired -> 'organization' AS company,
           active_at IS NULL AND desired -> 'adopt' = '{}' AS is_plain,
           ARRAY(SELECT jsonb_array_elements_text(desired -> 'natural_keys')) AS natural_keys
    FROM krayin_sync.staged_contact
    WHERE run_id = %(run_id)s AND contact_id > %(after)s
    ORDER BY contact_id
    LIMIT %(size)s
),
mapped AS MATERIALIZED (
    SELECT source_id
    FROM krayin_sync.mapping
    WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
      AND source_kind = 'contact' AND source_id = ANY(ARRAY(SELECT source_id FROM staged))
),
claimed AS (
    SELECT contact_id, unnest(natural_keys) AS key FROM staged
),
shown AS MATERIALIZED (
    SELECT key
    FROM krayin_sync.crm_snapshot_key
    WHERE target_id = %(target_id)s AND crm_kind = 'person' AND key = ANY(ARRAY(SELECT key FROM claimed))
),
unknown AS MATERIALIZED (
    SELECT *
    FROM staged
    WHERE is_plain
      AND (source_id IN (SELECT source_id FROM mapped)) IS NOT TRUE
      AND (contact_id IN (SELECT contact_id FROM claimed WHERE (key IN (SELECT key FROM shown)) IS TRUE)) IS NOT TRUE
),
registered AS (
    -- Another planner may be inserting the same contacts: it is waited for, and what it planned is left alone.
    INSERT INTO krayin_sync.mapping
        (target_id, installation_id, account_id, source_kind, source_id, crm_kind, source_hash, source_read_at,
         planned_at)
    SELECT %(target_id)s, %(installation_id)s, %(account_id)s, 'contact', source_id, crm_kind,
           CASE crm_kind WHEN 'person' THEN person_hash ELSE lead_hash END, %(read_at)s, clock_timestamp()
    FROM unknown
    CROSS JOIN (VALUES ('lead'), ('person')) AS kinds (crm_kind)
    ORDER BY source_id, crm_kind
    ON CONFLICT DO NOTHING
    RETURNING source_id, crm_kind
),
newcomer AS MATERIALIZED (
    SELECT * FROM unknown WHERE (source_id IN (SELECT source_id FROM registered)) IS TRUE
),
planned AS (
    INSERT INTO krayin_sync.operation
        (run_id, sync_name, lane, target_id, installation_id, account_id, source_kind, source_id, payload,
         source_read_at, source_changed_at, natural_keys, forecast_calls, next_attempt_at)
    SELECT %(run_id)s, %(sync_name)s, %(lane)s, %(target_id)s, %(installation_id)s, %(account_id)s, 'contact', source_id,
           jsonb_build_object(
               'person', desired -> 'person', 'person_hash', encode(person_hash, 'hex'),
               'lead', desired -> 'lead', 'lead_hash', encode(lead_hash, 'hex'),
               'organization', company -> 'folded_name', 'adopt', '{}'::jsonb
           ),
           %(read_at)s, (desired ->> 'changed_at')::timestamptz,
           natural_keys || CASE WHEN jsonb_typeof(company) = 'object'
                                THEN ARRAY['organization:' || (company ->> 'folded_name')] ELSE '{}' END,
           1, now()
    FROM newcomer
    ORDER BY contact_id
),
named AS (
    INSERT INTO krayin_sync.organization_member
        (target_id, installation_id, account_id, contact_id, folded_name, name, address)
    SELECT %(target_id)s, %(installation_id)s, %(account_id)s, contact_id, company ->> 'folded_name', company ->> 'name',
           CASE WHEN jsonb_typeof(company -> 'address') = 'object' OR jsonb_strip_nulls(company -> 'custom') <> '{}'
                THEN jsonb_build_object('address', company -> 'address', 'custom', company -> 'custom') END
    FROM newcomer
    WHERE jsonb_typeof(company) = 'object'
    ON CONFLICT (target_id, installation_id, account_id, contact_id) DO UPDATE
    SET folded_name = excluded.folded_name, name = excluded.name, address = excluded.address
)
SELECT (SELECT max(contact_id) FROM staged) AS last,
       (SELECT count(*) FROM newcomer) AS bulk_creates,
       (SELECT count(*) FROM registered) AS registered,
       ARRAY(SELECT contact_id FROM newcomer ORDER BY contact_id LIMIT %(examples)s) AS examples,
       ARRAY(SELECT DISTINCT company ->> 'folded_name' FROM newcomer WHERE jsonb_typeof(company) = 'object')
           AS companies,
       ARRAY(SELECT contact_id FROM staged EXCEPT SELECT contact_id FROM newcomer ORDER BY contact_id) AS rest
