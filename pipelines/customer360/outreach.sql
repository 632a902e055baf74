-- The next best action for each customer that has one. Key: golden_id.
--
-- The first that applies: 1 answer_detractor, 2 answer_case (high or critical, open), 3 recover_cart,
-- 4 win_back (lapsed after more than one purchase), 5 second_purchase (one-time buyers), 6 onboard,
-- 7 ask_advocacy (promoters). The channel, weekday and hour are the preferred ones: a channel that
-- reaches the customer, an hour from $contact_from to before $contact_until, local.
-- Actions 3 to 7 are suppressed by case_critical, by a return in $return_days, without marketing
-- consent for the channel, and where $contacts_a_week were made in the last 7 days. The first two
-- are answers that the customer waits for: nothing suppresses them. suppressed_until is null where
-- nobody knows: until the case is closed, until consent is given.
with
signals as (
  select golden_id, signal, evidence,
    row_number() over (partition by golden_id, signal order by "at" desc, evidence asc) as place
  from customer_signals
),
latest as (
  select golden_id, signal, evidence from signals where place = 1
),
actions as (
  select golden_id, 1 as priority, 'answer_detractor' as action, evidence
  from latest where signal = 'detractor_unanswered'
  union all
  select golden_id, 2 as priority, 'answer_case' as action, evidence
  from latest where signal = 'case_critical'
  union all
  select golden_id, 3 as priority, 'recover_cart' as action, evidence
  from latest where signal = 'cart_left'
  union all
  select golden_id, case when one_time_buyer then 5 else 4 end as priority,
    case when one_time_buyer then 'second_purchase' else 'win_back' end as action,
    'customer_economics:' || golden_id as evidence
  from customer_economics where lapsed
  union all
  select golden_id, 6 as priority, 'onboard' as action,
    'customer_segments:' || golden_id as evidence
  from customer_segments where stage = 'onboarding'
  union all
  select golden_id, 7 as priority, 'ask_advocacy' as action, evidence
  from latest where signal = 'promoter'
),
ranked as (
  select golden_id, priority, action, evidence,
    row_number() over (partition by golden_id order by priority asc) as place
  from actions
),
chosen as (
  select golden_id, priority, action, evidence from ranked where place = 1
),
planned as (
  select
    a.golden_id,
    a.priority,
    a.action,
    a.evidence,
    case
      when b.preferred_channel in ('chat', 'visit', 'social') then b.preferred_channel
      when b.preferred_channel = 'email' and c.email is not null then 'email'
      when b.preferred_channel = 'call' and coalesce(c.mobile, c.phone) is not null then 'call'
      when c.email is not null then 'email'
      when coalesce(c.mobile, c.phone) is not null then 'call'
      else 'visit'
    end as channel,
    coalesce(b.preferred_weekday, 1) as weekday,
    greatest(least(coalesce(b.preferred_hour, $contact_from), $contact_until - 1), $contact_from)
      as hour
  from chosen a
  join customers c on c.golden_id = a.golden_id
  join customer_behaviour b on b.golden_id = a.golden_id
),
statements as (
  select p.golden_id, s.granted,
    row_number() over (
      partition by p.golden_id order by s.stated_at desc, s.granted asc, s.record_id asc
    ) as place
  from planned p
  join entity_members m on m.golden_id = p.golden_id
  join consents s on s.source = m.source and s.record_id = m.record_id
  where s.purpose = 'marketing' and s.stated_on <= $logical_date
    and (s.channel is null or s.channel = p.channel)
),
consented as (
  select golden_id from statements where place = 1 and granted
),
contacts as (
  select m.golden_id, i.started_on as day, 'interactions:' || i.interaction_id as evidence
  from interactions i
  join entity_members m on m.source = i.source and m.record_id = i.record_id
  where i.direction = 'out' and i.started_on > $logical_date - 7
    and i.started_on <= $logical_date
  union all
  select m.golden_id, o.sent_on as day, 'offers:' || o.offer_id as evidence
  from offers o
  join entity_members m on m.source = o.source and m.record_id = o.record_id
  where o.sent_on > $logical_date - 7 and o.sent_on <= $logical_date
),
counted as (
  select golden_id, day, evidence,
    row_number() over (partition by golden_id order by day desc, evidence asc) as place,
    count(*) over (partition by golden_id) as contacts
  from contacts
),
-- The contact that has to be a week old before there may be another.
capped as (
  select golden_id, day + 7 as until from counted
  where contacts >= $contacts_a_week and place = $contacts_a_week
),
returned as (
  select m.golden_id, max(t.occurred_on) as day
  from transactions t
  join entity_members m on m.source = t.source and m.record_id = t.record_id
  where t.kind = 'return' and t.occurred_on > $logical_date - $return_days
    and t.occurred_on <= $logical_date
  group by m.golden_id
),
critical as (
  select distinct golden_id from customer_signals where signal = 'case_critical'
),
judged as (
  select
    p.*,
    case
      when p.priority <= 2 then null
      when k.golden_id is not null then 'case_critical'
      when r.golden_id is not null then 'returned'
      when c.golden_id is null then 'no_consent'
      when w.golden_id is not null then 'contacts_a_week'
    end as suppressed_reason,
    r.day as returned_on,
    w.until as capped_until
  from planned p
  left join critical k on k.golden_id = p.golden_id
  left join returned r on r.golden_id = p.golden_id
  left join consented c on c.golden_id = p.golden_id
  left join capped w on w.golden_id = p.golden_id
)
select
  golden_id,
  action,
  cast(priority as bigint) as priority,
  channel,
  weekday,
  hour,
  case action when 'win_back' then 'discount' when 'second_purchase' then 'bundle'
              when 'recover_cart' then 'advert' when 'ask_advocacy' then 'loyalty'
              else 'service' end as offer,
  case when action = 'win_back' then cast($win_back_discount as decimal(5, 4)) end as discount,
  case when action = 'win_back' then $logical_date + $win_back_valid_days end as valid_until,
  suppressed_reason is not null as suppressed,
  suppressed_reason,
  case suppressed_reason when 'returned' then returned_on + $return_days
                         when 'contacts_a_week' then capped_until end as suppressed_until,
  evidence
from judged
