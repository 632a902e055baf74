"""Through time: stages, periods, equity, movements, retention, stage metrics."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal

from .customers import CRM, by_golden
from .ledger import LAPSE, SERVING, ZERO
from .warehouse import ratio, rounded

CHANNELS = "call chat email visit social web store".split()


class Stages:
    """The stage of a customer on any day, by the definition, read off the facts one by one."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.cases = by_golden(ledger, "tickets", "opened_on")
        self.surveys = by_golden(ledger, "surveys", "answered_on")
        self.cards = by_golden(ledger, "loyalty", "enrolled_on")
        self.talks = {g: sorted(r["started_on"] for r in rows) for g, rows in by_golden(ledger, "interactions", "started_on").items()}
        self.leanings = defaultdict(list)
        for golden, rows in by_golden(ledger, "web_activity", "occurred_on").items():
            self.leanings[golden] += [r["occurred_on"] for r in rows if r["kind"] == "cart_add"]
        for golden, rows in by_golden(ledger, "offers").items():
            for r in rows:
                if r["response"] == "accepted":
                    self.leanings[golden].append((r["responded_at"] or r["sent_at"]).astimezone(CRM).date())
        first_seen = {c["golden_id"]: c["first_seen"].astimezone(CRM).date() for c in ledger.tables["customers"]}
        self.referrals = defaultdict(list)
        for row in ledger.tables["customer_relations"]:
            if row["relation"] == "referred":
                self.referrals[row["golden_id"]].append(first_seen[row["other_golden_id"]])

    def at(self, golden, day):
        bought = [d for d in self.ledger.purchases[golden] if d <= day]
        if bought and bought[-1] + timedelta(LAPSE) <= day:
            return "lapsed"
        if any(c["opened_on"] <= day and (c["closed_on"] is None or c["closed_on"] >= day - timedelta(14)) for c in self.cases[golden]):
            return "support"
        answered = [s for s in self.surveys[golden] if s["answered_on"] <= day]
        latest = max(answered, key=lambda s: (s["answered_at"], s["survey_id"]), default=None)
        bond = (
            (latest is not None and latest["score"] >= 9)
            or any(d <= day for d in self.referrals[golden])
            or any(c["enrolled_on"] <= day and (c["left_on"] is None or c["left_on"] > day) for c in self.cards[golden])
        )
        if sum(d > day - timedelta(365) for d in bought) >= 3 and bond:
            return "loyal"
        if bought and bought[0] > day - timedelta(30):
            return "onboarding"
        if bought:
            return "active"
        talks = self.talks.get(golden, [])
        recent = bisect_right(talks, day) - bisect_right(talks, day - timedelta(90))
        if recent >= 3 or any(day - timedelta(90) < d <= day for d in self.leanings[golden]):
            return "considering"
        return "contacted" if bisect_right(talks, day) else "prospect"


def spells_of(ledger):
    spells = defaultdict(list)
    for row in sorted(ledger.tables["customer_stages"], key=lambda r: r["entered_on"]):
        spells[row["golden_id"]].append(row)
    return spells


def wrong_spells(ledger, stages):
    """Spells that are not where the definition puts them: on their first, middle and last day."""
    for golden, rows in spells_of(ledger).items():
        for row, following in zip(rows, rows[1:] + [None]):
            end = row["left_on"]
            if end != (following and following["entered_on"]) or row["next_stage"] != (following and following["stage"]):
                yield golden, "spells do not follow each other"
            last = end - timedelta(1) if end else ledger.day
            if row["days"] != ((end or ledger.day) - row["entered_on"]).days:
                yield golden, "days"
            for day in {row["entered_on"], row["entered_on"] + (last - row["entered_on"]) // 2, last}:
                if stages.at(golden, day) != row["stage"]:
                    yield golden, "stage"
    if spells_of(ledger).keys() != set(ledger.customers):
        yield None, "customers without a stage"


def periods(ledger):
    first = min(day for bought in ledger.purchases.values() for day in bought)
    month = date(first.year, first.month, 1)
    while month <= ledger.day:
        following = date(month.year + month.month // 12, month.month % 12 + 1, 1)
        yield "month", month, following
        month = following
    for year in range(first.year, ledger.day.year + 1):
        yield "year", date(year, 1, 1), date(year + 1, 1, 1)


def movements(ledger):
    for golden, bought in ledger.purchases.items():
        bought = sorted(set(bought))
        for day, following in zip(bought, bought[1:] + [None]):
            if day == bought[0]:
                yield {"golden_id": golden, "moved_on": day, "movement": "won", "last_purchase_on": None}
            lost = day + timedelta(LAPSE)
            if lost < following if following else lost <= ledger.day:
                yield {"golden_id": golden, "moved_on": lost, "movement": "lost", "last_purchase_on": day}
                if following:
                    yield {"golden_id": golden, "moved_on": following, "movement": "won_back", "last_purchase_on": day}


def customer_periods(ledger, stages):
    moved = defaultdict(list)
    for row in movements(ledger):
        moved[row["golden_id"]].append(row)
    for period, start, following in periods(ledger):
        end = min(following - timedelta(1), ledger.day)
        shares = ledger.shares(SERVING, lambda d: start <= d <= end)
        for golden in ledger.customers:
            inside = [r for r in ledger.lines[golden] if start <= r["occurred_on"] <= end]
            bought = ledger.purchases[golden]
            before, upto = bisect_left(bought, start), bisect_right(bought, end)
            own = [r for r in ledger.own[golden] if start <= r["occurred_on"] <= end]
            worked = [m for d, m in ledger.minutes.get(golden, ()) if start <= d <= end]
            lost = [r for r in moved[golden] if r["movement"] == "lost" and start <= r["moved_on"] <= end]
            back = [r for r in moved[golden] if r["movement"] == "won_back" and start <= r["moved_on"] <= end]
            active = before > 0 and bought[before - 1] + timedelta(LAPSE) >= start
            if not (inside or own or worked or lost or back or active):
                continue
            lost_revenue = ZERO
            if lost:
                last = max(r["last_purchase_on"] for r in lost)
                year = sum((r["reporting_net"] for r in ledger.lines[golden] if last - timedelta(365) < r["occurred_on"] <= last), ZERO)
                lost_revenue = rounded(year * (following - start).days / 365)
            yield {
                "period": period,
                "period_start": start,
                "golden_id": golden,
                "bought": upto > before,
                "is_new": upto > before == 0,
                "retained": upto > before > 0,
                "lost": bool(lost),
                "won_back": bool(back),
                "active_at_start": active,
                "revenue": sum((r["reporting_net"] for r in inside), ZERO),
                "lost_revenue": lost_revenue,
                "cost_to_serve": sum((r["reporting_amount"] for r in own), ZERO) + shares.get(golden, ZERO),
                "stage": stages.at(golden, end),
            }


def equity(ledger, rows, owners, expected):
    """customer_equity from what each customer was; `expected` is (owner, expected value, purchases) now."""
    for period, start, following in periods(ledger):
        end = min(following - timedelta(1), ledger.day)
        here = [r for r in rows if (r["period"], r["period_start"]) == (period, start)]
        spent = lambda kinds: sum((r["reporting_amount"] for r in ledger.costs if r["kind"] in kinds and start <= r["occurred_on"] <= end), ZERO)
        acquisition, new_in_all, through = spent(["acquisition"]), sum(bool(r["is_new"]) for r in here), 0
        for owner in [*sorted(set(owners.values())), "all"]:
            mine = [r for r in here if owner in ("all", owners[r["stage"]])]
            new, retained, lost = ([r for r in mine if r[name]] for name in ("is_new", "retained", "lost"))
            if owner == "all":
                acquired, served = acquisition, spent(SERVING)
            else:
                before, through = through, through + len(new)
                acquired = (
                    rounded(acquisition * through / new_in_all) - rounded(acquisition * before / new_in_all)
                    if new_in_all else acquisition if owner == owners["prospect"] else ZERO
                )
                served = sum((r["cost_to_serve"] for r in mine), ZERO)
            revenue = {name: sum((r["revenue"] for r in part), ZERO) for name, part in (("new", new), ("retained", retained))}
            gone = sum((r["lost_revenue"] for r in lost), ZERO)
            active = sum(r["active_at_start"] for r in mine)
            lifetime = sum((value for whose, value, _ in expected if owner in ("all", whose)), ZERO)
            never = sum((value for whose, value, bought in expected if owner in ("all", whose) and not bought), ZERO)
            yield {
                "period": period, "period_start": start, "stage_owner": owner, "period_end": end,
                "new_customers": len(new), "retained_customers": len(retained), "lost_customers": len(lost),
                "won_back_customers": sum(r["won_back"] for r in mine), "active_at_start": active,
                "retention_rate": ratio(len(retained), active),
                "mean_revenue_new": ratio(revenue["new"], len(new), 2),
                "mean_revenue_retained": ratio(revenue["retained"], len(retained), 2),
                "mean_revenue_lost": ratio(gone, len(lost), 2),
                "new_revenue": revenue["new"], "acquisition_cost": acquired, "retained_revenue": revenue["retained"],
                "cost_to_serve": served, "lost_revenue": gone,
                "equity": revenue["new"] - acquired + revenue["retained"] - served - gone,
                "lifetime_equity": rounded(lifetime) if end == ledger.day else None,
                "lifetime_equity_never_bought": rounded(never) if end == ledger.day else None,
            }


def retention(ledger):
    number = lambda day: day.year * 12 + day.month
    cohorts = defaultdict(set)
    for golden, bought in ledger.purchases.items():
        if bought:
            cohorts[date(bought[0].year, bought[0].month, 1)].add(golden)
    for cohort, members in cohorts.items():
        for months in range(number(ledger.day) - number(cohort) + 1):
            then = number(cohort) + months
            buyers = sum(any(number(d) == then for d in ledger.purchases[g]) for g in members)
            revenue = sum((r["reporting_net"] for g in members for r in ledger.lines[g] if number(r["occurred_on"]) == then), ZERO)
            yield {
                "cohort": cohort, "months_since": months, "customers": len(members), "buyers": buyers,
                "retention": ratio(buyers, len(members)), "revenue": revenue,
            }


def stage_metrics(ledger, settings):
    """From the spells, which are verified apart."""
    spells = spells_of(ledger)
    places = {row["stage"]: row["place"] for row in settings}
    touches = defaultdict(int)

    def touch(golden, day, channel):
        rows = spells[golden]
        place = bisect_right([r["entered_on"] for r in rows], day) - 1
        if place >= 0:
            touches[rows[place]["stage"], day, channel] += 1

    for golden, rows in by_golden(ledger, "interactions", "started_on").items():
        for r in rows:
            touch(golden, r["started_on"], r["channel"])
    for golden, rows in by_golden(ledger, "web_activity", "occurred_on").items():
        for r in rows:
            touch(golden, r["occurred_on"], "web")
    for golden, lines in ledger.lines.items():
        sales = {}
        for r in lines:
            if r["document_source"] == "pos_sales" and r["kind"] == "sale":
                sales[r["document"]] = min(sales.get(r["document"], date.max), r["occurred_on"])
        for day in sales.values():
            touch(golden, day, "store")
    for period, start, following in periods(ledger):
        end = min(following - timedelta(1), ledger.day)
        for setting in settings:
            stage = setting["stage"]
            here = [
                r for rows in spells.values() for r in rows
                if r["stage"] == stage and r["entered_on"] <= end and (r["left_on"] is None or r["left_on"] >= start)
            ]
            left = [r for r in here if r["left_on"] is not None and r["left_on"] <= end]
            stayed = [r for r in here if r["left_on"] is None or r["left_on"] > end]
            at_start = sum(r["entered_on"] < start for r in here)
            advances = len(here) - len(left) if setting["place"] == max(places.values()) else sum(
                places[r["next_stage"]] > setting["place"] for r in left
            )
            conversion = ratio(advances, len(here))
            yield {
                "period": period, "period_start": start, "stage": stage, "owner": setting["owner"],
                "at_start": at_start, "entries": len(here) - at_start, "exits": len(left), "at_end": len(stayed),
                "conversion": conversion,
                "days_in_stage": ratio(sum(r["days"] for r in left), len(left), 2),
                "days_so_far": ratio(sum((end - r["entered_on"]).days for r in stayed), len(stayed), 2),
                **{
                    f"touchpoints_{channel}": sum(n for (s, d, c), n in touches.items() if (s, c) == (stage, channel) and start <= d <= end)
                    for channel in CHANNELS
                },
                "alert": conversion is not None and conversion < setting["alert_below"],
            }
