-- What each customer was and brought in each calendar month and year. Key: (period, period_start,
-- golden_id); a row where there is anything to say.
--
-- is_new: first purchase ever in it. retained: bought before it and in it. lost: the last purchase
-- + $lapse_after_days falls in it. won_back: lost before, bought in it. active_at_start: not lapsed
-- when it began. lost_revenue: that of the 365 days to the last purchase, scaled to the period's
-- length. cost_to_serve: the customer's own, and by agent minutes of the period a share of what
-- names no known customer. stage: at the period's end.
with
ledger as (
  select *,
    cast(date_trunc('month', cast(day as timestamp)) as date) as month,
    cast(date_trunc('year', cast(day as timestamp)) as date) as year
  from customer_days
),
dealt as (
  select 'month' as period, month as period_start, golden_id, sum(revenue) as revenue,
    sum(purchases) as purchases, sum(agent_minutes) as minutes,
    sum(service_cost + labour_cost + communication_cost + hard_cost) as cost
  from ledger group by month, golden_id
  union all
  select 'year' as period, year as period_start, golden_id, sum(revenue) as revenue,
    sum(purchases) as purchases, sum(agent_minutes) as minutes,
    sum(service_cost + labour_cost + communication_cost + hard_cost) as cost
  from ledger group by year, golden_id
),
days as (
  select golden_id, day as occurred_on from customer_days where purchases > 0
),
gaps as (
  select golden_id, occurred_on,
    lead(occurred_on) over (partition by golden_id order by occurred_on asc) as next_on
  from days
),
-- A customer is active from the day after a purchase to the day it lapses or buys again.
active as (
  select p.period, p.period_start, g.golden_id
  from gaps g
  join periods p
    on g.occurred_on < p.period_start
    and p.period_start <= least(g.occurred_on + $lapse_after_days,
                                coalesce(g.next_on, $logical_date))
),
moves as (
  select p.period, p.period_start, p.days, v.golden_id, v.movement, v.last_purchase_on
  from customer_movements v
  join periods p on v.moved_on >= p.period_start and v.moved_on <= p.period_end
  where v.movement in ('lost', 'won_back')
),
lost_once as (
  select period, period_start, golden_id, max(days) as days,
    max(last_purchase_on) as last_purchase_on
  from moves where movement = 'lost'
  group by period, period_start, golden_id
),
lost as (
  select o.period, o.period_start, o.golden_id,
    cast(coalesce(sum(l.revenue), 0) * max(o.days) / 365 as decimal(18, 2)) as lost_revenue
  from lost_once o
  join customer_days l on l.golden_id = o.golden_id
    and l.day > o.last_purchase_on - 365 and l.day <= o.last_purchase_on
  group by o.period, o.period_start, o.golden_id
),
back as (
  select distinct period, period_start, golden_id from moves where movement = 'won_back'
),
running as (
  select period, period_start, golden_id, revenue, purchases, cost,
    cast(minutes as decimal(16, 2)) as minutes,
    cast(sum(minutes) over (partition by period, period_start order by golden_id asc
      rows between unbounded preceding and current row) as decimal(16, 2)) as through
  from dealt
),
in_all as (
  select period, period_start, cast(sum(minutes) as decimal(16, 2)) as minutes
  from dealt group by period, period_start
),
pool as (
  select p.period, p.period_start, cast(sum(c.reporting_amount) as decimal(18, 2)) as cost
  from costs c
  left join entity_members m on m.source = c.source and m.record_id = c.record_id
  join periods p on c.occurred_on >= p.period_start and c.occurred_on <= p.period_end
  where c.kind in ('service', 'labour', 'communication', 'hard') and m.golden_id is null
  group by p.period, p.period_start
),
-- What each customer brought, and cost with its share.
served as (
  select r.period, r.period_start, r.golden_id, r.revenue, r.purchases,
    cast(r.cost as decimal(18, 2)) + coalesce(
      cast(s.cost * r.through / nullif(a.minutes, cast(0 as decimal(16, 2))) as decimal(18, 2))
        - cast(s.cost * (r.through - r.minutes) / nullif(a.minutes, cast(0 as decimal(16, 2)))
          as decimal(18, 2)), 0) as cost
  from in_all a
  left join pool s on s.period = a.period and s.period_start = a.period_start
  join running r on r.period = a.period and r.period_start = a.period_start
),
facts as (
  select period, period_start, golden_id, revenue, purchases,
    cast(0 as bigint) as active, cast(0 as bigint) as lost, cast(0 as bigint) as back,
    cast(null as decimal(18, 2)) as lost_revenue, cost
  from served
  union all
  select period, period_start, golden_id, null, 0, 1, 0, 0, null, null from active
  union all
  select period, period_start, golden_id, null, 0, 0, 1, 0, lost_revenue, null from lost
  union all
  select period, period_start, golden_id, null, 0, 0, 0, 1, null, null from back
),
joined as (
  select period, period_start, golden_id,
    cast(coalesce(sum(revenue), 0) as decimal(18, 2)) as revenue,
    sum(purchases) > 0 as bought,
    sum(active) > 0 as active_at_start,
    sum(lost) > 0 as lost,
    sum(back) > 0 as won_back,
    cast(coalesce(sum(lost_revenue), 0) as decimal(18, 2)) as lost_revenue,
    cast(coalesce(sum(cost), 0) as decimal(18, 2)) as cost_to_serve
  from facts
  group by period, period_start, golden_id
)
select
  j.period,
  j.period_start,
  j.golden_id,
  j.bought,
  j.bought and e.first_purchase_on >= j.period_start as is_new,
  j.bought and e.first_purchase_on < j.period_start as retained,
  j.lost,
  j.won_back,
  j.active_at_start,
  j.revenue,
  j.lost_revenue,
  j.cost_to_serve,
  $reporting_currency as currency,
  coalesce(s.stage, 'prospect') as stage
from periods p
right join joined j on j.period = p.period and j.period_start = p.period_start
join customer_economics e on e.golden_id = j.golden_id
left join customer_stages s on s.golden_id = j.golden_id and s.entered_on <= p.period_end
  and (s.left_on is null or s.left_on > p.period_end)
