"""What customers are and do: behaviour, environment, the profile's completeness, the loyalty programme."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from math import asin, cos, radians, sin, sqrt
from zoneinfo import ZoneInfo

from .warehouse import ratio, rounded

CRM = ZoneInfo("Asia/Dubai")

FAMILIES = {
    "demographic": "kind size industry location birth_date gender language",
    "transactional": "revenue returns discounts referrals cost_to_serve profit first_purchase_on "
    "last_purchase_on recurring_revenue days_to_pay",
    "environmental": "occupation_mix personal_income household_income education household_size "
    "home_value net_worth affluence disposable_income consumer_purchases travel_spend price_index",
    "behavioural": "recency_days frequency monetary recency_quintile frequency_quintile "
    "monetary_quintile preferred_hour preferred_weekday preferred_channel preferred_device "
    "answer_share offer_response discount_share reward_share top_category spend_trend",
    "social": "likes shares posts comments reach degree weighted_degree pagerank advocate",
}


def by_golden(ledger, name, day_column=None):
    """A fact's rows by golden customer, to the logical date."""
    rows = defaultdict(list)
    for row in ledger.tables[name]:
        golden = ledger.golden.get((row["source"], row["record_id"]))
        if golden is not None and (day_column is None or row[day_column] <= ledger.day):
            rows[golden].append(row)
    return rows


def accepted(ledger, offer):
    """Whether an offer is known to be accepted at the logical date."""
    answered = offer["responded_at"] or offer["sent_at"]
    return offer["response"] == "accepted" and answered.astimezone(CRM).date() <= ledger.day


def quintiles(buyers, value):
    """By rank, ties by golden_id, 5 best: the larger parts first, as ntile cuts them."""
    order = sorted(buyers, key=lambda row: (row[value], row["golden_id"]))
    size, larger = divmod(len(order), 5)
    places = {}
    for number, row in enumerate(order):
        part = number // (size + 1) if number < larger * (size + 1) else larger + (number - larger * (size + 1)) // size
        places[row["golden_id"]] = part + 1
    return places


def behaviour(ledger, economics):
    documents = defaultdict(dict)
    spent = defaultdict(lambda: defaultdict(Decimal))
    for golden, lines in ledger.lines.items():
        for line in lines:
            if line["kind"] not in ("sale", "invoice"):
                continue
            document = documents[golden].setdefault((line["document_source"], line["document"]), [])
            document.append(line)
            if line["category"] is not None and line["reporting_net"] is not None:
                spent[golden][line["category"]] += line["reporting_net"]
    interactions = by_golden(ledger, "interactions", "started_on")
    offers = by_golden(ledger, "offers", "sent_on")
    visits = by_golden(ledger, "web_activity", "occurred_on")
    buyers = [row for row in economics if row["purchases"]]
    places = {
        name: quintiles(buyers, value)
        for name, value in (("recency", "last_purchase_on"), ("frequency", "purchases_365"), ("monetary", "revenue_365"))
    }
    for row in economics:
        golden = row["golden_id"]
        weights = {habit: defaultdict(int) for habit in ("hour", "weekday", "channel", "device")}

        def touch(day, hour, channel, device):
            weight = int(rounded(Decimal(0.5 ** ((ledger.day - day).days / 90.0) * 1e9), 0))
            for habit, choice in (("hour", hour), ("weekday", day.isoweekday()), ("channel", channel), ("device", device)):
                if choice is not None:
                    weights[habit][choice] += weight

        for i in interactions[golden]:
            touch(i["started_on"], i["started_hour"], i["channel"], i["device"])
        for (source, _), lines in documents[golden].items():
            hours = [line["occurred_hour"] for line in lines if line["occurred_hour"] is not None]
            day = min(line["occurred_on"] for line in lines)
            touch(day, min(hours, default=None), "store" if source == "pos_sales" else None, None)
        for visit in visits[golden]:
            if visit["kind"] == "purchase":
                touch(visit["occurred_on"], visit["occurred_hour"], "web", visit["device"])
        best = {h: min(w, key=lambda c: (-w[c], c)) if w else None for h, w in weights.items()}
        out = [i for i in interactions[golden] if i["direction"] == "out"]
        sent = offers[golden]
        bought = list(documents[golden].values())
        discounted = sum(any(line["discount"] > 0 for line in lines) for lines in bought)
        rewarded = sum(any(line["reward_used"] for line in lines) for lines in bought)
        categories = spent[golden]
        yield {
            "golden_id": golden,
            "recency_days": (ledger.day - row["last_purchase_on"]).days if bought else None,
            "frequency": row["purchases_365"],
            "monetary": row["revenue_365"],
            **{f"{name}_quintile": place.get(golden) for name, place in places.items()},
            **{f"preferred_{habit}": choice for habit, choice in best.items()},
            "interactions": len(interactions[golden]),
            "contacted": len(out),
            "answer_share": ratio(sum(i["outcome"] is not None and i["outcome"] != "no_answer" for i in out), len(out)),
            "offers": len(sent),
            "offer_response": ratio(sum(accepted(ledger, o) for o in sent), len(sent)),
            "purchases": len(bought),
            "discounted": discounted,
            "rewarded": rewarded,
            "discount_share": ratio(discounted, len(bought)),
            "reward_share": ratio(rewarded, len(bought)),
            "categories": len(categories),
            "top_category": min(categories, key=lambda c: (-categories[c], c)) if categories else None,
            "spend_trend": row["trend"],
        }


def latest_consent(ledger, purpose, channel=None):
    """What each customer said last: true, false, or nothing."""
    latest = {}
    for golden, rows in by_golden(ledger, "consents", "stated_on").items():
        said = [r for r in rows if r["purpose"] == purpose and (channel is None or r["channel"] in (None, channel))]
        if said:
            at = max(r["stated_at"] for r in said)
            latest[golden] = all(r["granted"] for r in said if r["stated_at"] == at)
    return latest


def kilometres(a, b):
    """The great-circle distance of two (latitude, longitude), by the haversine formula, to the metre."""
    (north_l, east_l), (north_r, east_r) = ([radians(float(x)) for x in place] for place in (a, b))
    chord = sin((north_r - north_l) / 2) ** 2 + cos(north_l) * cos(north_r) * sin((east_r - east_l) / 2) ** 2
    return rounded(Decimal(2 * 6371.0088 * asin(sqrt(chord))), 3)


def area_middles(ledger):
    return {
        (row["area_kind"], row["area"].lower(), row["country"]): (row["latitude"], row["longitude"], row["area"])
        for row in ledger.tables["area_places"]
    }


def places(ledger):
    """Where each customer is: its postal code, else its city, else the shop it mostly buys in."""
    middles = area_middles(ledger)
    shops = {row["store_id"]: (row["latitude"], row["longitude"]) for row in ledger.tables["raw_ref_stores"]}
    visits = defaultdict(lambda: defaultdict(set))
    for golden, lines in ledger.lines.items():
        for line in lines:
            if line["kind"] == "sale":
                visits[golden][line["store_id"]].add(line["document"])
    for customer in ledger.tables["customers_for_enrichment"]:
        golden, by, place, at = customer["golden_id"], None, None, None
        for kind in ("postcode", "city"):
            found = customer[kind] and middles.get((kind, customer[kind].lower(), customer["country"]))
            if found and at is None:
                by, place, at = kind, found[2], found[:2]
        if at is None and visits[golden]:
            place = min(visits[golden], key=lambda store: (-len(visits[golden][store]), store))
            by, at = "store", shops[place]
        near = min(((kilometres(at, shop), store) for store, shop in shops.items()), default=None) if at else None
        yield {
            "golden_id": golden,
            "located_by": by,
            "place": place,
            "latitude": at and rounded(Decimal(at[0]), 6),
            "longitude": at and rounded(Decimal(at[1]), 6),
            "nearest_store_id": near and near[1],
            "store_km": near and near[0],
        }


def environment(ledger, located):
    """As known at the logical date; areas are compared as the reference names them, but for case."""
    usable, any_row = {}, set()
    for row in ledger.tables["raw_ref_environment"]:
        area = row["country"] if row["area_kind"] == "country" else row["area"].lower()
        key = row["area_kind"], area, row["country"], row["attribute"]
        any_row.add(key)
        if row["valid_from"] <= ledger.day and row["known_at"] <= ledger.day:
            order = row["valid_from"], row["known_at"]
            if key not in usable or order > usable[key][0]:
                usable[key] = order, row
    attributes = sorted({row["attribute"] for row in ledger.tables["raw_ref_environment"]})
    allowed = latest_consent(ledger, "enrichment")
    around = {row["golden_id"]: (row["latitude"], row["longitude"]) for row in located}
    near_by = {}

    def near(at):
        """The areas within 25 km, the nearest first."""
        if at not in near_by:
            distances = [(kilometres(at, (m[0], m[1])), key[0], m[2], key) for key, m in area_middles(ledger).items()]
            near_by[at] = [(km, key) for km, _, _, key in sorted(distances) if km <= 25]
        return near_by[at]

    for customer in ledger.tables["customers_for_enrichment"]:
        golden, country = customer["golden_id"], customer["country"]
        kinds = [kind for kind in ("postcode", "city") if customer[kind] is not None]
        areas = [(kind, None, (kind, customer[kind].lower(), country)) for kind in kinds]
        if around[golden][0] is not None:
            areas += [("nearest", km, key) for km, key in near(around[golden])]
        if country is not None:
            areas.append(("country", None, ("country", country, country)))
        for attribute in attributes:
            found = next(((level, km, usable[(*key, attribute)][1]) for level, km, key in areas if (*key, attribute) in usable), None)
            level, km, row = found or (None, None, {})
            reason = None
            if not allowed.get(golden, True):
                level, km, row, reason = None, None, {}, "no_consent"
            elif not areas:
                reason = "no_area"
            elif not found:
                reason = "not_yet_known" if any((*key, attribute) in any_row for _, _, key in areas) else "unknown_area"
            yield {
                "golden_id": golden,
                "attribute": attribute,
                "value": row.get("value"),
                "level": level,
                "area": row.get("area"),
                "distance_km": km,
                "valid_from": row.get("valid_from"),
                "known_at": row.get("known_at"),
                "reason": reason,
            }


def coverage(ledger, environments):
    counts = defaultdict(int)
    for row in environments:
        counts[row["attribute"], row["level"] or row["reason"], row["level"] is not None] += 1
    for (attribute, outcome, known), customers in counts.items():
        yield {
            "attribute": attribute, "outcome": outcome, "known": known, "customers": customers,
            "share": ratio(customers, len(ledger.customers), 6),
        }


def social(ledger):
    """Accounts, what they did, and whom their customers follow: (customer_social, social_edges)."""
    accounts, edges = defaultdict(int), defaultdict(list)
    for row in ledger.tables["entity_members"]:
        accounts[row["golden_id"]] += row["source"] == "social_handles"
    for row in ledger.tables["raw_social_follows"]:
        ends = [ledger.golden.get(("social_handles", f"{row['platform']}/{row[end]}")) for end in ("follower", "followed")]
        if None not in ends and ends[0] != ends[1] and row["since"] <= ledger.day:
            edges[tuple(ends)].append(row["since"])
    deeds = by_golden(ledger, "engagements", "occurred_on")
    referred = defaultdict(int)
    for row in ledger.tables["customer_relations"]:
        referred[row["golden_id"]] += row["relation"] == "referred"
    rows = []
    for golden, number in accounts.items():
        if not number:
            continue
        out, into = ([e for e in edges if e[side] == golden] for side in (0, 1))
        kinds = {kind: sum(d["kind"] == kind for d in deeds[golden]) for kind in ("like", "share", "post", "comment")}
        rows.append({
            "golden_id": golden, "accounts": number,
            **{f"{kind}s": count for kind, count in kinds.items()},
            "reach": sum(d["reach"] for d in deeds[golden]),
            "last_engaged_at": max((d["occurred_at"] for d in deeds[golden]), default=None),
            "degree": len({e[1] for e in out} | {e[0] for e in into}),
            "weighted_degree": sum(len(edges[e]) for e in out + into),
            "following": len(out), "followers": len(into),
            "advocate": referred[golden] > 0 or kinds["share"] + kinds["post"] >= 5,
        })
    links = [
        {"golden_id": a, "other_golden_id": b, "weight": len(since), "since": min(since), "mutual": (b, a) in edges}
        for (a, b), since in edges.items()
    ]
    return rows, links


def profile(ledger, economics, behaviours, environments):
    """Attributes from where they are made, and how complete they are."""
    social = {row["golden_id"]: row for row in ledger.tables["customer_social"]}
    economics = {row["golden_id"]: row for row in economics}
    behaviours = {row["golden_id"]: row for row in behaviours}
    around = defaultdict(dict)
    for row in environments:
        around[row["golden_id"]][row["attribute"]] = row
    for customer in ledger.tables["customers"]:
        golden = customer["golden_id"]
        row = {name: customer[name] for name in "golden_id kind industry birth_date gender language".split()}
        row["size"] = customer["employees"]
        row |= {n: economics[golden][n] for n in FAMILIES["transactional"].split()}
        row |= {n: around[golden].get(n, {}).get("value") for n in FAMILIES["environmental"].split()}
        row |= {f"{n}_level": around[golden].get(n, {}).get("level") for n in FAMILIES["environmental"].split()}
        row |= {n: behaviours[golden][n] for n in FAMILIES["behavioural"].split()}
        row |= {n: social.get(golden, {}).get(n) for n in FAMILIES["social"].split()}
        location = customer["city"] or customer["postcode"] or customer["country"]
        known_in_all = 0
        for family, names in FAMILIES.items():
            known = sum((location if n == "location" else row[n]) is not None for n in names.split())
            known_in_all += known
            row[f"{family}_completeness"] = ratio(known, len(names.split()))
        row["profile_completeness"] = ratio(known_in_all, sum(len(n.split()) for n in FAMILIES.values()))
        yield row


def loyalty_metrics(ledger, economics, behaviours):
    cards = by_golden(ledger, "loyalty", "enrolled_on")
    economics = {row["golden_id"]: row for row in economics}
    behaviours = {row["golden_id"]: row for row in behaviours}
    tiers = defaultdict(list)
    for golden, held in cards.items():
        held = [c for c in held if c["left_on"] is None or c["left_on"] > ledger.day]
        if held:
            card = max(held, key=lambda c: (c["enrolled_on"], c["card_id"]))
            for tier in (card["tier"], "all"):
                tiers[tier].append((golden, card["paid"]))
    for tier, members in tiers.items():
        last = [economics[golden]["last_purchase_on"] for golden, _ in members]
        active = sum(day is not None and day > ledger.day - timedelta(90) for day in last)
        paying = sum(paid for _, paid in members)
        yield {
            "tier": tier,
            "members": len(members),
            "active_members": active,
            "paying_members": paying,
            "enrolment_rate": ratio(len(members), len(ledger.customers)),
            "paid_rate": ratio(paying, len(members)),
            "active_rate": ratio(active, len(members)),
            "reward_share": ratio(sum(behaviours[g]["rewarded"] for g, _ in members), sum(behaviours[g]["purchases"] for g, _ in members)),
            "revenue_365": sum(economics[g]["revenue_365"] for g, _ in members),
        }
