-- Offers sent to contacts and what they answered. Key: offer_id. sent_on is local to the CRM.
select
  'crm_contacts' as source,
  contact_id as record_id,
  offer_id,
  kind,
  channel,
  sent_at,
  cast(sent_at at time zone $crm_time_zone as date) as sent_on,
  response,
  responded_at
from raw_crm_offers
