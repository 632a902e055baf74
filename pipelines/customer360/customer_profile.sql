-- The five families of attributes, one row a golden customer. Key: golden_id.
--
-- completeness = attributes known / attributes defined, for each family and in all:
-- demographic 7, transactional 10, environmental 12, behavioural 16, social 9; 54 in all. A count or a
-- sum of nothing is 0 and known; a share, a time or a preference of nothing is not known. A firm's
-- size and industry, a person's birth date and gender: what does not apply is not known either.
with
environment as (
  select
    golden_id,
    max(case when attribute = 'occupation_mix' then value end) as occupation_mix,
    max(case when attribute = 'occupation_mix' then level end) as occupation_mix_level,
    max(case when attribute = 'personal_income' then value end) as personal_income,
    max(case when attribute = 'personal_income' then level end) as personal_income_level,
    max(case when attribute = 'household_income' then value end) as household_income,
    max(case when attribute = 'household_income' then level end) as household_income_level,
    max(case when attribute = 'education' then value end) as education,
    max(case when attribute = 'education' then level end) as education_level,
    max(case when attribute = 'household_size' then value end) as household_size,
    max(case when attribute = 'household_size' then level end) as household_size_level,
    max(case when attribute = 'home_value' then value end) as home_value,
    max(case when attribute = 'home_value' then level end) as home_value_level,
    max(case when attribute = 'net_worth' then value end) as net_worth,
    max(case when attribute = 'net_worth' then level end) as net_worth_level,
    max(case when attribute = 'affluence' then value end) as affluence,
    max(case when attribute = 'affluence' then level end) as affluence_level,
    max(case when attribute = 'disposable_income' then value end) as disposable_income,
    max(case when attribute = 'disposable_income' then level end) as disposable_income_level,
    max(case when attribute = 'consumer_purchases' then value end) as consumer_purchases,
    max(case when attribute = 'consumer_purchases' then level end) as consumer_purchases_level,
    max(case when attribute = 'travel_spend' then value end) as travel_spend,
    max(case when attribute = 'travel_spend' then level end) as travel_spend_level,
    max(case when attribute = 'price_index' then value end) as price_index,
    max(case when attribute = 'price_index' then level end) as price_index_level
  from customer_environment
  group by golden_id
),
counted as (
  select
    c.golden_id,
    case when c.kind is null then 0 else 1 end
      + case when c.employees is null then 0 else 1 end
      + case when c.industry is null then 0 else 1 end
      + case when coalesce(c.city, c.postcode, c.country) is null then 0 else 1 end
      + case when c.birth_date is null then 0 else 1 end
      + case when c.gender is null then 0 else 1 end
      + case when c.language is null then 0 else 1 end as demographic,
    case when e.revenue is null then 0 else 1 end
      + case when e.returns is null then 0 else 1 end
      + case when e.discounts is null then 0 else 1 end
      + case when e.referrals is null then 0 else 1 end
      + case when e.cost_to_serve is null then 0 else 1 end
      + case when e.profit is null then 0 else 1 end
      + case when e.first_purchase_on is null then 0 else 1 end
      + case when e.last_purchase_on is null then 0 else 1 end
      + case when e.recurring_revenue is null then 0 else 1 end
      + case when e.days_to_pay is null then 0 else 1 end as transactional,
    case when v.occupation_mix is null then 0 else 1 end
      + case when v.personal_income is null then 0 else 1 end
      + case when v.household_income is null then 0 else 1 end
      + case when v.education is null then 0 else 1 end
      + case when v.household_size is null then 0 else 1 end
      + case when v.home_value is null then 0 else 1 end
      + case when v.net_worth is null then 0 else 1 end
      + case when v.affluence is null then 0 else 1 end
      + case when v.disposable_income is null then 0 else 1 end
      + case when v.consumer_purchases is null then 0 else 1 end
      + case when v.travel_spend is null then 0 else 1 end
      + case when v.price_index is null then 0 else 1 end as environmental,
    case when b.recency_days is null then 0 else 1 end
      + case when b.frequency is null then 0 else 1 end
      + case when b.monetary is null then 0 else 1 end
      + case when b.recency_quintile is null then 0 else 1 end
      + case when b.frequency_quintile is null then 0 else 1 end
      + case when b.monetary_quintile is null then 0 else 1 end
      + case when b.preferred_hour is null then 0 else 1 end
      + case when b.preferred_weekday is null then 0 else 1 end
      + case when b.preferred_channel is null then 0 else 1 end
      + case when b.preferred_device is null then 0 else 1 end
      + case when b.answer_share is null then 0 else 1 end
      + case when b.offer_response is null then 0 else 1 end
      + case when b.discount_share is null then 0 else 1 end
      + case when b.reward_share is null then 0 else 1 end
      + case when b.top_category is null then 0 else 1 end
      + case when b.spend_trend is null then 0 else 1 end as behavioural,
    case when s.likes is null then 0 else 1 end
      + case when s.shares is null then 0 else 1 end
      + case when s.posts is null then 0 else 1 end
      + case when s.comments is null then 0 else 1 end
      + case when s.reach is null then 0 else 1 end
      + case when s.degree is null then 0 else 1 end
      + case when s.weighted_degree is null then 0 else 1 end
      + case when s.pagerank is null then 0 else 1 end
      + case when s.advocate is null then 0 else 1 end as social
  from customers c
  join customer_economics e on e.golden_id = c.golden_id
  join customer_behaviour b on b.golden_id = c.golden_id
  left join environment v on v.golden_id = c.golden_id
  left join customer_social s on s.golden_id = c.golden_id
)
select
  c.golden_id,
  c.kind,
  c.full_name,
  c.employees as size,
  c.industry,
  c.city,
  c.postcode,
  c.country,
  c.birth_date,
  c.gender,
  c.language,
  e.currency,
  e.revenue,
  e.returns,
  e.discounts,
  e.referrals,
  e.cost_to_serve,
  e.gross_profit,
  e.profit,
  e.recurring_revenue,
  e.revenue_365,
  e.profit_365,
  e.profitability,
  e.purchases,
  e.first_purchase_on,
  e.last_purchase_on,
  e.lapsed,
  e.one_time_buyer,
  e.days_to_pay,
  v.occupation_mix,
  v.occupation_mix_level,
  v.personal_income,
  v.personal_income_level,
  v.household_income,
  v.household_income_level,
  v.education,
  v.education_level,
  v.household_size,
  v.household_size_level,
  v.home_value,
  v.home_value_level,
  v.net_worth,
  v.net_worth_level,
  v.affluence,
  v.affluence_level,
  v.disposable_income,
  v.disposable_income_level,
  v.consumer_purchases,
  v.consumer_purchases_level,
  v.travel_spend,
  v.travel_spend_level,
  v.price_index,
  v.price_index_level,
  b.recency_days,
  b.frequency,
  b.monetary,
  b.recency_quintile,
  b.frequency_quintile,
  b.monetary_quintile,
  b.preferred_hour,
  b.preferred_weekday,
  b.preferred_channel,
  b.preferred_device,
  b.answer_share,
  b.offer_response,
  b.discount_share,
  b.reward_share,
  b.categories,
  b.top_category,
  b.spend_trend,
  s.likes,
  s.shares,
  s.posts,
  s.comments,
  s.reach,
  s.degree,
  s.weighted_degree,
  s.pagerank,
  s.advocate,
  cast(cast(n.demographic as decimal(9, 4)) / 7 as decimal(5, 4))
    as demographic_completeness,
  cast(cast(n.transactional as decimal(9, 4)) / 10 as decimal(5, 4))
    as transactional_completeness,
  cast(cast(n.environmental as decimal(9, 4)) / 12 as decimal(5, 4))
    as environmental_completeness,
  cast(cast(n.behavioural as decimal(9, 4)) / 16 as decimal(5, 4))
    as behavioural_completeness,
  cast(cast(n.social as decimal(9, 4)) / 9 as decimal(5, 4))
    as social_completeness,
  cast(cast(n.demographic + n.transactional + n.environmental + n.behavioural + n.social
    as decimal(9, 4)) / 54 as decimal(5, 4)) as profile_completeness
from customers c
join customer_economics e on e.golden_id = c.golden_id
join customer_behaviour b on b.golden_id = c.golden_id
join counted n on n.golden_id = c.golden_id
left join environment v on v.golden_id = c.golden_id
left join customer_social s on s.golden_id = c.golden_id
