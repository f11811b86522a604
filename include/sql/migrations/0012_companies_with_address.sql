-- Purpose: find the contact whose address a company takes without looking at all others that name it.
-- Parameters: none. Run once, in one transaction, by the migration tool.
CREATE INDEX organization_member_with_address
    ON krayin_sync.organization_member (target_id, installation_id, account_id, folded_name, contact_id)
    WHERE address IS NOT NULL;
