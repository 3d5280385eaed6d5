"""MaxSpec, its top-eigenvalue ablation and supervision variance against their formulas, with dense matrices;
copies, ceilings, contributions."""

import copy
import pickle
from itertools import combinations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kernel_helpers import dense_named, gram, random_graphs, random_params, random_prior

from graphsel.core.errors import GraphselError
from graphsel.criteria.base import incidence
from graphsel.criteria.design import (
    JointPosterior,
    KernelBlocks,
    Known,
    MaxSpec,
    Posteriors,
    SupervisionVariance,
    TopEigenvalue,
    bordered_top,
    noise_from_cells,
)
from graphsel.genes.perturbations import perturbed_genes
from graphsel.graphs.build import from_edges
from graphsel.graphs.kernels import kernel_of, stands_alone

SEEDS = st.integers(0, 2**32 - 1)
PATH10 = from_edges(
    list("000045558"), list("123456789")
)  # 0-1, 0-2, 0-3, 0-4, 4-5, 5-6, 5-7, 5-8, 8-9


# ---- random instances: a criterion, and its formula ----


def touched(graph, names):
    "Perturbations x genes, 0/1, dense."
    genes = list(graph.genes)
    M = np.zeros((len(names), len(genes)))
    for i, n in enumerate(names):
        M[i, [genes.index(g) for g in perturbed_genes(n)]] = 1
    return M


def random_names(rng, graph, least=1):
    "Genes and pairs, in any order."
    genes = list(graph.genes)
    pairs = {
        "+".join(sorted(rng.choice(genes, 2, replace=False))) for _ in range(rng.integers(0, 4))
    }
    return list(
        rng.permutation(
            sorted({*rng.choice(genes, rng.integers(least, len(genes) + 1), replace=False), *pairs})
        )
    )


def random_numbers(rng, names, low, high):
    """(what the user gives, one number per sorted name): one for all, a mapping with gaps, or an array in the
    order given."""
    how, values = (
        rng.integers(3),
        {n: float(x) for n, x in zip(names, rng.uniform(low, high, len(names)))},
    )
    if how == 0:
        return (x := float(rng.uniform(low, high))), np.full(len(names), x)
    if how == 1:
        values = {n: x for n, x in values.items() if rng.integers(3)}
    return values if how == 1 else list(values.values()), np.array(
        [values.get(n, 1.0) for n in sorted(names)]
    )


def random_kernel(rng, graph):
    "(arguments, dense kernel, N)"
    name, hops, normalize = (
        rng.choice(["cosine", "operator", "heat", "laplacian", "band", "given"]),
        int(rng.integers(1, 4)),
        bool(rng.integers(2)),
    )
    if name == "given":
        X = rng.normal(size=(len(graph), 3))
        return dict(kernel=X @ X.T, hops=hops, normalize=False), X @ X.T
    params = random_params(rng, name)
    return dict(kernel=str(name), hops=hops, normalize=normalize, **params), dense_named(
        graph, name, hops, normalize, **params
    )


def maxspec(rng, graph):
    elements = random_names(rng, graph, 4)
    (noise, n), (arguments, K) = random_numbers(rng, elements, 0.2, 3), random_kernel(rng, graph)
    c = MaxSpec(graph, elements, noise=noise, **arguments)
    E = touched(graph, c.elements)
    E = E * (E @ ~stands_alone(graph, arguments["kernel"], arguments["normalize"]) > 0)[:, None]
    K = E @ K @ E.T
    return c, lambda S: float(
        np.linalg.slogdet(np.eye(len(S)) + K[np.ix_(S, S)] / np.sqrt(np.outer(n[S], n[S])))[1]
    )


def topeig(rng, graph):
    arguments, K = random_kernel(rng, graph)
    c = TopEigenvalue(graph, random_names(rng, graph, 4), **arguments)
    E = touched(graph, c.elements)
    E = E * (E @ ~stands_alone(graph, arguments["kernel"], arguments["normalize"]) > 0)[:, None]
    K = E @ K @ E.T
    return c, lambda S: max(float(np.linalg.eigvalsh(K[np.ix_(S, S)]).max(initial=0)), 0.0)


def variance(rng, graph, form=None):
    elements = random_names(rng, graph, 4)
    targets = None if rng.integers(2) else random_names(rng, graph)
    names = elements if targets is None else targets
    (noise, n), (weights, w), (arguments, K) = (
        random_numbers(rng, elements, 0.2, 3),
        random_numbers(rng, names, 0, 3),
        random_kernel(rng, graph),
    )
    c = SupervisionVariance(
        graph,
        elements,
        targets,
        noise=noise,
        weights=weights,
        form=form or str(rng.choice(["dense", "factored", "auto"])),
        **arguments,
    )
    E, T = touched(graph, c.elements), touched(graph, c.targets)
    K_EE, K_TE = E @ K @ E.T, T @ K @ E.T
    c.dense_truth = K_EE, K_TE, n, w, float(w @ np.diag(T @ K @ T.T))
    return c, lambda S: float(
        w
        @ np.einsum(
            "ts,st->t",
            K_TE[:, S],
            np.linalg.solve(K_EE[np.ix_(S, S)] + np.diag(n[S]), K_TE[:, S].T),
        )
    )


INSTANCES = {"maxspec": maxspec, "topeig": topeig, "variance": variance}
every = pytest.mark.parametrize("name", INSTANCES)


def instance(name, seed):
    rng = np.random.default_rng(seed)
    return (rng, *INSTANCES[name](rng, random_graphs(rng)))


def near(x, scale):
    return pytest.approx(x, abs=1e-8 * max(1, abs(scale)))


# ---- formulas ----


@every
@given(seed=SEEDS)
@settings(max_examples=60)
def test_value_is_the_formula(name, seed):
    rng, c, f = instance(name, seed)
    for size in (0, 1, 2, len(c.elements)):
        S = np.sort(rng.permutation(len(c.elements))[:size])
        assert c.value(c.elements[S]) == near(f(S), f(S))
        assert f(S) <= c.ceiling() + 1e-8 * max(1, c.ceiling())


@every
@given(seed=SEEDS)
@settings(max_examples=40)
def test_running_gains_are_differences_of_values(name, seed):
    rng, c, f = instance(name, seed)
    S, before, scale = [], 0.0, f(np.arange(len(c.elements)))
    for j in rng.permutation(len(c.elements)).tolist():
        gains = c.gains()
        truth = np.array([f(np.array(sorted({*S, i}))) - before for i in range(len(c.elements))])
        fresh = np.setdiff1d(np.arange(len(c.elements)), S)
        np.testing.assert_allclose(gains[fresh], truth[fresh], atol=1e-8 * max(1, scale))
        np.testing.assert_allclose(
            c.gains(fresh[::-1]), gains[fresh[::-1]], atol=1e-12 * max(1, scale)
        )
        parts = c.contributions(j)
        if name == "variance":
            assert (
                parts.shape == c.targets.shape
                and parts.sum() == near(gains[j], scale)
                and (parts >= 0).all()
            )
        else:
            assert parts is None
        c.add(j)
        S, before = S + [j], f(np.array(sorted(S + [j])))
        assert c.current == near(before, scale)
    c.reset()
    assert c.current == 0 and c.gain(0) == near(f(np.array([0])), scale)


@given(seed=SEEDS)
@settings(max_examples=40)
def test_contributions_are_the_targets_own_gains(seed):
    rng, c, _ = instance("variance", seed)
    K_EE, K_TE, n, w, total = c.dense_truth
    removed = lambda S: (
        w
        * np.einsum(
            "ts,st->t",
            K_TE[:, S],
            np.linalg.solve(K_EE[np.ix_(S, S)] + np.diag(n[S]), K_TE[:, S].T),
        )
    )
    order = rng.permutation(len(c.elements))
    for i, j in enumerate(order[:4]):
        np.testing.assert_allclose(
            c.contributions(int(j)),
            removed(order[: i + 1]) - removed(order[:i]),
            atol=1e-7 * max(1, total),
        )
        c.add(int(j))
    assert c.total == near(total, total) == near(c.ceiling(), total)


@every
@given(seed=SEEDS)
@settings(max_examples=30)
def test_flags_hold(name, seed):
    "Monotone and submodular where claimed, on all triples of a few elements."
    rng, c, _ = instance(name, seed)
    pool = rng.permutation(len(c.elements))[:5].tolist()
    value = {
        frozenset(S): c.value(c.elements[list(S)]) for k in range(6) for S in combinations(pool, k)
    }
    slack = 1e-8 * max(1, max(value.values()))
    for S, v in value.items():
        for j in set(pool) - S:
            assert value[S | {j}] >= v - slack
            if c.submodular:
                assert all(
                    value[S | {j}] - v >= value[S | {i, j}] - value[S | {i}] - slack
                    for i in set(pool) - S - {j}
                )


def test_flags():
    assert [
        (c.monotone, c.submodular, c.keeps_gains)
        for c in (MaxSpec, TopEigenvalue, SupervisionVariance)
    ] == [(True, True, True), (True, False, True), (True, False, True)]


@pytest.mark.parametrize(
    "make",
    [
        lambda: TopEigenvalue(PATH10),
        lambda: SupervisionVariance(
            PATH10, elements=PATH10.genes, targets=["7"], hops=1, noise=0.1
        ),
    ],
    ids=["topeig", "variance"],
)
def test_not_submodular_indeed(make):
    c = make()
    f = lambda *S: c.value(S)
    assert (
        max(
            f(*(*S, a, b)) - f(*(*S, a)) - f(*(*S, b)) + f(*S)
            for S in [(), *((x,) for x in "0123456789")]
            for a, b in combinations([o for o in "0123456789" if o not in S], 2)
        )
        > 0.05
    )


# ---- state ----


@every
@given(seed=SEEDS)
@settings(max_examples=30)
def test_copies_part_ways(name, seed):
    "Two copies of a running criterion, each adding on its own, do not see each other."
    rng, c, f = instance(name, seed)
    order = rng.permutation(len(c.elements)).tolist()
    for j in order[:2]:
        c.add(j)
    other = copy.copy(c)
    for i, j in enumerate(order[2:]):
        (c, other)[i % 2].add(j)
    for one, S in ((c, order[:2] + order[2::2]), (other, order[:2] + order[3::2])):
        truth = f(np.array(sorted(S)))
        assert one.current == near(truth, truth)
        rest = np.setdiff1d(order, S)
        np.testing.assert_allclose(
            one.gains(rest),
            [f(np.array(sorted([*S, i]))) - truth for i in rest],
            atol=1e-7 * max(1, truth),
        )
    c.reset()
    assert c.current == 0 and other.current != 0 or truth == near(0, 1)


@every
@given(seed=SEEDS)
@settings(max_examples=20)
def test_value_leaves_the_state(name, seed):
    rng, c, _ = instance(name, seed)
    for j in rng.permutation(len(c.elements))[:2]:
        c.add(int(j))
    before = {
        k: (v, np.array(v, copy=True))
        for k, v in vars(c).items()
        if isinstance(v, (np.ndarray, float))
    }
    gains, S = c.gains().copy(), rng.permutation(c.elements)[:4].tolist()
    values = [c.value(rng.permutation(S)) for _ in range(3)] + [c.value(S + S)]
    assert values == pytest.approx([values[0]] * 4, abs=1e-9, rel=1e-9)
    for k, (v, old) in before.items():
        assert vars(c)[k] is v, k
        np.testing.assert_array_equal(v, old, err_msg=k)
    np.testing.assert_array_equal(c.gains(), gains)


@every
def test_travels_between_processes(name):
    _, c, _ = instance(name, 3)
    if name == "variance":
        del c.dense_truth
    c.add(1)
    there = pickle.loads(pickle.dumps(c))
    c.add(0)
    there.add(0)
    np.testing.assert_array_equal(there.gains(), c.gains())


def test_many_picks_stay_exact():
    "After 150 picks the running gains are those of the formula to nine digits."
    rng = np.random.default_rng(0)
    s, t = np.nonzero(rng.random((200, 200)) < 0.03)
    g = from_edges([f"g{i:03}" for i in s], [f"g{i:03}" for i in t])
    K, S = g.kernel((1, 2)), rng.permutation(len(g))[:150]
    C = K - K[:, S] @ np.linalg.solve(K[np.ix_(S, S)] + np.eye(150), K[S])
    for form in ("dense", "factored"):
        c = SupervisionVariance(g, kernel="cosine", form=form)
        for j in S:
            c.add(int(j))
        np.testing.assert_allclose(c.gains(), (C**2).sum(axis=0) / (np.diag(C) + 1), rtol=1e-9)


@given(seed=SEEDS)
@settings(max_examples=25)
def test_dense_and_factored_agree(seed):
    rng, state = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    g = random_graphs(rng)
    again = copy.deepcopy(state)
    (dense, _), (factored, _) = variance(state, g, "dense"), variance(again, g, "factored")
    assert isinstance(dense.posterior, Posteriors)
    assert isinstance(factored.posterior, JointPosterior), "no array of all pairs"
    scale = max(1, dense.total)
    for j in rng.permutation(len(dense.elements))[:5]:
        np.testing.assert_allclose(dense.gains(), factored.gains(), atol=1e-8 * scale)
        dense.add(int(j))
        factored.add(int(j))
    assert factored.current == near(dense.current, scale)


def test_small_noise():
    for form in ("dense", "factored"):
        c = SupervisionVariance(PATH10, kernel="cosine", noise=1e-9, form=form)
        assert c.value(PATH10.genes) == pytest.approx(10, abs=1e-6), (
            "all measured without noise: all variance is gone"
        )
        for j in range(10):
            c.add(j)
        assert (c.gains() < 1e-5).all()


# ---- the golden table ----


@pytest.mark.parametrize(
    "hops,picks,gains",
    [
        (1, "9051", [0.348307, 0.341223, 0.309197, 0.273901]),
        (2, "0958", [0.289519, 0.262692, 0.242274, 0.178422]),
    ],
)
def test_golden_maxspec(hops, picks, gains):
    c, left = MaxSpec(PATH10, hops=hops), np.ones(10, bool)
    for p, gain in zip(picks, gains):
        now = np.where(left, c.gains().round(9), -1)  # ties to the smaller index
        assert c.elements[now.argmax()] == p and now.max() == pytest.approx(gain, abs=5e-7)
        c.add(int(p))
        left[int(p)] = False


@pytest.mark.parametrize("eps,m", [(0.01, 1), (0.1, 3), (1.0, 6)])
def test_maxspec_of_a_band_is_the_band_limited_design(eps, m):
    step = np.eye(10) + PATH10.adjacency.toarray()
    d = step.sum(axis=1)
    U = np.linalg.eigh(np.eye(10) - step / np.sqrt(np.outer(d, d)))[1][:, :m]
    for S in (["0"], ["0", "5", "9"], list("0123456789")):
        rows = U[PATH10.index(S)]
        assert MaxSpec(PATH10, kernel="band", m=m, noise=eps).value(S) == pytest.approx(
            np.linalg.slogdet(eps * np.eye(m) + rows.T @ rows)[1] - m * np.log(eps), abs=1e-8
        )


# ---- genes that stand alone ----


@pytest.mark.parametrize("kernel", ["operator", "cosine", "heat", "laplacian"])
def test_stray_genes_gain_nothing_in_maxspec(kernel):
    g = from_edges(["A", "B"], ["B", "C"]).align(["A", "B", "C", "X", "Y"])[0]
    for c in (MaxSpec(g, kernel=kernel), TopEigenvalue(g, kernel=kernel)):
        assert c.value(["X", "Y"]) == 0 and c.value(["A", "X"]) == c.value(["A"]) > 0
        c.add(3)
        assert c.gains()[[3, 4]].tolist() == [0, 0] and (c.gains()[:3] > 0).all()


def test_a_pair_with_a_connected_gene_counts():
    g = from_edges(["A", "B"], ["B", "C"]).align(["A", "B", "C", "X", "Y"])[0]
    gains = dict(zip(["A", "A+X", "X", "X+Y"], MaxSpec(g, ["A", "A+X", "X", "X+Y"]).gains()))
    assert gains["A+X"] > gains["A"] > 0 == gains["X"] == gains["X+Y"]


# ---- parts ----


@given(seed=SEEDS)
@settings(max_examples=80)
def test_bordered_top(seed):
    rng = np.random.default_rng(seed)
    n, rank = int(rng.integers(1, 9)), int(rng.integers(1, 9))
    X = rng.normal(size=(n + 4, rank)) * rng.choice([0, 1e-7, 1], (n + 4, 1), p=[0.2, 0.2, 0.6])
    if rng.integers(2):
        X[-1] = X[0]  # a twin
    K = X @ X.T
    values, Q = np.linalg.eigh(K[:n, :n])
    tops = bordered_top(values, Q.T @ K[:n, n:], np.diag(K)[n:])
    np.testing.assert_allclose(
        tops,
        [
            np.linalg.eigvalsh(K[np.ix_(at, at)]).max()
            for at in ([*range(n), n + i] for i in range(4))
        ],
        atol=1e-10 * max(1, K.max()),
    )


@given(seed=SEEDS)
@example(seed=255)
@example(seed=656)
@settings(max_examples=40)
def test_a_top_eigenvalue_does_not_depend_on_who_else_is_asked(seed):
    "To the last bit, for one border, for some and for all."
    rng = np.random.default_rng(seed)
    i, n = rng.integers(1, 40, 2)
    A = rng.normal(size=(i + n, i + n))
    K = A @ A.T / 10
    values, Q = np.linalg.eigh(K[:i, :i])
    joint, corner = Q.T @ K[:i, i:], np.diag(K)[i:]
    tops = bordered_top(values, joint, corner)
    for k in (1, 2, 3, n):
        at = rng.permutation(n)[:k]
        np.testing.assert_array_equal(bordered_top(values, joint[:, at], corner[at]), tops[at])


def test_bordered_top_with_ties():
    np.testing.assert_allclose(
        bordered_top(np.ones(3), np.array([[0, 0], [0, 1e-9], [0, 0]]), np.array([1.0, 1.0])),
        [1, 1 + 1e-9],
        atol=1e-15,
    )
    np.testing.assert_allclose(
        bordered_top(np.array([0.0, 1.0]), np.array([[0.5], [0.0]]), np.array([2.0])),
        [np.linalg.eigvalsh([[0, 0.5], [0.5, 2]]).max()],
    )


@pytest.mark.parametrize("form", ["dense", "factored"])
def test_kernel_blocks(form):
    rng = np.random.default_rng(0)
    g = random_graphs(rng, 9)
    E, T = incidence(g, ["g00", "g01+g02", "g08"]), incidence(g, g.genes[:5])
    K, w = gram(kernel_of(g, "heat")), rng.uniform(size=5)
    blocks = KernelBlocks(g, E, T, form, kernel="heat")
    np.testing.assert_allclose(
        blocks.columns(np.array([2, 0]), np.array([1.0, 3.0])),
        E @ K @ E.T @ [3.0, 0, 1.0],
        atol=1e-10,
    )
    np.testing.assert_allclose(
        blocks.on_targets(np.arange(3.0)), T @ K @ E.T @ np.arange(3.0), atol=1e-10
    )
    np.testing.assert_allclose(blocks.on_elements(w), E @ K @ T.T @ w, atol=1e-10)
    np.testing.assert_allclose(blocks.squared(w), w @ (T @ K @ E.T) ** 2, atol=1e-10)
    for one, M in zip(blocks.diagonals(), (E, T)):
        np.testing.assert_allclose(one, np.diag(M @ K @ M.T), atol=1e-10)
    np.testing.assert_array_equal(blocks.columns(np.zeros(0, int), np.zeros(0)), np.zeros(3))


def test_known_stays_as_it_was():
    first = Known().join(3, np.zeros(0), 2.0)
    left, right = first.join(1, np.array([0.5]), 1.0), first.join(2, np.array([0.1]), 4.0)
    assert (
        first.picks.tolist() == [3]
        and left.picks.tolist() == [3, 1]
        and right.picks.tolist() == [3, 2]
    )
    assert first.L.shape == (1, 1) and Known().picks.tolist() == []
    np.testing.assert_allclose(left.L, [[np.sqrt(2), 0], [0.5, 1]])
    np.testing.assert_allclose(right.L, [[np.sqrt(2), 0], [0.1, 2]])
    b = np.array([1.0, 2.0])
    np.testing.assert_allclose(left.solve(b), np.linalg.solve(left.L @ left.L.T, b))


# ---- noise, priors, hostile inputs ----


def test_noise_from_cells():
    assert noise_from_cells({"A": 50, "B": 150}) == {"A": 2.0, "B": pytest.approx(2 / 3)}
    assert noise_from_cells({"A": 50, "B": 150}, noise=0.5, names=["A", "C"]) == {
        "A": 1.0,
        "B": pytest.approx(1 / 3),
        "C": 0.5,
    }
    assert noise_from_cells({}, noise=2.0, names=["A"]) == {"A": 2.0}
    cells = noise_from_cells({"0": 10, "5": 90})
    few, even = SupervisionVariance(PATH10, noise=cells), SupervisionVariance(PATH10)
    assert (
        few.gains()[0] < even.gains()[0]
        and few.gains()[5] > even.gains()[5]
        and few.gains()[1] == even.gains()[1]
    )


def test_a_similarity_as_kernel():
    prior = random_prior(np.random.default_rng(0), 10)
    g = from_edges([f"g{i:02}" for i in range(9)], [f"g{i:02}" for i in range(1, 10)])
    c = SupervisionVariance(g, kernel=["cosine", prior])
    K = (g.kernel((1, 2)) + gram(prior.subgraph(g.genes).factor)) / 2
    assert c.value(["g02"]) == pytest.approx((K[2] ** 2).sum() / (K[2, 2] + 1))
    assert MaxSpec(g, kernel=sp.identity(10)).value(["g02"]) == 0, (
        "a gene like no other teaches nothing"
    )


@pytest.mark.parametrize(
    "call,message",
    [
        (lambda: SupervisionVariance(PATH10, form="sparse"), "use one of auto, dense, factored"),
        (lambda: SupervisionVariance(PATH10, kernel="heet"), "did you mean 'heat'"),
        (lambda: SupervisionVariance(PATH10, color=3), "takes no parameter 'color'"),
        (lambda: MaxSpec(PATH10, color=3), "takes no parameter 'color'"),
        (lambda: MaxSpec(PATH10, kernel="laplacian", alpha=0), "alpha is 0"),
        (lambda: TopEigenvalue(PATH10, hops=0), "hops is 0"),
        (lambda: MaxSpec(PATH10, noise=0), "noise must be positive"),
        (lambda: MaxSpec(PATH10, noise=float("nan")), "noise must be positive"),
        (lambda: SupervisionVariance(PATH10, noise={"0": -1.0}), "noise must be positive"),
        (lambda: SupervisionVariance(PATH10, noise=[1.0, 2.0]), "2 numbers for 10 names"),
        (lambda: SupervisionVariance(PATH10, weights={"XIST": 1.0}), "XIST"),
        (lambda: SupervisionVariance(PATH10, weights={"0": -1.0}), "non-negative"),
        (lambda: SupervisionVariance(PATH10, targets=[]), "targets"),
        (lambda: MaxSpec(PATH10, elements=["0", "XIST"]), "XIST"),
        (lambda: noise_from_cells({"A": 0}), "exclude A"),
        (lambda: noise_from_cells({"A": float("nan")}), "exclude A"),
        (lambda: noise_from_cells({"A": "many"}), "mapping from perturbation to a number"),
        (lambda: noise_from_cells([1, 2]), "mapping"),
        (lambda: noise_from_cells({"A": 1}, noise=-1), "noise is -1"),
    ],
)
def test_hostile_inputs(call, message):
    with pytest.raises(GraphselError, match=message):
        call()
