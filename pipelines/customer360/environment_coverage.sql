-- How many customers each attribute of the environment is known of, and how nearly; and of how many
-- it is not, and why. Key: (attribute, outcome). outcome is a level or a reason of
-- customer_environment; share is of all customers.
with
outcomes as (
  select attribute, coalesce(level, reason) as outcome, level is not null as known,
    count(*) as customers
  from customer_environment
  group by attribute, coalesce(level, reason), level is not null
),
population as (
  select count(*) as customers from customers
)
select
  o.attribute,
  o.outcome,
  o.known,
  o.customers,
  cast(cast(o.customers as decimal(18, 6)) / p.customers as decimal(7, 6)) as share
from outcomes o
cross join population p
