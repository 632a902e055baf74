-- Payments, under the debtor of the invoice that they pay. Key: payment_no.
select
  'accounting_customers' as source,
  i.customer_no as record_id,
  p.payment_no,
  p.invoice_no,
  cast(p.amount as decimal(18, 2)) as amount,
  p.currency,
  cast(cast(p.amount as decimal(18, 2)) * r.rate as decimal(18, 2)) as reporting_amount,
  $reporting_currency as reporting_currency,
  p.paid_on,
  i.issued_on,
  i.due_on,
  cast(p.paid_on - i.issued_on as bigint) as days_to_pay,
  cast(p.paid_on - i.due_on as bigint) as days_late
from raw_accounting_payments p
left join raw_accounting_invoices i on i.invoice_no = p.invoice_no
left join rates r on r.currency = p.currency and r.day = p.paid_on
