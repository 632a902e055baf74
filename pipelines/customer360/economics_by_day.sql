-- What each customer brings and costs, in the reporting currency, over all time and over the 365
-- days to each day of profile_days, as known now. Key: (day, golden_id).
--
-- revenue = sales and invoices - returns - credit notes - discounts. gross_profit = revenue x the
-- margin of its category, rounded once. cost_to_serve = the customer's costs of kind service,
-- labour, communication and hard, and a share, by agent minutes, of those that name no known
-- customer; shares are differences of rounded running sums, so that they add up to the cent.
-- profit = gross_profit - cost_to_serve; profitability = profit / revenue over 365 days.
-- A purchase is one sale or one invoice. A customer lapses $lapse_after_days after the last one; a
-- one-time buyer bought once and lapsed.
with
sums as (
  select
    p.day,
    d.golden_id,
    sum(d.revenue) as revenue,
    sum(d.returns) as returns,
    sum(d.discounts) as discounts,
    sum(d.recurring_revenue) as recurring_revenue,
    sum(d.gross_profit) as gross_profit,
    sum(d.service_cost + d.labour_cost + d.communication_cost + d.hard_cost) as cost,
    cast(sum(d.agent_minutes) as decimal(16, 2)) as minutes,
    sum(d.purchases) as purchases,
    sum(d.lines_without_rate) as lines_without_rate,
    sum(case when d.day > p.day - 365 then d.revenue end) as revenue_365,
    sum(case when d.day > p.day - 365 then d.gross_profit end) as gross_profit_365,
    sum(case when d.day > p.day - 365 then d.recurring_revenue end) as recurring_revenue_365,
    sum(case when d.day > p.day - 365 then d.service_cost end) as service_365,
    sum(case when d.day > p.day - 365 then d.labour_cost end) as labour_365,
    sum(case when d.day > p.day - 365 then d.communication_cost end) as communication_365,
    sum(case when d.day > p.day - 365 then d.hard_cost end) as hard_365,
    cast(sum(case when d.day > p.day - 365 then d.agent_minutes else cast(0 as decimal(18, 2)) end)
      as decimal(16, 2)) as minutes_365,
    sum(case when d.day > p.day - 365 then d.purchases end) as purchases_365,
    sum(case when d.day > p.day - 90 then d.revenue end) as revenue_90,
    sum(case when d.day > p.day - 180 and d.day <= p.day - 90 then d.revenue end)
      as revenue_90_before,
    min(case when d.purchases > 0 then d.day end) as first_purchase_on,
    max(case when d.purchases > 0 then d.day end) as last_purchase_on
  from customer_days d
  join profile_days p on d.day <= p.day
  group by p.day, d.golden_id
),
running as (
  select *,
    cast(sum(minutes) over (partition by day order by golden_id asc
      rows between unbounded preceding and current row) as decimal(16, 2)) as through,
    cast(sum(minutes_365) over (partition by day order by golden_id asc
      rows between unbounded preceding and current row) as decimal(16, 2)) as through_365
  from sums
),
in_all as (
  select day, cast(sum(minutes) as decimal(16, 2)) as minutes,
    cast(sum(minutes_365) as decimal(16, 2)) as minutes_365
  from sums
  group by day
),
pool as (
  select
    p.day,
    cast(sum(c.reporting_amount) as decimal(18, 2)) as cost,
    cast(sum(case when c.occurred_on > p.day - 365 and c.kind = 'service'
                  then c.reporting_amount end) as decimal(18, 2)) as service_365,
    cast(sum(case when c.occurred_on > p.day - 365 and c.kind = 'labour'
                  then c.reporting_amount end) as decimal(18, 2)) as labour_365,
    cast(sum(case when c.occurred_on > p.day - 365 and c.kind = 'communication'
                  then c.reporting_amount end) as decimal(18, 2)) as communication_365,
    cast(sum(case when c.occurred_on > p.day - 365 and c.kind = 'hard'
                  then c.reporting_amount end) as decimal(18, 2)) as hard_365
  from costs c
  left join entity_members m on m.source = c.source and m.record_id = c.record_id
  join profile_days p on c.occurred_on <= p.day
  where c.kind in ('service', 'labour', 'communication', 'hard') and m.golden_id is null
  group by p.day
),
-- With its share of what names no known customer.
charged as (
  select
    r.*,
    cast(p.cost * r.through / nullif(a.minutes, cast(0 as decimal(16, 2))) as decimal(18, 2))
      - cast(p.cost * (r.through - r.minutes) / nullif(a.minutes, cast(0 as decimal(16, 2)))
        as decimal(18, 2)) as shared_cost,
    cast(p.service_365 * r.through_365 / nullif(a.minutes_365, cast(0 as decimal(16, 2))) as decimal(18, 2))
      - cast(p.service_365 * (r.through_365 - r.minutes_365) / nullif(a.minutes_365, cast(0 as decimal(16, 2)))
        as decimal(18, 2)) as shared_service,
    cast(p.labour_365 * r.through_365 / nullif(a.minutes_365, cast(0 as decimal(16, 2))) as decimal(18, 2))
      - cast(p.labour_365 * (r.through_365 - r.minutes_365) / nullif(a.minutes_365, cast(0 as decimal(16, 2)))
        as decimal(18, 2)) as shared_labour,
    cast(p.communication_365 * r.through_365 / nullif(a.minutes_365, cast(0 as decimal(16, 2))) as decimal(18, 2))
      - cast(p.communication_365 * (r.through_365 - r.minutes_365) / nullif(a.minutes_365, cast(0 as decimal(16, 2)))
        as decimal(18, 2)) as shared_communication,
    cast(p.hard_365 * r.through_365 / nullif(a.minutes_365, cast(0 as decimal(16, 2))) as decimal(18, 2))
      - cast(p.hard_365 * (r.through_365 - r.minutes_365) / nullif(a.minutes_365, cast(0 as decimal(16, 2)))
        as decimal(18, 2)) as shared_hard
  from in_all a
  left join pool p on p.day = a.day
  join running r on r.day = a.day
),
paid as (
  select p.day, m.golden_id,
    cast(cast(sum(d.days_to_pay) as decimal(18, 4)) / count(d.days_to_pay) as decimal(9, 2))
      as days_to_pay
  from payments d
  join entity_members m on m.source = d.source and m.record_id = d.record_id
  join profile_days p on d.paid_on <= p.day
  where d.days_to_pay is not null
  group by p.day, m.golden_id
),
referred as (
  select golden_id, count(*) as referrals
  from customer_relations
  where relation = 'referred'
  group by golden_id
),
totals as (
  select
    p.day,
    c.golden_id,
    coalesce(s.revenue, 0) as revenue,
    coalesce(s.returns, 0) as returns,
    coalesce(s.discounts, 0) as discounts,
    coalesce(s.recurring_revenue, 0) as recurring_revenue,
    cast(coalesce(s.gross_profit, 0) as decimal(18, 2)) as gross_profit,
    cast(coalesce(s.cost, 0) + coalesce(s.shared_cost, 0) as decimal(18, 2)) as cost_to_serve,
    cast(coalesce(s.revenue_365, 0) as decimal(18, 2)) as revenue_365,
    coalesce(s.recurring_revenue_365, 0) as recurring_revenue_365,
    cast(coalesce(s.gross_profit_365, 0) as decimal(18, 2)) as gross_profit_365,
    cast(coalesce(s.service_365, 0) + coalesce(s.shared_service, 0) as decimal(18, 2))
      as service_365,
    cast(coalesce(s.labour_365, 0) + coalesce(s.shared_labour, 0) as decimal(18, 2)) as labour_365,
    cast(coalesce(s.communication_365, 0) + coalesce(s.shared_communication, 0) as decimal(18, 2))
      as communication_365,
    cast(coalesce(s.hard_365, 0) + coalesce(s.shared_hard, 0) as decimal(18, 2)) as hard_365,
    cast(coalesce(s.revenue_90, 0) as decimal(18, 2)) as revenue_90,
    cast(coalesce(s.revenue_90_before, 0) as decimal(18, 2)) as revenue_90_before,
    coalesce(s.purchases, 0) as purchases,
    coalesce(s.purchases_365, 0) as purchases_365,
    s.first_purchase_on,
    s.last_purchase_on,
    d.days_to_pay,
    coalesce(r.referrals, 0) as referrals,
    coalesce(s.lines_without_rate, 0) as lines_without_rate
  from customers c
  cross join profile_days p
  left join referred r on r.golden_id = c.golden_id
  left join paid d on d.golden_id = c.golden_id and d.day = p.day
  left join charged s on s.golden_id = c.golden_id and s.day = p.day
),
served as (
  select *,
    cast(service_365 + labour_365 + communication_365 + hard_365 as decimal(18, 2))
      as cost_to_serve_365
  from totals
)
select
  day,
  golden_id,
  $reporting_currency as currency,
  cast(revenue as decimal(18, 2)) as revenue,
  cast(returns as decimal(18, 2)) as returns,
  cast(discounts as decimal(18, 2)) as discounts,
  cast(recurring_revenue as decimal(18, 2)) as recurring_revenue,
  gross_profit,
  cost_to_serve,
  cast(gross_profit - cost_to_serve as decimal(18, 2)) as profit,
  revenue_365,
  cast(recurring_revenue_365 as decimal(18, 2)) as recurring_revenue_365,
  gross_profit_365,
  cost_to_serve_365,
  cast(gross_profit_365 - cost_to_serve_365 as decimal(18, 2)) as profit_365,
  case when revenue_365 > 0 then
    cast(cast(gross_profit_365 - cost_to_serve_365 as decimal(18, 2)) / revenue_365
      as decimal(18, 4)) end as profitability,
  service_365,
  labour_365,
  communication_365,
  hard_365,
  revenue_90,
  revenue_90_before,
  case when revenue_90_before > 0 then
    cast(revenue_90 / revenue_90_before as decimal(18, 4)) end as trend,
  purchases,
  purchases_365,
  first_purchase_on,
  last_purchase_on,
  last_purchase_on + $lapse_after_days as lapses_on,
  coalesce(last_purchase_on + $lapse_after_days <= day, false) as lapsed,
  purchases = 1 and last_purchase_on + $lapse_after_days <= day as one_time_buyer,
  days_to_pay,
  referrals,
  lines_without_rate
from served
