-- Tier, service level and journey stage of each customer. Key: golden_id.
select
  t.golden_id,
  t.tier,
  t.service_level,
  t.profit_365,
  t.profit_rank,
  t.whale_share,
  coalesce(s.stage, 'prospect') as stage,
  s.entered_on as stage_since,
  cast(1 as bigint) as micro_segment,
  cast('all' as varchar) as persona
from customer_tiers t
left join customer_stages s on s.golden_id = t.golden_id and s.left_on is null
where t.day = $logical_date
