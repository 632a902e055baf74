-- When and for how much each customer buys: what the computation customer_value reads. Key:
-- golden_id; a row for every customer.
--
-- All purchases of a day are one. frequency = days of purchases after the first; recency and age =
-- days from the first to the last and to the logical date; monetary = mean revenue of the days
-- after the first, returns left aside.
with
placed as (
  select golden_id, day as occurred_on, spent as amount,
    row_number() over (partition by golden_id order by day asc) as place
  from customer_days
  where purchases > 0
),
histories as (
  select
    golden_id,
    count(*) - 1 as frequency,
    max(occurred_on) - min(occurred_on) as recency,
    $logical_date - min(occurred_on) as age,
    sum(case when place > 1 then amount end) as repeated,
    count(case when place > 1 then amount end) as repeated_known
  from placed
  group by golden_id
)
select
  c.golden_id,
  h.frequency,
  cast(h.recency as bigint) as recency,
  cast(h.age as bigint) as age,
  cast(cast(h.repeated as decimal(18, 2)) / nullif(h.repeated_known, 0) as decimal(18, 4))
    as monetary
from customers c
left join histories h on h.golden_id = c.golden_id
