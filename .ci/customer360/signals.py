"""What asks for an answer: customer_signals, signal by signal, from the facts."""

from collections import defaultdict
from datetime import datetime, timedelta, timezone
from decimal import ROUND_DOWN, Decimal
from statistics import median

from .customers import accepted, by_golden
from .ledger import ZERO, days
from .warehouse import ratio, rounded

LOOK_BACK = 30


def middle(amounts):
    """The median to the cent; of an even number, the mean of the two in the middle, cut off."""
    return median(amounts).quantize(Decimal("0.01"), ROUND_DOWN)


def spend_shift(ledger, golden, first):
    """The robust z of the last 30 days, or nothing."""
    known = [n for n in range(1, 13) if first <= ledger.day - days(30 * n + 29)]
    if len(known) < 6:
        return None
    amounts = defaultdict(lambda: ZERO)
    for line in ledger.lines[golden]:
        if line["reporting_net"] is not None:
            amounts[(ledger.day - line["occurred_on"]).days // 30] += line["reporting_net"]
    before = [amounts[n] for n in known]
    usual = middle(before)
    deviation = middle([abs(amount - usual) for amount in before])
    return rounded((amounts[0] - usual) / (Decimal("1.4826") * deviation), 4) if deviation else None


def signals(ledger, economics, behaviours, located):
    day = ledger.day
    now = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
    recent = lambda when: day - days(LOOK_BACK) < when <= day
    clicks = by_golden(ledger, "web_activity", "occurred_on")
    tickets = by_golden(ledger, "tickets", "opened_on")
    talks = by_golden(ledger, "interactions", "started_on")
    surveys = by_golden(ledger, "surveys", "answered_on")
    offers = by_golden(ledger, "offers", "sent_on")
    sent = sum(map(len, offers.values()))
    mean = ratio(sum(accepted(ledger, o) for rows in offers.values() for o in rows), sent, 6)
    economics = {row["golden_id"]: row for row in economics}
    behaviours = {row["golden_id"]: row for row in behaviours}
    places = {row["golden_id"]: row for row in located}

    def of(golden):
        """(signal, value, evidence, at)."""
        bought = [(line["category"], line["occurred_at"]) for line in ledger.lines[golden] if line["kind"] == "sale"]
        bought += [(c["category"], c["occurred_at"]) for c in clicks[golden] if c["kind"] == "purchase"]
        for click in clicks[golden]:
            over = click["occurred_at"] + timedelta(hours=72)
            if click["kind"] == "cart_add" and recent(click["occurred_on"]) and over.date() <= day:
                if not any(c == click["category"] and click["occurred_at"] <= at <= over for c, at in bought):
                    yield "cart_left", click["category"], f"web_activity:{click['event_id']}", click["occurred_at"]
        asked = defaultdict(list)
        for case in tickets[golden]:
            evidence = f"tickets:{case['ticket_id']}"
            asked[case["topic"]].append((case["opened_at"], evidence, case["opened_on"]))
            if case["closed_on"] is None or case["closed_on"] > day:
                yield "case_open", case["severity"], evidence, case["opened_at"]
                if case["severity"] in ("high", "critical"):
                    yield "case_critical", case["severity"], evidence, case["opened_at"]
            if case["complaint"] and recent(case["opened_on"]):
                yield "complaint", case["topic"], evidence, case["opened_at"]
        for talk in talks[golden]:
            if talk["direction"] == "in" and talk["topic"] is not None:
                asked[talk["topic"]].append((talk["started_at"], f"interactions:{talk['interaction_id']}", talk["started_on"]))
        for topic, times in asked.items():
            times.sort()
            for (before, _, _), (at, evidence, when) in zip(times, times[1:]):
                if at <= before + days(14) and recent(when):
                    yield "asked_again", topic, evidence, at
        returned = defaultdict(list)
        for line in ledger.lines[golden]:
            if line["kind"] == "return" and line["occurred_on"] > day - days(14):
                returned[line["document"]].append(line)
        for document, lines in returned.items():
            amount = sum((-line["reporting_net"] for line in lines), ZERO)
            yield "returned", str(rounded(amount)), f"transactions:{document}", max(line["occurred_at"] for line in lines)
        first = economics[golden]["first_purchase_on"]
        z = spend_shift(ledger, golden, first) if first else None
        if z is not None and abs(z) > 3:
            yield "spend_shift", str(z), f"customer_economics:{golden}", now
        place = places[golden]
        if place["located_by"] in ("postcode", "city") and place["store_km"] < 5:
            value = f"{place['nearest_store_id']} {place['store_km']} km"
            yield "near_store", value, f"customer_places:{golden}", now
        share = behaviours[golden]["reward_share"]
        if share is not None and share > Decimal("0.60"):
            yield "reward_only", str(share), f"customer_behaviour:{golden}", now
        if offers[golden]:
            yes = sum(accepted(ledger, o) for o in offers[golden])
            rate = rounded((yes + 20 * mean) / (len(offers[golden]) + 20), 6)
            if rate > 2 * mean:
                yield "offer_responsive", str(rate), f"customer_behaviour:{golden}", max(o["sent_at"] for o in offers[golden])
        answered = sorted(surveys[golden], key=lambda s: (s["answered_at"], s["survey_id"]))
        for survey in answered:
            open_still = survey["followed_up_on"] is None or survey["followed_up_on"] > day
            if survey["score"] <= 6 and open_still:
                yield "detractor_unanswered", str(survey["score"]), f"surveys:{survey['survey_id']}", survey["answered_at"]
        if answered and answered[-1]["score"] >= 9:
            yield "promoter", str(answered[-1]["score"]), f"surveys:{answered[-1]['survey_id']}", answered[-1]["answered_at"]

    for golden in ledger.customers:
        for signal, value, evidence, at in of(golden):
            yield {"golden_id": golden, "signal": signal, "value": value, "evidence": evidence, "at": at}
