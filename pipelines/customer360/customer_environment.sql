-- What is known of the area of each customer, as known at the logical date: the greatest
-- valid_from not after it among rows with known_at not after it; by postcode, else city, else the
-- nearest area that has coordinates, within $nearest_area_km, else country. Key: (golden_id,
-- attribute); a row for every customer and attribute of the reference.
--
-- Areas are those that may be used: customers_for_enrichment has no value of a record whose
-- customer denied enrichment.
--
-- level is how near the value is: its precision; distance_km stands beside a level of nearest.
-- Without a value, reason says why: no_consent (the latest statement on enrichment withdrew it),
-- no_area (nothing is known of where the customer is), unknown_area (the reference has none of
-- these areas), not_yet_known (its values are of a later day). environment_coverage counts them.
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
addresses as (
  select
    c.golden_id,
    coalesce(s.granted, true) as allowed,
    postcode_normalise(c.postcode, c.country) as postcode,
    text_fold(c.city) as city,
    upper(trim(c.country)) as country,
    p.latitude,
    p.longitude
  from customers_for_enrichment c
  join customer_places p on p.golden_id = c.golden_id
  left join statements s on s.golden_id = c.golden_id and s.place = 1
),
-- Many customers share a place: values are looked up once for each.
placed as (
  select golden_id, allowed, postcode, city, country, latitude, longitude,
    case when allowed then coalesce(postcode, '') || '/' || coalesce(city, '') || '/'
        || coalesce(country, '') || '/' || coalesce(cast(latitude as varchar), '') || '/'
        || coalesce(cast(longitude as varchar), '')
      else 'no_consent' end as spot
  from addresses
),
spots as (
  select spot, min(postcode) as postcode, min(city) as city, min(country) as country,
    min(latitude) as latitude, min(longitude) as longitude
  from placed
  where allowed
  group by spot
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
ordered as (
  select *,
    row_number() over (
      partition by area_kind, area_key, country, attribute
      order by known desc, valid_from desc, known_at desc, area asc, value asc, unit asc
    ) as place
  from reference
),
versions as (
  select area_kind, area_key, area, country, attribute, value, unit, valid_from, known_at, known
  from ordered
  where place = 1
),
distances as (
  select s.spot, a.area_kind, a.area_key, a.country,
    cast(great_circle_km(s.latitude, s.longitude, a.latitude, a.longitude) as decimal(9, 3)) as km
  from spots s
  cross join area_places a
  where s.latitude is not null
),
near as (
  select spot, area_kind, area_key, country, km from distances where km <= $nearest_area_km
),
found as (
  select s.spot, 1 as nearness, 'postcode' as level, cast(null as decimal(9, 3)) as km, v.*
  from spots s
  join versions v
    on v.area_kind = 'postcode' and v.area_key = s.postcode and v.country = s.country
  union all
  select s.spot, 2 as nearness, 'city' as level, cast(null as decimal(9, 3)) as km, v.*
  from spots s
  join versions v on v.area_kind = 'city' and v.area_key = s.city and v.country = s.country
  union all
  select n.spot, 3 as nearness, 'nearest' as level, n.km, v.*
  from near n
  join versions v
    on v.area_kind = n.area_kind and v.area_key = n.area_key and v.country = n.country
  union all
  select s.spot, 4 as nearness, 'country' as level, cast(null as decimal(9, 3)) as km, v.*
  from spots s
  join versions v on v.area_kind = 'country' and v.country = s.country
),
ranked as (
  select *,
    row_number() over (
      partition by spot, attribute
      order by known desc, nearness asc, km asc, area_kind asc, area asc
    ) as choice
  from found
),
chosen as (
  select * from ranked where choice = 1
),
attributes as (
  select distinct attribute from raw_ref_environment
),
looked_up as (
  select
    s.spot,
    a.attribute,
    case when c.known then cast(c.value as decimal(18, 4)) end as value,
    case when c.known then c.unit end as unit,
    case when c.known then c.level end as level,
    case when c.known then c.area end as area,
    case when c.known then c.country end as country,
    case when c.known then c.km end as distance_km,
    case when c.known then c.valid_from end as valid_from,
    case when c.known then c.known_at end as known_at,
    case
      when coalesce(s.postcode, s.city, s.country, cast(s.latitude as varchar)) is null
        then 'no_area'
      when c.spot is null then 'unknown_area'
      when not c.known then 'not_yet_known'
    end as reason
  from spots s
  cross join attributes a
  left join chosen c on c.spot = s.spot and c.attribute = a.attribute
  union all
  select 'no_consent' as spot, attribute, null, null, null, null, null, null, null, null,
    'no_consent' as reason
  from attributes
)
select
  p.golden_id,
  l.attribute,
  l.value,
  l.unit,
  l.level,
  l.area,
  l.country,
  l.distance_km,
  l.valid_from,
  l.known_at,
  l.reason
from placed p
join looked_up l on l.spot = p.spot
