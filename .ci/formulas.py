"""Every formula of the customer 360 computed again, from the exports and the crosswalk.

Usage: formulas.py WAREHOUSE

Compares each table of the newest published run, column by column and exactly, with what plain
loops over its rows give. It was written from the definitions, and shares no code with the SQL.
Made by models and compared by their own tests: micro-segments, personas, customer_value, PageRank.
"""

import datetime
import json
import sys

from customer360 import actions, customers, journey, signals
from customer360.ledger import Ledger
from customer360.warehouse import Warehouse, differences, end


def computed(tables, ledger):
    """(table, expected rows, key) one after the other."""
    segments = tables["customer_segments"]
    settings = tables["stages"]
    economics = list(ledger.economics(ledger.day))
    tiers = list(ledger.tiers(economics))
    behaviours = list(customers.behaviour(ledger, economics))
    located = list(customers.places(ledger))
    environments = list(customers.environment(ledger, located))
    social, edges = customers.social(ledger)
    stages = journey.Stages(ledger)
    yield "transactions", ledger.transactions, ("document_source", "document", "line_no")
    yield "costs", ledger.costs, ("cost_id",)
    yield "customer_economics", economics, ("golden_id",)
    yield "customer_behaviour", behaviours, ("golden_id",)
    yield "customer_places", located, ("golden_id",)
    yield "customer_environment", environments, ("golden_id", "attribute")
    yield "environment_coverage", list(customers.coverage(ledger, environments)), ("attribute", "outcome")
    yield "customer_social", social, ("golden_id",)
    yield "social_edges", edges, ("golden_id", "other_golden_id")
    found = list(signals.signals(ledger, economics, behaviours, located))
    yield "customer_signals", found, ("golden_id", "signal", "evidence")
    yield "customer_profile", list(customers.profile(ledger, economics, behaviours, environments)), ("golden_id",)
    staged = [{**row, "stage": stages.at(row["golden_id"], ledger.day)} for row in tiers]
    yield "customer_segments", staged, ("golden_id",)
    yield "customer_movements", list(journey.movements(ledger)), ("golden_id", "moved_on", "movement")
    lived = list(journey.customer_periods(ledger, stages))
    yield "customer_periods", lived, ("period", "period_start", "golden_id")
    owners = {row["stage"]: row["owner"] for row in settings}
    stage = {row["golden_id"]: row["stage"] for row in segments}
    segment = {row["golden_id"]: row["micro_segment"] for row in segments}
    bought = {row["golden_id"]: row["purchases"] for row in economics}
    expected = [(owners[stage[v["golden_id"]]], v["expected_value_12m"], bought[v["golden_id"]]) for v in tables["customer_value"]]
    equity = list(journey.equity(ledger, lived, owners, expected))
    yield "customer_equity", equity, ("period", "period_start", "stage_owner")
    yield "retention", list(journey.retention(ledger)), ("cohort", "months_since")
    yield "stage_metrics", list(journey.stage_metrics(ledger, settings)), ("period", "period_start", "stage")
    yield "customer_fit", list(actions.fit(ledger, economics, segments)), ("golden_id",)
    yield "outreach", list(actions.outreach(ledger, economics, behaviours, segments)), ("golden_id",)
    yield "offer_outcomes", list(actions.offer_outcomes(ledger, segments)), ("segment", "tier", "kind", "channel")
    yield "loyalty_metrics", list(customers.loyalty_metrics(ledger, economics, behaviours)), ("tier",)
    yield "reconciliation", list(ledger.reconciliation()), ("invoice_no",)
    tier_of = {row["golden_id"]: row for row in tiers}
    today = [
        {"day": ledger.day, "golden_id": row["golden_id"], "tier": tier_of[row["golden_id"]]["tier"],
         "service_level": tier_of[row["golden_id"]]["service_level"], "stage": stage[row["golden_id"]],
         "micro_segment": segment[row["golden_id"]], "last_purchase_on": row["last_purchase_on"],
         "revenue_365": row["revenue_365"], "profit_365": row["profit_365"]}
        for row in economics
    ]
    yield "customer_history", today, ("day", "golden_id")
    wrong = {}
    for _, what in journey.wrong_spells(ledger, stages):
        wrong[what] = wrong.get(what, 0) + 1
    yield "customer_stages", wrong, None


def main(path):
    tables = Warehouse(path)
    current = json.loads((tables.path / "runs" / "current.json").read_text())
    ledger = Ledger(tables, datetime.date.fromisoformat(current["logical_date"]))
    problems, columns, compared = [], 0, 0
    for name, expected, key in computed(tables, ledger):
        compared += 1
        if key is None:
            problems += [f"{name}: {count} spells with a wrong {what}" for what, count in expected.items()]
            continue
        landed = tables[name]
        if name == "customer_history":
            latest = {}
            for row in sorted((r for r in landed if r["day"] == ledger.day), key=lambda r: r["stated_on"]):
                latest[row["golden_id"]] = row
            landed = list(latest.values())
        columns += len(expected[0]) if expected else 0
        found = list(differences(name, expected, landed, key))
        problems += found
        if not expected:
            problems.append(f"{name}: nothing to compare")
    if any(row["difference"] != 0 for row in tables["conservation"]):
        problems.append("conservation: a difference is not 0")
    for problem in problems:
        print(problem)
    print(f"{compared} tables, {columns} columns computed again, {len(problems)} problems")
    return bool(problems)


if __name__ == "__main__":
    end(main(sys.argv[1]))
