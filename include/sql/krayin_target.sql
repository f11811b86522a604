-- name: dialect_read
-- How a Krayin answers, unless that was learned too long ago.
-- Parameters: target_id, max_age (interval).
-- Indexes: krayin_target_pkey.
SELECT dialect
FROM krayin_sync.krayin_target
WHERE id = %(target_id)s AND dialect_learned_at > clock_timestamp() - %(max_age)s


-- name: dialect_write
-- Keep how a Krayin answers. What is learned beside what is known already does not make that younger.
-- Parameters: target_id, document (JSON), max_age (interval).
-- Indexes: krayin_target_pkey.
UPDATE krayin_sync.krayin_target
SET dialect = %(document)s,
    dialect_learned_at = CASE WHEN dialect_learned_at > clock_timestamp() - %(max_age)s
                              THEN dialect_learned_at ELSE clock_timestamp() END
WHERE id = %(target_id)s


-- name: former
-- The Krayin that a sync was run with before the present one, or the one at an address.
-- Parameters: sync_name, target_id (the present one), base_url (or NULL: the sync's last).
-- Indexes: watermark_pkey, krayin_target_base_url_key.
SELECT target.id, target.base_url
FROM krayin_sync.krayin_target AS target
LEFT JOIN (krayin_sync.watermark JOIN krayin_sync.scope ON scope.id = watermark.scope_id)
       ON scope.target_id = target.id AND watermark.sync_name = %(sync_name)s
WHERE target.id <> %(target_id)s AND target.base_url NOT LIKE '%%#moved-%%'
  AND CASE WHEN %(base_url)s::text IS NULL THEN watermark.sync_name IS NOT NULL
           ELSE starts_with(target.base_url, %(base_url)s) END
ORDER BY watermark.moved_at DESC NULLS LAST
LIMIT 1


-- name: id
-- The id of a Krayin, registered at first sight.
-- Parameters: base_url (normalised address).
-- Indexes: krayin_target_base_url_key.
INSERT INTO krayin_sync.krayin_target (base_url) VALUES (%(base_url)s)
ON CONFLICT (base_url) DO UPDATE SET base_url = excluded.base_url
RETURNING id


-- name: installation_id
-- The id of a Chatwoot installation, registered at first sight.
-- Parameters: identity (what the installation calls itself).
-- Indexes: chatwoot_installation_identity_key.
INSERT INTO krayin_sync.chatwoot_installation (identity) VALUES (%(identity)s)
ON CONFLICT (identity) DO UPDATE SET identity = excluded.identity
RETURNING id


-- name: scope_id
-- The id of a scope, registered at first sight. A known one is not written to: that would wait for whoever plans.
-- Parameters: target_id, installation_id, account_id.
-- Indexes: scope_of_account.
WITH known AS (
    SELECT id
    FROM krayin_sync.scope
    WHERE target_id = %(target_id)s AND installation_id = %(installation_id)s AND account_id = %(account_id)s
), registered AS (
    INSERT INTO krayin_sync.scope (target_id, installation_id, account_id)
    SELECT %(target_id)s, %(installation_id)s, %(account_id)s
    WHERE NOT EXISTS (SELECT FROM known)
    -- Somebody may have registered it this very moment.
    ON CONFLICT (target_id, installation_id, account_id) DO UPDATE SET account_id = excluded.account_id
    RETURNING id
)
SELECT id FROM known UNION ALL SELECT id FROM registered


-- name: known
-- The id of a Krayin that was used before.
-- Parameters: base_url (normalised address).
-- Indexes: krayin_target_base_url_key.
SELECT id FROM krayin_sync.krayin_target WHERE base_url = %(base_url)s


-- name: readdress
-- Give the id of a Krayin its new address, and the id that stood for it meanwhile a name nobody reaches.
-- Parameters: present_id, id (first the present one, then the former: an address is of one id only).
-- Indexes: krayin_target_pkey.
UPDATE krayin_sync.krayin_target
SET base_url = CASE WHEN id = %(present_id)s THEN base_url || '#moved-' || id
                    ELSE (SELECT split_part(base_url, '#moved-', 1) FROM krayin_sync.krayin_target WHERE id = %(present_id)s) END
WHERE id = %(id)s
