-- What a unit of each currency is worth in the reporting currency on each day that has amounts.
-- Key: (currency, day).
--
-- The rate of a day is the newest one not after it; the reference gives all rates against one
-- currency, which need not be the reporting one. rate is null, and quoted_on, where none is known.
with
days as (
  select currency, cast(sold_at as date) as day from raw_pos_sales
  union
  select currency, issued_on as day from raw_accounting_invoices
  union
  select currency, issued_on as day from raw_accounting_credit_notes
  union
  select currency, paid_on as day from raw_accounting_payments
  union
  select currency, "on" as day from raw_accounting_costs
),
wanted as (
  select currency, day from days
  union
  select $reporting_currency as currency, day from days
),
placed as (
  select w.currency, w.day, r."on" as quoted_on, cast(r.rate as decimal(20, 12)) as rate,
    row_number() over (partition by w.currency, w.day order by r."on" desc) as place
  from wanted w
  join raw_ref_rates r on r.currency = w.currency and r."on" <= w.day
),
quoted as (
  select currency, day, quoted_on, rate from placed where place = 1
)
select
  d.currency,
  d.day,
  q.quoted_on,
  cast(case when d.currency = $reporting_currency then cast(1 as decimal(20, 12))
            else q.rate / coalesce(b.rate, cast(1 as decimal(20, 12))) end
    as decimal(20, 12)) as rate
from days d
left join quoted q on q.currency = d.currency and q.day = d.day
left join quoted b on b.currency = $reporting_currency and b.day = d.day
