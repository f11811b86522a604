-- Purpose: remember what an update without a known answer may have written.
-- Parameters: none. Run once, in one transaction, by the migration tool.

-- Fields of the update that was sent last and not acknowledged yet, by name as in last_sent; NULL when none is open.
-- Without it, what a lost update left in Krayin would look as if a salesperson had typed it.
ALTER TABLE krayin_sync.mapping ADD COLUMN attempted jsonb;
