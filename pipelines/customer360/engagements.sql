-- What accounts on social networks did. Key: engagement_id. occurred_on is local to the source.
select
  'social_handles' as source,
  platform || '/' || handle as record_id,
  engagement_id,
  platform,
  kind,
  target,
  cast(reach as bigint) as reach,
  "at" as occurred_at,
  cast("at" at time zone $social_time_zone as date) as occurred_on
from raw_social_engagements
