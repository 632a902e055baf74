-- Loyalty cards of contacts. Key: card_id. Days are local to the CRM.
select
  'crm_contacts' as source,
  contact_id as record_id,
  card_id,
  tier,
  paid,
  enrolled_at,
  cast(enrolled_at at time zone $crm_time_zone as date) as enrolled_on,
  left_at,
  cast(left_at at time zone $crm_time_zone as date) as left_on
from raw_crm_loyalty
