"""What to do: fit, outreach, offer outcomes."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from statistics import median

from .customers import CRM, accepted, by_golden, latest_consent
from .ledger import ZERO
from .warehouse import ratio, rounded


def percentile_ranks(rows, column):
    values = sorted(row[column] for row in rows)
    least = {}
    for place, value in enumerate(values):
        least.setdefault(value, place)
    return {
        row["golden_id"]: rounded(Decimal(least[row[column]] / (len(rows) - 1) if len(rows) > 1 else 0), 6) for row in rows
    }


def fit(ledger, economics, segments):
    segment = {row["golden_id"]: row["micro_segment"] for row in segments}
    revenue = defaultdict(list)
    for row in economics:
        revenue[segment[row["golden_id"]]].append(row["revenue_365"])
    medians = {name: rounded(median(values)) for name, values in revenue.items()}
    ranks = {name: percentile_ranks(economics, f"{name}_365") for name in ("recurring_revenue", "labour", "communication", "hard")}
    stated = {}
    for row in sorted(ledger.tables["customer_history"], key=lambda r: r["stated_on"]):
        if ledger.day - timedelta(120) <= row["day"] <= ledger.day:
            stated.setdefault(row["golden_id"], {})[row["day"]] = row["service_level"]
    for row in economics:
        golden = row["golden_id"]
        up = ranks["recurring_revenue"][golden]
        down = {name: 1 - ranks[name][golden] for name in ("labour", "communication", "hard")}
        levels, since = stated.get(golden, {}), None
        for day in sorted(levels, reverse=True):
            if levels[day] != "self_service":
                break
            since = day
        low = row["profitability"] is not None and row["profitability"] < Decimal("0.30")
        falling = row["trend"] is not None and row["trend"] < Decimal("0.9")
        long = since is not None and since <= ledger.day - timedelta(90)
        under = row["revenue_365"] < medians[segment[golden]]
        leaving = low and falling and long
        yield {
            "golden_id": golden,
            "score": rounded((up + sum(down.values())) / 4, 6),
            "recurring_rank": up,
            **{f"{name}_rank": rank for name, rank in down.items()},
            "median_revenue": medians[segment[golden]],
            "self_service_since": since,
            "low_profitability": low, "falling": falling, "long_self_service": long, "under_median": under,
            "decision": "exit" if leaving else "maintain" if low or not under else "grow",
            "action": "cut_cost_to_serve" if low and not leaving else None,
        }


def outreach(ledger, economics, behaviours, segments):
    signals = defaultdict(lambda: defaultdict(list))
    for row in ledger.tables["customer_signals"]:
        signals[row["golden_id"]][row["signal"]].append(row)
    economics = {row["golden_id"]: row for row in economics}
    behaviours = {row["golden_id"]: row for row in behaviours}
    stage = {row["golden_id"]: row["stage"] for row in segments}
    contacts = defaultdict(list)
    for golden, rows in by_golden(ledger, "interactions", "started_on").items():
        contacts[golden] += [r["started_on"] for r in rows if r["direction"] == "out"]
    for golden, rows in by_golden(ledger, "offers", "sent_on").items():
        contacts[golden] += [r["sent_on"] for r in rows]
    consent = {c: latest_consent(ledger, "marketing", c) for c in ("call", "chat", "email", "visit", "social")}
    for customer in ledger.tables["customers"]:
        golden = customer["golden_id"]
        signal, bought, habit = signals[golden], economics[golden], behaviours[golden]
        wanted = [
            (1, "answer_detractor", "service", signal["detractor_unanswered"]),
            (2, "answer_case", "service", signal["case_critical"]),
            (3, "recover_cart", "advert", signal["cart_left"]),
            (4, "win_back", "discount", bought["lapsed"] and not bought["one_time_buyer"]),
            (5, "second_purchase", "bundle", bought["one_time_buyer"]),
            (6, "onboard", "service", stage[golden] == "onboarding"),
            (7, "ask_advocacy", "loyalty", signal["promoter"]),
        ]
        chosen = next((action for action in wanted if action[3]), None)
        if chosen is None:
            continue
        priority, action, offer, _ = chosen
        phone, preferred = customer["mobile"] or customer["phone"], habit["preferred_channel"]
        reaches = {"chat": True, "visit": True, "social": True, "email": customer["email"], "call": phone}
        channel = preferred if reaches.get(preferred) else "email" if customer["email"] else "call" if phone else "visit"
        hour = 9 if habit["preferred_hour"] is None else min(max(habit["preferred_hour"], 9), 19)
        week = sorted((d for d in contacts[golden] if ledger.day - timedelta(7) < d <= ledger.day), reverse=True)
        returned = [
            line["occurred_on"] for line in ledger.lines[golden]
            if line["kind"] == "return" and line["occurred_on"] > ledger.day - timedelta(14)
        ]
        reason = until = None
        if priority > 2:
            if signal["case_critical"]:
                reason = "case_critical"
            elif returned:
                reason, until = "returned", max(returned) + timedelta(14)
            elif not consent[channel].get(golden, False):
                reason = "no_consent"
            elif len(week) >= 2:
                reason, until = "contacts_a_week", week[1] + timedelta(7)
        yield {
            "golden_id": golden, "action": action, "priority": priority, "channel": channel,
            "weekday": habit["preferred_weekday"] or 1, "hour": hour, "offer": offer,
            "discount": Decimal("0.2000") if action == "win_back" else None,
            "valid_until": ledger.day + timedelta(7) if action == "win_back" else None,
            "suppressed": reason is not None, "suppressed_reason": reason, "suppressed_until": until,
        }


def offer_outcomes(ledger, segments):
    segment = {row["golden_id"]: (row["micro_segment"], row["tier"]) for row in segments}
    groups, bought = defaultdict(list), defaultdict(dict)
    for golden, rows in by_golden(ledger, "offers", "sent_on").items():
        for row in rows:
            key = (*segment[golden], row["kind"], row["channel"])
            known = (row["responded_at"] or row["sent_at"]).astimezone(CRM).date() <= ledger.day
            groups[key].append(row["response"] if known else "none")
            if not accepted(ledger, row):
                continue
            for line in ledger.lines[golden]:
                if line["kind"] in ("sale", "invoice") and row["sent_on"] <= line["occurred_on"] <= row["sent_on"] + timedelta(14):
                    place = line["document_source"], line["document"], line["line_no"]
                    bought[key][place] = line["reporting_net"]
    sent = sum(map(len, groups.values()))
    agreed = sum(r == "accepted" for responses in groups.values() for r in responses)
    for key, responses in groups.items():
        yes = sum(r == "accepted" for r in responses)
        yield {
            **dict(zip(("segment", "tier", "kind", "channel"), key)),
            "sent": len(responses), "answered": sum(r != "none" for r in responses), "accepted": yes,
            "rate": ratio(yes, len(responses)),
            "revenue_14": sum(bought[key].values(), ZERO),
            "predicted_rate": ratio(yes * sent + 20 * agreed, (len(responses) + 20) * sent),
        }
