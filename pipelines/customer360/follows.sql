-- Who follows whom on social networks, as record addresses. Key: (record_id, followed_record_id).
select
  'social_handles' as source,
  platform || '/' || follower as record_id,
  platform || '/' || followed as followed_record_id,
  platform,
  since
from raw_social_follows
