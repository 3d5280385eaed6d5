"""Two limits at once: how many picks, and what they may cost together."""

import helpers
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from graphsel.cli.main import main
from graphsel.core.errors import GraphselError
from graphsel.selection.select import select

PRICES = {g: float(p) for g, p in zip(helpers.GENES, np.random.default_rng(0).integers(1, 9, 40))}


@pytest.mark.parametrize("criterion", ["variance", "graphreach", "facility"])
@pytest.mark.parametrize("most", [12.0, 25.0, 1000.0])
def test_both_limits_hold(criterion, most):
    plan = select(helpers.GRAPH, 8, criterion, costs=PRICES, max_cost=most)
    assert len(plan.genes) <= 8 and sum(PRICES[g] for g in plan.genes) <= most
    assert plan.to_frame()["cost"].tolist() == [PRICES[g] for g in plan.genes]
    assert plan.budget == 8


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


def test_refusals():
    with pytest.raises(GraphselError, match="give their costs"):
        select(helpers.GRAPH, 3, max_cost=5)
    groups = dict.fromkeys(helpers.GENES, "a")
    with pytest.raises(GraphselError, match="groups and max_cost"):
        select(helpers.GRAPH, 9, costs=PRICES, max_cost=9, groups=groups, caps=9)


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
