-- Purpose: contacts are found by part of a name, e-mail or phone number, and differences chosen, without reading all of them.
SET LOCAL search_path = krayin_sync;

-- What three letters a text has in a row: a text that contains another has all of that one's. As pg_trgm does it, which not
-- every database may have, and which a backup of this schema alone would leave behind.
CREATE FUNCTION parts(text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
$$SELECT ARRAY(SELECT substr(lower($1), n, 3) FROM generate_series(1, length(lower($1)) - 2) AS n)$$;
CREATE INDEX crm_snapshot_key_part ON crm_snapshot_key USING gin (parts(key)) WHERE crm_kind = 'person';
CREATE INDEX crm_snapshot_name_part ON crm_snapshot USING gin (parts(facts ->> 'name')) WHERE crm_kind = 'person';
ANALYZE crm_snapshot, crm_snapshot_key;

-- Differences are chosen and counted by index alone; only those that are shown are read.
CREATE INDEX finding_chosen ON finding (sync_name, class, field, side, state) INCLUDE (id, first_seen, ended_at);
