-- What stands for a contact that was erased: nothing of it, yet the same for the same contact.
CREATE OR REPLACE FUNCTION krayin_sync.contact_hash(
    target_id integer, installation_id integer, account_id bigint, contact_id text
) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN sha256(convert_to(
    target_id::text || ':' || installation_id::text || ':' || account_id::text || ':' || contact_id, 'UTF8'
));
