-- Customer equity of each calendar month and year, in all ('all') and by the owner of the stage in
-- which customers were at the period's end. Key: (period, period_start, stage_owner).
--
-- equity = (new x mean revenue of new - acquisition cost) + (retained x mean revenue of retained
-- - cost to serve) - (lost x mean revenue of lost). Each term is a column; number x mean is the sum
-- itself, and the means beside it are rounded. Acquisition costs fall to owners by their new
-- customers, in shares that add up; where there are none, to the owner of prospects. Costs to
-- serve in a period without agent minutes have no owner and stand under 'all' only.
-- retention_rate = retained / those not lapsed at the period's start; who came back counts as
-- retained and as won back. lifetime_equity, of the current periods, is the sum over customers of
-- expected_value_12m, by the owner of their stage now. Whoever bought fewer than twice carries what
-- is expected of the population; lifetime_equity_never_bought is the part of it that customers
-- without any purchase carry, a promise more than an asset: leave it out where only buyers count.
with
acquired as (
  select p.period, p.period_start,
    cast(coalesce(sum(c.reporting_amount), 0) as decimal(18, 2)) as cost
  from periods p
  left join costs c on c.kind = 'acquisition'
    and c.occurred_on >= p.period_start and c.occurred_on <= p.period_end
  group by p.period, p.period_start
),
served as (
  select p.period, p.period_start,
    cast(coalesce(sum(c.reporting_amount), 0) as decimal(18, 2)) as cost
  from periods p
  left join costs c on c.kind in ('service', 'labour', 'communication', 'hard')
    and c.occurred_on >= p.period_start and c.occurred_on <= p.period_end
  group by p.period, p.period_start
),
owners as (
  select distinct owner from stages
),
each as (
  select c.*, s.owner as stage_owner
  from customer_periods c
  join stages s on s.stage = c.stage
  union all
  select c.*, 'all' as stage_owner from customer_periods c
),
counts as (
  select period, period_start, stage_owner,
    count(*) filter (where is_new) as new_customers,
    count(*) filter (where retained) as retained_customers,
    count(*) filter (where lost) as lost_customers,
    count(*) filter (where won_back) as won_back_customers,
    count(*) filter (where active_at_start) as active_at_start,
    sum(revenue) as revenue,
    sum(case when is_new then revenue end) as new_revenue,
    sum(case when retained then revenue end) as retained_revenue,
    sum(case when lost then lost_revenue end) as lost_revenue,
    sum(cost_to_serve) as cost_to_serve
  from each
  group by period, period_start, stage_owner
),
grid as (
  select p.period, p.period_start, p.period_end, p.complete, o.stage_owner
  from periods p
  cross join (select owner as stage_owner from owners union all select 'all' as stage_owner) o
),
filled as (
  select g.period, g.period_start, g.period_end, g.complete, g.stage_owner,
    coalesce(c.new_customers, 0) as new_customers,
    coalesce(c.retained_customers, 0) as retained_customers,
    coalesce(c.lost_customers, 0) as lost_customers,
    coalesce(c.won_back_customers, 0) as won_back_customers,
    coalesce(c.active_at_start, 0) as active_at_start,
    cast(coalesce(c.revenue, 0) as decimal(18, 2)) as revenue,
    cast(coalesce(c.new_revenue, 0) as decimal(18, 2)) as new_revenue,
    cast(coalesce(c.retained_revenue, 0) as decimal(18, 2)) as retained_revenue,
    cast(coalesce(c.lost_revenue, 0) as decimal(18, 2)) as lost_revenue,
    cast(coalesce(c.cost_to_serve, 0) as decimal(18, 2)) as cost_to_serve
  from grid g
  left join counts c on c.period = g.period and c.period_start = g.period_start
    and c.stage_owner = g.stage_owner
),
-- Owners by name, each with the new customers up to it.
placed as (
  select f.*,
    sum(case when stage_owner = 'all' then 0 else new_customers end) over (
      partition by period, period_start order by stage_owner asc
      rows between unbounded preceding and current row) as new_through,
    sum(case when stage_owner = 'all' then 0 else new_customers end) over (
      partition by period, period_start) as new_in_all
  from filled f
),
expected as (
  select s.owner as stage_owner, v.expected_value_12m as amount,
    case when e.purchases = 0 then v.expected_value_12m end as never_bought
  from customer_value v
  join customer_segments g on g.golden_id = v.golden_id
  join stages s on s.stage = g.stage
  join customer_economics e on e.golden_id = v.golden_id
),
lifetime as (
  select stage_owner, sum(amount) as amount, sum(never_bought) as never_bought
  from expected group by stage_owner
  union all
  select 'all' as stage_owner, sum(amount) as amount, sum(never_bought) as never_bought
  from expected
),
terms as (
  select
    p.*,
    cast(case
      when p.stage_owner = 'all' then a.cost
      when p.new_in_all > 0 then
        cast(a.cost * cast(p.new_through as decimal(12, 0)) / cast(p.new_in_all as decimal(12, 0))
          as decimal(18, 2))
        - cast(a.cost * cast(p.new_through - p.new_customers as decimal(12, 0))
          / cast(p.new_in_all as decimal(12, 0)) as decimal(18, 2))
      when p.stage_owner = q.owner then a.cost
      else 0
    end as decimal(18, 2)) as acquisition_cost,
    case when p.stage_owner = 'all' then v.cost else p.cost_to_serve end as serving_cost
  from placed p
  join acquired a on a.period = p.period and a.period_start = p.period_start
  join served v on v.period = p.period and v.period_start = p.period_start
  cross join (select owner from stages where stage = 'prospect') q
)
select
  t.period,
  t.period_start,
  t.period_end,
  t.complete,
  t.stage_owner,
  t.new_customers,
  t.retained_customers,
  t.lost_customers,
  t.won_back_customers,
  t.active_at_start,
  cast(cast(t.retained_customers as decimal(18, 4)) / nullif(t.active_at_start, 0)
    as decimal(9, 4)) as retention_rate,
  t.revenue,
  cast(t.new_revenue / nullif(t.new_customers, 0) as decimal(18, 2)) as mean_revenue_new,
  cast(t.retained_revenue / nullif(t.retained_customers, 0) as decimal(18, 2))
    as mean_revenue_retained,
  cast(t.lost_revenue / nullif(t.lost_customers, 0) as decimal(18, 2)) as mean_revenue_lost,
  t.new_revenue,
  t.acquisition_cost,
  t.retained_revenue,
  t.serving_cost as cost_to_serve,
  t.lost_revenue,
  cast(t.new_revenue - t.acquisition_cost as decimal(18, 2)) as new_equity,
  cast(t.retained_revenue - t.serving_cost as decimal(18, 2)) as retained_equity,
  cast(-t.lost_revenue as decimal(18, 2)) as lost_equity,
  cast(t.new_revenue - t.acquisition_cost + t.retained_revenue - t.serving_cost
    - t.lost_revenue as decimal(18, 2)) as equity,
  case when t.period_end = $logical_date then
    cast(coalesce(l.amount, 0) as decimal(18, 2)) end as lifetime_equity,
  case when t.period_end = $logical_date then
    cast(coalesce(l.never_bought, 0) as decimal(18, 2)) end as lifetime_equity_never_bought,
  $reporting_currency as currency
from terms t
left join lifetime l on l.stage_owner = t.stage_owner
