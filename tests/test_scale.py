"""Units do not matter: kernels, noise, weights, responses times a number give the same picks, scaled predictions."""

import re

import numpy as np
import pandas as pd
import pytest
from helpers import GENES, GRAPH, NAMES, REST, SCREEN, fitted
from hypothesis import given, settings
from hypothesis import strategies as st

from graphsel.benchmark.metrics import evaluate, row_correlation
from graphsel.core.errors import nine_digits, power_of_two
from graphsel.criteria.base import Criterion
from graphsel.criteria.coverage import GraphReach, SoftReach
from graphsel.criteria.design import MaxSpec, SupervisionVariance, TopEigenvalue
from graphsel.graphs.build import from_edges
from graphsel.graphs.graph import neighbor_agreement
from graphsel.graphs.readers.coexpression import correlation_blocks
from graphsel.models.gears.moments import nonzero_genes
from graphsel.screens.screen import make_screen
from graphsel.selection.baselines import typicality
from graphsel.selection.budget import plates
from graphsel.selection.distributed import greedi
from graphsel.selection.explain import explain, why
from graphsel.selection.greedy import METHODS, greedy
from graphsel.selection.select import select

TIMES = st.sampled_from([1e-30, 1e-12, 3e-8, 1e-7, 1 / 3, 1e9, 7e12, 1e30])
SEEDS = st.integers(0, 2**32 - 1)


def a_kernel(seed):
    X = np.random.default_rng(seed).normal(size=(40, 12))
    return X @ X.T


@pytest.mark.parametrize("make", [SupervisionVariance, MaxSpec])
@given(seed=SEEDS, times=TIMES)
@settings(max_examples=15)
def test_kernel_and_noise_in_other_units(make, seed, times):
    K, noise = a_kernel(seed), np.random.default_rng(seed).uniform(0.3, 3, 40)
    here = greedy(make(GRAPH, kernel=K, noise=noise, normalize=False), 12)
    there = greedy(make(GRAPH, kernel=K * times, noise=noise * times, normalize=False), 12)
    assert there.genes == here.genes
    np.testing.assert_allclose(
        there.gains, np.multiply(here.gains, times if make is SupervisionVariance else 1), rtol=1e-6
    )


@given(seed=SEEDS, times=TIMES)
@settings(max_examples=15)
def test_kernel_of_the_largest_eigenvalue_in_other_units(seed, times):
    K = a_kernel(seed)
    assert (
        greedy(TopEigenvalue(GRAPH, kernel=K * times), 8).genes
        == greedy(TopEigenvalue(GRAPH, kernel=K), 8).genes
    )


@pytest.mark.parametrize("make", [SupervisionVariance, MaxSpec])
@pytest.mark.parametrize("noise", [1e9, 1e10, 1e14])
def test_much_noise_leaves_the_order_of_first_gains(make, noise):
    K = a_kernel(0)
    first = (K**2).sum(axis=0) if make is SupervisionVariance else np.diag(K)
    assert greedy(make(GRAPH, kernel=K, noise=noise, normalize=False), 10).genes == [
        GENES[i] for i in np.argsort(-first)[:10]
    ]


@pytest.mark.parametrize("make", [SupervisionVariance, GraphReach, SoftReach])
@pytest.mark.parametrize("times", [1e-15, 1e-7, 1e12])
def test_weights_in_other_units(make, times):
    weights = dict(zip(GENES, np.random.default_rng(1).uniform(0.5, 2, 40)))
    here, there = (
        greedy(make(GRAPH, weights={g: w * c for g, w in weights.items()}), 12) for c in (1, times)
    )
    assert there.genes == here.genes
    assert plates(there, 4).columns["plate"] == plates(here, 4).columns["plate"]
    assert explain(there).columns.get("mostly") == explain(here).columns.get("mostly")
    left = next(g for g in GENES if g not in here.genes)
    place = [re.search("number ([0-9]+) of", why(s, left))[1] for s in (here, there)]
    assert place[0] == place[1]


@pytest.mark.parametrize("make", [SupervisionVariance, GraphReach])
@pytest.mark.parametrize("times", [1e-12, 1e12])
def test_costs_in_other_units(make, times):
    costs = dict(zip(GENES, np.random.default_rng(2).uniform(1, 3, 40)))
    here, there = (
        greedy(make(GRAPH), 12 * c, costs={g: w * c for g, w in costs.items()}) for c in (1, times)
    )
    assert there.genes == here.genes and len(here.genes) < 40


def test_tasks_that_disagree_are_found_out_in_any_unit():
    weights = np.random.default_rng(2).uniform(0.5, 2, 40) * 1e-12
    plan = greedi("graphreach", GRAPH, 6, weights=dict(zip(GENES, weights)), parts=2)
    assert plan.genes and plan.value == pytest.approx(
        GraphReach(GRAPH, weights=dict(zip(GENES, weights))).value(plan.genes), rel=1e-9
    )


class Tiny(Criterion):
    "A criterion of one's own whose values are tiny."

    name = "tiny"
    worth = np.random.default_rng(3).permutation(40) * 1e-15

    def reset(self):
        self.current = 0.0

    def gains(self, at=slice(None)):
        return self.worth[at]

    def add(self, j):
        self.current += self.worth[j]


@pytest.mark.parametrize("method", ["naive", "lazy"])
def test_tiny_values_of_ones_own_criterion(method):
    assert method in METHODS
    assert greedy(Tiny(GRAPH), 5, method=method).genes == [
        GENES[i] for i in np.argsort(-Tiny.worth)[:5]
    ]


@pytest.mark.parametrize(
    "name", ["degree", "kcenter", "kmeans", "typiclust", "variance", "0.5*variance+0.5*graphreach"]
)
def test_edge_weights_in_other_units(name):
    A = GRAPH.layers[0].adjacency.tocoo()
    here, there = (
        from_edges(
            np.array(GENES)[A.col], np.array(GENES)[A.row], A.data * c, genes=GENES, directed=True
        )
        for c in (1, 2.0**-30)
    )
    assert (
        select(there, 8, name, random_state=0).genes == select(here, 8, name, random_state=0).genes
    )


def test_typical_points_in_other_units():
    X = np.random.default_rng(0).normal(size=(12, 5))
    X[3] = X[7]
    for c in (1e-9, 1e9):
        np.testing.assert_allclose(typicality(X * c) * c, typicality(X), rtol=1e-6)


# ---- responses ----


@pytest.mark.parametrize("times", [1e-150, 1e-20, 1e-7, 1 / 3, 1e20])
def test_correlations_of_responses_in_other_units(times):
    rng = np.random.default_rng(0)
    A, B, mask = rng.normal(size=(6, 9)), rng.normal(size=(6, 9)), rng.random((6, 9)) < 0.6
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(A, B)]
    np.testing.assert_allclose(row_correlation(A * times, B * times), expected)
    np.testing.assert_allclose(row_correlation(A * times, B), expected)
    np.testing.assert_allclose(
        row_correlation(A * times, B * times, mask),
        [np.corrcoef(a[m], b[m])[0, 1] for a, b, m in zip(A, B, mask)],
    )
    A[2], A[3] = 0.1, 0
    assert (row_correlation(A * times, B * times)[2:4] == 0).all()
    if times < 1e-100:
        return
    p, t = (make_screen(pd.DataFrame(M * times, index=[f"g{i}" for i in range(6)])) for M in (A, B))
    q, u = (make_screen(pd.DataFrame(M, index=[f"g{i}" for i in range(6)])) for M in (A, B))
    there, here = evaluate(p, t), evaluate(q, u)
    for k in ("pearson_delta", "pearson_delta_centered", "discrimination"):
        assert there[k] == pytest.approx(here[k], rel=1e-5)
    assert there["mse"] == pytest.approx(here["mse"] * times**2, rel=1e-5)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "gears"])
@pytest.mark.parametrize("times", [2.0**-30, 1e-7, 1e7])
def test_predictions_follow_the_unit_of_responses(name, times):
    other = SCREEN.copy()
    other.X = (other.X.astype(float) * times).astype(np.float32)
    here, there = (fitted(name, screen=s).predict(REST) for s in (SCREEN, other))
    near = {"rtol": 1e-3, "atol": 1e-3}  # training in single precision
    np.testing.assert_allclose(there.X / times, here.X, **near)
    assert set(here.layers) == set(there.layers)
    for k in here.layers:
        np.testing.assert_allclose(there.layers[k].astype(float) / times**2, here.layers[k], **near)


@pytest.mark.parametrize("times", [1e-12, 1e12])
def test_other_measures_in_other_units(times):
    X = np.random.default_rng(0).normal(size=(30, 5))
    X[:, 2] = 0.7  # constant: correlated with nothing
    ((_, here),) = correlation_blocks(X)
    ((_, there),) = correlation_blocks(X * times)
    np.testing.assert_allclose(there, here, atol=1e-6)
    assert (there[2] == 0).all() and abs(there[0, 1]) > 0
    A = GRAPH.layers[0].adjacency.tocoo()
    graph = from_edges(
        np.array(GENES)[A.col], np.array(GENES)[A.row], A.data * 1e-14, genes=GENES, directed=True
    )
    plain = from_edges(
        np.array(GENES)[A.col], np.array(GENES)[A.row], A.data, genes=GENES, directed=True
    )
    assert neighbor_agreement(graph, SCREEN.X) == pytest.approx(
        neighbor_agreement(plain, SCREEN.X * times), abs=1e-6
    )
    cells = make_screen(
        pd.DataFrame(np.array([[0.5, -0.25], [0.0, 0.1]]) * 1e-11, index=["a", "b"]),
        control_mean=np.array([0.25, 0.25]) * 1e-11,
    )
    cells.layers["m2"] = np.zeros(cells.shape)
    assert np.array_equal(nonzero_genes(cells), [[True, False], [True, True]])


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8), st.integers(-300, 300))
def test_nine_digits_of_the_largest(values, k):
    values = np.array(values) + 1.5
    assert (
        np.array_equal(nine_digits(values), nine_digits(values * 2.0**k))
        and power_of_two(values * 2.0**k) == power_of_two(values) * 2.0**k
    )
