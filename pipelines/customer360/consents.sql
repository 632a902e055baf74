-- What contacts allowed and withdrew, statement by statement; without a channel it is for all.
-- Key: (record_id, purpose, stated_at). stated_on is local to the CRM.
select
  'crm_contacts' as source,
  contact_id as record_id,
  purpose,
  channel,
  granted,
  "at" as stated_at,
  cast("at" at time zone $crm_time_zone as date) as stated_on
from raw_crm_consents
