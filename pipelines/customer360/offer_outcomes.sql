-- What came of offers, by micro-segment and tier of the customer, kind and channel.
-- Key: (segment, tier, kind, channel).
--
-- revenue_14 = what the customers bought within $offer_days of an offer that they accepted, each
-- purchase once a row of this table. predicted_rate = (accepted + $smoothing x overall rate) / (sent +
-- $smoothing): the mean of a Beta prior at the overall rate, of that strength, after these offers.
with
sent as (
  select o.offer_id, m.golden_id, g.micro_segment as segment, g.tier, o.kind, o.channel,
    case when coalesce(o.responded_on, o.sent_on) <= $logical_date then o.response else 'none' end
      as response,
    o.sent_on
  from offers o
  join entity_members m on m.source = o.source and m.record_id = o.record_id
  join customer_segments g on g.golden_id = m.golden_id
  where o.sent_on <= $logical_date
),
counts as (
  select
    segment, tier, kind, channel,
    count(*) as sent,
    count(*) filter (where response <> 'none') as answered,
    count(*) filter (where response = 'accepted') as accepted
  from sent
  group by segment, tier, kind, channel
),
overall as (
  select count(*) as sent, count(*) filter (where response = 'accepted') as accepted from sent
),
-- Offers overlap: a day counts once in each row of the table.
bought as (
  select distinct s.segment, s.tier, s.kind, s.channel, d.golden_id, d.day, d.spent
  from sent s
  join customer_days d on d.golden_id = s.golden_id
  where s.response = 'accepted' and d.day >= s.sent_on and d.day <= s.sent_on + $offer_days
    and d.spent is not null
),
earned as (
  select segment, tier, kind, channel, sum(spent) as revenue
  from bought
  group by segment, tier, kind, channel
)
select
  c.segment,
  c.tier,
  c.kind,
  c.channel,
  c.sent,
  c.answered,
  c.accepted,
  cast(cast(c.accepted as decimal(18, 4)) / c.sent as decimal(5, 4)) as rate,
  cast(coalesce(e.revenue, 0) as decimal(18, 2)) as revenue_14,
  $reporting_currency as currency,
  -- Both sides times all offers sent, so that nothing is rounded on the way.
  cast((cast(c.accepted * o.sent as decimal(18, 2))
      + cast($smoothing as decimal(9, 2)) * cast(o.accepted as decimal(12, 0)))
    / ((cast(c.sent as decimal(12, 2)) + cast($smoothing as decimal(12, 2)))
      * cast(o.sent as decimal(12, 0))) as decimal(5, 4)) as predicted_rate
from counts c
cross join overall o
left join earned e on e.segment = c.segment and e.tier = c.tier and e.kind = c.kind
  and e.channel = c.channel
