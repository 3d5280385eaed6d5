"""Criteria against their formulas, with dense matrices; monotone, submodular, and in step with themselves."""
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from test_graph import dense_kernel, dense_operator, gene_names, random_graph, random_graphs

from graphsel import criteria
from graphsel.core import GraphselError
from graphsel.criteria import (CRITERIA, FacilityLocation, GraphReach, MaxSpec, SoftReach, SupervisionVariance, make_criterion)
from graphsel.data import perturbed_genes
from graphsel.graph import combine, from_edges, make_prior
from graphsel.optimize import greedy

SEEDS = st.integers(0, 2**32 - 1)
PATH10 = from_edges(list("000045558"), list("123456789")) # 0-1, 0-2, 0-3, 0-4, 4-5, 5-6, 5-7, 5-8, 8-9


# ---- random instances: a criterion, and its formula written with dense matrices ----

def touched(graph, names):
    "Perturbations x genes, 0/1, dense."
    M = np.zeros((len(names), len(graph)))
    for i, n in enumerate(names): M[i, [list(graph.genes).index(g) for g in perturbed_genes(n)]] = 1
    return M


def random_lists(rng, graph):
    "Elements (genes and pairs), targets, and a weight for each target."
    genes = list(graph.genes)
    pairs = ["+".join(sorted(rng.choice(genes, 2, replace=False))) for _ in range(rng.integers(0, 4))]
    elements = sorted(set(rng.choice(genes, rng.integers(4, len(genes)), replace=False)) | set(pairs))
    targets = None if rng.integers(2) else sorted(rng.choice(genes + pairs, rng.integers(1, len(genes)), replace=False))
    names = elements if targets is None else sorted(set(targets))
    weights = None if rng.integers(2) else {n: float(w) for n, w in zip(genes + pairs, rng.integers(0, 5, len(genes + pairs))/2)}
    return elements, targets, names, weights


def covered(names): return sorted({g for n in names for g in perturbed_genes(n)})


def weigh(weights, names): return np.array([1.0 if weights is None else weights.get(n, 1.0) for n in names])


def reach_instance(rng, graph):
    elements, targets, names, weights = random_lists(rng, graph)
    hops, direction = int(rng.integers(1, 4)), rng.choice(["receptive", "influence", "both"])
    c = GraphReach(graph, elements, targets, hops=hops, direction=direction, weights=weights)
    P = dense_operator(graph, hops)
    Q = {"receptive": P, "influence": P.T, "both": P + P.T}[direction]
    genes = covered(names)
    hit = (touched(graph, elements) @ Q)[:, graph.index(genes)] > 0
    return c, lambda S: float(weigh(weights, genes) @ hit[S].any(axis=0)) if len(S) else 0.0


def soft_instance(rng, graph):
    elements, targets, names, weights = random_lists(rng, graph)
    hops, norm, form, tau = int(rng.integers(1, 3)), rng.choice(["sym", "row"]), rng.choice(["facility", "saturated", "noisyor"]), float(rng.choice([.2, .5, 1]))
    c = SoftReach(graph, elements, targets, hops=hops, norm=norm, form=form, tau=tau, weights=weights)
    genes = covered(names)
    Q = (touched(graph, elements) @ dense_operator(graph, hops, norm))[:, graph.index(genes)]
    rule = {"facility": lambda q: q.max(axis=0), "saturated": lambda q: np.minimum(1, q.sum(axis=0)/tau), "noisyor": lambda q: 1 - np.prod(1 - np.minimum(q, 1), axis=0)}[form]
    return c, lambda S: float(weigh(weights, genes) @ rule(Q[S])) if len(S) else 0.0


def facility_instance(rng, graph):
    elements, targets, names, weights = random_lists(rng, graph)
    hops = int(rng.integers(1, 4))
    c = FacilityLocation(graph, elements, targets, hops=hops, weights=weights)
    K = np.maximum(touched(graph, elements) @ dense_kernel(graph, range(1, hops + 1)) @ touched(graph, names).T, 0)
    return c, lambda S: float(weigh(weights, names) @ K[S].max(axis=0)) if len(S) else 0.0


def random_noise(rng, elements):
    "(what the user gives, one number per element)"
    if rng.integers(2): return (s := float(rng.choice([.3, 1, 2]))), np.full(len(elements), s)
    values = {e: float(v) for e, v in zip(elements, rng.uniform(.2, 3, len(elements))) if rng.integers(3)}
    return values, np.array([values.get(e, 1.0) for e in elements])


def maxspec_instance(rng, graph):
    elements, targets, _, _ = random_lists(rng, graph)
    hops, (given_noise, noise) = int(rng.integers(1, 3)), random_noise(rng, elements)
    c = MaxSpec(graph, elements, targets, hops=hops, noise=given_noise)
    X = touched(graph, elements) @ dense_operator(graph, hops)
    edges = sum(a.adjacency.toarray() + a.adjacency.toarray().T for a in graph.graphs).sum(axis=1)
    X[touched(graph, elements) @ (edges > 0) == 0] = 0 # a perturbation of isolated genes alone teaches nothing
    return c, lambda S: float(np.linalg.slogdet(np.eye(len(S)) + (X[S] @ X[S].T)/np.sqrt(np.outer(noise[S], noise[S])))[1]) if len(S) else 0.0


def variance_instance(rng, graph):
    elements, targets, names, weights = random_lists(rng, graph)
    hops, (given_noise, noise) = int(rng.integers(1, 4)), random_noise(rng, elements)
    c = SupervisionVariance(graph, elements, targets, hops=hops, noise=given_noise, weights=weights)
    K = dense_kernel(graph, range(1, hops + 1))
    E, T = touched(graph, elements), touched(graph, names)
    K_EE, K_TE, a = E @ K @ E.T, T @ K @ E.T, weigh(weights, names)
    return c, lambda S: float(a @ np.einsum("ts,ts->t", K_TE[:, S], np.linalg.solve(K_EE[np.ix_(S, S)] + np.diag(noise[S]), K_TE[:, S].T).T)) if len(S) else 0.0


INSTANCES = {"graphreach": reach_instance, "softreach": soft_instance, "facility": facility_instance, "maxspec": maxspec_instance, "variance": variance_instance}


def instance(name, seed):
    rng = np.random.default_rng(seed)
    return (rng, *INSTANCES[name](rng, random_graphs(rng)))


def test_every_criterion_is_tested_here(): assert set(INSTANCES) >= set(CRITERIA)


# ---- golden table: 10 nodes, published picks and gains ----

@pytest.mark.parametrize("make,picks,gains", [
    (lambda: GraphReach(PATH10, hops=1), "0581", [5, 4, 1, 0]),
    (lambda: GraphReach(PATH10, hops=2), "4501", [9, 1, 0, 0]),
    (lambda: SoftReach(PATH10, form="facility", hops=1), "0591", [1.406882, 1.090654, 0.650049, 0.3]),
    (lambda: SoftReach(PATH10, form="facility", hops=2), "0591", [1.275118, 0.992501, 0.513758, 0.128641]),
    (lambda: MaxSpec(PATH10, hops=1, noise=1.0), "9051", [0.348307, 0.341223, 0.309197, 0.273901]),
    (lambda: MaxSpec(PATH10, hops=2, noise=1.0), "0958", [0.289519, 0.262692, 0.242274, 0.178422])],
    ids=["graphreach 1", "graphreach 2", "facility 1", "facility 2", "maxspec 1", "maxspec 2"])
def test_golden_table(make, picks, gains):
    for method in ("naive", "lazy"):
        s = greedy(make(), 4, ties="index", method=method)
        assert "".join(s.genes) == picks
        np.testing.assert_allclose(s.gains, gains, atol=5e-7)


@pytest.mark.parametrize("hops,picks", [(1, "0591"), (2, "4509")])
def test_golden_picks_with_default_ties(hops, picks):
    for method in ("naive", "lazy"): assert "".join(greedy(GraphReach(PATH10, hops=hops), 4, method=method).genes) == picks


# ---- formulas ----

@pytest.mark.parametrize("name", INSTANCES)
@given(seed=SEEDS)
@settings(max_examples=30)
def test_value_is_the_formula(name, seed):
    rng, c, f = instance(name, seed)
    for size in (0, 1, 2, len(c.elements)):
        S = rng.permutation(len(c.elements))[:size]
        assert c.value(c.elements[S]) == pytest.approx(f(np.sort(S)), abs=1e-8)


@pytest.mark.parametrize("name", INSTANCES)
@given(seed=SEEDS)
@settings(max_examples=25)
def test_running_gains_are_differences_of_values(name, seed):
    rng, c, f = instance(name, seed)
    before, S = 0.0, []
    for j in rng.permutation(len(c.elements)):
        gains, one, value = c.gains(), c.gain(j), f(np.array(sorted(S + [j])))
        assert gains[j] == pytest.approx(one, abs=1e-12) and one == pytest.approx(value - before, abs=1e-8)
        at = rng.permutation(len(c.elements))[:3]
        np.testing.assert_array_equal(c.gains(at), gains[at])
        assert c.value(c.elements[S]) == pytest.approx(before, abs=1e-8)
        c.add(int(j))
        S, before = S + [j], value
        assert c.current == pytest.approx(value, abs=1e-8)
    c.reset()
    assert c.current == 0 and c.gain(0) == pytest.approx(f(np.array([0])), abs=1e-8)


@pytest.mark.parametrize("name", INSTANCES)
@given(seed=SEEDS)
@settings(max_examples=20)
def test_monotone_and_submodular(name, seed):
    rng, c, _ = instance(name, seed)
    pool = rng.permutation(len(c.elements))[:5]
    value = {frozenset(S): c.value(c.elements[list(S)]) for k in range(6) for S in combinations(pool.tolist(), k)}
    assert value[frozenset()] == 0
    for S, v in value.items():
        for j in set(pool.tolist()) - S:
            assert not c.monotone or value[S | {j}] >= v - 1e-9
            if not c.submodular: continue
            for i in set(pool.tolist()) - S - {j}: # enough: the gain of j shrinks with each single addition
                assert value[S | {j}] - v >= value[S | {i, j}] - value[S | {i}] - 1e-9


def test_flags():
    assert all(c.monotone for c in CRITERIA.values())
    assert [n for n, c in CRITERIA.items() if not c.submodular] == ["variance"]


@pytest.mark.parametrize("name", INSTANCES)
@given(seed=SEEDS)
@settings(max_examples=15)
def test_value_knows_no_order_and_leaves_the_state(name, seed):
    rng, c, _ = instance(name, seed)
    for j in rng.permutation(len(c.elements))[:2]: c.add(int(j))
    if rng.integers(2): c.advance()
    before = {k: np.array(v, copy=True) if isinstance(v, (np.ndarray, float, int)) else v for k, v in vars(c).items()}
    gains, scores, S = c.gains().copy(), c.scores().copy(), list(rng.permutation(c.elements)[:4])
    values = [c.value(rng.permutation(S)) for _ in range(3)] + [c.value(S + S)]
    assert values == pytest.approx([values[0]]*4, abs=1e-9)
    for k, v in vars(c).items():
        if isinstance(before[k], np.ndarray): np.testing.assert_array_equal(v, before[k], err_msg=k)
        else: assert v is before[k]
    np.testing.assert_array_equal(c.gains(), gains)
    np.testing.assert_array_equal(c.scores(), scores)


# ---- supervision variance: one number, four ways ----

@given(seed=SEEDS)
@settings(max_examples=25)
def test_variance_dense_factored_and_downdated_agree(seed):
    rng, dense, _ = instance("variance", seed)
    g, names, noise, a = dense.graph, dense.elements, dense.noise, dense.weights
    hops, targets = int(rng.integers(1, 4)), dense.targets
    limit = criteria.DENSE_LIMIT
    try:
        dense = SupervisionVariance(g, names, targets, hops=hops, noise=noise, weights=a)
        criteria.DENSE_LIMIT = 0
        factored = SupervisionVariance(g, names, targets, hops=hops, noise=noise, weights=a)
    finally: criteria.DENSE_LIMIT = limit
    assert dense.kernel.elements is not None and factored.kernel.elements is None and factored.kernel.targets is None
    M = np.vstack([touched(g, names), touched(g, targets)])
    C, n = M @ dense_kernel(g, range(1, hops + 1)) @ M.T, len(names)
    for j in rng.permutation(n)[:5]:
        expected = a @ C[n:, :n]**2/(np.diag(C)[:n] + noise) # the textbook: sum_t a_t C[t,p]^2/(C[p,p] + s^2)
        np.testing.assert_allclose(dense.gains(), expected, atol=1e-8)
        np.testing.assert_allclose(factored.gains(), expected, atol=1e-8)
        C = C - np.outer(C[:, j], C[j])/(C[j, j] + noise[j])
        dense.add(int(j)); factored.add(int(j))
    assert factored.current == pytest.approx(dense.current, abs=1e-8)
    assert dense.value(names[:3]) == pytest.approx(factored.value(names[:3]), abs=1e-8)


def test_variance_cannot_exceed_what_there_is():
    g = random_graph(np.random.default_rng(0), 12)
    c = SupervisionVariance(g, noise=1e-9)
    assert c.value(g.genes) == pytest.approx(12, abs=1e-6), "all measured without noise: all variance is gone"


def test_variance_may_break_submodularity_but_seldom():
    broken = triples = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        c = SupervisionVariance(random_graph(rng, 9, directed=True), noise=.1)
        i, j, k = rng.permutation(9)[:3]
        f = lambda *S, c=c: c.value(c.elements[list(S)])
        triples += 1
        broken += f(i, j) - f(i) < f(i, k, j) - f(i, k) - 1e-9
    assert broken < 0.2*triples


def test_priors_move_the_variance():
    g = from_edges(["A", "C"], ["B", "D"])
    prior = make_prior(pd.DataFrame(np.eye(4)[[0, 0, 0, 1]], index=list("ABCD")))
    plain, informed = SupervisionVariance(g), SupervisionVariance(combine([g], [prior]))
    assert informed.value(["A"]) > plain.value(["A"]), "A now tells of C too"


# ---- details that a reader relies on ----

def test_pairs_are_the_sum_of_their_genes():
    g = random_graph(np.random.default_rng(3), 8)
    names = ["g00", "g01", "g00+g01"]
    f = SoftReach(g, names, g.genes, form="facility")
    q = f.similarity.toarray()
    np.testing.assert_allclose(q[0] + q[2], q[1]) # sorted: g00, g00+g01, g01
    assert GraphReach(g, names, g.genes).value(["g00+g01"]) == GraphReach(g, names, g.genes).value(["g00", "g01"])


def test_isolated_genes_do_not_lure_maxspec():
    g = from_edges(["A", "B"], ["B", "C"]).align(["A", "B", "C", "X", "Y"])[0]
    c = MaxSpec(g)
    assert c.value(["X", "Y"]) == 0 and c.value(["A", "X"]) == c.value(["A"])
    assert set(greedy(c, 3).genes) == {"A", "B", "C"}


def test_weights_belong_to_names_not_to_places():
    "An array of weights follows the order in which the user named the targets."
    g = from_edges(["A", "C"], ["B", "D"])
    by_name = GraphReach(g, targets=["D", "A"], weights={"D": 5.0, "A": 1.0})
    by_place = GraphReach(g, targets=["D", "A"], weights=[5.0, 1.0])
    assert by_place.value(["A"]) == by_name.value(["A"]) == 1


def test_noise_belongs_to_names_not_to_places():
    g = from_edges(["A", "C"], ["B", "D"])
    by_name = SupervisionVariance(g, elements=["D", "A"], noise={"D": 9.0, "A": 1.0})
    by_place = SupervisionVariance(g, elements=["D", "A"], noise=[9.0, 1.0])
    assert by_place.value(["A"]) == pytest.approx(by_name.value(["A"]))


def test_weights_and_noise_for_unknown_names_are_refused():
    "A name that is no target is a slip of the pen; weighing nothing in silence would hide it."
    g = from_edges(["A", "C"], ["B", "D"])
    with pytest.raises(GraphselError, match="XIST"): GraphReach(g, weights={"XIST": 5.0})
    with pytest.raises(GraphselError, match="XIST"): SupervisionVariance(g, noise={"XIST": 5.0})


def test_very_large_weights():
    "Coverage that is full is full, whatever the size of the weights."
    g = from_edges(*np.random.default_rng(0).choice(gene_names(12), (2, 30)))
    weights = {n: float(w) for n, w in zip(g.genes, np.random.default_rng(1).uniform(1e8, 1e12, len(g)))}
    big, small = (greedy(GraphReach(g, weights={n: w*s for n, w in weights.items()}), 6) for s in (1, 1e-12))
    assert big.genes == small.genes and big.columns["level"] == small.columns["level"]


@pytest.mark.parametrize("name,params,says", [
    ("graphreach", {"hops": 0}, "hops"), ("graphreach", {"hops": 1.5}, "hops"), ("graphreach", {"direction": "up"}, "direction"), ("graphreach", {"weights": [1, 2]}, "weights"),
    ("graphreach", {"weights": {"A": -1}}, "weights"), ("graphreach", {"weights": {"A": np.nan}}, "weights"), ("graphreach", {"weights": {"A": "x"}}, "weights"),
    ("softreach", {"form": "hard"}, "form"), ("softreach", {"norm": "max"}, "norm"),
    ("softreach", {"tau": 0}, "tau"), ("softreach", {"tau": -1}, "tau"), ("softreach", {"tau": np.nan}, "tau"),
    ("maxspec", {"noise": 0}, "noise"), ("maxspec", {"noise": -1}, "noise"), ("maxspec", {"noise": np.inf}, "noise"), ("maxspec", {"noise": [1, 2]}, "noise"), ("maxspec", {"noise": "x"}, "noise"),
    ("variance", {"noise": {"A": 0}}, "noise"), ("variance", {"hops": 0}, "hops"), ("facility", {"hops": "2"}, "hops"), ("facility", {"hops": True}, "hops"),
    ("graphreach", {"elements": ["A", "XIST"]}, "XIST"), ("graphreach", {"targets": ["A+XIST"]}, "XIST"), ("graphreach", {"elements": []}, "no candidate"),
    ("graphreach", {"targets": []}, "no target"), ("facility", {"direction": "both"}, "direction"), ("nothing", {}, "unknown criterion")], ids=str)
def test_hostile_parameters(name, params, says):
    g = from_edges(["A", "B"], ["B", "C"])
    with pytest.raises(GraphselError, match=says): make_criterion(name, g, **params)


def test_unknown_elements_are_named():
    c = GraphReach(from_edges(["A", "B"], ["B", "C"]))
    with pytest.raises(GraphselError, match="X, Y"): c.value(["A", "X", "Y"])
