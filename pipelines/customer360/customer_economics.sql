-- What each customer brings and costs, in the reporting currency, over all time and over the 365
-- days to the logical date. Key: golden_id.
--
-- revenue = sales and invoices - returns - credit notes - discounts. gross_profit = revenue x the
-- margin of its category. cost_to_serve = the customer's costs of kind service, labour,
-- communication and hard, and a share, by agent minutes, of those that name no known customer.
-- profit = gross_profit - cost_to_serve; profitability = profit / revenue over 365 days.
-- A purchase is one sale or one invoice.
with
margins as (
  select category,
    coalesce(
      cast((regexp_match($category_margins, '(?:^|,)' || category || '=([0-9.]+)'))[1]
        as decimal(9, 6)),
      cast($margin as decimal(9, 6))) as margin
  from (select distinct category from transactions where category is not null)
),
money as (
  select
    m.golden_id,
    t.kind,
    t.document_source,
    t.document,
    t.occurred_on,
    t.occurred_on > $logical_date - 365 as recent,
    t.reporting_net,
    t.reporting_discount,
    t.recurring,
    cast(t.reporting_net * coalesce(g.margin, cast($margin as decimal(9, 6))) as decimal(18, 2))
      as gross_profit
  from transactions t
  join entity_members m on m.source = t.source and m.record_id = t.record_id
  left join margins g on g.category = t.category
  where t.counted and t.occurred_on <= $logical_date
),
sums as (
  select
    golden_id,
    sum(reporting_net) as revenue,
    sum(case when kind in ('return', 'credit_note') then -reporting_net end) as returns,
    sum(case when kind in ('sale', 'invoice') then reporting_discount end) as discounts,
    sum(case when recurring then reporting_net end) as recurring_revenue,
    sum(gross_profit) as gross_profit,
    sum(case when recent then reporting_net end) as revenue_365,
    sum(case when recent then gross_profit end) as gross_profit_365,
    sum(case when recent and recurring then reporting_net end) as recurring_revenue_365,
    sum(case when occurred_on > $logical_date - 90 then reporting_net end) as revenue_90,
    sum(case when occurred_on > $logical_date - 180 and occurred_on <= $logical_date - 90
             then reporting_net end) as revenue_90_before,
    count(distinct case when kind in ('sale', 'invoice')
                        then document_source || '/' || document end) as purchases,
    count(distinct case when kind in ('sale', 'invoice') and recent
                        then document_source || '/' || document end) as purchases_365,
    min(case when kind in ('sale', 'invoice') then occurred_on end) as first_purchase_on,
    max(case when kind in ('sale', 'invoice') then occurred_on end) as last_purchase_on,
    count(*) filter (where reporting_net is null) as lines_without_rate
  from money
  group by golden_id
),
efforts as (
  select source, record_id, agent_minutes, cast(started_at as date) as occurred_on
  from interactions
  union all
  select source, record_id, agent_minutes, cast(opened_at as date) as occurred_on from tickets
),
minutes as (
  select
    m.golden_id,
    sum(e.agent_minutes) as minutes,
    sum(case when e.occurred_on > $logical_date - 365 then e.agent_minutes
             else cast(0 as decimal(18, 2)) end) as minutes_365
  from efforts e
  join entity_members m on m.source = e.source and m.record_id = e.record_id
  where e.occurred_on <= $logical_date
  group by m.golden_id
),
all_minutes as (
  select sum(minutes) as minutes, sum(minutes_365) as minutes_365 from minutes
),
serving as (
  select m.golden_id, c.kind, c.reporting_amount, c.occurred_on > $logical_date - 365 as recent
  from costs c
  left join entity_members m on m.source = c.source and m.record_id = c.record_id
  where c.kind in ('service', 'labour', 'communication', 'hard')
    and c.occurred_on <= $logical_date
),
own_costs as (
  select
    golden_id,
    sum(reporting_amount) as cost,
    sum(case when recent then reporting_amount end) as cost_365,
    sum(case when recent and kind = 'labour' then reporting_amount end) as labour_365,
    sum(case when recent and kind = 'communication' then reporting_amount end)
      as communication_365,
    sum(case when recent and kind = 'hard' then reporting_amount end) as hard_365
  from serving
  where golden_id is not null
  group by golden_id
),
pool as (
  select
    coalesce(sum(reporting_amount), cast(0 as decimal(18, 2))) as cost,
    coalesce(sum(case when recent then reporting_amount end), cast(0 as decimal(18, 2)))
      as cost_365
  from serving
  where golden_id is null
),
shared_costs as (
  select
    n.golden_id,
    cast(cast(p.cost as decimal(18, 2)) * cast(n.minutes as decimal(14, 2))
      / nullif(cast(a.minutes as decimal(14, 2)), cast(0 as decimal(14, 2)))
      as decimal(18, 2)) as cost,
    cast(cast(p.cost_365 as decimal(18, 2)) * cast(n.minutes_365 as decimal(14, 2))
      / nullif(cast(a.minutes_365 as decimal(14, 2)), cast(0 as decimal(14, 2)))
      as decimal(18, 2)) as cost_365
  from minutes n
  cross join all_minutes a
  cross join pool p
),
paid as (
  select m.golden_id,
    cast(cast(sum(p.days_to_pay) as decimal(18, 4)) / count(p.days_to_pay) as decimal(9, 2))
      as days_to_pay
  from payments p
  join entity_members m on m.source = p.source and m.record_id = p.record_id
  where p.paid_on <= $logical_date and p.days_to_pay is not null
  group by m.golden_id
),
referred as (
  select golden_id, count(*) as referrals
  from customer_relations
  where relation = 'referred'
  group by golden_id
),
totals as (
  select
    c.golden_id,
    coalesce(s.revenue, 0) as revenue,
    coalesce(s.returns, 0) as returns,
    coalesce(s.discounts, 0) as discounts,
    coalesce(s.recurring_revenue, 0) as recurring_revenue,
    coalesce(s.gross_profit, 0) as gross_profit,
    coalesce(o.cost, 0) + coalesce(h.cost, 0) as cost_to_serve,
    coalesce(s.revenue_365, 0) as revenue_365,
    coalesce(s.recurring_revenue_365, 0) as recurring_revenue_365,
    coalesce(s.gross_profit_365, 0) as gross_profit_365,
    coalesce(o.cost_365, 0) + coalesce(h.cost_365, 0) as cost_to_serve_365,
    coalesce(o.labour_365, 0) as labour_365,
    coalesce(o.communication_365, 0) as communication_365,
    coalesce(o.hard_365, 0) as hard_365,
    coalesce(s.revenue_90, 0) as revenue_90,
    coalesce(s.revenue_90_before, 0) as revenue_90_before,
    coalesce(s.purchases, 0) as purchases,
    coalesce(s.purchases_365, 0) as purchases_365,
    s.first_purchase_on,
    s.last_purchase_on,
    p.days_to_pay,
    coalesce(r.referrals, 0) as referrals,
    coalesce(s.lines_without_rate, 0) as lines_without_rate
  from customers c
  left join sums s on s.golden_id = c.golden_id
  left join own_costs o on o.golden_id = c.golden_id
  left join shared_costs h on h.golden_id = c.golden_id
  left join paid p on p.golden_id = c.golden_id
  left join referred r on r.golden_id = c.golden_id
)
select
  golden_id,
  $reporting_currency as currency,
  cast(revenue as decimal(18, 2)) as revenue,
  cast(returns as decimal(18, 2)) as returns,
  cast(discounts as decimal(18, 2)) as discounts,
  cast(recurring_revenue as decimal(18, 2)) as recurring_revenue,
  cast(gross_profit as decimal(18, 2)) as gross_profit,
  cast(cost_to_serve as decimal(18, 2)) as cost_to_serve,
  cast(gross_profit - cost_to_serve as decimal(18, 2)) as profit,
  cast(revenue_365 as decimal(18, 2)) as revenue_365,
  cast(recurring_revenue_365 as decimal(18, 2)) as recurring_revenue_365,
  cast(gross_profit_365 as decimal(18, 2)) as gross_profit_365,
  cast(cost_to_serve_365 as decimal(18, 2)) as cost_to_serve_365,
  cast(gross_profit_365 - cost_to_serve_365 as decimal(18, 2)) as profit_365,
  case when revenue_365 > 0 then
    cast(cast(gross_profit_365 - cost_to_serve_365 as decimal(18, 2))
      / cast(revenue_365 as decimal(18, 2)) as decimal(18, 4)) end as profitability,
  cast(labour_365 as decimal(18, 2)) as labour_365,
  cast(communication_365 as decimal(18, 2)) as communication_365,
  cast(hard_365 as decimal(18, 2)) as hard_365,
  cast(revenue_90 as decimal(18, 2)) as revenue_90,
  case when revenue_90_before > 0 then
    cast(cast(revenue_90 as decimal(18, 2)) / cast(revenue_90_before as decimal(18, 2))
      as decimal(18, 4)) end as trend,
  purchases,
  purchases_365,
  first_purchase_on,
  last_purchase_on,
  days_to_pay,
  referrals,
  lines_without_rate
from totals
