-- The days that this run states the economics and segments of. Key: day.
--
-- logical_date: the run's own. late: a day that an earlier run stated, of the last
-- $restate_days, which amounts that came or changed since then reach. before_the_first: where no run
-- stated anything yet, a day every $history_step_days over the $exit_days before, so that the
-- first run knows for how long a customer has been served how.
with
amounts as (
  select occurred_on, count(*) as amounts, sum(reporting_net) as net,
    sum(reporting_discount) as discount
  from transactions where counted group by occurred_on
),
previous_amounts as (
  select occurred_on, count(*) as amounts, sum(reporting_net) as net,
    sum(reporting_discount) as discount
  from previous_transactions where counted group by occurred_on
),
spent as (
  select occurred_on, count(*) as amounts, sum(reporting_amount) as amount
  from costs group by occurred_on
),
previous_spent as (
  select occurred_on, count(*) as amounts, sum(reporting_amount) as amount
  from previous_costs group by occurred_on
),
changed as (
  select coalesce(n.occurred_on, o.occurred_on) as day
  from amounts n
  full join previous_amounts o on o.occurred_on = n.occurred_on
  where n.occurred_on is null or o.occurred_on is null or n.amounts <> o.amounts
    or (n.net is distinct from o.net) or (n.discount is distinct from o.discount)
  union all
  select coalesce(n.occurred_on, o.occurred_on) as day
  from spent n
  full join previous_spent o on o.occurred_on = n.occurred_on
  where n.occurred_on is null or o.occurred_on is null or n.amounts <> o.amounts
    or (n.amount is distinct from o.amount)
),
since as (
  select min(day) as day from changed
),
stated as (
  select distinct day from previous_customer_history
  where day < $logical_date and day >= $logical_date - $restate_days
),
known as (
  select count(*) as days from previous_customer_history
)
select $logical_date as day, 'logical_date' as reason
union all
select d.day, 'late' as reason
from stated d
cross join since s
where d.day >= s.day
union all
select $logical_date - cast(n.step as int) * $history_step_days as day, 'before_the_first' as reason
from (select unnest(generate_series(cast(1 as bigint),
  cast($exit_days as bigint) / $history_step_days)) as step) n
cross join known k
where k.days = 0
