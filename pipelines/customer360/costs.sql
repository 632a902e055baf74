-- Costs in the reporting currency, under the debtor that they were for; without a customer where
-- they were for all. Key: cost_id.
select
  'accounting_customers' as source,
  c.customer_no as record_id,
  c.cost_id,
  c.kind,
  c.channel,
  cast(c.amount as decimal(18, 2)) as amount,
  c.currency,
  cast(cast(c.amount as decimal(18, 2)) * r.rate as decimal(18, 2)) as reporting_amount,
  $reporting_currency as reporting_currency,
  c."on" as occurred_on
from raw_accounting_costs c
left join rates r on r.currency = c.currency and r.day = c."on"
