-- Offers sent to contacts and what they answered. Key: offer_id. sent_on and
-- responded_on are local to the CRM.
select
  'crm_contacts' as source,
  contact_id as record_id,
  offer_id,
  kind,
  channel,
  sent_at,
  cast(sent_at at time zone $crm_time_zone as date) as sent_on,
  response,
  responded_at,
  cast(responded_at at time zone $crm_time_zone as date) as responded_on
from raw_crm_offers
