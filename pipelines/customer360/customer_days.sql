-- The daily ledger of each customer: what it bought, returned and cost on each day, in the
-- reporting currency. Key: (golden_id, day); a row where anything happened, to the logical date.
--
-- revenue = sales and invoices - returns - credit notes - discounts. spent = sales and invoices -
-- discounts, null where no rate is known. gross_profit = revenue x the margin of its category, not
-- rounded yet. A purchase is one sale or one invoice, on the day of its first line; of a store, one
-- at a till. Costs are the customer's own; agent_minutes decide its share of all others.
with
efforts as (
  select source, record_id, agent_minutes, started_on as day from interactions
  where started_on <= $logical_date
  union all
  select source, record_id, agent_minutes, opened_on as day from tickets
  where opened_on <= $logical_date
),
-- What happened, one by one: a line, a purchase, an effort, a cost.
everything as (
  select
    m.golden_id,
    t.occurred_on as day,
    t.reporting_net as revenue,
    case when t.kind in ('return', 'credit_note') then -t.reporting_net end as returns,
    case when t.kind in ('sale', 'invoice') then t.reporting_net end as spent,
    case when t.kind in ('sale', 'invoice') then t.reporting_discount end as discounts,
    case when t.recurring then t.reporting_net end as recurring_revenue,
    t.reporting_net * coalesce(g.margin, cast($margin as decimal(9, 6))) as gross_profit,
    case when t.reporting_net is null then 1 else 0 end as lines_without_rate,
    0 as purchases,
    0 as store_purchases,
    cast(null as decimal(18, 2)) as agent_minutes,
    cast(null as decimal(18, 2)) as service_cost,
    cast(null as decimal(18, 2)) as labour_cost,
    cast(null as decimal(18, 2)) as communication_cost,
    cast(null as decimal(18, 2)) as hard_cost
  from transactions t
  join entity_members m on m.source = t.source and m.record_id = t.record_id
  left join margins g on g.category = t.category
  where t.counted and t.occurred_on <= $logical_date
  union all
  select golden_id, occurred_on as day, null, null, null, null, null, null, 0, 1,
    case when document_source = 'pos_sales' then 1 else 0 end, null, null, null, null, null
  from customer_purchases
  union all
  select m.golden_id, e.day, null, null, null, null, null, null, 0, 0, 0, e.agent_minutes, null,
    null, null, null
  from efforts e
  join entity_members m on m.source = e.source and m.record_id = e.record_id
  union all
  select m.golden_id, c.occurred_on as day, null, null, null, null, null, null, 0, 0, 0, null,
    case when c.kind = 'service' then c.reporting_amount end,
    case when c.kind = 'labour' then c.reporting_amount end,
    case when c.kind = 'communication' then c.reporting_amount end,
    case when c.kind = 'hard' then c.reporting_amount end
  from costs c
  join entity_members m on m.source = c.source and m.record_id = c.record_id
  where c.kind in ('service', 'labour', 'communication', 'hard')
    and c.occurred_on <= $logical_date
)
select
  golden_id,
  day,
  $reporting_currency as currency,
  sum(purchases) as purchases,
  sum(store_purchases) as store_purchases,
  cast(coalesce(sum(revenue), 0) as decimal(18, 2)) as revenue,
  cast(coalesce(sum(returns), 0) as decimal(18, 2)) as returns,
  cast(sum(spent) as decimal(18, 2)) as spent,
  cast(coalesce(sum(discounts), 0) as decimal(18, 2)) as discounts,
  cast(coalesce(sum(recurring_revenue), 0) as decimal(18, 2)) as recurring_revenue,
  cast(coalesce(sum(gross_profit), 0) as decimal(28, 8)) as gross_profit,
  cast(coalesce(sum(service_cost), 0) as decimal(18, 2)) as service_cost,
  cast(coalesce(sum(labour_cost), 0) as decimal(18, 2)) as labour_cost,
  cast(coalesce(sum(communication_cost), 0) as decimal(18, 2)) as communication_cost,
  cast(coalesce(sum(hard_cost), 0) as decimal(18, 2)) as hard_cost,
  cast(coalesce(sum(agent_minutes), 0) as decimal(18, 2)) as agent_minutes,
  sum(lines_without_rate) as lines_without_rate
from everything
group by golden_id, day
