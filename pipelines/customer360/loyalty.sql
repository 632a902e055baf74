-- Loyalty cards of contacts. Key: card_id.
select
  'crm_contacts' as source,
  contact_id as record_id,
  card_id,
  tier,
  paid,
  enrolled_at,
  left_at
from raw_crm_loyalty
