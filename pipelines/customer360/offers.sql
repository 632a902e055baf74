-- Offers sent to contacts and what they answered. Key: offer_id.
select
  'crm_contacts' as source,
  contact_id as record_id,
  offer_id,
  kind,
  channel,
  sent_at,
  response,
  responded_at
from raw_crm_offers
