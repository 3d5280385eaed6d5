"""Metrics match the prediction and the truth by name, or say what is missing."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from graphsel.benchmark.metrics import coverage, evaluate, truth_for
from graphsel.core.errors import GraphselError
from graphsel.screens.screen import make_screen

RNG = np.random.default_rng(0)
NAMES, COLUMNS = [f"g{i}" for i in range(9)] + ["A+B"], [f"r{i}" for i in range(6)]


def screen(X, names=NAMES):
    return make_screen(pd.DataFrame(X, index=names, columns=COLUMNS))


TRUTH = screen(RNG.normal(size=(10, 6)))
TRUTH.layers["top_de"] = np.abs(TRUTH.X) > 1
PREDICTION = screen(TRUTH.X + RNG.normal(size=(10, 6)))
PREDICTION.layers["variance"] = RNG.uniform(0.5, 2, size=(10, 6))
SCALE, REFERENCE = RNG.uniform(1, 2, 6), RNG.normal(size=6)


@pytest.mark.parametrize("rows", [slice(None), slice(None, None, -1), slice(2, None)])
@pytest.mark.parametrize("columns", [slice(None), slice(None, None, -1), [3, 0, 5, 1, 2, 4]])
def test_the_order_of_the_truth_does_not_matter(rows, columns):
    p = PREDICTION[2:]
    expected = evaluate(p, TRUTH[2:], scale=SCALE, reference=REFERENCE)
    assert evaluate(p, TRUTH[rows, columns], scale=SCALE, reference=REFERENCE) == pytest.approx(
        expected, nan_ok=True
    )
    pd.testing.assert_frame_equal(coverage(p, TRUTH[rows, columns]), coverage(p, TRUTH[2:]))


def test_a_truth_with_more_columns_is_cut_and_one_with_fewer_is_refused():
    few = PREDICTION[:, [4, 1]]
    assert evaluate(few, TRUTH)["mse"] == pytest.approx(((few.X - TRUTH[:, [4, 1]].X) ** 2).mean())
    for score in (evaluate, coverage):
        with pytest.raises(GraphselError, match="lacks 4 predicted responses: r0, r2, r3, r5"):
            score(PREDICTION, TRUTH[:, ["r1", "r4"]])
        with pytest.raises(GraphselError, match="no truth for g0, A.B;"):
            score(PREDICTION, TRUTH[1:-1])
        with pytest.raises(GraphselError, match="DataFrame is no screen"):
            score(PREDICTION, TRUTH.to_df())
        with pytest.raises(GraphselError, match="stands twice"):
            score(PREDICTION, TRUTH[[0, 0, 1]])
    with pytest.raises(GraphselError, match="scale has shape"):
        evaluate(few, TRUTH, scale=SCALE)
    with pytest.raises(GraphselError, match="reference has shape"):
        evaluate(few, TRUTH, reference=REFERENCE)


def test_other_spellings_and_sparse_truths():
    other = TRUTH.copy()
    other.obs_names = [*(f"{n}+ctrl" for n in NAMES[:9]), "B+A"]
    assert np.array_equal(truth_for(PREDICTION, other).X, TRUTH.X)
    thin = TRUTH.copy()
    thin.X = sparse.csr_matrix(thin.X)
    assert evaluate(PREDICTION, thin) == pytest.approx(evaluate(PREDICTION, TRUTH))
