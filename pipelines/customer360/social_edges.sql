-- Which golden customers follow each other on social networks: one row for each pair in the
-- direction of following. Key: (golden_id, other_golden_id).
--
-- weight = the number of accounts of the one that follow an account of the other.
with
edges as (
  select
    a.golden_id,
    b.golden_id as other_golden_id,
    count(*) as weight,
    min(f.since) as since
  from follows f
  join entity_members a on a.source = f.source and a.record_id = f.record_id
  join entity_members b on b.source = f.source and b.record_id = f.followed_record_id
  where f.since <= $logical_date and a.golden_id <> b.golden_id
  group by a.golden_id, b.golden_id
)
select
  e.golden_id,
  e.other_golden_id,
  e.weight,
  e.since,
  back.golden_id is not null as mutual
from edges e
left join edges back
  on back.golden_id = e.other_golden_id and back.other_golden_id = e.golden_id
