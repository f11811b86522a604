-- Purpose: take texts from the server as the bytes they are; where it knows no encoding itself, nothing else works.
-- Parameters: none.
-- Indexes: none.
SELECT set_config('client_encoding', 'SQL_ASCII', false);
