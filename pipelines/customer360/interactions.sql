-- Conversations with contacts. Key: interaction_id.
select
  'crm_contacts' as source,
  contact_id as record_id,
  interaction_id,
  channel,
  direction,
  device,
  topic,
  started_at,
  cast(duration_s as bigint) as duration_s,
  cast(agent_minutes as decimal(18, 2)) as agent_minutes,
  outcome
from raw_crm_interactions
