-- All money of customers in one fact: till lines (sale, return), invoices and credit notes.
--
-- Key: (document_source, document, line_no). occurred_on and occurred_hour are local to the store;
-- occurred_at is the instant. A document without a time of day has no hour, and its day's first
-- instant.
--
-- A purchase belongs to the customer who is billed: a till line whose sale has an invoice is put
-- under the debtor of that invoice, and the invoice itself is not counted, for it is the same
-- money. The till lines are kept in its place because they know product, discount and reward.
-- `net` is signed: what the document adds to revenue. `counted` is false for an invoice whose
-- sale is here.
with
-- An invoice for each sale: the smallest number, should there be several.
billed as (
  select i.pos_transaction_id as document, min(i.invoice_no) as invoice_no
  from raw_accounting_invoices i
  where i.pos_transaction_id is not null
  group by i.pos_transaction_id
),
debtors as (
  select b.document, b.invoice_no, i.customer_no
  from billed b
  join raw_accounting_invoices i on i.invoice_no = b.invoice_no
),
sales as (
  select distinct transaction_id as document from raw_pos_sales where return_of is null
),
lines as (
  select
    'pos_sales' as document_source,
    p.transaction_id as document,
    cast(p.line_no as bigint) as line_no,
    case when d.customer_no is not null then 'accounting_customers' else 'pos_sales' end as source,
    coalesce(d.customer_no, p.card_id, lower(p.email), p.phone) as record_id,
    case when p.return_of is null then 'sale' else 'return' end as kind,
    -- The till writes the store's own time: without its mark, and read in the store's zone.
    timestamp_parse(
      cast(arrow_cast(p.sold_at, 'Timestamp(Microsecond, None)') as varchar), s.time_zone)
      as occurred_at,
    cast(p.sold_at as date) as occurred_on,
    cast(date_part('hour', p.sold_at) as bigint) as occurred_hour,
    p.store_id,
    p.product,
    p.category,
    cast(p.quantity as bigint) as quantity,
    cast(p.amount as decimal(18, 2)) as gross,
    cast(p.discount as decimal(18, 2)) as discount,
    p.reward_used,
    false as recurring,
    p.currency,
    p.return_of as undoes,
    d.invoice_no,
    true as counted
  from raw_pos_sales p
  left join raw_ref_stores s on s.store_id = p.store_id
  left join debtors d on d.document = coalesce(p.return_of, p.transaction_id)
),
invoices as (
  select
    'accounting_invoices' as document_source,
    i.invoice_no as document,
    cast(1 as bigint) as line_no,
    'accounting_customers' as source,
    i.customer_no as record_id,
    'invoice' as kind,
    arrow_cast(i.issued_on, 'Timestamp(Microsecond, Some("UTC"))') as occurred_at,
    i.issued_on as occurred_on,
    cast(null as bigint) as occurred_hour,
    cast(null as varchar) as store_id,
    cast(null as varchar) as product,
    i.category,
    cast(null as bigint) as quantity,
    cast(i.amount as decimal(18, 2)) as gross,
    cast(0 as decimal(18, 2)) as discount,
    false as reward_used,
    i.recurring,
    i.currency,
    cast(null as varchar) as undoes,
    i.invoice_no,
    s.document is null as counted
  from raw_accounting_invoices i
  left join sales s on s.document = i.pos_transaction_id
),
credit_notes as (
  select
    'accounting_credit_notes' as document_source,
    n.credit_note_no as document,
    cast(1 as bigint) as line_no,
    'accounting_customers' as source,
    i.customer_no as record_id,
    'credit_note' as kind,
    arrow_cast(n.issued_on, 'Timestamp(Microsecond, Some("UTC"))') as occurred_at,
    n.issued_on as occurred_on,
    cast(null as bigint) as occurred_hour,
    cast(null as varchar) as store_id,
    cast(null as varchar) as product,
    i.category,
    cast(null as bigint) as quantity,
    cast(n.amount as decimal(18, 2)) as gross,
    cast(0 as decimal(18, 2)) as discount,
    false as reward_used,
    coalesce(i.recurring, false) as recurring,
    n.currency,
    n.invoice_no as undoes,
    n.invoice_no,
    true as counted
  from raw_accounting_credit_notes n
  left join raw_accounting_invoices i on i.invoice_no = n.invoice_no
),
documents as (
  select * from lines
  union all
  select * from invoices
  union all
  select * from credit_notes
)
select
  d.source,
  d.record_id,
  d.document_source,
  d.document,
  d.line_no,
  d.kind,
  d.occurred_at,
  d.occurred_on,
  d.occurred_hour,
  d.store_id,
  d.product,
  d.category,
  d.quantity,
  d.gross,
  d.discount,
  cast(case when d.kind in ('sale', 'invoice') then d.gross - d.discount
            else d.discount - d.gross end as decimal(18, 2)) as net,
  d.currency,
  r.rate,
  cast(d.discount * r.rate as decimal(18, 2)) as reporting_discount,
  cast(case when d.kind in ('sale', 'invoice') then d.gross - d.discount
            else d.discount - d.gross end * r.rate as decimal(18, 2)) as reporting_net,
  $reporting_currency as reporting_currency,
  d.reward_used,
  d.recurring,
  d.undoes,
  d.invoice_no,
  d.counted
from documents d
left join rates r on r.currency = d.currency and r.day = d.occurred_on
