-- A contact with its records in Krayin. Contacts of two Krayins or Chatwoots have each a row of their own.
select
    md5(concat_ws('|', krayin, chatwoot, account_id, contact_id)) as contact_key,
    krayin,
    chatwoot,
    account_id,
    contact_id,
    person_id,
    lead_id,
    organization_id,
    cardinality(activity_ids) as activities,
    cardinality(former_lead_ids) as former_leads
from {{ source('krayin_sync', 'external_ids') }}
