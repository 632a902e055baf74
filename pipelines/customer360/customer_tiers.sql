-- The tier of each customer on each day of profile_days: the whale curve. Key: (day, golden_id).
--
-- Customers by profit over 365 days, descending, ties by golden_id; whale_share = the positive
-- profit of those before / all positive profit. A under $tier_a_share, B under $tier_b_share, C
-- any other positive profit, D zero or negative.
with
curve as (
  select
    day,
    golden_id,
    profit_365,
    cast(row_number() over (partition by day order by profit_365 desc, golden_id asc) as bigint)
      as profit_rank,
    sum(case when profit_365 > 0 then profit_365 else cast(0 as decimal(18, 2)) end) over (
      partition by day order by profit_365 desc, golden_id asc
      rows between unbounded preceding and current row
    ) as positive_through
  from economics_by_day
),
in_all as (
  select day,
    cast(sum(case when profit_365 > 0 then profit_365 else cast(0 as decimal(18, 2)) end)
      as decimal(24, 2)) as positive
  from economics_by_day
  group by day
),
shares as (
  select
    c.day,
    c.golden_id,
    c.profit_365,
    c.profit_rank,
    cast(c.positive_through
      - case when c.profit_365 > 0 then c.profit_365 else cast(0 as decimal(18, 2)) end
      as decimal(24, 2)) as positive_before,
    a.positive
  from curve c
  join in_all a on a.day = c.day
),
-- Tiers compare products and not the share, which is rounded.
tiers as (
  select
    day,
    golden_id,
    profit_365,
    profit_rank,
    case when positive > 0 then
      cast(cast(positive_before as decimal(26, 6)) / positive as decimal(9, 6))
    end as whale_share,
    case
      when profit_365 <= 0 then 'D'
      when positive_before < positive * cast($tier_a_share as decimal(9, 6)) then 'A'
      when positive_before < positive * cast($tier_b_share as decimal(9, 6)) then 'B'
      else 'C'
    end as tier
  from shares
)
select
  day,
  golden_id,
  tier,
  case tier when 'A' then 'account_manager' when 'B' then 'priority'
            when 'C' then 'standard' else 'self_service' end as service_level,
  profit_365,
  profit_rank,
  whale_share
from tiers
