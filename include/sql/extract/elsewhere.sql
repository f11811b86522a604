-- Purpose: the schemas that have Chatwoot's tables, whether the session looks into them or not.
-- Parameters: none.
-- Indexes: catalogues.
SELECT namespace.nspname::text AS schema_name
FROM pg_class AS relation
JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
WHERE relation.relname IN ('contacts', 'conversations', 'contact_inboxes')
GROUP BY namespace.nspname
HAVING count(*) = 3
ORDER BY 1;
