"""Graph kernels against dense brute force (expm, inv, eigh); truncation, given similarities, products, hostile
inputs."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_helpers import (
    dense_band,
    dense_layer,
    dense_named,
    dense_prior,
    gene_names,
    gram,
    random_graphs,
    random_params,
    random_prior,
    unit,
)

from graphsel.core import identity as identity_room
from graphsel.core.errors import GraphselError
from graphsel.graphs import kernels
from graphsel.graphs.build import from_edges
from graphsel.graphs.graph import combine
from graphsel.graphs.kernels import (
    KernelProduct,
    hop_range,
    kernel_of,
    kernel_product,
    similarity_factor,
    spectral_factor,
    spectrum,
    squared_sums,
    stands_alone,
)
from graphsel.graphs.priors import make_prior

SEEDS = st.integers(0, 2**32 - 1)
PATH10 = from_edges(
    list("000045558"), list("123456789")
)  # 0-1, 0-2, 0-3, 0-4, 4-5, 5-6, 5-7, 5-8, 8-9


# ---- random graphs, and the formulas written with dense matrices ----


# ---- every kernel is its formula ----


@pytest.mark.parametrize("name", kernels.DEFAULTS)
@given(seed=SEEDS)
@settings(max_examples=40)
def test_kernel_is_the_formula(name, seed):
    rng = np.random.default_rng(seed)
    g, hops, normalize, params = (
        random_graphs(rng),
        int(rng.integers(1, 4)),
        bool(rng.integers(2)),
        random_params(rng, name),
    )
    F = kernel_of(g, name, hops, normalize, **params)
    assert sp.issparse(F) and F.format == "csr" and F.dtype == np.float64 and F.shape[0] == len(g)
    np.testing.assert_allclose(gram(F), dense_named(g, name, hops, normalize, **params), atol=1e-9)


@pytest.mark.parametrize("name", kernels.DEFAULTS)
def test_defaults(name):
    g = random_graphs(np.random.default_rng(5), 9)
    np.testing.assert_allclose(gram(kernel_of(g, name)), dense_named(g, name), atol=1e-9)


def test_cosine_is_the_default_and_the_kernel_of_the_graph():
    g = random_graphs(np.random.default_rng(1), 9)
    np.testing.assert_allclose(gram(kernel_of(g)), g.kernel((1, 2)), atol=1e-12)
    assert hop_range(3) == (1, 2, 3)


def test_direction_of_an_edge_does_not_matter_to_the_laplacian():
    source, target = list("AABC"), list("BCDD")
    one, other = (
        from_edges(source, target, directed=True),
        from_edges(target, source, directed=True),
    )
    for name in ("heat", "laplacian", "band"):
        np.testing.assert_allclose(
            gram(kernel_of(one, name)), gram(kernel_of(other, name)), atol=1e-12
        )


@pytest.mark.parametrize("name", ["heat", "laplacian", "band"])
def test_genes_without_edges(name):
    g = from_edges(["A"], ["B"]).align(["A", "B", "X", "Y"])[0]
    K = gram(kernel_of(g, name, normalize=False, **({"alpha": 0.5} if name == "laplacian" else {})))
    assert np.all(K[2:, :2] == 0) and K[2, 3] == 0
    np.testing.assert_allclose(np.diag(K)[2:], {"heat": 1, "laplacian": 2, "band": 0}[name])


def test_graph_without_any_edge():
    g = from_edges(["A"], ["B"]).align(["X", "Y"])[0]
    for name in kernels.DEFAULTS:
        np.testing.assert_allclose(
            gram(kernel_of(g, name)), np.eye(2) if name != "band" else np.zeros((2, 2)), atol=1e-12
        )


def test_band_takes_tied_patterns_together():
    "Three leaves of one hub: a pattern that is repeated cannot be cut in two."
    sizes = [
        round(gram(kernel_of(PATH10, "band", normalize=False, m=m)).trace())
        for m in (1, 2, 3, 4, 5, 6, 7)
    ]
    assert sizes == [1, 2, 3, 6, 6, 6, 7]


# ---- large graphs: truncated, and said so ----


@pytest.fixture
def small_limit(monkeypatch):
    "Components of more than 12 genes count as large."
    monkeypatch.setattr(kernels, "EXACT_LIMIT", 12)
    identity_room._kept.clear()
    yield
    identity_room._kept.clear()


def two_parts(n=40):
    "A large connected part, a small one, and two genes without edges."
    rng, names = np.random.default_rng(0), gene_names(n)
    s, t = np.nonzero(rng.random((n, n)) < 4 / n)
    g = from_edges(
        [names[i] for i in s] + names[:-1] + ["x1", "x2"],
        [names[i] for i in t] + names[1:] + ["x2", "x3"],
    )
    return g.align([*g.genes, "y1", "y2"])[0]


@pytest.mark.parametrize("name,params", [("heat", {"beta": 2.0}), ("laplacian", {"alpha": 0.5})])
def test_truncated_kernel_is_the_best_of_its_rank(small_limit, caplog, name, params):
    g, rank = two_parts(), 8
    K = gram(kernel_of(g, name, normalize=False, rank=rank, **params))
    assert f"{rank + 3} of {len(g)} eigenvectors" in caplog.text and "at most" in caplog.text
    bound = float(caplog.records[-1].args[3])
    full = dense_layer(g, name, **params)
    large = np.arange(40)
    value, U = np.linalg.eigh(full[np.ix_(large, large)])
    np.testing.assert_allclose(
        K[np.ix_(large, large)], (U[:, -rank:] * value[-rank:]) @ U[:, -rank:].T, atol=1e-7
    )
    np.testing.assert_allclose(
        K[40:], full[40:], atol=1e-9
    )  # small parts and isolated genes are exact
    assert abs(K - full).max() <= bound + 1e-9


def test_truncated_band_is_exact(small_limit, caplog):
    g = two_parts()
    np.testing.assert_allclose(
        gram(kernel_of(g, "band", normalize=False, m=6)), dense_band(g, 6), atol=1e-7
    )
    assert not caplog.text


def test_truncation_is_the_same_every_time(small_limit):
    first = gram(kernel_of(two_parts(), "heat", rank=8))
    identity_room._kept.clear()
    np.testing.assert_array_equal(gram(kernel_of(two_parts(), "heat", rank=8)), first)


def test_large_given_similarity(small_limit, caplog):
    X = np.random.default_rng(0).normal(size=(30, 30)) * np.linspace(3, 0.01, 30)
    K = X @ X.T
    value, U = np.linalg.eigh(K)
    for given_as in (K, sp.csr_matrix(K)):
        np.testing.assert_allclose(
            gram(similarity_factor(given_as, 30, rank=9)),
            (U[:, -9:] * value[-9:]) @ U[:, -9:].T,
            atol=1e-8,
        )
    assert f"{100 * value[-9:].sum() / value.sum():.1f}% of the trace" in caplog.text
    with pytest.raises(GraphselError, match="not positive semi-definite"):
        similarity_factor(K - 20 * np.eye(30), 30, rank=9)


def test_small_graphs_are_never_truncated(caplog):
    kernel_of(PATH10, "heat", rank=2)
    assert not caplog.text and len(spectrum(PATH10, 2)[0]) == 10


# ---- given similarities and means ----


@given(seed=SEEDS)
@settings(max_examples=25)
def test_given_similarities_and_lists(seed):
    rng = np.random.default_rng(seed)
    g = random_graphs(rng)
    X = rng.normal(size=(len(g), 4))
    prior, normalize = random_prior(rng, len(g)), bool(rng.integers(2))
    array, sparse = X @ X.T, sp.csr_matrix(np.diag(rng.uniform(0.5, 2, len(g))))
    scaled = unit if normalize else lambda K: K
    parts = [
        (array, scaled(array)),
        (sparse, scaled(sparse.toarray())),
        (prior, dense_prior(prior.subgraph(g.genes))),
        ("heat", dense_named(g, "heat", normalize=normalize, beta=2.0)),
    ]
    chosen = [parts[i] for i in rng.permutation(4)[: rng.integers(1, 5)]]
    params = {"beta": 2.0} if any(isinstance(k, str) for k, _ in chosen) else {}
    K = gram(kernel_of(g, [k for k, _ in chosen], normalize=normalize, **params))
    np.testing.assert_allclose(K, np.mean([dense for _, dense in chosen], axis=0), atol=1e-8)
    if len(chosen) == 1:
        np.testing.assert_allclose(
            gram(kernel_of(g, chosen[0][0], normalize=normalize, **params)), K
        )


def test_a_prior_is_aligned_with_the_graph():
    prior = make_prior(pd.DataFrame({"f": [1.0, 2.0, 4.0]}, index=["3", "7", "no gene here"]))
    K = gram(kernel_of(PATH10, prior))
    assert K[3, 3] == pytest.approx(1) and K[3, 7] == pytest.approx(1) and K[0, 0] == 0
    with pytest.raises(GraphselError, match="knows none of the graph's genes"):
        kernel_of(PATH10, make_prior(pd.DataFrame({"f": [1.0, 2.0]}, index=["X", "Y"])))


def test_the_cache_tells_kernels_apart():
    A, B = np.eye(10), np.eye(10) + 0.5
    assert not np.allclose(gram(kernel_of(PATH10, A)), gram(kernel_of(PATH10, B)))
    assert not np.allclose(
        gram(kernel_of(PATH10, "heat", beta=1)), gram(kernel_of(PATH10, "heat", beta=2))
    )
    assert not np.allclose(
        gram(kernel_of(PATH10, sp.csr_matrix(A))), gram(kernel_of(PATH10, sp.csr_matrix(B)))
    )
    assert kernel_of(PATH10, B) is kernel_of(PATH10, B.copy())


# ---- genes that stand alone ----


@given(seed=SEEDS)
@settings(max_examples=40)
def test_stands_alone_is_a_kernel_row_without_others(seed):
    rng = np.random.default_rng(seed)
    g, name, normalize = (
        random_graphs(rng),
        rng.choice(["cosine", "operator", "heat", "laplacian"]),
        bool(rng.integers(2)),
    )
    K = dense_named(g, name, 2, normalize)
    np.testing.assert_array_equal(
        stands_alone(g, name, normalize), (abs(K - np.diag(np.diag(K))) > 1e-12).sum(axis=1) == 0
    )


def test_stands_alone_for_given_similarities():
    K = np.eye(10)
    K[2, 5] = K[5, 2] = 0.3
    expected = [i not in (2, 5) for i in range(10)]
    for k in (K, sp.csr_matrix(K)):
        np.testing.assert_array_equal(stands_alone(PATH10, k), expected)
    assert not stands_alone(PATH10, [K, "cosine"]).any()


# ---- products and sums of squares ----


@given(seed=SEEDS)
@settings(max_examples=40)
def test_products(seed):
    rng = np.random.default_rng(seed)
    g, hops, name = (
        random_graphs(rng, 12),
        int(rng.integers(1, 4)),
        rng.choice(list(kernels.DEFAULTS)),
    )
    y = rng.normal(size=len(g))
    np.testing.assert_allclose(
        kernel_product(g, name, hops)(y), gram(kernel_of(g, name, hops)) @ y, atol=1e-9
    )


@pytest.mark.parametrize("directed", [True, False])
def test_short_products(directed):
    "Where powers of the step are shorter than the factor, they are taken, and give the same."
    rng, names = np.random.default_rng(0), gene_names(60)
    layers = [
        from_edges(
            ["g00"] * 59 + names[:9],
            names[1:] + names[1:10],
            rng.uniform(0.1, 1, 68),
            directed=directed,
        ),
        from_edges(names[:-1], ["g59"] * 59),
    ]
    for g in (combine(layers), combine(layers, [random_prior(rng, 60)])):
        product, y = kernel_product(g, hops=3), rng.normal(size=60)
        assert len(product.steps) == 6
        np.testing.assert_allclose(product(y), g.kernel((1, 2, 3)) @ y, atol=1e-10)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(product))(y), product(y))


@given(seed=SEEDS)
@settings(max_examples=60)
def test_squared_sums(seed):
    rng = np.random.default_rng(seed)
    n, m, r = rng.integers(1, 12, 3)
    F, T = (
        sp.random(
            k,
            r,
            rng.uniform(0, 1),
            format="csr",
            random_state=rng,
            data_rvs=lambda k: rng.normal(size=k),
        )
        for k in (n, m)
    )
    w = rng.uniform(0, 2, n)
    np.testing.assert_allclose(squared_sums(F, F, w), w @ gram(F) ** 2, atol=1e-10)
    w = rng.uniform(0, 2, m)
    np.testing.assert_allclose(squared_sums(F, T, w), w @ (T @ F.T).toarray() ** 2, atol=1e-10)


def test_products_of_a_wide_factor():
    F = sp.random(5, 30, 0.2, format="csr", random_state=np.random.default_rng(0))
    np.testing.assert_allclose(KernelProduct(F)(np.arange(5.0)), gram(F) @ np.arange(5.0))


# ---- hostile inputs ----


@pytest.mark.parametrize(
    "call,message",
    [
        (lambda: kernel_of(PATH10, "heet"), "did you mean 'heat'"),
        (lambda: kernel_of(PATH10, None), "kernel is NoneType"),
        (lambda: kernel_of(PATH10, []), "empty list"),
        (lambda: kernel_of(PATH10, [[1.0, 0.0], [0.0, 1.0]]), "kernel is list"),
        (lambda: kernel_of(PATH10, ["cosine", 3]), "kernel is int"),
        (lambda: kernel_of(PATH10, hops=0), "hops is 0"),
        (lambda: kernel_of(PATH10, "operator", hops=1.5), "hops is 1.5"),
        (lambda: kernel_of(PATH10, "heat", alpha=1), "takes no parameter 'alpha'.*beta, rank"),
        (lambda: kernel_of(PATH10, beta=1), "takes no parameter 'beta'.*it has none"),
        (lambda: kernel_of(PATH10, "heat", beta=0), "beta is 0"),
        (lambda: kernel_of(PATH10, "heat", beta=float("nan")), "beta is nan"),
        (lambda: kernel_of(PATH10, "heat", beta="4"), "beta is '4'"),
        (lambda: kernel_of(PATH10, "laplacian", alpha=-0.1), "alpha is -0.1"),
        (lambda: kernel_of(PATH10, "laplacian", alpha=float("inf")), "alpha is inf"),
        (lambda: kernel_of(PATH10, "band", m=0), "m is 0"),
        (lambda: kernel_of(PATH10, "band", m=2.5), "m is 2.5"),
        (lambda: kernel_of(PATH10, "heat", rank=0), "rank is 0"),
        (lambda: kernel_of(PATH10, np.eye(9)), "shape \\(9, 9\\) for 10 genes"),
        (lambda: kernel_of(PATH10, np.ones(10)), "shape"),
        (lambda: kernel_of(PATH10, np.full((10, 10), "a")), "not a number"),
        (lambda: kernel_of(PATH10, np.full((10, 10), np.nan)), "100 entries are NaN"),
        (
            lambda: kernel_of(PATH10, sp.csr_matrix(np.diag([np.inf] * 10))),
            "10 entries are NaN or infinite",
        ),
        (lambda: kernel_of(PATH10, np.triu(np.ones((10, 10)))), "not symmetric"),
        (lambda: kernel_of(PATH10, sp.csr_matrix(np.triu(np.ones((10, 10))))), "not symmetric"),
        (
            lambda: kernel_of(PATH10, np.ones((10, 10)) - 2 * np.eye(10)),
            "not positive semi-definite",
        ),
        (lambda: stands_alone(PATH10, "heet"), "did you mean"),
        (lambda: spectrum(PATH10, 0), "rank is 0"),
    ],
)
def test_hostile_inputs(call, message):
    with pytest.raises(GraphselError, match=message):
        call()


def test_a_similarity_of_zeros_is_allowed():
    assert kernel_of(PATH10, np.zeros((10, 10))).shape == (10, 0)


def test_rounding_is_no_negative_eigenvalue():
    x = np.random.default_rng(0).normal(size=(10, 2))
    K = x @ x.T
    np.testing.assert_allclose(
        gram(similarity_factor(K + 1e-13 * np.eye(10)[::-1], 10)), K, atol=1e-6
    )


def test_spectral_factor_takes_its_defaults():
    np.testing.assert_allclose(
        gram(spectral_factor(PATH10, "heat")), dense_layer(PATH10, "heat"), atol=1e-10
    )
