-- The loyalty programme at the logical date, for each tier of the programme and for all ('all').
-- Key: tier.
--
-- A member is active with a purchase in the $loyalty_active_days to the logical date.
-- enrolment_rate = members / customers; paid_rate = members who pay / members; active_rate = active members / members;
-- reward_share = the members' purchases in which a reward was used / their purchases.
with
cards as (
  select m.golden_id, l.tier, l.paid, l.card_id,
    row_number() over (
      partition by m.golden_id order by l.enrolled_on desc, l.card_id desc
    ) as place
  from loyalty l
  join entity_members m on m.source = l.source and m.record_id = l.record_id
  where l.enrolled_on <= $logical_date and (l.left_on is null or l.left_on > $logical_date)
),
members as (
  select c.golden_id, c.tier, c.paid,
    e.last_purchase_on is not null
      and e.last_purchase_on > $logical_date - $loyalty_active_days as active,
    e.revenue_365, b.purchases, b.rewarded
  from cards c
  join customer_economics e on e.golden_id = c.golden_id
  join customer_behaviour b on b.golden_id = c.golden_id
  where c.place = 1
),
each as (
  select tier, paid, active, revenue_365, purchases, rewarded from members
  union all
  select 'all' as tier, paid, active, revenue_365, purchases, rewarded from members
),
population as (
  select count(*) as customers from customers
)
select
  e.tier,
  count(*) as members,
  count(*) filter (where e.active) as active_members,
  count(*) filter (where e.paid) as paying_members,
  cast(cast(count(*) as decimal(18, 4)) / nullif(max(p.customers), 0) as decimal(5, 4))
    as enrolment_rate,
  cast(cast(count(*) filter (where e.paid) as decimal(18, 4)) / count(*) as decimal(5, 4))
    as paid_rate,
  cast(cast(count(*) filter (where e.active) as decimal(18, 4)) / count(*) as decimal(5, 4))
    as active_rate,
  cast(cast(sum(e.rewarded) as decimal(18, 4)) / nullif(sum(e.purchases), 0) as decimal(5, 4))
    as reward_share,
  cast(sum(e.revenue_365) as decimal(18, 2)) as revenue_365,
  $reporting_currency as currency
from each e
cross join population p
group by e.tier
