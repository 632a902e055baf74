-- Costs in the reporting currency, under the debtor that they were for; without a customer where
-- they were for all. Key: cost_id.
with
days as (
  select distinct currency, "on" from raw_accounting_costs
),
rated as (
  select d.currency, d."on", r.rate,
    row_number() over (partition by d.currency, d."on" order by r."on" desc) as place
  from days d
  join raw_ref_rates r on r.currency = d.currency and r."on" <= d."on"
)
select
  'accounting_customers' as source,
  c.customer_no as record_id,
  c.cost_id,
  c.kind,
  c.channel,
  cast(c.amount as decimal(18, 2)) as amount,
  c.currency,
  cast(c.amount * case when c.currency = $reporting_currency then cast(1 as decimal(20, 12))
                       else cast(r.rate as decimal(20, 12)) end as decimal(18, 2)) as reporting_amount,
  $reporting_currency as reporting_currency,
  c."on" as occurred_on
from raw_accounting_costs c
left join rated r on r.currency = c.currency and r."on" = c."on" and r.place = 1
