"""Limits at once: how many picks, what they may cost together, wells, caps and preferences."""

from collections import Counter
from dataclasses import dataclass
from itertools import combinations

import helpers
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from graphsel.cli.main import main
from graphsel.core.errors import GraphselError
from graphsel.criteria.registry import make_criterion
from graphsel.graphs.build import from_edges
from graphsel.selection.budget import budget_curve
from graphsel.selection.greedy import greedy
from graphsel.selection.plan import describe
from graphsel.selection.select import select

PRICES = {g: float(p) for g, p in zip(helpers.GENES, np.random.default_rng(0).integers(1, 9, 40))}


@pytest.mark.parametrize("criterion", ["variance", "graphreach", "facility"])
@pytest.mark.parametrize("most", [12.0, 25.0, 1000.0])
def test_both_limits_hold(criterion, most):
    plan = select(helpers.GRAPH, 8, criterion, costs=PRICES, max_cost=most)
    assert len(plan.genes) <= 8 and sum(PRICES[g] for g in plan.genes) <= most
    assert plan.to_frame()["cost"].tolist() == [PRICES[g] for g in plan.genes]
    assert plan.budget == 8 and plan.params["max_cost"] == most
    told = f"cost {sum(plan.columns['cost']):,.0f} of {most:,.0f}"
    assert told in describe(plan), "of the money, not of the number"
    fewer = f"{told}, enough for {len(plan)} of 8 picks"
    assert (fewer in describe(plan)) == (len(plan) < 8)


def small(seed, n=11):
    "A graph, prices and groups so small that every plan can be tried."
    rng = np.random.default_rng(seed)
    names = [f"g{i:02}" for i in range(n)]
    pairs = [pair for pair in combinations(names, 2) if rng.random() < 0.25]
    graph = from_edges(*zip(*pairs, strict=True))
    prices = {g: float(rng.integers(1, 10)) for g in graph.genes}
    return graph, prices, {g: "ab"[i % 2] for i, g in enumerate(graph.genes)}


def promised(guarantee):
    "The share that theory promises."
    shares = {"at least (1 - 1/e)/2": (1 - np.exp(-1)) / 2, "at least 1 - 1/e": 1 - np.exp(-1)}
    shares["at least 1/2"] = 0.5
    return next((v for text, v in shares.items() if guarantee.startswith(text)), 0.0)


@dataclass
class Feasible:
    "Whether a set of picks keeps to a sum and to three of each group."

    prices: dict
    money: float | None
    groups: dict

    def __call__(self, picks):
        parts = Counter(self.groups[g] for g in picks if g in self.groups)
        spent = sum(self.prices[g] for g in picks)
        return max(parts.values(), default=0) <= 3 and (self.money is None or spent <= self.money)


ASKED = {
    "number": {"budget": 3},
    "money": {"budget": 11.0},
    "both": {"budget": 3, "max_cost": 11},
    "much money": {"budget": 3, "max_cost": 90},
    "much room": {"budget": 9, "max_cost": 11},
    "wells": {"budget": None, "room": 3},
    "wells and money": {"budget": None, "room": 3, "max_cost": 11},
    "wells and cost units": {"budget": 11.0, "room": 3},
    "number, wells and money": {"budget": 3, "room": 4, "max_cost": 11},
    "money alone": {"budget": None, "max_cost": 11},
}


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("more", ["", "must", "caps", "must and caps"])
def test_each_combination_against_every_plan(name, more):
    asked = dict(ASKED[name])
    for seed in range(3):
        graph, prices, groups = small(seed)
        genes, limits = list(graph.genes), {}
        costs = None if name == "number" else prices
        money = asked.get("max_cost", asked["budget"] if costs else None)
        number = asked["budget"] if "max_cost" in asked or name == "number" else None
        number = min(number or len(genes), asked.get("room", len(genes)))
        if name == "wells":
            money = None
        if "must" in more:
            limits["must"] = [genes[2]]
        if "caps" in more:
            limits |= {"groups": groups, "caps": 3}

        fits = Feasible(prices, money, groups if "caps" in more else {})
        for criterion in ("graphreach", "facility"):
            if "caps" in more and number > 6 and money is None:
                continue
            f = make_criterion(criterion, graph, genes, genes)
            must = set(limits.get("must", ()))
            every = (
                picks
                for k in range(1, number + 1)
                for picks in combinations(genes, k)
                if must <= set(picks) and fits(picks)
            )
            best = max(f.value(picks) for picks in every)
            plan = select(graph, criterion=criterion, costs=costs, **asked, **limits)
            assert must <= set(plan.genes) and fits(plan.genes) and len(plan) <= number
            assert plan.upper_bound >= best - 1e-9 and plan.value <= best + 1e-9
            assert plan.certificate <= plan.value / best + 1e-9
            if not must:
                assert plan.value >= promised(plan.guarantee) * best - 1e-9
            if "both" in name and "caps" not in more:
                assert plan.value >= 0.8 * best


def test_an_exact_plan_keeps_both_limits():
    graph, prices, _ = small(1)
    f = make_criterion("graphreach", graph, list(graph.genes), list(graph.genes))
    plan = greedy(f, 11, costs=prices, number=2, method="exact")
    every = (s for k in (1, 2) for s in combinations(graph.genes, k))
    best = max(f.value(s) for s in every if sum(prices[g] for g in s) <= 11)
    assert len(plan) <= 2 and plan.value == pytest.approx(best) == pytest.approx(plan.upper_bound)


def test_joint_costs_do_better_than_money_alone():
    "Where both limits bind, neither the cheap nor the dear ones alone."
    plan = select(helpers.GRAPH, 12, costs=PRICES, max_cost=30)
    by_money = select(helpers.GRAPH, 30, costs=PRICES).genes[:12]
    assert plan.value >= plan.criterion.value(by_money)


def test_money_that_is_no_limit_changes_nothing():
    plan = select(helpers.GRAPH, 6, costs=PRICES, max_cost=1000)
    assert plan.genes == select(helpers.GRAPH, 6).genes


def test_a_number_that_is_no_limit_changes_nothing():
    plan = select(helpers.GRAPH, 40, costs=PRICES, max_cost=20)
    assert plan.genes == select(helpers.GRAPH, 20, costs=PRICES).genes


def test_must_haves_count_in_both():
    dear = max(PRICES, key=PRICES.get)
    plan = select(helpers.GRAPH, 3, costs=PRICES, max_cost=PRICES[dear] + 2, must=[dear])
    assert plan.genes[0] == dear and sum(PRICES[g] for g in plan.genes) <= PRICES[dear] + 2
    with pytest.raises(GraphselError, match="must-have"):
        select(helpers.GRAPH, 3, costs=PRICES, max_cost=PRICES[dear] - 0.5, must=[dear])
    with pytest.raises(GraphselError, match="must-have"):
        select(helpers.GRAPH, 2, costs=PRICES, max_cost=15, must=helpers.GENES[:3])


def test_refusals():
    with pytest.raises(GraphselError, match="give their costs"):
        select(helpers.GRAPH, 3, max_cost=5)
    with pytest.raises(GraphselError, match="nothing limits"):
        select(helpers.GRAPH, None)
    with pytest.raises(GraphselError, match="do not fit"):
        select(helpers.GRAPH, 9, room=8)
    with pytest.raises(GraphselError, match="no gain to weigh"):
        select(helpers.GRAPH, 9, "degree", costs=PRICES, max_cost=9)
    with pytest.raises(GraphselError, match="weights must be positive"):
        select(helpers.GRAPH, 9, prefer={helpers.GENES[0]: 0.0})
    with pytest.raises(GraphselError, match="knows no preferences"):
        select(helpers.GRAPH, 2, "graphreach", prefer={helpers.GENES[0]: 2.0}, method="exact")


@pytest.mark.parametrize("criterion", ["variance", "graphreach", "softreach", "facility"])
def test_preferences_count_gains_so_many_times(criterion):
    rng = np.random.default_rng(1)
    prefer = {g: float(v) for g, v in zip(helpers.GENES, rng.uniform(0.3, 3, 40), strict=True)}
    plan = select(helpers.GRAPH, 6, criterion, prefer=prefer)
    state = make_criterion(criterion, helpers.GRAPH).start()
    for gene in plan.genes:
        scores = state.gains() * [prefer[g] for g in state.elements]
        scores[
            state.positions([g for g in plan.genes if g in plan.genes[: plan.genes.index(gene)]])
        ] = 0
        j = int(state.positions([gene])[0])
        assert scores[j] == pytest.approx(scores.max(), rel=1e-6)
        state.add(j)
    assert plan.value == pytest.approx(state.current), "the value itself is not weighted"
    assert plan.guarantee.startswith("none")
    assert plan.upper_bound is None or plan.upper_bound >= select(helpers.GRAPH, 6, criterion).value
    alike = dict.fromkeys(helpers.GENES, 3.0)
    assert select(helpers.GRAPH, 6, criterion, prefer=alike).genes == (
        select(helpers.GRAPH, 6, criterion).genes
    )
    assert "expected_error" in budget_curve(plan) or criterion != "variance"


def test_preferences_with_money():
    dear = max(PRICES, key=PRICES.get)
    asked = {"costs": PRICES, "max_cost": 20}
    liked = select(helpers.GRAPH, 5, "graphreach", prefer={dear: 1000.0}, **asked)
    assert dear in liked.genes and sum(PRICES[g] for g in liked.genes) <= 20
    assert dear not in select(helpers.GRAPH, 5, "graphreach", prefer={dear: 0.001}, **asked).genes


def test_the_command(tmp_path):
    edges = [(a, b) for a, b in zip(helpers.GENES, helpers.GENES[1:], strict=False)]
    pd.DataFrame(edges, columns=["source", "target"]).to_csv(tmp_path / "net.csv", index=False)
    table = pd.DataFrame({"gene": list(PRICES), "cost": list(PRICES.values())})
    table.to_csv(tmp_path / "costs.csv", index=False)

    def ask(*args):
        files = ["--graph", tmp_path / "net.csv", "--out", tmp_path / "p.csv"]
        return CliRunner().invoke(main, [str(o) for o in ("select", *files, *args)])

    money = ["--costs", tmp_path / "costs.csv", "--max-cost", 15]
    assert ask(*money, "--budget", 6).exit_code == 0
    both = pd.read_csv(tmp_path / "p.csv")
    assert len(both) <= 6 and both["cost"].sum() <= 15
    assert ask(*money).exit_code == 0
    alone = pd.read_csv(tmp_path / "p.csv")
    assert ask("--costs", tmp_path / "costs.csv", "--budget", 15).exit_code == 0
    pd.testing.assert_frame_equal(alone, pd.read_csv(tmp_path / "p.csv"))
    assert ask("--max-cost", 15, "--budget", 6).exit_code == 1
    assert ask().exit_code == 2


def test_a_curve_is_drawn_of_a_plan():
    with pytest.raises(GraphselError, match="expected a plan, as `select` makes it"):
        budget_curve(helpers.GRAPH)
