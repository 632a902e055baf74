-- Tier, service level, journey stage, micro-segment and persona of each customer. Key: golden_id.
select
  t.golden_id,
  t.tier,
  t.service_level,
  t.profit_365,
  t.profit_rank,
  t.whale_share,
  coalesce(s.stage, 'prospect') as stage,
  s.entered_on as stage_since,
  g.micro_segment,
  n.persona
from customer_tiers t
left join customer_stages s on s.golden_id = t.golden_id and s.left_on is null
join micro_segments g on g.golden_id = t.golden_id
join personas n on n.micro_segment = g.micro_segment
where t.day = $logical_date
