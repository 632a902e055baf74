-- Conversations with contacts. Key: interaction_id. started_on and started_hour are local to the CRM.
select
  'crm_contacts' as source,
  contact_id as record_id,
  interaction_id,
  channel,
  direction,
  device,
  topic,
  started_at,
  cast(started_at at time zone $crm_time_zone as date) as started_on,
  cast(date_part('hour', started_at at time zone $crm_time_zone) as bigint) as started_hour,
  cast(duration_s as bigint) as duration_s,
  cast(agent_minutes as decimal(18, 2)) as agent_minutes,
  outcome
from raw_crm_interactions
