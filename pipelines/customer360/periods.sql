-- The periods that customers are counted in: each calendar month and year since the first
-- purchase, the current ones up to the logical date. Key: (period, period_start).
--
-- days is the length of the whole period; complete says whether it is over.
with
bounds as (
  select cast(date_trunc('month', cast(min(first_purchase_on) as timestamp)) as date) as first_month,
    cast(date_part('year', min(first_purchase_on)) as bigint) as first_year,
    cast(date_part('year', min(first_purchase_on)) as bigint) * 12
      + cast(date_part('month', min(first_purchase_on)) as bigint) - 1 as first_month_no
  from customer_economics
  where first_purchase_on is not null
),
numbers as (
  select 'month' as period, unnest(generate_series(first_month_no,
    cast(date_part('year', $logical_date) as bigint) * 12
      + cast(date_part('month', $logical_date) as bigint) - 1)) as number
  from bounds
  union all
  select 'year' as period, unnest(generate_series(first_year,
    cast(date_part('year', $logical_date) as bigint))) as number
  from bounds
),
starts as (
  select period,
    case period when 'month' then make_date(cast(number / 12 as int), cast(number % 12 + 1 as int), 1)
                else make_date(cast(number as int), 1, 1) end as period_start,
    case period
      when 'month' then make_date(cast((number + 1) / 12 as int), cast((number + 1) % 12 + 1 as int), 1)
      else make_date(cast(number + 1 as int), 1, 1) end as next_start
  from numbers
)
select
  period,
  period_start,
  least(next_start - 1, $logical_date) as period_end,
  cast(next_start - period_start as bigint) as days,
  next_start - 1 <= $logical_date as complete
from starts
