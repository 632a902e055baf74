-- What contacts allowed and withdrew, statement by statement. Key: (record_id, purpose, stated_at).
select
  'crm_contacts' as source,
  contact_id as record_id,
  purpose,
  channel,
  granted,
  "at" as stated_at
from raw_crm_consents
