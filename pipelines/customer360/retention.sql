-- Cohorts by the month of the first purchase: how many of them bought so many months later, and
-- for how much. Key: (cohort, months_since); a row for each month up to the logical date's.
with
purchases as (
  select
    m.golden_id,
    cast(date_trunc('month', cast(t.occurred_on as timestamp)) as date) as bought_in,
    cast(date_part('year', t.occurred_on) as bigint) * 12
      + cast(date_part('month', t.occurred_on) as bigint) as month_no,
    t.reporting_net
  from transactions t
  join entity_members m on m.source = t.source and m.record_id = t.record_id
  where t.counted and t.kind in ('sale', 'invoice') and t.occurred_on <= $logical_date
),
firsts as (
  select golden_id, min(bought_in) as cohort, min(month_no) as cohort_no
  from purchases
  group by golden_id
),
sizes as (
  select cohort, cohort_no, count(*) as customers from firsts group by cohort, cohort_no
),
returned as (
  select
    f.cohort,
    p.month_no - f.cohort_no as months_since,
    count(distinct p.golden_id) as buyers,
    sum(p.reporting_net) as revenue
  from purchases p
  join firsts f on f.golden_id = p.golden_id
  group by f.cohort, p.month_no - f.cohort_no
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
