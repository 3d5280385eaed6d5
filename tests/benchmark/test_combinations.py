"""Pairs by the number of genes seen, and interactions, against plain loops."""

import numpy as np
import pandas as pd
import pytest

from graphsel.benchmark.combinations import evaluate_by_seen, genes_seen, interactions
from graphsel.benchmark.metrics import evaluate
from graphsel.core.errors import GraphselError
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
