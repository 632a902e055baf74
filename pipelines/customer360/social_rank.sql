-- Who follows whom, and who has an account: what the computation pagerank reads. Key: golden_id,
-- other_golden_id here, golden_id in the table.
--
-- An account that nobody follows and that follows nobody is a node without edges.
select golden_id, other_golden_id, cast(weight as bigint) as weight from social_edges
union all
select distinct m.golden_id, cast(null as varchar) as other_golden_id, cast(null as bigint) as weight
from entity_members m
left join social_edges e on e.golden_id = m.golden_id
where m.source = 'social_handles' and e.golden_id is null
