-- Answers of contacts to surveys, 0 to 10. Key: survey_id. Days are local to the CRM.
select
  'crm_contacts' as source,
  contact_id as record_id,
  survey_id,
  cast(score as bigint) as score,
  answered_at,
  cast(answered_at at time zone $crm_time_zone as date) as answered_on,
  followed_up_at,
  cast(followed_up_at at time zone $crm_time_zone as date) as followed_up_on
from raw_crm_surveys
