-- Cases of contacts. Key: ticket_id.
select
  'crm_contacts' as source,
  contact_id as record_id,
  ticket_id,
  topic,
  severity,
  complaint,
  opened_at,
  closed_at,
  cast(agent_minutes as decimal(18, 2)) as agent_minutes
from raw_crm_tickets
