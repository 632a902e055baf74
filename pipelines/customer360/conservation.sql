-- Nothing is lost and nothing is counted twice: the sum of each amount and count in the exports
-- beside that of the facts, and of the facts beside that of golden customers.
-- Key: (step, measure, unit). A check of the pipeline stops the run unless every difference is 0.
--
-- without_customer: what belongs to no golden customer, such as sales to strangers. Each table is
-- read once for all of its measures: its sums are few rows, which a list of names turns.
with
-- Exports, and facts as they are made of them.
sold as (
  select 'source' as side, currency, cast(sum(amount) as decimal(24, 2)) as amount,
    cast(sum(discount) as decimal(24, 2)) as discount, count(*) as rows
  from raw_pos_sales group by currency
  union all
  select 'landed' as side, currency, cast(sum(gross) as decimal(24, 2)) as amount,
    cast(sum(discount) as decimal(24, 2)) as discount, count(*) as rows
  from transactions where document_source = 'pos_sales' group by currency
),
billed as (
  select 'source' as side, 'invoices' as measure, currency as unit,
    cast(sum(amount) as decimal(24, 2)) as amount
  from raw_accounting_invoices group by currency
  union all
  select 'source', 'credit notes', currency, sum(amount)
  from raw_accounting_credit_notes group by currency
  union all
  select 'source', 'payments', currency, sum(amount) from raw_accounting_payments group by currency
  union all
  select 'source', 'costs', currency, sum(amount) from raw_accounting_costs group by currency
  union all
  select 'landed',
    case document_source when 'accounting_invoices' then 'invoices' else 'credit notes' end,
    currency, sum(gross)
  from transactions where document_source <> 'pos_sales' group by document_source, currency
  union all
  select 'landed', 'payments', currency, sum(amount) from payments group by currency
  union all
  select 'landed', 'costs', currency, sum(amount) from costs group by currency
),
talked as (
  select 'source' as side, 'interactions' as measure, 'rows' as unit,
    cast(count(*) as decimal(24, 2)) as amount
  from raw_crm_interactions
  union all
  select 'source', 'minutes of interactions', 'minutes', sum(agent_minutes)
  from raw_crm_interactions
  union all
  select 'source', 'tickets', 'rows', count(*) from raw_crm_tickets
  union all
  select 'source', 'minutes of tickets', 'minutes', sum(agent_minutes) from raw_crm_tickets
  union all
  select 'source', 'offers', 'rows', count(*) from raw_crm_offers
  union all
  select 'source', 'surveys', 'rows', count(*) from raw_crm_surveys
  union all
  select 'source', 'scores', 'points', sum(score) from raw_crm_surveys
  union all
  select 'source', 'loyalty cards', 'rows', count(*) from raw_crm_loyalty
  union all
  select 'source', 'consents', 'rows', count(*) from raw_crm_consents
  union all
  select 'source', 'web events', 'rows', count(*) from raw_web_events
  union all
  select 'source', 'engagements', 'rows', count(*) from raw_social_engagements
  union all
  select 'source', 'reach', 'people', sum(reach) from raw_social_engagements
  union all
  select 'source', 'follows', 'rows', count(*) from raw_social_follows
  union all
  select 'landed', 'interactions', 'rows', count(*) from interactions
  union all
  select 'landed', 'minutes of interactions', 'minutes', sum(agent_minutes) from interactions
  union all
  select 'landed', 'tickets', 'rows', count(*) from tickets
  union all
  select 'landed', 'minutes of tickets', 'minutes', sum(agent_minutes) from tickets
  union all
  select 'landed', 'offers', 'rows', count(*) from offers
  union all
  select 'landed', 'surveys', 'rows', count(*) from surveys
  union all
  select 'landed', 'scores', 'points', sum(score) from surveys
  union all
  select 'landed', 'loyalty cards', 'rows', count(*) from loyalty
  union all
  select 'landed', 'consents', 'rows', count(*) from consents
  union all
  select 'landed', 'web events', 'rows', count(*) from web_activity
  union all
  select 'landed', 'engagements', 'rows', count(*) from engagements
  union all
  select 'landed', 'reach', 'people', sum(reach) from engagements
  union all
  select 'landed', 'follows', 'rows', count(*) from follows
),
facts_made as (
  select s.side, n.measure, case n.measure when 'sales lines' then 'rows' else s.currency end as unit,
    case n.measure when 'sales' then s.amount when 'sales discounts' then s.discount
                   else cast(s.rows as decimal(24, 2)) end as amount
  from sold s
  cross join (values ('sales'), ('sales discounts'), ('sales lines')) as n (measure)
  union all
  select side, measure, unit, amount from billed
  union all
  select side, measure, unit, amount from talked
),
-- Facts to the logical date: all of them, and those that are no golden customer's.
money as (
  select 'source' as side, kind, recurring, occurred_on > $logical_date - 365 as of_365,
    occurred_on > $logical_date - 90 as of_90,
    occurred_on > $logical_date - 180 and occurred_on <= $logical_date - 90 as of_90_before,
    sum(reporting_net) as net, sum(reporting_discount) as discount
  from transactions
  where counted and occurred_on <= $logical_date
  group by 2, 3, 4, 5, 6
  union all
  select 'without' as side, t.kind, t.recurring, t.occurred_on > $logical_date - 365 as of_365,
    t.occurred_on > $logical_date - 90 as of_90,
    t.occurred_on > $logical_date - 180 and t.occurred_on <= $logical_date - 90 as of_90_before,
    sum(t.reporting_net) as net, sum(t.reporting_discount) as discount
  from transactions t
  left join entity_members m on m.source = t.source and m.record_id = t.record_id
  where t.counted and t.occurred_on <= $logical_date and m.golden_id is null
  group by 2, 3, 4, 5, 6
),
-- The same sum stands in several tables of golden customers.
money_measured as (
  select y.side, n.measure,
    sum(case
      when n.measure like 'returns%' then
        case when y.kind in ('return', 'credit_note') then -y.net end
      when n.measure = 'discounts' then
        case when y.kind in ('sale', 'invoice') then y.discount end
      when n.measure = 'recurring revenue' then case when y.recurring then y.net end
      when n.measure = 'recurring revenue of 365 days' then
        case when y.recurring and y.of_365 then y.net end
      when n.measure = 'revenue of 365 days' then case when y.of_365 then y.net end
      when n.measure = 'revenue of 90 days' then case when y.of_90 then y.net end
      when n.measure = 'revenue of the 90 days before' then
        case when y.of_90_before then y.net end
      else y.net
    end) as amount
  from money y
  cross join (values ('revenue'), ('returns'), ('discounts'), ('recurring revenue'),
    ('revenue of 365 days'), ('recurring revenue of 365 days'), ('revenue of 90 days'),
    ('revenue of the 90 days before'), ('revenue by day'), ('returns by day'),
    ('revenue by month'), ('revenue by year'), ('revenue by month, of all'),
    ('revenue by month, by owner'), ('revenue by cohort')) as n (measure)
  group by y.side, n.measure
),
bought as (
  select 'source' as side, min(occurred_on) as day
  from transactions
  where counted and kind in ('sale', 'invoice') and occurred_on <= $logical_date
  group by document_source, document
  union all
  select 'without' as side, min(t.occurred_on) as day
  from transactions t
  left join entity_members m on m.source = t.source and m.record_id = t.record_id
  where t.counted and t.kind in ('sale', 'invoice') and t.occurred_on <= $logical_date
    and m.golden_id is null
  group by t.document_source, t.document
),
purchases as (
  select side, count(*) as ever, count(*) filter (where day > $logical_date - 365) as of_365
  from bought
  group by side
),
purchases_measured as (
  select p.side, n.measure,
    case n.measure when 'purchases' then p.ever else p.of_365 end as amount
  from purchases p
  cross join (values ('purchases'), ('purchases of 365 days')) as n (measure)
),
-- What names no customer is shared among all: it stays without one only if nobody was served.
minutes as (
  select coalesce(sum(agent_minutes), 0) as ever,
    coalesce(sum(case when day > $logical_date - 365 then agent_minutes end), 0) as of_365
  from customer_days
),
spent as (
  select c.kind, c.occurred_on > $logical_date - 365 as of_365, m.golden_id is null as nobodys,
    sum(c.reporting_amount) as amount
  from costs c
  left join entity_members m on m.source = c.source and m.record_id = c.record_id
  where c.kind in ('service', 'labour', 'communication', 'hard') and c.occurred_on <= $logical_date
  group by 1, 2, 3
),
costs_measured as (
  select n.measure,
    sum(case when n.kind = 'all' or (n.kind = s.kind and s.of_365) then s.amount end) as source_amount,
    sum(case
      when s.nobodys and n.kind = 'all' and z.ever = 0 then s.amount
      when s.nobodys and n.kind = s.kind and s.of_365 and z.of_365 = 0 then s.amount
    end) as without_customer
  from spent s
  cross join minutes z
  cross join (values ('cost to serve', 'all'), ('service cost of 365 days', 'service'),
    ('labour cost of 365 days', 'labour'), ('communication cost of 365 days', 'communication'),
    ('hard cost of 365 days', 'hard')) as n (measure, kind)
  group by n.measure
),
deeds as (
  select 'interactions' as measure, m.golden_id is null as nobodys,
    cast(count(*) as decimal(24, 2)) as amount
  from interactions i
  left join entity_members m on m.source = i.source and m.record_id = i.record_id
  where i.started_on <= $logical_date
  group by 2
  union all
  select 'contacts made', m.golden_id is null, count(*)
  from interactions i
  left join entity_members m on m.source = i.source and m.record_id = i.record_id
  where i.started_on <= $logical_date and i.direction = 'out'
  group by 2
  union all
  select 'agent minutes', m.golden_id is null, sum(i.agent_minutes)
  from interactions i
  left join entity_members m on m.source = i.source and m.record_id = i.record_id
  where i.started_on <= $logical_date
  group by 2
  union all
  select 'agent minutes', m.golden_id is null, sum(t.agent_minutes)
  from tickets t
  left join entity_members m on m.source = t.source and m.record_id = t.record_id
  where t.opened_on <= $logical_date
  group by 2
  union all
  select 'offers', m.golden_id is null, count(*)
  from offers o
  left join entity_members m on m.source = o.source and m.record_id = o.record_id
  where o.sent_on <= $logical_date
  group by 2
  union all
  select 'engagements', m.golden_id is null, count(*)
  from engagements e
  left join entity_members m on m.source = e.source and m.record_id = e.record_id
  where e.occurred_on <= $logical_date
  group by 2
  union all
  select 'reach', m.golden_id is null, sum(e.reach)
  from engagements e
  left join entity_members m on m.source = e.source and m.record_id = e.record_id
  where e.occurred_on <= $logical_date
  group by 2
  union all
  select 'referrals', false, count(*) from customer_relations where relation = 'referred'
),
-- Golden customers.
economics as (
  select sum(revenue) as revenue, sum(returns) as returns, sum(discounts) as discounts,
    sum(recurring_revenue) as recurring, sum(revenue_365) as revenue_365,
    sum(recurring_revenue_365) as recurring_365, sum(revenue_90) as revenue_90,
    sum(revenue_90_before) as revenue_90_before, sum(cost_to_serve) as cost,
    sum(service_365) as service, sum(labour_365) as labour,
    sum(communication_365) as communication, sum(hard_365) as hard,
    cast(sum(purchases) as decimal(24, 2)) as purchases,
    cast(sum(purchases_365) as decimal(24, 2)) as purchases_365,
    cast(sum(referrals) as decimal(24, 2)) as referrals,
    sum(case when purchases = 0 then revenue end) as never_bought
  from customer_economics
),
behaviour as (
  select sum(interactions) as interactions, sum(contacted) as contacted, sum(offers) as offers
  from customer_behaviour
),
social as (
  select sum(likes + shares + posts + comments) as engagements, sum(reach) as reach
  from customer_social
),
ledger as (
  select sum(revenue) as revenue, sum(returns) as returns, sum(agent_minutes) as minutes
  from customer_days
),
lived as (
  select 'revenue by ' || period as measure, sum(revenue) as amount
  from customer_periods group by period
),
owned as (
  select case stage_owner when 'all' then 'revenue by month, of all'
                          else 'revenue by month, by owner' end as measure,
    sum(revenue) as amount
  from customer_equity
  where period = 'month'
  group by 1
),
cohorts as (
  select sum(revenue) as amount from retention
),
customers_have as (
  select n.measure, case n.measure
    when 'revenue' then e.revenue when 'returns' then e.returns
    when 'discounts' then e.discounts when 'recurring revenue' then e.recurring
    when 'revenue of 365 days' then e.revenue_365
    when 'recurring revenue of 365 days' then e.recurring_365
    when 'revenue of 90 days' then e.revenue_90
    when 'revenue of the 90 days before' then e.revenue_90_before
    when 'cost to serve' then e.cost when 'service cost of 365 days' then e.service
    when 'labour cost of 365 days' then e.labour
    when 'communication cost of 365 days' then e.communication
    when 'hard cost of 365 days' then e.hard
    when 'purchases' then e.purchases when 'purchases of 365 days' then e.purchases_365
    when 'referrals' then e.referrals
    when 'interactions' then cast(b.interactions as decimal(24, 2))
    when 'contacts made' then cast(b.contacted as decimal(24, 2))
    when 'offers' then cast(b.offers as decimal(24, 2))
    when 'engagements' then cast(s.engagements as decimal(24, 2))
    when 'reach' then cast(s.reach as decimal(24, 2))
    when 'revenue by day' then l.revenue when 'returns by day' then l.returns
    when 'agent minutes' then l.minutes
    when 'revenue by cohort' then c.amount
  end as amount
  from economics e
  cross join behaviour b
  cross join social s
  cross join ledger l
  cross join cohorts c
  cross join (values ('revenue'), ('returns'), ('discounts'), ('recurring revenue'),
    ('revenue of 365 days'), ('recurring revenue of 365 days'), ('revenue of 90 days'),
    ('revenue of the 90 days before'), ('cost to serve'), ('service cost of 365 days'),
    ('labour cost of 365 days'), ('communication cost of 365 days'), ('hard cost of 365 days'),
    ('purchases'), ('purchases of 365 days'), ('referrals'), ('interactions'), ('contacts made'),
    ('offers'), ('engagements'), ('reach'), ('revenue by day'), ('returns by day'),
    ('agent minutes'), ('revenue by cohort')) as n (measure)
  union all
  select measure, amount from lived
  union all
  select measure, amount from owned
),
-- Every sum, on its side.
sides as (
  select 'exports_to_facts' as step, side, measure, unit, cast(amount as decimal(24, 2)) as amount
  from facts_made
  union all
  select 'facts_to_customers', side, measure, $reporting_currency, cast(amount as decimal(24, 2))
  from money_measured
  union all
  -- Who returned and never bought is of no cohort.
  select 'facts_to_customers', 'without', 'revenue by cohort', $reporting_currency,
    cast(never_bought as decimal(24, 2))
  from economics
  union all
  select 'facts_to_customers', side, measure, 'rows', cast(amount as decimal(24, 2))
  from purchases_measured
  union all
  select 'facts_to_customers', n.side, c.measure, $reporting_currency,
    cast(case n.side when 'source' then c.source_amount else c.without_customer end
      as decimal(24, 2))
  from costs_measured c
  cross join (values ('source'), ('without')) as n (side)
  union all
  select 'facts_to_customers', n.side, d.measure,
    case d.measure when 'reach' then 'people' when 'agent minutes' then 'minutes' else 'rows' end,
    d.amount
  from deeds d
  cross join (values ('source'), ('without')) as n (side)
  where n.side = 'source' or d.nobodys
  union all
  select 'facts_to_customers', 'landed', measure,
    case when measure in ('purchases', 'purchases of 365 days', 'referrals', 'interactions',
                          'contacts made', 'offers', 'engagements') then 'rows'
         when measure = 'reach' then 'people' when measure = 'agent minutes' then 'minutes'
         else $reporting_currency end,
    cast(amount as decimal(24, 2))
  from customers_have
),
summed as (
  select step, measure, unit,
    cast(coalesce(sum(case side when 'source' then amount end), 0) as decimal(24, 2))
      as source_amount,
    cast(coalesce(sum(case side when 'landed' then amount end), 0) as decimal(24, 2))
      as landed_amount,
    cast(coalesce(sum(case side when 'without' then amount end), 0) as decimal(24, 2))
      as without_customer
  from sides
  group by step, measure, unit
)
select
  step,
  measure,
  unit,
  source_amount,
  landed_amount,
  without_customer,
  cast(source_amount - landed_amount - without_customer as decimal(24, 2)) as difference
from summed
