-- What visitors did on the site. Key: event_id. Days and hours are local to the site.
--
-- A visitor who gave an e-mail address only is the contact who has that address, if exactly one
-- has; else the event keeps no record, and is no customer's.
with
addresses as (
  select lower(trim(email)) as email, min(contact_id) as contact_id
  from raw_crm_contacts
  where email is not null
  group by lower(trim(email))
  having count(*) = 1
)
select
  'crm_contacts' as source,
  coalesce(e.contact_id, a.contact_id) as record_id,
  e.event_id,
  e.kind,
  e.category,
  e.device,
  e."at" as occurred_at,
  cast(e."at" at time zone $web_time_zone as date) as occurred_on,
  cast(date_part('hour', e."at" at time zone $web_time_zone) as bigint) as occurred_hour
from raw_web_events e
left join addresses a on e.contact_id is null and a.email = lower(trim(e.email))
