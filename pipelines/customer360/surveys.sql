-- Answers of contacts to surveys, 0 to 10. Key: survey_id.
select
  'crm_contacts' as source,
  contact_id as record_id,
  survey_id,
  cast(score as bigint) as score,
  answered_at,
  followed_up_at
from raw_crm_surveys
