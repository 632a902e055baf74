-- What happened that asks for an answer. Key: (golden_id, signal, evidence).
--
-- Signals of events look back $signal_days; those of a state (an open case, a habit) hold at the
-- logical date. evidence = table:key of the row that shows it, or the customer's own table.
--
-- spend_shift: the revenue of the last 30 days against that of the twelve 30 days before, those
-- that the customer was one throughout: robust z = (x - median) / (1.4826 MAD), null for MAD 0.
-- near_store: addresses have no coordinates, so a customer's place is the middle of the stores of
-- its city; the nearest of these counts.
with
carts as (
  select m.golden_id, w.event_id, w.category, w.occurred_at
  from web_activity w
  join entity_members m on m.source = w.source and m.record_id = w.record_id
  where w.kind = 'cart_add'
    and cast(w.occurred_at as date) > $logical_date - $signal_days
    and cast(w.occurred_at + interval '72 hours' as date) <= $logical_date
),
bought as (
  select m.golden_id, w.category, w.occurred_at
  from web_activity w
  join entity_members m on m.source = w.source and m.record_id = w.record_id
  where w.kind = 'purchase'
  union all
  select m.golden_id, t.category, t.occurred_at
  from transactions t
  join entity_members m on m.source = t.source and m.record_id = t.record_id
  where t.kind = 'sale' and t.category is not null
),
kept_carts as (
  select distinct c.golden_id, c.event_id
  from carts c
  join bought b on b.golden_id = c.golden_id and b.category = c.category
  where b.occurred_at >= c.occurred_at
    and b.occurred_at <= c.occurred_at + interval '72 hours'
),
cases as (
  select m.golden_id, t.ticket_id, t.topic, t.severity, t.complaint, t.opened_at, t.closed_at
  from tickets t
  join entity_members m on m.source = t.source and m.record_id = t.record_id
  where cast(t.opened_at as date) <= $logical_date
),
asked as (
  select m.golden_id, i.topic, 'interactions:' || i.interaction_id as evidence, i.started_at as at
  from interactions i
  join entity_members m on m.source = i.source and m.record_id = i.record_id
  where i.direction = 'in' and i.topic is not null
    and cast(i.started_at as date) <= $logical_date
  union all
  select golden_id, topic, 'tickets:' || ticket_id as evidence, opened_at as at from cases
),
asked_before as (
  select golden_id, topic, evidence, at,
    lag(at) over (partition by golden_id, topic order by at asc, evidence asc) as previous_at
  from asked
),
returns as (
  select m.golden_id, t.document, max(t.occurred_at) as at, sum(-t.reporting_net) as amount
  from transactions t
  join entity_members m on m.source = t.source and m.record_id = t.record_id
  where t.kind = 'return' and t.occurred_on > $logical_date - 14
    and t.occurred_on <= $logical_date
  group by m.golden_id, t.document
),
scores as (
  select m.golden_id, s.survey_id, s.score, s.answered_at, s.followed_up_at,
    row_number() over (
      partition by m.golden_id order by s.answered_at desc, s.survey_id desc
    ) as place
  from surveys s
  join entity_members m on m.source = s.source and m.record_id = s.record_id
  where cast(s.answered_at as date) <= $logical_date
),
answers as (
  select m.golden_id,
    count(*) as sent,
    count(*) filter (where o.response = 'accepted') as accepted,
    max(o.sent_at) as at
  from offers o
  join entity_members m on m.source = o.source and m.record_id = o.record_id
  where cast(o.sent_at as date) <= $logical_date
  group by m.golden_id
),
overall as (
  select cast(cast(sum(accepted) as decimal(18, 6)) / nullif(sum(sent), 0) as decimal(9, 6))
    as rate
  from answers
),
responses as (
  select a.golden_id, a.at, o.rate as mean,
    cast((cast(a.accepted as decimal(18, 6)) + 20 * o.rate)
      / cast(a.sent + 20 as decimal(18, 2)) as decimal(9, 6)) as smoothed
  from answers a
  cross join overall o
),
spend as (
  select
    m.golden_id,
    cast($logical_date - t.occurred_on as bigint) / 30 as months_ago,
    sum(t.reporting_net) as amount
  from transactions t
  join entity_members m on m.source = t.source and m.record_id = t.record_id
  where t.counted and t.occurred_on <= $logical_date and t.occurred_on > $logical_date - 390
  group by m.golden_id, cast($logical_date - t.occurred_on as bigint) / 30
),
-- Months are counted back from the logical date; 0 is the last.
months as (
  select c.golden_id, n.months_ago, coalesce(s.amount, cast(0 as decimal(18, 2))) as amount
  from customer_economics c
  cross join (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12))
    as n (months_ago)
  left join spend s on s.golden_id = c.golden_id and s.months_ago = n.months_ago
  where n.months_ago = 0
    or cast($logical_date - c.first_purchase_on as bigint) >= 30 * n.months_ago + 29
),
middles as (
  select golden_id, median(cast(amount as decimal(18, 2))) as middle, count(*) as known
  from months
  where months_ago > 0
  group by golden_id
),
deviations as (
  select m.golden_id,
    median(abs(cast(m.amount - d.middle as decimal(18, 2)))) as deviation
  from months m
  join middles d on d.golden_id = m.golden_id
  where m.months_ago > 0
  group by m.golden_id
),
shifts as (
  select m.golden_id,
    cast(cast(m.amount - d.middle as decimal(24, 8))
      / (cast(1.4826 as decimal(5, 4)) * cast(v.deviation as decimal(18, 2)))
      as decimal(18, 4)) as z
  from months m
  join middles d on d.golden_id = m.golden_id
  join deviations v on v.golden_id = m.golden_id
  where m.months_ago = 0 and d.known >= $spend_shift_months and v.deviation > 0
),
cities as (
  select
    lower(trim(city)) as city,
    upper(trim(country)) as country,
    avg(cast(latitude as decimal(9, 6))) as latitude,
    avg(cast(longitude as decimal(9, 6))) as longitude
  from raw_ref_stores
  group by lower(trim(city)), upper(trim(country))
),
distances as (
  select c.city, c.country, s.store_id,
    cast(great_circle_km(c.latitude, c.longitude, s.latitude, s.longitude) as decimal(9, 3))
      as km
  from cities c
  join raw_ref_stores s on upper(trim(s.country)) = c.country
),
nearest as (
  select city, country, store_id, km,
    row_number() over (partition by city, country order by km asc, store_id asc) as place
  from distances
)
select c.golden_id, 'cart_left' as signal, c.category as value,
  'web_activity:' || c.event_id as evidence, c.occurred_at as at
from carts c
left join kept_carts k on k.golden_id = c.golden_id and k.event_id = c.event_id
where k.event_id is null
union all
select golden_id, 'case_open', severity, 'tickets:' || ticket_id, opened_at
from cases
where closed_at is null or cast(closed_at as date) > $logical_date
union all
select golden_id, 'case_critical', severity, 'tickets:' || ticket_id, opened_at
from cases
where severity in ('high', 'critical')
  and (closed_at is null or cast(closed_at as date) > $logical_date)
union all
select golden_id, 'complaint', topic, 'tickets:' || ticket_id, opened_at
from cases
where complaint and cast(opened_at as date) > $logical_date - $signal_days
union all
select golden_id, 'asked_again', topic, evidence, at
from asked_before
where at <= previous_at + interval '14 days'
  and cast(at as date) > $logical_date - $signal_days
union all
select golden_id, 'returned', cast(cast(amount as decimal(18, 2)) as varchar),
  'transactions:' || document, at
from returns
union all
select golden_id, 'spend_shift', cast(z as varchar), 'customer_economics:' || golden_id,
  arrow_cast($logical_date, 'Timestamp(Microsecond, Some("UTC"))')
from shifts
where abs(z) > $spend_shift_z
union all
select c.golden_id, 'near_store', n.store_id || ' ' || cast(n.km as varchar) || ' km',
  'ref_stores:' || n.store_id,
  arrow_cast($logical_date, 'Timestamp(Microsecond, Some("UTC"))')
from customers c
join nearest n
  on n.city = lower(trim(c.city)) and n.country = upper(trim(c.country)) and n.place = 1
where n.km < $near_store_km
union all
select b.golden_id, 'reward_only', cast(b.reward_share as varchar),
  'customer_behaviour:' || b.golden_id,
  arrow_cast($logical_date, 'Timestamp(Microsecond, Some("UTC"))')
from customer_behaviour b
where b.reward_share > cast(0.60 as decimal(5, 4))
union all
select golden_id, 'offer_responsive', cast(smoothed as varchar),
  'customer_behaviour:' || golden_id, at
from responses
where smoothed > 2 * mean
union all
select golden_id, 'detractor_unanswered', cast(score as varchar), 'surveys:' || survey_id,
  answered_at
from scores
where score <= 6 and (followed_up_at is null or cast(followed_up_at as date) > $logical_date)
  and cast(answered_at as date) > $logical_date - $survey_days
union all
select golden_id, 'promoter', cast(score as varchar), 'surveys:' || survey_id, answered_at
from scores
where place = 1 and score >= 9
