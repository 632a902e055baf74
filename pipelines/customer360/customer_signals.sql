-- What happened that asks for an answer. Key: (golden_id, signal, evidence).
--
-- cart_left, complaint and asked_again look back $signal_days, returned $return_days; the others
-- are of a state (an open case, a habit, an answer that nobody gave) and hold at the logical date.
-- Days are local: of the CRM, the site, the store. evidence = table:key of the row that shows it,
-- or the customer's own row.
--
-- cart_left: a cart_add, and no purchase in its category on the site or in a store in the
-- $cart_hours after it, which are over. spend_shift: the revenue of the last 30 days against that of
-- the twelve 30 days before, those that the customer was one throughout: robust z = (x - median) /
-- (1.4826 MAD), none for MAD 0. near_store: the nearest store is under $near_store_km from the
-- finest place known of the customer's address; a store that it buys in tells no address.
-- offer_responsive: the response rate, smoothed towards the mean of all offers, is over
-- $responsive_times that mean.
with
carts as (
  select m.golden_id, w.event_id, w.category, w.occurred_at
  from web_activity w
  join entity_members m on m.source = w.source and m.record_id = w.record_id
  where w.kind = 'cart_add' and w.occurred_on > $logical_date - $signal_days
    and cast((w.occurred_at + cast(cast($cart_hours as varchar) || ' hours' as interval)) at time zone $web_time_zone as date)
      <= $logical_date
),
bought as (
  select m.golden_id, w.category, w.occurred_at
  from web_activity w
  join entity_members m on m.source = w.source and m.record_id = w.record_id
  where w.kind = 'purchase' and w.occurred_on >= $logical_date - $signal_days
    and w.occurred_on <= $logical_date
  union all
  select m.golden_id, t.category, t.occurred_at
  from transactions t
  join entity_members m on m.source = t.source and m.record_id = t.record_id
  where t.kind = 'sale' and t.category is not null
    and t.occurred_on >= $logical_date - $signal_days and t.occurred_on <= $logical_date
),
kept_carts as (
  select distinct c.golden_id, c.event_id
  from carts c
  join bought b on b.golden_id = c.golden_id and b.category = c.category
  where b.occurred_at >= c.occurred_at
    and b.occurred_at <= c.occurred_at + cast(cast($cart_hours as varchar) || ' hours' as interval)
),
cases as (
  select m.golden_id, t.ticket_id, t.topic, t.severity, t.complaint, t.opened_at, t.opened_on,
    t.closed_on is null or t.closed_on > $logical_date as is_open
  from tickets t
  join entity_members m on m.source = t.source and m.record_id = t.record_id
  where t.opened_on <= $logical_date
),
asked as (
  select m.golden_id, i.topic, 'interactions:' || i.interaction_id as evidence,
    i.started_at as asked_at, i.started_on as day
  from interactions i
  join entity_members m on m.source = i.source and m.record_id = i.record_id
  where i.direction = 'in' and i.topic is not null and i.started_on <= $logical_date
  union all
  select golden_id, topic, 'tickets:' || ticket_id as evidence, opened_at as asked_at, opened_on as day
  from cases
),
asked_before as (
  select golden_id, topic, evidence, asked_at, day,
    lag(asked_at) over (partition by golden_id, topic order by asked_at asc, evidence asc)
      as asked_before_at
  from asked
),
returns as (
  select m.golden_id, t.document, max(t.occurred_at) as returned_at, sum(-t.reporting_net) as amount
  from transactions t
  join entity_members m on m.source = t.source and m.record_id = t.record_id
  where t.kind = 'return' and t.occurred_on > $logical_date - $return_days
    and t.occurred_on <= $logical_date
  group by m.golden_id, t.document
),
scores as (
  select m.golden_id, s.survey_id, s.score, s.answered_at,
    s.followed_up_on is null or s.followed_up_on > $logical_date as unanswered,
    row_number() over (
      partition by m.golden_id order by s.answered_at desc, s.survey_id desc
    ) as place
  from surveys s
  join entity_members m on m.source = s.source and m.record_id = s.record_id
  where s.answered_on <= $logical_date
),
answers as (
  select m.golden_id,
    count(*) as sent,
    count(*) filter (where o.response = 'accepted'
      and coalesce(o.responded_on, o.sent_on) <= $logical_date) as accepted,
    max(o.sent_at) as last_sent_at
  from offers o
  join entity_members m on m.source = o.source and m.record_id = o.record_id
  where o.sent_on <= $logical_date
  group by m.golden_id
),
overall as (
  select cast(cast(sum(accepted) as decimal(18, 6)) / nullif(sum(sent), 0) as decimal(9, 6))
    as rate
  from answers
),
responses as (
  select a.golden_id, a.last_sent_at, o.rate as mean,
    cast((cast(a.accepted as decimal(18, 6)) + $smoothing * o.rate)
      / cast(a.sent + $smoothing as decimal(18, 2)) as decimal(9, 6)) as smoothed
  from answers a
  cross join overall o
),
spend as (
  select golden_id, cast($logical_date - day as bigint) / 30 as months_ago,
    sum(revenue) as amount
  from customer_days
  where day > $logical_date - 390
  group by golden_id, cast($logical_date - day as bigint) / 30
),
-- Months are counted back from the logical date; 0 is the last.
months as (
  select c.golden_id, n.months_ago, coalesce(s.amount, cast(0 as decimal(18, 2))) as amount
  from customer_economics c
  cross join (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12))
    as n (months_ago)
  left join spend s on s.golden_id = c.golden_id and s.months_ago = n.months_ago
  where c.first_purchase_on <= $logical_date - cast(30 * $spend_shift_months + 29 as int)
    and (n.months_ago = 0
      or c.first_purchase_on <= $logical_date - cast(30 * n.months_ago + 29 as int))
),
middles as (
  select golden_id,
    median(case when months_ago > 0 then cast(amount as decimal(18, 2)) end) as middle,
    count(*) filter (where months_ago > 0) as known
  from months
  group by golden_id
),
deviations as (
  select m.golden_id,
    median(case when m.months_ago > 0 then abs(cast(m.amount - d.middle as decimal(18, 2))) end)
      as deviation,
    max(case when m.months_ago = 0 then cast(m.amount - d.middle as decimal(18, 2)) end) as shift
  from months m
  join middles d on d.golden_id = m.golden_id
  where d.known >= $spend_shift_months
  group by m.golden_id
),
shifts as (
  select golden_id,
    cast(cast(shift as decimal(24, 8))
      / (cast(1.4826 as decimal(5, 4))
        * nullif(cast(deviation as decimal(18, 2)), cast(0 as decimal(18, 2))))
      as decimal(18, 4)) as z
  from deviations
)
select c.golden_id, 'cart_left' as signal, c.category as value,
  'web_activity:' || c.event_id as evidence, c.occurred_at as "at"
from carts c
left join kept_carts k on k.golden_id = c.golden_id and k.event_id = c.event_id
where k.event_id is null
union all
select golden_id, 'case_open', severity, 'tickets:' || ticket_id, opened_at
from cases
where is_open
union all
select golden_id, 'case_critical', severity, 'tickets:' || ticket_id, opened_at
from cases
where is_open and severity in ('high', 'critical')
union all
select golden_id, 'complaint', topic, 'tickets:' || ticket_id, opened_at
from cases
where complaint and opened_on > $logical_date - $signal_days
union all
select golden_id, 'asked_again', topic, evidence, asked_at
from asked_before
where asked_at <= asked_before_at + cast(cast($ask_again_days as varchar) || ' days' as interval)
  and day > $logical_date - $signal_days
union all
select golden_id, 'returned', cast(cast(amount as decimal(18, 2)) as varchar),
  'transactions:' || document, returned_at
from returns
union all
select golden_id, 'spend_shift', cast(z as varchar), 'customer_economics:' || golden_id,
  arrow_cast($logical_date, 'Timestamp(Microsecond, Some("UTC"))')
from shifts
where abs(z) > $spend_shift_z
union all
select golden_id, 'near_store',
  nearest_store_id || ' ' || cast(store_km as varchar) || ' km',
  'customer_places:' || golden_id,
  arrow_cast($logical_date, 'Timestamp(Microsecond, Some("UTC"))')
from customer_places
where located_by in ('postcode', 'city') and store_km < $near_store_km
union all
select golden_id, 'reward_only', cast(reward_share as varchar),
  'customer_behaviour:' || golden_id,
  arrow_cast($logical_date, 'Timestamp(Microsecond, Some("UTC"))')
from customer_behaviour
where reward_share > cast($reward_only_share as decimal(5, 4))
union all
select golden_id, 'offer_responsive', cast(smoothed as varchar),
  'customer_behaviour:' || golden_id, last_sent_at
from responses
where smoothed > $responsive_times * mean
union all
select golden_id, 'detractor_unanswered', cast(score as varchar), 'surveys:' || survey_id,
  answered_at
from scores
where score <= $detractor_score and unanswered
union all
select golden_id, 'promoter', cast(score as varchar), 'surveys:' || survey_id, answered_at
from scores
where place = 1 and score >= $promoter_score
