-- The journey of each customer, stage by stage: from the day a stage is entered to the day it is
-- left, for another or not yet. Key: (golden_id, entered_on).
--
-- Each fact holds for some days: a purchase counts for 365 days, keeps from lapsing for
-- $lapse_after_days, and so on. It is written as +1 on its first day and -1 on the day after its
-- last; running sums then say what holds on every day on which anything changes, and the stage is
-- the first whose condition holds. What never ends, to have bought or been in contact, begins on a
-- day of its own and needs no sum. So the stage of any day is known, as facts are known now.
-- Before its first fact a customer is a prospect, from the day it was first seen.
with
purchases as (
  select golden_id, day, purchases from customer_days where purchases > 0
),
contacts as (
  select m.golden_id, i.started_on as day
  from interactions i
  join entity_members m on m.source = i.source and m.record_id = i.record_id
  where i.started_on <= $logical_date
),
firsts as (
  select golden_id, min(day) as day from purchases group by golden_id
),
first_contacts as (
  select golden_id, min(day) as day from contacts group by golden_id
),
cases as (
  select m.golden_id, t.opened_on as day, t.closed_on + $support_days + 1 as until
  from tickets t
  join entity_members m on m.source = t.source and m.record_id = t.record_id
  where t.opened_on <= $logical_date
),
scores as (
  select m.golden_id, s.score, s.answered_on as day,
    lead(s.answered_on) over (
      partition by m.golden_id order by s.answered_at asc, s.survey_id asc
    ) as until
  from surveys s
  join entity_members m on m.source = s.source and m.record_id = s.record_id
  where s.answered_on <= $logical_date
),
cards as (
  select m.golden_id, l.enrolled_on as day, l.left_on as until
  from loyalty l
  join entity_members m on m.source = l.source and m.record_id = l.record_id
  where l.enrolled_on <= $logical_date and (l.left_on is null or l.left_on > l.enrolled_on)
),
referrals as (
  select r.golden_id, cast(c.first_seen at time zone $crm_time_zone as date) as day
  from customer_relations r
  join customers c on c.golden_id = r.other_golden_id
  where r.relation = 'referred'
),
leanings as (
  select m.golden_id, w.occurred_on as day
  from web_activity w
  join entity_members m on m.source = w.source and m.record_id = w.record_id
  where w.kind = 'cart_add' and w.occurred_on <= $logical_date
  union all
  select m.golden_id, coalesce(o.responded_on, o.sent_on) as day
  from offers o
  join entity_members m on m.source = o.source and m.record_id = o.record_id
  where o.response = 'accepted' and coalesce(o.responded_on, o.sent_on) <= $logical_date
),
facts as (
  select golden_id, 'recent' as fact, day, day + 365 as until, purchases as step from purchases
  union all
  select golden_id, 'kept' as fact, day, day + $lapse_after_days as until, 1 as step from purchases
  union all
  select golden_id, 'case' as fact, day, until, 1 as step from cases
  union all
  select golden_id, 'bond' as fact, day, until, 1 as step from scores where score >= $promoter_score
  union all
  select golden_id, 'bond' as fact, day, until, 1 as step from cards
  union all
  select golden_id, 'bond' as fact, day, cast(null as date) as until, 1 as step from referrals
  union all
  select golden_id, 'talk' as fact, day, day + $considering_days as until, 1 as step from contacts
  union all
  select golden_id, 'leaning' as fact, day, day + $considering_days as until, 1 as step from leanings
  union all
  select golden_id, 'seen' as fact,
    least(cast(first_seen at time zone $crm_time_zone as date), $logical_date) as day,
    cast(null as date) as until, 1 as step
  from customers
),
-- A day on which something begins or ends, and what; `day` stands for what needs no sum.
edges as (
  select golden_id, fact, day, step from facts where day <= $logical_date
  union all
  select golden_id, 'day' as fact, day + $onboarding_days as day, 0 as step
  from firsts where day + $onboarding_days <= $logical_date
  union all
  select golden_id, fact, until as day, -step as step
  from facts where until is not null and until <= $logical_date
),
changes as (
  select
    golden_id,
    day,
    sum(case when fact = 'recent' then step else 0 end) as recent,
    sum(case when fact = 'kept' then step else 0 end) as kept,
    sum(case when fact = 'case' then step else 0 end) as cases,
    sum(case when fact = 'bond' then step else 0 end) as bonds,
    sum(case when fact = 'talk' then step else 0 end) as talks,
    sum(case when fact = 'leaning' then step else 0 end) as leanings
  from edges
  group by golden_id, day
),
states as (
  select
    golden_id,
    day,
    sum(recent) over journey as recent,
    sum(kept) over journey as kept,
    sum(cases) over journey as cases,
    sum(bonds) over journey as bonds,
    sum(talks) over journey as talks,
    sum(leanings) over journey as leanings
  from changes
  window journey as (partition by golden_id order by day asc
    rows between unbounded preceding and current row)
),
staged as (
  select
    s.golden_id,
    s.day,
    case
      when f.day <= s.day and s.kept = 0 then 'lapsed'
      when s.cases > 0 then 'support'
      when s.recent >= $loyal_purchases and s.bonds > 0 then 'loyal'
      when f.day <= s.day and s.day < f.day + $onboarding_days then 'onboarding'
      when f.day <= s.day then 'active'
      when s.leanings > 0 or s.talks >= $considering_interactions then 'considering'
      when c.day <= s.day then 'contacted'
      else 'prospect'
    end as stage
  from states s
  left join firsts f on f.golden_id = s.golden_id
  left join first_contacts c on c.golden_id = s.golden_id
),
entered as (
  select golden_id, day, stage,
    lag(stage) over (partition by golden_id order by day asc) as previous_stage
  from staged
),
spells as (
  select golden_id, day as entered_on, stage, previous_stage,
    lead(day) over (partition by golden_id order by day asc) as left_on,
    lead(stage) over (partition by golden_id order by day asc) as next_stage
  from entered
  where previous_stage is null or previous_stage <> stage
)
select
  golden_id,
  entered_on,
  stage,
  previous_stage,
  left_on,
  next_stage,
  cast(coalesce(left_on, $logical_date) - entered_on as bigint) as days
from spells
