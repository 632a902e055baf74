-- Every purchase under its golden customer: one sale or one invoice, whatever its lines.
-- Key: (golden_id, document_source, document); to the logical date.
--
-- A purchase is of the day and hour of its first line, local to the store. discounted, rewarded:
-- a line of it was discounted, was paid with a reward.
select
  m.golden_id,
  t.document_source,
  t.document,
  min(t.occurred_on) as occurred_on,
  min(t.occurred_hour) as occurred_hour,
  min(t.store_id) as store_id,
  max(case when t.discount > 0 then 1 else 0 end) = 1 as discounted,
  max(case when t.reward_used then 1 else 0 end) = 1 as rewarded
from transactions t
join entity_members m on m.source = t.source and m.record_id = t.record_id
where t.counted and t.kind in ('sale', 'invoice') and t.occurred_on <= $logical_date
group by m.golden_id, t.document_source, t.document
