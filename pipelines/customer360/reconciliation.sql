-- Tills against accounting: each invoice of a sale, beside that sale. Key: invoice_no.
--
-- agreed: the same amount in the same currency. amount_differs, currency_differs: the sale counts
-- as revenue, the invoice does not. sale_missing: no till has the sale, and the invoice counts.
-- billed_again: an invoice of smaller number has the sale already; neither counts beside it.
-- A sale that was both returned at a till and credited in the books is shown by both amounts; both
-- count, for a refund in part by each is usual.
with
sales as (
  select document, min(currency) as currency, sum(net) as amount
  from transactions
  where document_source = 'pos_sales' and kind = 'sale'
  group by document
),
returned as (
  select undoes as document, sum(-net) as amount
  from transactions
  where document_source = 'pos_sales' and kind = 'return'
  group by undoes
),
credited as (
  select invoice_no, sum(-net) as amount
  from transactions
  where kind = 'credit_note'
  group by invoice_no
),
invoices as (
  select i.invoice_no, i.customer_no, i.pos_transaction_id, i.issued_on, i.currency,
    cast(i.amount as decimal(18, 2)) as amount,
    row_number() over (partition by i.pos_transaction_id order by i.invoice_no asc) as place
  from raw_accounting_invoices i
  where i.pos_transaction_id is not null and i.issued_on <= $logical_date
)
select
  i.invoice_no,
  'accounting_customers' as source,
  i.customer_no as record_id,
  i.pos_transaction_id,
  i.issued_on,
  i.amount as invoice_amount,
  i.currency as invoice_currency,
  cast(s.amount as decimal(18, 2)) as sale_amount,
  s.currency as sale_currency,
  case when s.currency = i.currency then cast(i.amount - s.amount as decimal(18, 2)) end
    as difference,
  cast(coalesce(r.amount, 0) as decimal(18, 2)) as returned_amount,
  cast(coalesce(c.amount, 0) as decimal(18, 2)) as credited_amount,
  case
    when s.document is null then 'sale_missing'
    when i.place > 1 then 'billed_again'
    when s.currency <> i.currency then 'currency_differs'
    when s.amount <> i.amount then 'amount_differs'
    else 'agreed'
  end as status
from invoices i
left join sales s on s.document = i.pos_transaction_id
left join returned r on r.document = i.pos_transaction_id
left join credited c on c.invoice_no = i.invoice_no
