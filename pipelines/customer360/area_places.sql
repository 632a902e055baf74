-- Where areas are: the middles of postal codes and cities, in degrees north and east.
-- Key: (area_kind, area_key, country).
--
-- Those listed are rounded to hundredths of a degree, about a kilometre: near enough to say which
-- shop and which area of the reference are nearest. Put a gazetteer of your own in their place. A
-- city that is not listed is in the middle of its shops. area_key is how areas are compared.
with
listed as (
  select area_kind,
    case area_kind when 'postcode' then postcode_normalise(area, country)
                   else text_fold(area) end as area_key,
    area, country,
    cast(latitude as decimal(9, 6)) as latitude,
    cast(longitude as decimal(9, 6)) as longitude
  from (values
    ('city', 'Cairo', 'EG', 30.04, 31.24),
    ('city', 'Riyadh', 'SA', 24.71, 46.68),
    ('city', 'Dubai', 'AE', 25.27, 55.30),
    ('city', 'Tehran', 'IR', 35.70, 51.40),
    ('city', 'London', 'GB', 51.51, -0.13),
    ('city', 'Caracas', 'VE', 10.49, -66.88),
    ('postcode', '11511', 'EG', 30.05, 31.25),
    ('postcode', '11765', 'EG', 30.06, 31.35),
    ('postcode', '11371', 'EG', 30.06, 31.33),
    ('postcode', '12311', 'EG', 30.04, 31.21),
    ('postcode', '11431', 'EG', 29.96, 31.26),
    ('postcode', '12411', 'EG', 30.06, 31.20),
    ('postcode', '12211', 'SA', 24.69, 46.68),
    ('postcode', '12333', 'SA', 24.70, 46.67),
    ('postcode', '11564', 'SA', 24.65, 46.71),
    ('postcode', '13321', 'SA', 24.79, 46.64),
    ('postcode', '12482', 'SA', 24.68, 46.63),
    ('postcode', '1969833511', 'IR', 35.76, 51.41),
    ('postcode', '1435716843', 'IR', 35.73, 51.39),
    ('postcode', '1587635811', 'IR', 35.72, 51.43),
    ('postcode', '1991613114', 'IR', 35.76, 51.40),
    ('postcode', '1417993375', 'IR', 35.71, 51.39),
    ('postcode', '1549815733', 'IR', 35.73, 51.43),
    ('postcode', 'W2 1AA', 'GB', 51.52, -0.17),
    ('postcode', 'NW1 5LA', 'GB', 51.52, -0.16),
    ('postcode', 'SW1E 5JL', 'GB', 51.50, -0.14),
    ('postcode', 'N7 6PA', 'GB', 51.56, -0.12),
    ('postcode', 'W10 4RA', 'GB', 51.53, -0.21),
    ('postcode', 'NW3 6HY', 'GB', 51.55, -0.18),
    ('postcode', 'E1 6AN', 'GB', 51.52, -0.08),
    ('postcode', 'SE5 8TR', 'GB', 51.47, -0.09),
    ('postcode', '1060', 'VE', 10.50, -66.85),
    ('postcode', '1010', 'VE', 10.51, -66.92),
    ('postcode', '1050', 'VE', 10.49, -66.88),
    ('postcode', '1080', 'VE', 10.43, -66.88)
  ) as places (area_kind, area, country, latitude, longitude)
),
shops as (
  select text_fold(city) as area_key, city, upper(trim(country)) as country,
    cast(latitude as decimal(9, 6)) as latitude, cast(longitude as decimal(9, 6)) as longitude
  from raw_ref_stores
)
select area_kind, area_key, area, country, latitude, longitude from listed
union all
select 'city' as area_kind, s.area_key, min(s.city) as area, s.country,
  cast(avg(s.latitude) as decimal(9, 6)) as latitude,
  cast(avg(s.longitude) as decimal(9, 6)) as longitude
from shops s
left join listed l on l.area_kind = 'city' and l.area_key = s.area_key and l.country = s.country
where l.area_key is null
group by s.area_key, s.country
