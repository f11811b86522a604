-- Purpose: give the id of a Krayin its new address, and the id that stood for it meanwhile a name nobody reaches.
-- Parameters: present_id, id (first the present one, then the former: an address is of one id only).
-- Indexes: krayin_target_pkey.
UPDATE krayin_sync.krayin_target
SET base_url = CASE WHEN id = %(present_id)s THEN base_url || '#moved-' || id
                    ELSE (SELECT split_part(base_url, '#moved-', 1) FROM krayin_sync.krayin_target WHERE id = %(present_id)s) END
WHERE id = %(id)s
