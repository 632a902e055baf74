-- What accounts on social networks did. Key: engagement_id.
select
  'social_handles' as source,
  platform || '/' || handle as record_id,
  engagement_id,
  platform,
  kind,
  target,
  cast(reach as bigint) as reach,
  "at" as occurred_at
from raw_social_engagements
