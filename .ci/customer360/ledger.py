"""Money: exports to transactions, daily ledger, economics, tiers, reconciliation, conservation.

Written from the definitions, and not from the SQL: plain loops over rows, exact decimals.
"""

from bisect import bisect_right
from collections import defaultdict
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

from .warehouse import ratio, rounded

MARGIN, LAPSE = Decimal("0.35"), 180
SERVING = ("service", "labour", "communication", "hard")
ZERO = Decimal(0)


def days(number):
    return timedelta(days=number)


class Ledger:
    def __init__(self, tables, logical_date, currency="USD"):
        self.tables, self.day, self.currency = tables, logical_date, currency
        self.golden = {(m["source"], m["record_id"]): m["golden_id"] for m in tables["entity_members"]}
        self.customers = sorted(row["golden_id"] for row in tables["customers"])
        quotes = defaultdict(list)
        for row in sorted(tables["raw_ref_rates"], key=lambda row: row["on"]):
            quotes[row["currency"]].append((row["on"], row["rate"]))
        self.quotes = quotes
        self.transactions = self._transactions()
        self.costs = self._costs()
        self._customer_days()

    def rate(self, currency, day):
        if currency == self.currency:
            return Decimal(1)
        quotes = self.quotes[currency]
        place = bisect_right(quotes, (day, Decimal("Infinity")))
        return quotes[place - 1][1] if place else None

    def worth(self, amount, currency, day):
        rate = self.rate(currency, day)
        return None if rate is None else rounded(amount * rate)

    def _transactions(self):
        """Every line of the tills, invoice and credit note, from the exports."""
        tables = self.tables
        zones = {row["store_id"]: ZoneInfo(row["time_zone"]) for row in tables["raw_ref_stores"]}
        invoices = {row["invoice_no"]: row for row in tables["raw_accounting_invoices"]}
        billed = {}
        for number in sorted(invoices, reverse=True):
            if invoices[number]["pos_transaction_id"] is not None:
                billed[invoices[number]["pos_transaction_id"]] = invoices[number]
        sold = {r["transaction_id"] for r in tables["raw_pos_sales"] if r["return_of"] is None}
        rows = []

        def add(**row):
            sign = 1 if row["kind"] in ("sale", "invoice") else -1
            row["net"] = sign * (row["gross"] - row["discount"])
            for name, amount in (("reporting_net", row["net"]), ("reporting_discount", row["discount"])):
                row[name] = self.worth(amount, row["currency"], row["occurred_on"])
            rows.append(row)

        def midnight(day):
            return datetime(day.year, day.month, day.day, tzinfo=timezone.utc)

        for line in tables["raw_pos_sales"]:
            bill = billed.get(line["return_of"] or line["transaction_id"])
            local = line["sold_at"].replace(tzinfo=None)
            person = line["card_id"] or (line["email"] or "").lower() or line["phone"] or None
            add(
                source="accounting_customers" if bill else "pos_sales",
                record_id=bill["customer_no"] if bill else person,
                document_source="pos_sales",
                document=line["transaction_id"],
                line_no=line["line_no"],
                kind="return" if line["return_of"] else "sale",
                occurred_at=local.replace(tzinfo=zones[line["store_id"]]).astimezone(timezone.utc),
                occurred_on=local.date(),
                occurred_hour=local.hour,
                store_id=line["store_id"],
                category=line["category"],
                gross=line["amount"],
                discount=line["discount"],
                reward_used=line["reward_used"],
                recurring=False,
                currency=line["currency"],
                undoes=line["return_of"],
                counted=True,
            )
        for row in invoices.values():
            add(
                source="accounting_customers",
                record_id=row["customer_no"],
                document_source="accounting_invoices",
                document=row["invoice_no"],
                line_no=1,
                kind="invoice",
                occurred_at=midnight(row["issued_on"]),
                occurred_on=row["issued_on"],
                occurred_hour=None,
                store_id=None,
                category=row["category"],
                gross=row["amount"],
                discount=ZERO,
                reward_used=False,
                recurring=row["recurring"],
                currency=row["currency"],
                undoes=None,
                counted=row["pos_transaction_id"] not in sold,
            )
        for row in tables["raw_accounting_credit_notes"]:
            invoice = invoices.get(row["invoice_no"])
            add(
                source="accounting_customers",
                record_id=invoice and invoice["customer_no"],
                document_source="accounting_credit_notes",
                document=row["credit_note_no"],
                line_no=1,
                kind="credit_note",
                occurred_at=midnight(row["issued_on"]),
                occurred_on=row["issued_on"],
                occurred_hour=None,
                store_id=None,
                category=invoice and invoice["category"],
                gross=row["amount"],
                discount=ZERO,
                reward_used=False,
                recurring=bool(invoice and invoice["recurring"]),
                currency=row["currency"],
                undoes=row["invoice_no"],
                counted=True,
            )
        return rows

    def _costs(self):
        return [
            {
                "cost_id": row["cost_id"],
                "record_id": row["customer_no"],
                "kind": row["kind"],
                "amount": row["amount"],
                "reporting_amount": self.worth(row["amount"], row["currency"], row["on"]),
                "occurred_on": row["on"],
            }
            for row in self.tables["raw_accounting_costs"]
        ]

    def _customer_days(self):
        """Lines, purchases, minutes and own costs by golden customer, and costs of nobody."""
        self.lines, first_days = defaultdict(list), {}
        for row in self.transactions:
            golden = self.golden.get((row["source"], row["record_id"]))
            if golden is None or not row["counted"] or row["occurred_on"] > self.day:
                continue
            self.lines[golden].append(row)
            if row["kind"] in ("sale", "invoice"):
                key = golden, row["document_source"], row["document"]
                first_days[key] = min(first_days.get(key, date.max), row["occurred_on"])
        self.purchases = defaultdict(list)
        for (golden, _, _), day in first_days.items():
            self.purchases[golden].append(day)
        for bought in self.purchases.values():
            bought.sort()
        self.minutes = defaultdict(list)
        for name, column in (("interactions", "started_on"), ("tickets", "opened_on")):
            for row in self.tables[name]:
                golden = self.golden.get((row["source"], row["record_id"]))
                if golden is not None and row[column] <= self.day:
                    self.minutes[golden].append((row[column], row["agent_minutes"]))
        self.own, self.pool = defaultdict(list), []
        for row in self.costs:
            if row["kind"] in SERVING and row["occurred_on"] <= self.day:
                golden = self.golden.get(("accounting_customers", row["record_id"]))
                (self.pool if golden is None else self.own[golden]).append(row)

    def shares(self, kinds, within):
        """What each customer bears of the costs of nobody, by agent minutes, to the cent."""
        pool = sum((r["reporting_amount"] for r in self.pool if r["kind"] in kinds and within(r["occurred_on"])), ZERO)
        worked = {
            golden: sum((m for day, m in minutes if within(day)), ZERO)
            for golden, minutes in self.minutes.items()
        }
        everything, through, shares = sum(worked.values(), ZERO), ZERO, {}
        for golden in sorted(worked):
            before, through = through, through + worked[golden]
            if everything:
                shares[golden] = rounded(pool * through / everything) - rounded(pool * before / everything)
        return shares

    def economics(self, day):
        """customer_economics as of a day."""
        ever = lambda d: d <= day
        year = lambda d: day - days(365) < d <= day
        quarter = lambda d: day - days(90) < d <= day
        quarter_before = lambda d: day - days(180) < d <= day - days(90)
        all_shares = self.shares(SERVING, ever)
        kind_shares = {kind: self.shares([kind], year) for kind in SERVING}
        referrals = defaultdict(int)
        for row in self.tables["customer_relations"]:
            referrals[row["golden_id"]] += row["relation"] == "referred"
        payments = defaultdict(list)
        invoices = {row["invoice_no"]: row for row in self.tables["raw_accounting_invoices"]}
        for row in self.tables["raw_accounting_payments"]:
            invoice = invoices.get(row["invoice_no"])
            golden = invoice and self.golden.get(("accounting_customers", invoice["customer_no"]))
            if golden and row["paid_on"] <= day:
                payments[golden].append((row["paid_on"] - invoice["issued_on"]).days)
        for golden in self.customers:
            lines = [r for r in self.lines[golden] if r["occurred_on"] <= day]
            total = lambda within, wanted=lambda r: True, value=lambda r: r["reporting_net"]: sum(
                (value(r) for r in lines if within(r["occurred_on"]) and wanted(r) and r["reporting_net"] is not None), ZERO
            )
            recurring = lambda r: r["recurring"]
            own = lambda kinds, within: sum(
                (r["reporting_amount"] for r in self.own[golden] if r["kind"] in kinds and within(r["occurred_on"])), ZERO
            )
            bought = [d for d in self.purchases[golden] if d <= day]
            row = {
                "golden_id": golden,
                "currency": self.currency,
                "revenue": total(ever),
                "returns": total(ever, lambda r: r["kind"] in ("return", "credit_note"), lambda r: -r["reporting_net"]),
                "discounts": total(ever, lambda r: r["kind"] in ("sale", "invoice"), lambda r: r["reporting_discount"]),
                "recurring_revenue": total(ever, recurring),
                "gross_profit": rounded(total(ever) * MARGIN),
                "cost_to_serve": own(SERVING, ever) + all_shares.get(golden, ZERO),
                "revenue_365": total(year),
                "recurring_revenue_365": total(year, recurring),
                "gross_profit_365": rounded(total(year) * MARGIN),
                "revenue_90": total(quarter),
                "revenue_90_before": total(quarter_before),
                "purchases": len(bought),
                "purchases_365": sum(map(year, bought)),
                "first_purchase_on": bought[0] if bought else None,
                "last_purchase_on": bought[-1] if bought else None,
                "lapses_on": bought[-1] + days(LAPSE) if bought else None,
                "lapsed": bool(bought) and bought[-1] + days(LAPSE) <= day,
                "one_time_buyer": len(bought) == 1 and bought[-1] + days(LAPSE) <= day,
                "days_to_pay": ratio(sum(payments[golden]), len(payments[golden]), 2),
                "referrals": referrals[golden],
                "lines_without_rate": sum(r["reporting_net"] is None for r in lines),
            }
            for kind in SERVING:
                row[f"{kind}_365"] = own([kind], year) + kind_shares[kind].get(golden, ZERO)
            row["profit"] = row["gross_profit"] - row["cost_to_serve"]
            row["cost_to_serve_365"] = sum(row[f"{kind}_365"] for kind in SERVING)
            row["profit_365"] = row["gross_profit_365"] - row["cost_to_serve_365"]
            row["profitability"] = ratio(row["profit_365"], row["revenue_365"]) if row["revenue_365"] > 0 else None
            row["trend"] = ratio(row["revenue_90"], row["revenue_90_before"]) if row["revenue_90_before"] > 0 else None
            yield row

    def tiers(self, economics):
        """The whale curve."""
        everything = sum((max(row["profit_365"], ZERO) for row in economics), ZERO)
        before = ZERO
        ordered = sorted(economics, key=lambda row: (-row["profit_365"], row["golden_id"]))
        for rank, row in enumerate(ordered, 1):
            profit, share = row["profit_365"], before / everything if everything else None
            tier = "D" if profit <= 0 else "A" if share < Decimal("0.5") else "B" if share < Decimal("0.8") else "C"
            before += max(profit, ZERO)
            yield {
                "golden_id": row["golden_id"],
                "tier": tier,
                "service_level": dict(A="account_manager", B="priority", C="standard", D="self_service")[tier],
                "profit_365": profit,
                "profit_rank": rank,
                "whale_share": rounded(share, 6),
            }

    def reconciliation(self):
        tables = self.tables
        sales, returned = defaultdict(list), defaultdict(lambda: ZERO)
        for line in tables["raw_pos_sales"]:
            net = line["amount"] - line["discount"]
            if line["return_of"] is None:
                sales[line["transaction_id"]].append((net, line["currency"]))
            else:
                returned[line["return_of"]] += net
        credited = defaultdict(lambda: ZERO)
        for row in tables["raw_accounting_credit_notes"]:
            credited[row["invoice_no"]] += row["amount"]
        seen = set()
        for row in sorted(tables["raw_accounting_invoices"], key=lambda row: row["invoice_no"]):
            document = row["pos_transaction_id"]
            if document is None or row["issued_on"] > self.day:
                continue
            amount = sum(net for net, _ in sales[document]) if sales[document] else None
            currency = sales[document][0][1] if sales[document] else None
            same = currency == row["currency"]
            status = (
                "sale_missing" if amount is None else "billed_again" if document in seen
                else "currency_differs" if not same else "agreed" if amount == row["amount"] else "amount_differs"
            )
            seen.add(document)
            yield {
                "invoice_no": row["invoice_no"],
                "record_id": row["customer_no"],
                "invoice_amount": row["amount"],
                "sale_amount": amount,
                "difference": row["amount"] - amount if same else None,
                "returned_amount": returned[document],
                "credited_amount": credited[row["invoice_no"]],
                "status": status,
            }
