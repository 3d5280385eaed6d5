"""Supervision variance under several beliefs: constant and degree beside the graph, paths through the whole graph."""

from itertools import combinations

import numpy as np
import pytest
from helpers import dense_beliefs, gene_names, random_graph, random_graphs, removed, touched
from hypothesis import given, settings
from hypothesis import strategies as st

from graphsel.core.errors import GraphselError
from graphsel.criteria import design
from graphsel.criteria.beliefs import BELIEFS, belief_shares
from graphsel.criteria.design import SupervisionVariance
from graphsel.criteria.registry import check_criterion, make_criterion
from graphsel.graphs.build import from_edges
from graphsel.selection.greedy import greedy

SEEDS = st.integers(0, 2**32 - 1)


def pairs_of(names):
    return ["+".join(o) for o in combinations(sorted(names), 2)]


@given(seed=SEEDS)
@settings(max_examples=15)
def test_four_forms_of_one_number(seed):
    "Arrays, products, and genes say what the formula says, for genes and pairs."
    rng = np.random.default_rng(seed)
    g = random_graphs(rng, 8)
    some = rng.permutation(g.genes)[:5].tolist()
    elements = [*some, *pairs_of(some)[:4]]
    forms = {
        f: SupervisionVariance(g, elements, some, form=f) for f in ("dense", "factored", "genes")
    }
    E, T = touched(g, sorted(elements)), touched(g, sorted(some))
    kernels = dense_beliefs(g, np.flatnonzero(E.any(axis=0)), 2)
    noise, a = np.ones(len(elements)), np.ones(len(some))
    total = [np.trace(T @ K @ T.T) for K in kernels]
    S = []
    for j in rng.permutation(len(elements))[:3]:
        for c in forms.values():
            c.add(int(j))
        S.append(int(j))
        share = [removed(E @ K @ E.T, T @ K @ E.T, noise, a, S) / t for K, t in zip(kernels, total)]
        for form, c in forms.items():
            assert c.current == pytest.approx(np.mean(total) * np.mean(share)), form
            assert c.share(c.current) == pytest.approx(np.mean(share)), form
    for c in forms.values():
        np.testing.assert_allclose(c.gains(), forms["dense"].gains(), atol=1e-9)
        np.testing.assert_allclose(c.contributions(0).sum(), c.gain(0), atol=1e-9)


def test_many_pairs_are_kept_among_genes():
    g = random_graph(np.random.default_rng(0), 30, directed=False)
    names = pairs_of(gene_names(12))
    c = SupervisionVariance(g, names)
    assert c.posterior[0].covariance.shape == (13, 13), "12 genes and a dummy"
    products = SupervisionVariance(g, names, form="factored")
    assert greedy(c, 6).genes == greedy(products, 6).genes
    plain = SupervisionVariance(g, names, kernel="cosine")
    assert plain.posterior[0].covariance.shape == (13, 13)
    dense = SupervisionVariance(g, names, kernel="cosine", form="dense")
    np.testing.assert_allclose(plain.gains(), dense.gains())


def test_paths_lead_through_the_whole_graph():
    "A and B share a partner that is no candidate: measuring A tells of B."
    g = from_edges(["A", "B", "C"], ["hub", "hub", "D"])
    c = SupervisionVariance(g, ["A", "B", "C"], kernel="cosine")
    c.add(0)
    assert c.contributions(1)[1] < c.contributions(2)[2], "B is known in part"


def test_claims_hold():
    c = make_criterion("variance", random_graph(np.random.default_rng(3), 14))
    seen = check_criterion(c, 30)
    assert c.monotone and not c.submodular and seen["not monotone"] == 0
    assert c.value(c.elements) <= c.ceiling() and c.share(c.ceiling()) == 1


@pytest.mark.parametrize("kinds", [[False], [True], [False, True], [True, False, True]])
@pytest.mark.parametrize("hops", [1, 2, 3])
def test_shares_add_up(kinds, hops):
    shares = belief_shares(kinds, hops, n_priors=1)
    assert shares.shape == (4, len(kinds) * hops + 3) and (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(shares[:, -2:], BELIEFS[:, -2:], atol=1e-3)


def test_the_old_form_stays_within_reach():
    g = random_graph(np.random.default_rng(2), 9)
    K = g.kernel((1, 2))
    c = SupervisionVariance(g, kernel="cosine")
    np.testing.assert_allclose(c.gains(), (K**2).sum(axis=0) / (np.diag(K) + 1))
    with pytest.raises(GraphselError, match="kernel beliefs takes no parameter 'rank'"):
        SupervisionVariance(g, rank=3)
    with pytest.raises(GraphselError, match="has a unit diagonal"):
        SupervisionVariance(g, normalize=False)


def test_a_gene_without_edges_and_a_graph_without_any():
    g = from_edges(["A"], ["B"]).align(["A", "B", "X"])[0]
    assert np.isfinite(SupervisionVariance(g).gains()).all()
    bare = g.subgraph(["A", "X"])
    plan = greedy(SupervisionVariance(bare), 1)
    assert "as good as random" in str(plan) and plan.basis.startswith("the graph relates no")
    assert greedy(SupervisionVariance(g), 1).basis.endswith("2 of 3 candidates to other genes")


@pytest.mark.parametrize("name", ["variance", "graphreach", "facility"])
def test_a_gene_occurs_so_often_at_most(name):
    g = random_graph(np.random.default_rng(5), 12, directed=False)
    c = make_criterion(name, g, pairs_of(gene_names(8)), g.genes)
    plan = greedy(c, 6, max_per_gene=2)
    count = np.bincount(np.concatenate([g.index(p.split("+")) for p in plan.genes]))
    assert len(plan) == 6 and count.max() <= 2
    assert greedy(c, 6, max_per_gene=99).genes == greedy(c, 6).genes
    with pytest.raises(GraphselError, match="allows 4 picks at most"):
        greedy(c, 5, max_per_gene=1)
    with pytest.raises(GraphselError, match="occurs in 3 must-haves"):
        greedy(c, 5, must=["g00+g01", "g00+g02", "g00+g03"], max_per_gene=2)


# ---- many pairs ----


def world(n, n_pairs, seed):
    "A graph, its genes, and some of their pairs."
    graph = random_graph(np.random.default_rng(seed), n, directed=False)
    pairs = pairs_of(graph.genes)
    return graph, list(graph.genes), pairs[:: max(1, len(pairs) // n_pairs)][:n_pairs]


def test_many_measured_at_once_are_as_one_by_one(monkeypatch):
    graph, genes, pairs = world(40, 300, 0)
    c = SupervisionVariance(graph, [*genes, *pairs], pairs, form="genes")
    at = c.positions([*genes[:35], *pairs[:5]])
    many = c.start(at)
    monkeypatch.setattr(design, "FEW", 1000)
    single = c.start(at)
    assert many.current == pytest.approx(single.current, rel=1e-10)
    for _ in range(2):
        np.testing.assert_allclose(many.gains(), single.gains(), rtol=1e-8, atol=1e-10)
        for state in (many, single):
            state.add(int(c.positions([pairs[7]])[0]))


def test_waiting_changes_are_worked_in(monkeypatch):
    graph, _, pairs = world(20, 60, 1)
    c = SupervisionVariance(graph, pairs, form="genes")
    waiting = c.start(range(20))
    monkeypatch.setattr(design, "ROWS", 3)
    worked = c.start(range(20))
    assert worked.posterior[0].a.shape[1] < 3 < waiting.posterior[0].a.shape[1]
    for _ in range(2):
        np.testing.assert_allclose(worked.gains(), waiting.gains(), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(worked.contributions(30), waiting.contributions(30), rtol=1e-9)
        for state in (waiting, worked):
            state.add(25)


def test_pairs_in_gene_space_reach_what_arrays_do():
    graph, genes, pairs = world(70, 2000, 2)
    names = [*genes, *pairs]
    dense, own = (SupervisionVariance(graph, names, pairs, form=f) for f in ("dense", "genes"))
    known = {"measured": genes[:35], "exclude": genes[35:]}
    reached = [dense.value([*genes[:35], *greedy(c, 24, **known).genes]) for c in (dense, own)]
    assert reached[1] >= 0.995 * reached[0]
