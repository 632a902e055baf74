-- Cohorts by the month of the first purchase: how many of them bought so many months later, and
-- for how much. Key: (cohort, months_since); a row for each month up to the logical date's.
--
-- revenue is of that month: sales and invoices - returns - credit notes - discounts.
with
days as (
  select
    golden_id,
    purchases > 0 as bought,
    cast(date_trunc('month', cast(day as timestamp)) as date) as month,
    cast(date_part('year', day) as bigint) * 12 + cast(date_part('month', day) as bigint)
      as month_no,
    revenue
  from customer_days
),
firsts as (
  select golden_id, min(month) as cohort, min(month_no) as cohort_no
  from days
  where bought
  group by golden_id
),
sizes as (
  select cohort, cohort_no, count(*) as customers from firsts group by cohort, cohort_no
),
months as (
  select golden_id, month_no, max(case when bought then 1 else 0 end) as bought,
    sum(revenue) as revenue
  from days
  group by golden_id, month_no
),
returned as (
  select
    f.cohort,
    n.month_no - f.cohort_no as months_since,
    sum(n.bought) as buyers,
    sum(n.revenue) as revenue
  from months n
  join firsts f on f.golden_id = n.golden_id
  group by f.cohort, n.month_no - f.cohort_no
),
grid as (
  select s.cohort, s.customers, unnest(generate_series(
    cast(0 as bigint),
    cast(date_part('year', $logical_date) as bigint) * 12
      + cast(date_part('month', $logical_date) as bigint) - s.cohort_no)) as months_since
  from sizes s
)
select
  g.cohort,
  g.months_since,
  g.customers,
  coalesce(r.buyers, 0) as buyers,
  cast(cast(coalesce(r.buyers, 0) as decimal(18, 4)) / g.customers as decimal(5, 4)) as retention,
  cast(coalesce(r.revenue, 0) as decimal(18, 2)) as revenue,
  $reporting_currency as currency
from grid g
left join returned r on r.cohort = g.cohort and r.months_since = g.months_since
