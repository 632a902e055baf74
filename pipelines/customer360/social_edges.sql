-- Which golden customers follow each other on social networks: one row for each pair in the
-- direction of following. Key: (golden_id, other_golden_id).
--
-- weight = the number of accounts of the one that follow an account of the other.
with
follower as (
  select m.golden_id, f.source, f.followed_record_id, f.since
  from follows f
  join entity_members m on m.source = f.source and m.record_id = f.record_id
  where f.since <= $logical_date
),
-- Named apart before they are grouped: two group keys of one name have been mistaken for each
-- other when a join on them was planned.
pairs as (
  select f.golden_id, m.golden_id as other_golden_id, f.since
  from follower f
  join entity_members m on m.source = f.source and m.record_id = f.followed_record_id
),
edges as (
  select golden_id, other_golden_id, count(*) as weight, min(since) as since
  from pairs
  where golden_id <> other_golden_id
  group by golden_id, other_golden_id
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
