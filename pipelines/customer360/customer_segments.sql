-- Tier, service level, micro-segment, persona and journey stage of each customer. Key: golden_id.
--
-- Customers by profit over 365 days, descending, ties by golden_id; whale_share = the positive
-- profit of those before / all positive profit. A under $tier_a_share, B under $tier_b_share, C
-- any other positive profit, D zero or negative. The stage is the first of those below that holds.
with
curve as (
  select
    golden_id,
    profit_365,
    cast(row_number() over (order by profit_365 desc, golden_id asc) as bigint)
      as profit_rank,
    sum(case when profit_365 > 0 then profit_365 else cast(0 as decimal(18, 2)) end) over (
      order by profit_365 desc, golden_id asc
      rows between unbounded preceding and current row
    ) as positive_through,
    sum(case when profit_365 > 0 then profit_365 else cast(0 as decimal(18, 2)) end) over ()
      as positive_in_all
  from customer_economics
),
shares as (
  select
    golden_id,
    profit_365,
    profit_rank,
    cast(positive_through
      - case when profit_365 > 0 then profit_365 else cast(0 as decimal(18, 2)) end
      as decimal(24, 2)) as positive_before,
    cast(positive_in_all as decimal(24, 2)) as positive_in_all
  from curve
),
-- Tiers compare products and not the share, which is rounded.
tiers as (
  select
    golden_id,
    profit_365,
    profit_rank,
    case when positive_in_all > 0 then
      cast(cast(positive_before as decimal(26, 6)) / positive_in_all as decimal(9, 6))
    end as whale_share,
    case
      when profit_365 <= 0 then 'D'
      when positive_before < positive_in_all * cast($tier_a_share as decimal(9, 6)) then 'A'
      when positive_before < positive_in_all * cast($tier_b_share as decimal(9, 6)) then 'B'
      else 'C'
    end as tier
  from shares
),
cases as (
  select m.golden_id, count(*) as cases
  from tickets t
  join entity_members m on m.source = t.source and m.record_id = t.record_id
  where cast(t.opened_at as date) <= $logical_date
    and (t.closed_at is null or cast(t.closed_at as date) >= $logical_date - $support_days)
  group by m.golden_id
),
latest_scores as (
  select m.golden_id, s.score,
    row_number() over (
      partition by m.golden_id order by s.answered_at desc, s.survey_id desc
    ) as place
  from surveys s
  join entity_members m on m.source = s.source and m.record_id = s.record_id
  where cast(s.answered_at as date) <= $logical_date
),
promoters as (
  select golden_id from latest_scores where place = 1 and score >= 9
),
loyalty_members as (
  select distinct m.golden_id
  from loyalty l
  join entity_members m on m.source = l.source and m.record_id = l.record_id
  where cast(l.enrolled_at as date) <= $logical_date
    and (l.left_at is null or cast(l.left_at as date) > $logical_date)
),
contacts as (
  select
    m.golden_id,
    count(*) as interactions,
    count(*) filter (where cast(i.started_at as date) > $logical_date - $considering_days)
      as recent_interactions
  from interactions i
  join entity_members m on m.source = i.source and m.record_id = i.record_id
  where cast(i.started_at as date) <= $logical_date
  group by m.golden_id
),
carts as (
  select distinct m.golden_id
  from web_activity w
  join entity_members m on m.source = w.source and m.record_id = w.record_id
  where w.kind = 'cart_add'
    and cast(w.occurred_at as date) > $logical_date - $considering_days
    and cast(w.occurred_at as date) <= $logical_date
),
accepted as (
  select distinct m.golden_id
  from offers o
  join entity_members m on m.source = o.source and m.record_id = o.record_id
  where o.response = 'accepted'
    and cast(o.sent_at as date) > $logical_date - $considering_days
    and cast(o.sent_at as date) <= $logical_date
)
select
  e.golden_id,
  t.tier,
  case t.tier when 'A' then 'account_manager' when 'B' then 'priority'
              when 'C' then 'standard' else 'self_service' end as service_level,
  t.profit_365,
  t.profit_rank,
  t.whale_share,
  s.micro_segment,
  n.persona,
  case
    when e.last_purchase_on + $lapse_after_days <= $logical_date then 'lapsed'
    when k.golden_id is not null then 'support'
    when e.purchases_365 >= $loyal_purchases
      and (r.golden_id is not null or e.referrals > 0 or l.golden_id is not null) then 'loyal'
    when e.first_purchase_on > $logical_date - $onboarding_days then 'onboarding'
    when e.last_purchase_on is not null then 'active'
    when w.golden_id is not null or a.golden_id is not null
      or i.recent_interactions >= $considering_interactions then 'considering'
    when i.interactions > 0 then 'contacted'
    else 'prospect'
  end as stage
from customer_economics e
join tiers t on t.golden_id = e.golden_id
join micro_segments s on s.golden_id = e.golden_id
join personas n on n.micro_segment = s.micro_segment
left join cases k on k.golden_id = e.golden_id
left join promoters r on r.golden_id = e.golden_id
left join loyalty_members l on l.golden_id = e.golden_id
left join contacts i on i.golden_id = e.golden_id
left join carts w on w.golden_id = e.golden_id
left join accepted a on a.golden_id = e.golden_id
