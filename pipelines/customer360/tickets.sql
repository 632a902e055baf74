-- Cases of contacts. Key: ticket_id. opened_on and closed_on are local to the CRM.
select
  'crm_contacts' as source,
  contact_id as record_id,
  ticket_id,
  topic,
  severity,
  complaint,
  opened_at,
  cast(opened_at at time zone $crm_time_zone as date) as opened_on,
  closed_at,
  cast(closed_at at time zone $crm_time_zone as date) as closed_on,
  cast(agent_minutes as decimal(18, 2)) as agent_minutes
from raw_crm_tickets
