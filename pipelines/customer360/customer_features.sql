-- By what customers are alike: recency, frequency and money, behaviour, and the area they live in.
-- Key: golden_id; a row for every customer.
--
-- What spreads over orders of magnitude is taken as ln(1 + x): else the few largest customers would
-- be all that differs. Null is what is not known of a customer.
with
areas as (
  select
    golden_id,
    max(case when attribute = 'household_income' then value end) as income,
    max(case when attribute = 'education' then value end) as education,
    max(case when attribute = 'price_index' then value end) as prices
  from customer_environment
  where attribute in ('household_income', 'education', 'price_index')
  group by golden_id
)
select
  b.golden_id,
  b.recency_days as days_since_purchase,
  cast(ln(1 + cast(b.frequency as double)) as decimal(9, 6)) as purchases,
  cast(ln(1 + cast(greatest(b.monetary, cast(0 as decimal(18, 2))) as double)) as decimal(9, 6))
    as spend,
  b.discount_share as use_of_discounts,
  b.reward_share as use_of_rewards,
  b.answer_share as contacts_answered,
  b.offer_response as offers_accepted,
  cast(ln(1 + cast(b.interactions as double)) as decimal(9, 6)) as interactions,
  b.categories,
  cast(ln(1 + cast(a.income as double)) as decimal(9, 6)) as area_income,
  a.education as area_education,
  a.prices as area_prices
from customer_behaviour b
left join areas a on a.golden_id = b.golden_id
