-- Nothing is lost and nothing is counted twice: the sum of each amount and count in the exports
-- beside that of the facts, and of the facts beside that of golden customers.
-- Key: (step, measure, unit). A check of the pipeline stops the run unless every difference is 0.
--
-- without_customer: what belongs to no golden customer, such as sales to strangers.
with
counted as (
  select m.golden_id, t.*
  from transactions t
  left join entity_members m on m.source = t.source and m.record_id = t.record_id
  where t.counted and t.occurred_on <= $logical_date
),
spent as (
  select m.golden_id, c.*
  from costs c
  left join entity_members m on m.source = c.source and m.record_id = c.record_id
  where c.kind in ('service', 'labour', 'communication', 'hard')
    and c.occurred_on <= $logical_date
),
efforts as (
  select source, record_id, agent_minutes, started_on as day from interactions
  union all
  select source, record_id, agent_minutes, opened_on as day from tickets
),
effort as (
  select count(*) as rows
  from efforts e
  join entity_members m on m.source = e.source and m.record_id = e.record_id
  where e.day <= $logical_date and e.agent_minutes > cast(0 as decimal(18, 2))
),
sources as (
  select 'exports_to_facts' as step, 'sales' as measure, currency as unit,
    cast(sum(amount) as decimal(24, 2)) as source_amount from raw_pos_sales group by currency
  union all
  select 'exports_to_facts', 'sales discounts', currency, sum(discount)
  from raw_pos_sales group by currency
  union all
  select 'exports_to_facts', 'invoices', currency, sum(amount)
  from raw_accounting_invoices group by currency
  union all
  select 'exports_to_facts', 'credit notes', currency, sum(amount)
  from raw_accounting_credit_notes group by currency
  union all
  select 'exports_to_facts', 'payments', currency, sum(amount)
  from raw_accounting_payments group by currency
  union all
  select 'exports_to_facts', 'costs', currency, sum(amount)
  from raw_accounting_costs group by currency
  union all
  select 'exports_to_facts', 'sales lines', 'rows', count(*) from raw_pos_sales
  union all
  select 'exports_to_facts', 'interactions', 'rows', count(*) from raw_crm_interactions
  union all
  select 'exports_to_facts', 'agent minutes', 'minutes', sum(agent_minutes)
  from raw_crm_interactions
  union all
  select 'exports_to_facts', 'tickets', 'rows', count(*) from raw_crm_tickets
  union all
  select 'exports_to_facts', 'offers', 'rows', count(*) from raw_crm_offers
  union all
  select 'exports_to_facts', 'surveys', 'rows', count(*) from raw_crm_surveys
  union all
  select 'exports_to_facts', 'loyalty cards', 'rows', count(*) from raw_crm_loyalty
  union all
  select 'exports_to_facts', 'consents', 'rows', count(*) from raw_crm_consents
  union all
  select 'exports_to_facts', 'web events', 'rows', count(*) from raw_web_events
  union all
  select 'exports_to_facts', 'engagements', 'rows', count(*) from raw_social_engagements
  union all
  select 'facts_to_customers', 'revenue', $reporting_currency, sum(reporting_net) from counted
  union all
  select 'facts_to_customers', 'returns', $reporting_currency, sum(-reporting_net)
  from counted where kind in ('return', 'credit_note')
  union all
  select 'facts_to_customers', 'discounts', $reporting_currency, sum(reporting_discount)
  from counted where kind in ('sale', 'invoice')
  union all
  select 'facts_to_customers', 'recurring revenue', $reporting_currency, sum(reporting_net)
  from counted where recurring
  union all
  select 'facts_to_customers', 'revenue of 365 days', $reporting_currency, sum(reporting_net)
  from counted where occurred_on > $logical_date - 365
  union all
  select 'facts_to_customers', 'revenue by month', $reporting_currency, sum(reporting_net)
  from counted
  union all
  select 'facts_to_customers', 'revenue by year', $reporting_currency, sum(reporting_net)
  from counted
  union all
  select 'facts_to_customers', 'cost to serve', $reporting_currency, sum(reporting_amount)
  from spent
  union all
  select 'facts_to_customers', 'purchases', 'rows',
    count(distinct case when kind in ('sale', 'invoice')
                        then document_source || '/' || document end)
  from counted
  union all
  select 'facts_to_customers', 'interactions', 'rows', count(*)
  from interactions where started_on <= $logical_date
  union all
  select 'facts_to_customers', 'offers', 'rows', count(*)
  from offers where sent_on <= $logical_date
),
landed as (
  select 'exports_to_facts' as step, 'sales' as measure, currency as unit,
    cast(sum(gross) as decimal(24, 2)) as landed_amount,
    cast(0 as decimal(24, 2)) as without_customer
  from transactions where document_source = 'pos_sales' group by currency
  union all
  select 'exports_to_facts', 'sales discounts', currency, sum(discount), 0
  from transactions where document_source = 'pos_sales' group by currency
  union all
  select 'exports_to_facts', 'invoices', currency, sum(gross), 0
  from transactions where document_source = 'accounting_invoices' group by currency
  union all
  select 'exports_to_facts', 'credit notes', currency, sum(gross), 0
  from transactions where document_source = 'accounting_credit_notes' group by currency
  union all
  select 'exports_to_facts', 'payments', currency, sum(amount), 0 from payments group by currency
  union all
  select 'exports_to_facts', 'costs', currency, sum(amount), 0 from costs group by currency
  union all
  select 'exports_to_facts', 'sales lines', 'rows', count(*), 0
  from transactions where document_source = 'pos_sales'
  union all
  select 'exports_to_facts', 'interactions', 'rows', count(*), 0 from interactions
  union all
  select 'exports_to_facts', 'agent minutes', 'minutes', sum(agent_minutes), 0 from interactions
  union all
  select 'exports_to_facts', 'tickets', 'rows', count(*), 0 from tickets
  union all
  select 'exports_to_facts', 'offers', 'rows', count(*), 0 from offers
  union all
  select 'exports_to_facts', 'surveys', 'rows', count(*), 0 from surveys
  union all
  select 'exports_to_facts', 'loyalty cards', 'rows', count(*), 0 from loyalty
  union all
  select 'exports_to_facts', 'consents', 'rows', count(*), 0 from consents
  union all
  select 'exports_to_facts', 'web events', 'rows', count(*), 0 from web_activity
  union all
  select 'exports_to_facts', 'engagements', 'rows', count(*), 0 from engagements
  union all
  select 'facts_to_customers', 'revenue', $reporting_currency,
    (select sum(revenue) from customer_economics),
    (select sum(reporting_net) from counted where golden_id is null)
  union all
  select 'facts_to_customers', 'returns', $reporting_currency,
    (select sum(returns) from customer_economics),
    (select sum(-reporting_net) from counted
     where golden_id is null and kind in ('return', 'credit_note'))
  union all
  select 'facts_to_customers', 'discounts', $reporting_currency,
    (select sum(discounts) from customer_economics),
    (select sum(reporting_discount) from counted
     where golden_id is null and kind in ('sale', 'invoice'))
  union all
  select 'facts_to_customers', 'recurring revenue', $reporting_currency,
    (select sum(recurring_revenue) from customer_economics),
    (select sum(reporting_net) from counted where golden_id is null and recurring)
  union all
  select 'facts_to_customers', 'revenue of 365 days', $reporting_currency,
    (select sum(revenue_365) from customer_economics),
    (select sum(reporting_net) from counted
     where golden_id is null and occurred_on > $logical_date - 365)
  union all
  select 'facts_to_customers', 'revenue by month', $reporting_currency,
    (select sum(revenue) from customer_periods where period = 'month'),
    (select sum(reporting_net) from counted where golden_id is null)
  union all
  select 'facts_to_customers', 'revenue by year', $reporting_currency,
    (select sum(revenue) from customer_periods where period = 'year'),
    (select sum(reporting_net) from counted where golden_id is null)
  union all
  -- What names no customer is shared among all: it stays without one only if nobody was served.
  select 'facts_to_customers', 'cost to serve', $reporting_currency,
    (select sum(cost_to_serve) from customer_economics),
    (select sum(s.reporting_amount) from spent s cross join effort e
     where s.golden_id is null and e.rows = 0)
  union all
  select 'facts_to_customers', 'purchases', 'rows',
    (select sum(purchases) from customer_economics),
    (select count(distinct document_source || '/' || document) from counted
     where golden_id is null and kind in ('sale', 'invoice'))
  union all
  select 'facts_to_customers', 'interactions', 'rows',
    (select sum(interactions) from customer_behaviour),
    (select count(*) from interactions i
     left join entity_members m on m.source = i.source and m.record_id = i.record_id
     where i.started_on <= $logical_date and m.golden_id is null)
  union all
  select 'facts_to_customers', 'offers', 'rows',
    (select sum(offers) from customer_behaviour),
    (select count(*) from offers o
     left join entity_members m on m.source = o.source and m.record_id = o.record_id
     where o.sent_on <= $logical_date and m.golden_id is null)
)
select
  coalesce(s.step, l.step) as step,
  coalesce(s.measure, l.measure) as measure,
  coalesce(s.unit, l.unit) as unit,
  cast(coalesce(s.source_amount, 0) as decimal(24, 2)) as source_amount,
  cast(coalesce(l.landed_amount, 0) as decimal(24, 2)) as landed_amount,
  cast(coalesce(l.without_customer, 0) as decimal(24, 2)) as without_customer,
  cast(coalesce(s.source_amount, 0) - coalesce(l.landed_amount, 0)
    - coalesce(l.without_customer, 0) as decimal(24, 2)) as difference
from sources s
full join landed l on l.step = s.step and l.measure = s.measure and l.unit = s.unit
