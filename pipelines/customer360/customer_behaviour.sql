-- How each customer behaves. Key: golden_id; a row for every customer.
--
-- Recency, frequency and monetary value over 365 days; quintiles by rank among buyers, ties by
-- golden_id, 5 best. Preferred hour, weekday, channel, device: the greatest weight over
-- interactions and purchases, each weighing 0.5^(age in days / $half_life_days), ties to the
-- smaller. Weights are integers of 10^-9, so that their sum does not depend on its order. Weekday
-- 1 is the one that weeks start with: Monday, unless $week_start is another ISO weekday.
with
buying as (
  select
    golden_id,
    count(*) as purchases,
    count(*) filter (where discounted) as discounted,
    count(*) filter (where rewarded) as rewarded,
    cast(cast(count(*) filter (where discounted) as decimal(18, 4)) / count(*) as decimal(5, 4))
      as discount_share,
    cast(cast(count(*) filter (where rewarded) as decimal(18, 4)) / count(*) as decimal(5, 4))
      as reward_share
  from customer_purchases
  group by golden_id
),
spend as (
  select m.golden_id, t.category, sum(t.reporting_net) as amount
  from transactions t
  join entity_members m on m.source = t.source and m.record_id = t.record_id
  where t.counted and t.category is not null and t.occurred_on <= $logical_date
    and t.kind in ('sale', 'invoice')
  group by m.golden_id, t.category
),
category_places as (
  select golden_id, category,
    row_number() over (partition by golden_id order by amount desc nulls last, category asc)
      as place,
    count(*) over (partition by golden_id) as categories
  from spend
),
-- Days and hours are local to the store, the site, the CRM.
touches as (
  select m.golden_id, i.started_on as occurred_on, i.started_hour as occurred_hour, i.channel,
    i.device
  from interactions i
  join entity_members m on m.source = i.source and m.record_id = i.record_id
  where i.started_on <= $logical_date
  union all
  select golden_id, occurred_on, occurred_hour,
    case when document_source = 'pos_sales' then 'store' end as channel,
    cast(null as varchar) as device
  from customer_purchases
  union all
  select m.golden_id, w.occurred_on, w.occurred_hour, 'web' as channel, w.device
  from web_activity w
  join entity_members m on m.source = w.source and m.record_id = w.record_id
  where w.kind = 'purchase' and w.occurred_on <= $logical_date
),
weighed as (
  select
    golden_id,
    occurred_hour,
    (cast(date_part('isodow', occurred_on) as bigint) - $week_start + 7) % 7 + 1 as weekday,
    channel,
    device,
    cast(round(power(cast(0.5 as double),
      cast($logical_date - occurred_on as double) / cast($half_life_days as double))
      * 1000000000) as bigint) as weight
  from touches
),
hours as (
  select golden_id, occurred_hour, sum(weight) as weight from weighed
  where occurred_hour is not null
  group by golden_id, occurred_hour
),
weekdays as (
  select golden_id, weekday, sum(weight) as weight from weighed group by golden_id, weekday
),
channels as (
  select golden_id, channel, sum(weight) as weight from weighed where channel is not null
  group by golden_id, channel
),
devices as (
  select golden_id, device, sum(weight) as weight from weighed where device is not null
  group by golden_id, device
),
places as (
  select golden_id, occurred_hour as hour, cast(null as bigint) as weekday,
    cast(null as varchar) as channel, cast(null as varchar) as device,
    row_number() over (partition by golden_id order by weight desc, occurred_hour asc) as place
  from hours
  union all
  select golden_id, null, weekday, null, null,
    row_number() over (partition by golden_id order by weight desc, weekday asc) as place
  from weekdays
  union all
  select golden_id, null, null, channel, null,
    row_number() over (partition by golden_id order by weight desc, channel asc) as place
  from channels
  union all
  select golden_id, null, null, null, device,
    row_number() over (partition by golden_id order by weight desc, device asc) as place
  from devices
),
preferred as (
  select
    golden_id,
    max(cast(hour as bigint)) as preferred_hour,
    max(weekday) as preferred_weekday,
    max(channel) as preferred_channel,
    max(device) as preferred_device
  from places
  where place = 1
  group by golden_id
),
answered as (
  select
    m.golden_id,
    count(*) as interactions,
    cast(cast(count(*) filter (where i.direction = 'out' and i.outcome <> 'no_answer')
        as decimal(18, 4))
      / nullif(count(*) filter (where i.direction = 'out'), 0) as decimal(5, 4)) as answer_share,
    count(*) filter (where i.direction = 'out') as contacted
  from interactions i
  join entity_members m on m.source = i.source and m.record_id = i.record_id
  where i.started_on <= $logical_date
  group by m.golden_id
),
responses as (
  select
    m.golden_id,
    count(*) as offers,
    cast(cast(count(*) filter (where o.response = 'accepted'
        and coalesce(o.responded_on, o.sent_on) <= $logical_date) as decimal(18, 4)) / count(*)
      as decimal(5, 4)) as offer_response
  from offers o
  join entity_members m on m.source = o.source and m.record_id = o.record_id
  where o.sent_on <= $logical_date
  group by m.golden_id
),
quintiles as (
  select
    golden_id,
    ntile(5) over (order by last_purchase_on asc, golden_id asc) as recency_quintile,
    ntile(5) over (order by purchases_365 asc, golden_id asc) as frequency_quintile,
    ntile(5) over (order by revenue_365 asc, golden_id asc) as monetary_quintile
  from customer_economics
  where purchases > 0
)
select
  e.golden_id,
  cast($logical_date - e.last_purchase_on as bigint) as recency_days,
  e.purchases_365 as frequency,
  e.revenue_365 as monetary,
  cast(q.recency_quintile as bigint) as recency_quintile,
  cast(q.frequency_quintile as bigint) as frequency_quintile,
  cast(q.monetary_quintile as bigint) as monetary_quintile,
  p.preferred_hour,
  p.preferred_weekday,
  p.preferred_channel,
  p.preferred_device,
  coalesce(a.interactions, 0) as interactions,
  coalesce(a.contacted, 0) as contacted,
  a.answer_share,
  coalesce(r.offers, 0) as offers,
  r.offer_response,
  coalesce(b.purchases, 0) as purchases,
  coalesce(b.discounted, 0) as discounted,
  coalesce(b.rewarded, 0) as rewarded,
  b.discount_share,
  b.reward_share,
  coalesce(g.categories, 0) as categories,
  g.category as top_category,
  e.trend as spend_trend
from customer_economics e
left join quintiles q on q.golden_id = e.golden_id
left join preferred p on p.golden_id = e.golden_id
left join answered a on a.golden_id = e.golden_id
left join responses r on r.golden_id = e.golden_id
left join buying b on b.golden_id = e.golden_id
left join category_places g on g.golden_id = e.golden_id and g.place = 1
