-- Economics and segments of each customer by day, as they were stated; movements between tiers,
-- stages and segments are read here. Key: (day, golden_id, stated_on); the rows of earlier runs stay.
--
-- A day is stated by its own run. Amounts that come late change days that were stated: those rows
-- are stated anew, with stated_on the day of the correction, restated true and what was said
-- before beside what is said now. The latest stated_on of a (day, golden_id) holds. Days before
-- the first run are stated by it, and are not restated. A micro-segment is of the day it was made
-- on: a day that is stated anew keeps the one that it had.
with
said as (
  select day, golden_id, tier, stage, profit_365, revenue_365, micro_segment,
    row_number() over (partition by day, golden_id order by stated_on desc) as place
  from previous_customer_history
  where day >= $logical_date - $restate_days and day < $logical_date
),
latest as (
  select day, golden_id, tier, stage, profit_365, revenue_365, micro_segment
  from said where place = 1
),
stages as (
  select p.day, s.golden_id, s.stage
  from customer_stages s
  join profile_days p
    on s.entered_on <= p.day and (s.left_on is null or s.left_on > p.day)
),
now as (
  select e.day, e.golden_id, e.currency, e.revenue_365, e.profit_365, e.profitability,
    e.purchases_365, e.last_purchase_on, t.tier, t.service_level, coalesce(s.stage, 'prospect') as stage
  from economics_by_day e
  join customer_tiers t on t.day = e.day and t.golden_id = e.golden_id
  left join stages s on s.day = e.day and s.golden_id = e.golden_id
)
select
  n.day,
  n.golden_id,
  $logical_date as stated_on,
  n.day < $logical_date and p.reason = 'late' as restated,
  n.tier,
  n.service_level,
  n.stage,
  n.revenue_365,
  n.profit_365,
  n.profitability,
  n.purchases_365,
  n.last_purchase_on,
  n.currency,
  case when n.day = $logical_date then g.micro_segment else l.micro_segment end as micro_segment,
  l.tier as tier_before,
  l.stage as stage_before
from now n
join profile_days p on p.day = n.day
left join latest l on l.day = n.day and l.golden_id = n.golden_id
left join micro_segments g on g.golden_id = n.golden_id
where p.reason <> 'late' or l.golden_id is null
  or n.tier <> l.tier or n.stage <> l.stage
  or n.profit_365 <> l.profit_365 or n.revenue_365 <> l.revenue_365
