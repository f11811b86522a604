-- Which records in Krayin is a contact, and what does it lack there?
select
    *,
    person_id is not null as has_person,
    lead_id is not null as has_lead,
    organization_id is not null as has_organization
from {{ ref('stg_contacts') }}
