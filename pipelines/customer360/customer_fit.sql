-- How well each customer fits the company, and what to do about it. Key: golden_id.
--
-- score = the weighted mean of percentile ranks among all customers, of recurring revenue (up) and
-- of labour, communication and hard costs (down: 1 - rank), of 365 days. A rank is (place - 1) /
-- (customers - 1), equals sharing the least place. With profitability under $least_profitability:
-- exit if trend is under $falling_trend and the customer has been on self-service for $exit_days,
-- else maintain and cut_cost_to_serve. Otherwise grow if revenue is under the median of its
-- micro-segment, else maintain. Each reason is a column.
with
ranks as (
  select
    golden_id,
    cast(percent_rank() over (order by recurring_revenue_365 asc) as decimal(9, 6))
      as recurring_rank,
    cast(1 as decimal(9, 6))
      - cast(percent_rank() over (order by labour_365 asc) as decimal(9, 6)) as labour_rank,
    cast(1 as decimal(9, 6))
      - cast(percent_rank() over (order by communication_365 asc) as decimal(9, 6))
      as communication_rank,
    cast(1 as decimal(9, 6))
      - cast(percent_rank() over (order by hard_365 asc) as decimal(9, 6)) as hard_rank
  from customer_economics
),
-- What was stated of each day, and what this run states.
stated as (
  select day, golden_id, service_level, stated_on from previous_customer_history
  where day >= $logical_date - $exit_days - $history_step_days
  union all
  select day, golden_id, service_level, stated_on from customer_history
),
placed as (
  select day, golden_id, service_level,
    row_number() over (partition by day, golden_id order by stated_on desc) as place
  from stated
),
levels as (
  select golden_id,
    max(case when service_level <> 'self_service' then day end) as otherwise_on,
    min(day) as known_since
  from placed
  where place = 1
  group by golden_id
),
served as (
  select l.golden_id, min(p.day) as self_service_since
  from levels l
  join placed p on p.golden_id = l.golden_id and p.place = 1
    and (l.otherwise_on is null or p.day > l.otherwise_on)
  group by l.golden_id
),
medians as (
  select g.micro_segment,
    cast(median(cast(e.revenue_365 as decimal(20, 4))) as decimal(18, 2)) as median_revenue
  from customer_segments g
  join customer_economics e on e.golden_id = g.golden_id
  group by g.micro_segment
),
reasons as (
  select
    e.golden_id,
    cast((r.recurring_rank * cast($fit_weight_recurring as decimal(9, 4))
        + r.labour_rank * cast($fit_weight_labour as decimal(9, 4))
        + r.communication_rank * cast($fit_weight_communication as decimal(9, 4))
        + r.hard_rank * cast($fit_weight_hard as decimal(9, 4)))
      / (cast($fit_weight_recurring as decimal(9, 4)) + cast($fit_weight_labour as decimal(9, 4))
        + cast($fit_weight_communication as decimal(9, 4))
        + cast($fit_weight_hard as decimal(9, 4))) as decimal(9, 6)) as score,
    r.recurring_rank,
    r.labour_rank,
    r.communication_rank,
    r.hard_rank,
    e.recurring_revenue_365,
    e.labour_365,
    e.communication_365,
    e.hard_365,
    e.revenue_365,
    e.profitability,
    e.trend,
    g.micro_segment,
    m.median_revenue,
    s.self_service_since,
    cast($logical_date - s.self_service_since as bigint) as self_service_days,
    coalesce(e.profitability < cast($least_profitability as decimal(18, 4)), false)
      as low_profitability,
    coalesce(e.trend < cast($falling_trend as decimal(18, 4)), false) as falling,
    coalesce(s.self_service_since <= $logical_date - $exit_days, false) as long_self_service,
    coalesce(e.revenue_365 < m.median_revenue, false) as under_median
  from customer_economics e
  join ranks r on r.golden_id = e.golden_id
  left join customer_segments g on g.golden_id = e.golden_id
  left join medians m on m.micro_segment = g.micro_segment
  left join served s on s.golden_id = e.golden_id
)
select
  *,
  case
    when low_profitability and falling and long_self_service then 'exit'
    when low_profitability then 'maintain'
    when under_median then 'grow'
    else 'maintain'
  end as decision,
  case when low_profitability and not (falling and long_self_service) then 'cut_cost_to_serve' end
    as action,
  $reporting_currency as currency
from reasons
