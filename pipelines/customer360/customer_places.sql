-- Where each customer is, as finely as it is known and may be used. Key: golden_id; a row for every
-- customer.
--
-- located_by says how finely: postcode and city, the middle of that area; store, the shop in which
-- a customer without a known address mostly buys, of equals the smaller store_id. Without any of
-- these the coordinates are null. nearest_store_id and store_km: the nearest shop by great-circle
-- distance.
with
shops as (
  select store_id,
    cast(latitude as decimal(9, 6)) as latitude, cast(longitude as decimal(9, 6)) as longitude
  from raw_ref_stores
),
addresses as (
  select golden_id, postcode_normalise(postcode, country) as postcode, text_fold(city) as city,
    upper(trim(country)) as country
  from customers_for_enrichment
),
visits as (
  select golden_id, store_id, count(*) as purchases
  from customer_purchases
  where store_id is not null
  group by golden_id, store_id
),
usual as (
  select golden_id, store_id,
    row_number() over (partition by golden_id order by purchases desc, store_id asc) as place
  from visits
),
located as (
  select
    d.golden_id,
    case when p.area is not null then 'postcode' when c.area is not null then 'city'
         when s.store_id is not null then 'store' end as located_by,
    coalesce(p.area, c.area, s.store_id) as place,
    case when p.area is not null then p.latitude when c.area is not null then c.latitude
         else s.latitude end as latitude,
    case when p.area is not null then p.longitude when c.area is not null then c.longitude
         else s.longitude end as longitude
  from addresses d
  left join area_places p
    on p.area_kind = 'postcode' and p.area_key = d.postcode and p.country = d.country
  left join area_places c on c.area_kind = 'city' and c.area_key = d.city and c.country = d.country
  left join usual u on u.golden_id = d.golden_id and u.place = 1
  left join shops s on s.store_id = u.store_id
),
-- Few places have many customers: distances are between places.
spots as (
  select distinct latitude, longitude from located where latitude is not null
),
distances as (
  select p.latitude, p.longitude, s.store_id,
    cast(great_circle_km(p.latitude, p.longitude, s.latitude, s.longitude) as decimal(9, 3)) as km
  from spots p
  cross join shops s
),
nearest as (
  select latitude, longitude, store_id, km,
    row_number() over (partition by latitude, longitude order by km asc, store_id asc) as place
  from distances
)
select
  l.golden_id,
  l.located_by,
  l.place,
  l.latitude,
  l.longitude,
  n.store_id as nearest_store_id,
  n.km as store_km
from located l
left join nearest n on n.latitude = l.latitude and n.longitude = l.longitude and n.place = 1
