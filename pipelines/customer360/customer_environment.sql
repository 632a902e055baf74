-- What is known of the area of each customer, as known at the logical date: the greatest
-- valid_from not after it among rows with known_at not after it; by postcode, else city, else
-- country. Key: (golden_id, attribute); a row for every customer and attribute of the reference.
--
-- Areas are those that may be used: customers_for_enrichment has no value of a record whose
-- customer denied enrichment.
--
-- level is how near the value is. Without a value, reason says why: no_consent (the latest
-- statement on enrichment withdrew it), no_area (neither postcode nor city nor country is known),
-- unknown_area (the reference has none of them), not_yet_known (its values are of a later day).
with
statements as (
  select
    m.golden_id,
    c.granted,
    row_number() over (
      partition by m.golden_id
      order by c.stated_at desc, c.granted asc, c.record_id asc
    ) as place
  from consents c
  join entity_members m on m.source = c.source and m.record_id = c.record_id
  where c.purpose = 'enrichment' and c.stated_on <= $logical_date
),
places as (
  select
    c.golden_id,
    coalesce(s.granted, true) as allowed,
    postcode_normalise(c.postcode, c.country) as postcode,
    text_fold(c.city) as city,
    upper(trim(c.country)) as country
  from customers_for_enrichment c
  left join statements s on s.golden_id = c.golden_id and s.place = 1
),
reference as (
  select
    area_kind,
    case area_kind when 'postcode' then postcode_normalise(area, country)
                   when 'city' then text_fold(area) else upper(trim(country)) end as area_key,
    area,
    upper(trim(country)) as country,
    attribute,
    value,
    unit,
    valid_from,
    known_at,
    valid_from <= $logical_date and known_at <= $logical_date as known
  from raw_ref_environment
),
placed as (
  select *,
    row_number() over (
      partition by area_kind, area_key, country, attribute
      order by known desc, valid_from desc, known_at desc, area asc, value asc, unit asc
    ) as place
  from reference
),
versions as (
  select * from placed where place = 1
),
found as (
  select p.golden_id, 1 as nearness, v.*
  from places p
  join versions v
    on v.area_kind = 'postcode' and v.area_key = p.postcode and v.country = p.country
  where p.allowed
  union all
  select p.golden_id, 2 as nearness, v.*
  from places p
  join versions v on v.area_kind = 'city' and v.area_key = p.city and v.country = p.country
  where p.allowed
  union all
  select p.golden_id, 3 as nearness, v.*
  from places p
  join versions v on v.area_kind = 'country' and v.country = p.country
  where p.allowed
),
ranked as (
  select *,
    row_number() over (
      partition by golden_id, attribute order by known desc, nearness asc, area asc
    ) as choice
  from found
),
chosen as (
  select * from ranked where choice = 1
),
attributes as (
  select distinct attribute from raw_ref_environment
)
select
  p.golden_id,
  a.attribute,
  case when c.known then cast(c.value as decimal(18, 4)) end as value,
  case when c.known then c.unit end as unit,
  case when c.known then c.area_kind end as level,
  case when c.known then c.area end as area,
  case when c.known then c.country end as country,
  case when c.known then c.valid_from end as valid_from,
  case when c.known then c.known_at end as known_at,
  case
    when not p.allowed then 'no_consent'
    when coalesce(p.postcode, p.city, p.country) is null then 'no_area'
    when c.golden_id is null then 'unknown_area'
    when not c.known then 'not_yet_known'
  end as reason
from places p
cross join attributes a
left join chosen c on c.golden_id = p.golden_id and c.attribute = a.attribute
