-- Purpose: the identifier that Chatwoot gave its installation.
-- Parameters: none.
-- Indexes: index_installation_configs_on_name.
SELECT serialized_value::text AS serialized_value
FROM installation_configs
WHERE name = 'INSTALLATION_IDENTIFIER'
