"""Pairs by the number of genes seen, and interactions, against plain loops."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from graphsel.benchmark.combinations import evaluate_by_seen, genes_seen, interactions
from graphsel.benchmark.compare import compare
from graphsel.benchmark.metrics import evaluate
from graphsel.benchmark.setting import split_genes
from graphsel.core.errors import GraphselError
from graphsel.graphs.build import from_edges
from graphsel.screens.screen import make_screen

NAMES = ["A", "B", "C", "A+B", "A+C", "B+D", "C+D"]


def screen_of(seed, names=NAMES):
    rng = np.random.default_rng(seed)
    return make_screen(pd.DataFrame(rng.normal(size=(len(names), 6)), names, list("uvwxyz")))


def test_genes_seen():
    assert genes_seen(["A+B", "A+C", "C+D", "A", "D"], ["A", "B+E"]).tolist() == [2, 1, 0, 1, 0]
    assert genes_seen(["A+B"], []).tolist() == [0]


def test_groups_are_those_of_evaluate():
    truth, prediction = screen_of(0), screen_of(1, NAMES[3:])
    found = evaluate_by_seen(prediction, truth, ["A", "B"]).set_index(["genes", "seen"])
    assert found["n"].to_dict() == {(2, 0): 1, (2, 1): 2, (2, 2): 1}
    one = evaluate(prediction[["A+C", "B+D"]], truth)
    assert found.loc[(2, 1), "mse"] == pytest.approx(one["mse"], rel=1e-5)
    scaled = evaluate_by_seen(prediction, truth, ["A", "B"], scale=2 * np.ones(6))
    assert scaled["mse"].tolist() == pytest.approx((found["mse"] / 4).tolist())


def test_interactions_by_hand():
    truth, prediction = screen_of(0), screen_of(1, NAMES[3:])
    found = interactions(prediction, truth).set_index("pair")
    assert set(found.index) == {"A+B", "A+C"}, "D was never measured alone"
    T, P = truth.to_df(), prediction.to_df()
    measured = T.loc["A+B"] - T.loc["A"] - T.loc["B"]
    told = P.loc["A+B"] - T.loc["A"] - T.loc["B"]
    assert found.loc["A+B", "measured"] == pytest.approx(np.linalg.norm(measured), rel=1e-5)
    assert found.loc["A+B", "predicted"] == pytest.approx(np.linalg.norm(told), rel=1e-5)
    assert found.loc["A+B", "correlation"] == pytest.approx(np.corrcoef(measured, told)[0, 1])
    assert found["measured"].is_monotonic_decreasing


def test_an_additive_prediction_has_no_interaction():
    truth = screen_of(0)
    T = truth.to_df()
    added = pd.DataFrame({"A+B": T.loc["A"] + T.loc["B"]}).T
    found = interactions(make_screen(added), truth)
    assert found["predicted"].iloc[0] == pytest.approx(0, abs=1e-5)


def test_nothing_to_compare():
    with pytest.raises(GraphselError, match="no predicted pair"):
        interactions(screen_of(1, ["A", "C+D"]), screen_of(0))


def test_a_split_by_genes_hides_genes_and_some_pairs():
    "Checked gene by gene: nothing of the pool touches a hidden gene, and the classes are what they say."
    genes = [f"G{i:02}" for i in range(30)]
    pairs = ["+".join(p) for p in combinations(genes, 2)]
    pool, held = split_genes([*genes, *pairs], 0.2, 3)
    inside = {g for n in pool for g in n.split("+")}
    assert len(inside) == 24 and set(held) == {0, 1, 2}
    for seen, names in held.items():
        assert names and not set(names) & set(pool)
        assert {sum(g in inside for g in n.split("+")) for n in names} == {seen}
    assert len(held[2]) == round(0.2 * 24 * 23 / 2)
    assert (pool, held) == split_genes([*pairs, *genes][::-1], 0.2, 3)


@pytest.mark.parametrize("judged", ["seen0", "seen2"])
def test_comparisons_judge_pairs_by_genes_seen(judged):
    genes = [f"G{i}" for i in range(10)]
    pairs = ["+".join(p) for p in combinations(genes, 2)]
    rng = np.random.default_rng(0)
    values = rng.normal(size=(len(genes) + len(pairs), 3))
    screen = make_screen(pd.DataFrame(values, index=[*genes, *pairs], columns=list("xyz")))
    graph = from_edges(genes, genes[1:] + genes[:1], name="ring")
    rest = {"models": "additive", "seeds": 1, "random_draws": 1, "judged": judged}
    found = compare(screen, graph, ["random", "variance"], [5, 20], targets="library", **rest)
    assert set(found["status"]) == {"ok"}
    n_seen2 = round(0.2 * 8 * 7 / 2)
    assert set(found["n_test"]) == {1 if judged == "seen0" else n_seen2}
    assert set(found["n_pool"]) == {8 + 28 - n_seen2}


def test_without_pairs_nothing_is_judged_by_genes_seen():
    genes = [f"G{i}" for i in range(10)]
    screen = make_screen(pd.DataFrame(np.eye(10)[:, :3], index=genes, columns=list("xyz")))
    graph = from_edges(genes, genes[1:] + genes[:1], name="ring")
    with pytest.raises(GraphselError, match="no pair"):
        compare(screen, graph, ["random"], [2], models="gp", seeds=1, judged="seen1")
