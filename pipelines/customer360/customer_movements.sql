-- When customers were won, lost and won back. Key: (golden_id, moved_on, movement).
--
-- won: the first purchase ever. lost: $lapse_after_days after a purchase that no other followed
-- by then. won_back: the purchase that followed a loss.
with
days as (
  select golden_id, day as occurred_on from customer_days where purchases > 0
),
gaps as (
  select
    golden_id,
    occurred_on,
    lag(occurred_on) over (partition by golden_id order by occurred_on) as previous_on,
    lead(occurred_on) over (partition by golden_id order by occurred_on) as next_on
  from days
)
select golden_id, occurred_on as moved_on, 'won' as movement, cast(null as date) as last_purchase_on
from gaps
where previous_on is null
union all
select golden_id, occurred_on + $lapse_after_days as moved_on, 'lost' as movement,
  occurred_on as last_purchase_on
from gaps
where occurred_on + $lapse_after_days <= coalesce(next_on - 1, $logical_date)
union all
select golden_id, occurred_on as moved_on, 'won_back' as movement,
  previous_on as last_purchase_on
from gaps
where previous_on + $lapse_after_days <= occurred_on - 1
