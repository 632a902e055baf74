-- What is known of the area of each customer, as known at the logical date: the greatest
-- valid_from not after it among rows with known_at not after it; by postcode, else city, else
-- country. Key: (golden_id, attribute).
--
-- A customer whose latest statement on enrichment withdrew consent is left out.
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
  where c.purpose = 'enrichment' and cast(c.stated_at as date) <= $logical_date
),
allowed as (
  select
    c.golden_id,
    lower(trim(c.postcode)) as postcode,
    lower(trim(c.city)) as city,
    upper(trim(c.country)) as country
  from customers c
  left join statements s on s.golden_id = c.golden_id and s.place = 1
  where coalesce(s.granted, true)
),
versions as (
  select
    e.area_kind,
    lower(trim(e.area)) as area_key,
    e.area,
    upper(trim(e.country)) as country,
    e.attribute,
    e.value,
    e.unit,
    e.valid_from,
    e.known_at,
    row_number() over (
      partition by e.area_kind, lower(trim(e.area)), upper(trim(e.country)), e.attribute
      order by e.valid_from desc, e.known_at desc, e.area asc, e.value asc, e.unit asc
    ) as place
  from raw_ref_environment e
  where e.valid_from <= $logical_date and e.known_at <= $logical_date
),
current_values as (
  select * from versions where place = 1
),
found as (
  select a.golden_id, 1 as nearness, v.*
  from allowed a
  join current_values v
    on v.area_kind = 'postcode' and v.area_key = a.postcode and v.country = a.country
  union all
  select a.golden_id, 2 as nearness, v.*
  from allowed a
  join current_values v
    on v.area_kind = 'city' and v.area_key = a.city and v.country = a.country
  union all
  select a.golden_id, 3 as nearness, v.*
  from allowed a
  join current_values v on v.area_kind = 'country' and v.country = a.country
),
ranked as (
  select
    golden_id, attribute, value, unit, area_kind, area, country, valid_from, known_at,
    row_number() over (
      partition by golden_id, attribute order by nearness asc, area asc
    ) as choice
  from found
)
select
  golden_id,
  attribute,
  cast(value as decimal(18, 4)) as value,
  unit,
  area_kind as level,
  area,
  country,
  valid_from,
  known_at
from ranked
where choice = 1
