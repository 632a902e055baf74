-- The customer journey by calendar month and year, stage by stage. Key: (period, period_start,
-- stage).
--
-- at_start + entries - exits = at_end. conversion = of those who were in the stage at the start or
-- entered it, the share who left it for a stage further on; of the last stage, the share who did
-- not leave it. days_in_stage = the mean length of stays that ended in the period; days_so_far,
-- of those that had not at its end. Touchpoints are contacts, events on the site and purchases at
-- a till, of customers while in the stage. alert: conversion is under alert_below.
with
spells as (
  select s.golden_id, s.stage, s.entered_on, s.left_on, s.days, g.place,
    n.place as next_place
  from customer_stages s
  join stages g on g.stage = s.stage
  left join stages n on n.stage = s.next_stage
),
counted as (
  select
    p.period,
    p.period_start,
    s.stage,
    count(*) filter (where s.entered_on < p.period_start) as at_start,
    count(*) filter (where s.entered_on >= p.period_start) as entries,
    count(*) filter (where s.left_on <= p.period_end) as exits,
    count(*) filter (where s.left_on <= p.period_end and s.next_place > s.place) as advances,
    count(*) filter (where s.left_on is null or s.left_on > p.period_end) as at_end,
    sum(case when s.left_on <= p.period_end then s.days end) as days_ended,
    sum(case when s.left_on is null or s.left_on > p.period_end
             then cast(p.period_end - s.entered_on as bigint) end) as days_open
  from spells s
  join periods p on s.entered_on <= p.period_end
    and (s.left_on is null or s.left_on >= p.period_start)
  group by p.period, p.period_start, s.stage
),
touches as (
  select m.golden_id, i.started_on as day, i.channel
  from interactions i
  join entity_members m on m.source = i.source and m.record_id = i.record_id
  where i.started_on <= $logical_date
  union all
  select m.golden_id, w.occurred_on as day, 'web' as channel
  from web_activity w
  join entity_members m on m.source = w.source and m.record_id = w.record_id
  where w.occurred_on <= $logical_date
),
daily as (
  select golden_id, day, channel, count(*) as touches from touches group by golden_id, day, channel
  union all
  select golden_id, day, 'store' as channel, store_purchases as touches
  from customer_days
  where store_purchases > 0
),
staged as (
  select s.stage, d.day, d.channel, sum(d.touches) as touches
  from daily d
  join customer_stages s on s.golden_id = d.golden_id
    and s.entered_on <= d.day and (s.left_on is null or s.left_on > d.day)
  group by s.stage, d.day, d.channel
),
points as (
  select
    p.period,
    p.period_start,
    t.stage,
    sum(case when t.channel = 'call' then t.touches else 0 end) as touchpoints_call,
    sum(case when t.channel = 'chat' then t.touches else 0 end) as touchpoints_chat,
    sum(case when t.channel = 'email' then t.touches else 0 end) as touchpoints_email,
    sum(case when t.channel = 'visit' then t.touches else 0 end) as touchpoints_visit,
    sum(case when t.channel = 'social' then t.touches else 0 end) as touchpoints_social,
    sum(case when t.channel = 'web' then t.touches else 0 end) as touchpoints_web,
    sum(case when t.channel = 'store' then t.touches else 0 end) as touchpoints_store
  from staged t
  join periods p on t.day >= p.period_start and t.day <= p.period_end
  group by p.period, p.period_start, t.stage
),
last_stage as (
  select max(place) as place from stages
),
rated as (
  select
    p.period,
    p.period_start,
    p.period_end,
    p.complete,
    g.stage,
    g.owner,
    g.target,
    g.alert_below,
    coalesce(c.at_start, 0) as at_start,
    coalesce(c.entries, 0) as entries,
    coalesce(c.exits, 0) as exits,
    coalesce(c.at_end, 0) as at_end,
    cast(cast(case when g.place = z.place then c.at_start + c.entries - c.exits
                   else c.advances end as decimal(18, 4))
      / nullif(c.at_start + c.entries, 0) as decimal(9, 4)) as conversion,
    cast(cast(c.days_ended as decimal(18, 4)) / nullif(c.exits, 0) as decimal(18, 2))
      as days_in_stage,
    cast(cast(c.days_open as decimal(18, 4)) / nullif(c.at_end, 0) as decimal(18, 2))
      as days_so_far
  from periods p
  cross join stages g
  cross join last_stage z
  left join counted c on c.period = p.period and c.period_start = p.period_start
    and c.stage = g.stage
)
select
  r.*,
  coalesce(t.touchpoints_call, 0) as touchpoints_call,
  coalesce(t.touchpoints_chat, 0) as touchpoints_chat,
  coalesce(t.touchpoints_email, 0) as touchpoints_email,
  coalesce(t.touchpoints_visit, 0) as touchpoints_visit,
  coalesce(t.touchpoints_social, 0) as touchpoints_social,
  coalesce(t.touchpoints_web, 0) as touchpoints_web,
  coalesce(t.touchpoints_store, 0) as touchpoints_store,
  coalesce(r.conversion < r.alert_below, false) as alert
from rated r
left join points t on t.period = r.period and t.period_start = r.period_start
  and t.stage = r.stage
