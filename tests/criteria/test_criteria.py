"""Criteria against their formulas, with dense matrices; monotone, submodular, and in step with themselves;
mixtures; the check for criteria of one's own."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from helpers import (
    INSTANCES,
    dense_kernel,
    gene_names,
    instance,
    random_graph,
    random_graphs,
    random_lists,
    target_reach,
    touched,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from graphsel.core.errors import GraphselError
from graphsel.criteria.base import CRITERIA, Criterion
from graphsel.criteria.coverage import GraphReach, RowCriterion, SoftReach
from graphsel.criteria.design import MaxSpec, SupervisionVariance, TopEigenvalue
from graphsel.criteria.mixture import Mixture, parse_mixture
from graphsel.criteria.registry import check_criterion, make_criterion
from graphsel.criteria.similarity import (
    FacilityLocation,
    GraphCut,
    _strongest,
    _without_small,
    similarity_rows,
)
from graphsel.graphs.build import from_edges
from graphsel.graphs.graph import combine
from graphsel.graphs.priors import make_prior
from graphsel.selection.greedy import greedy

SEEDS = st.integers(0, 2**32 - 1)
PATH10 = from_edges(
    list("000045558"), list("123456789")
)  # 0-1, 0-2, 0-3, 0-4, 4-5, 5-6, 5-7, 5-8, 8-9


# ---- random instances: a criterion, and its formula written with dense matrices ----


def test_every_criterion_is_tested_here():
    assert set(INSTANCES) >= set(CRITERIA)


# ---- golden table: 10 nodes, published picks and gains ----


@pytest.mark.parametrize(
    "make,picks,gains",
    [
        (lambda: target_reach(PATH10, hops=1), "0581", [5, 4, 1, 0]),
        (lambda: target_reach(PATH10, hops=2), "4501", [9, 1, 0, 0]),
        (
            lambda: SoftReach(PATH10, form="facility", hops=1),
            "0591",
            [1.406882, 1.090654, 0.650049, 0.3],
        ),
        (
            lambda: SoftReach(PATH10, form="facility", hops=2),
            "0591",
            [1.275118, 0.992501, 0.513758, 0.128641],
        ),
        (
            lambda: MaxSpec(PATH10, hops=1, noise=1.0),
            "9051",
            [0.348307, 0.341223, 0.309197, 0.273901],
        ),
        (
            lambda: MaxSpec(PATH10, hops=2, noise=1.0),
            "0958",
            [0.289519, 0.262692, 0.242274, 0.178422],
        ),
    ],
    ids=["graphreach 1", "graphreach 2", "facility 1", "facility 2", "maxspec 1", "maxspec 2"],
)
def test_golden_table(make, picks, gains):
    for method in (
        "auto",
        "naive",
        "lazy",
        *(["compiled"] if isinstance(make(), RowCriterion) else []),
    ):
        s = greedy(make(), 4, ties="index", method=method)
        assert "".join(s.genes) == picks
        np.testing.assert_allclose(s.gains, gains, atol=5e-7)


@pytest.mark.parametrize("hops,picks", [(1, "0591"), (2, "4509")])
def test_golden_picks_with_default_ties(hops, picks):
    for method in ("auto", "naive", "lazy", "compiled"):
        assert "".join(greedy(target_reach(PATH10, hops=hops), 4, method=method).genes) == picks


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
        assert gains[j] == pytest.approx(one, abs=1e-12) and one == pytest.approx(
            value - before, abs=1e-8
        )
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
    value = {
        frozenset(S): c.value(c.elements[list(S)])
        for k in range(6)
        for S in combinations(pool.tolist(), k)
    }
    assert value[frozenset()] == 0
    for S, v in value.items():
        for j in set(pool.tolist()) - S:
            assert not c.monotone or value[S | {j}] >= v - 1e-9
            if not c.submodular:
                continue
            for i in (
                set(pool.tolist()) - S - {j}
            ):  # enough: the gain of j shrinks with each single addition
                assert value[S | {j}] - v >= value[S | {i, j}] - value[S | {i}] - 1e-9


def test_flags():
    all_of = {n: make_criterion(n, PATH10) for n in CRITERIA}
    assert all(c.monotone for c in all_of.values())
    assert [n for n, c in all_of.items() if not c.submodular] == ["topeig", "variance"]


@pytest.mark.parametrize("name", INSTANCES)
@given(seed=SEEDS)
@settings(max_examples=15)
def test_value_knows_no_order_and_leaves_the_state(name, seed):
    rng, c, _ = instance(name, seed)
    for j in rng.permutation(len(c.elements))[:2]:
        c.add(int(j))
    if rng.integers(2):
        c.advance()
    before = {
        k: np.array(v, copy=True) if isinstance(v, (np.ndarray, float, int)) else v
        for k, v in vars(c).items()
    }
    gains, scores, S = c.gains().copy(), c.scores().copy(), list(rng.permutation(c.elements)[:4])
    values = [c.value(rng.permutation(S)) for _ in range(3)] + [c.value(S + S)]
    assert values == pytest.approx([values[0]] * 4, abs=1e-9)
    for k, v in vars(c).items():
        if isinstance(before[k], np.ndarray):
            np.testing.assert_array_equal(v, before[k], err_msg=k)
        else:
            assert v is before[k]
    np.testing.assert_array_equal(c.gains(), gains)
    np.testing.assert_array_equal(c.scores(), scores)


# ---- supervision variance: one number, four ways ----


@given(seed=SEEDS)
@settings(max_examples=25)
def test_variance_dense_factored_and_downdated_agree(seed):
    rng, drawn, _ = instance("variance", seed)
    g, names, noise, a = drawn.graph, drawn.elements, drawn.noise, drawn.weights
    hops, targets = int(rng.integers(1, 4)), drawn.targets
    given = dict(hops=hops, noise=noise, weights=a, kernel="cosine")
    dense, factored = (
        SupervisionVariance(g, names, targets, form=form, **given) for form in ("dense", "factored")
    )
    M = np.vstack([touched(g, names), touched(g, targets)])
    C, n = M @ dense_kernel(g, range(1, hops + 1)) @ M.T, len(names)
    for j in rng.permutation(n)[:5]:
        expected = (
            a @ C[n:, :n] ** 2 / (np.diag(C)[:n] + noise)
        )  # the textbook: sum_t a_t C[t,p]^2/(C[p,p] + s^2)
        np.testing.assert_allclose(dense.gains(), expected, atol=1e-8)
        np.testing.assert_allclose(factored.gains(), expected, atol=1e-8)
        C = C - np.outer(C[:, j], C[j]) / (C[j, j] + noise[j])
        dense.add(int(j))
        factored.add(int(j))
    assert factored.current == pytest.approx(dense.current, abs=1e-8)
    assert dense.value(names[:3]) == pytest.approx(factored.value(names[:3]), abs=1e-8)


def test_variance_cannot_exceed_what_there_is():
    g = random_graph(np.random.default_rng(0), 12)
    c = SupervisionVariance(g, noise=1e-9)
    assert c.value(g.genes) == pytest.approx(12, abs=1e-6), (
        "all measured without noise: all variance is gone"
    )


def test_variance_may_break_submodularity_but_seldom():
    broken = triples = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        c = SupervisionVariance(random_graph(rng, 9, directed=True), noise=0.1)
        i, j, k = rng.permutation(9)[:3]
        f = lambda *S, c=c: c.value(c.elements[list(S)])
        triples += 1
        broken += f(i, j) - f(i) < f(i, k, j) - f(i, k) - 1e-9
    assert broken < 0.2 * triples


def test_priors_move_the_variance():
    g = from_edges(["A", "C"], ["B", "D"])
    prior = make_prior(pd.DataFrame(np.eye(4)[[0, 0, 0, 1]], index=list("ABCD")))
    plain, informed = SupervisionVariance(g), SupervisionVariance(combine([g], [prior]))
    assert informed.value(["A"]) > plain.value(["A"]), "A now tells of C too"


# ---- details that a reader relies on ----


def test_isolated_genes_do_not_lure_maxspec():
    g = from_edges(["A", "B"], ["B", "C"]).align(["A", "B", "C", "X", "Y"])[0]
    c = MaxSpec(g)
    assert c.value(["X", "Y"]) == 0 and c.value(["A", "X"]) == c.value(["A"])
    assert set(greedy(c, 3).genes) == {"A", "B", "C"}


def test_weights_belong_to_names_not_to_places():
    "An array of weights follows the order in which the user named the targets."
    g = from_edges(["A", "C"], ["B", "D"])
    by_name = target_reach(g, targets=["D", "A"], weights={"D": 5.0, "A": 1.0})
    by_place = target_reach(g, targets=["D", "A"], weights=[5.0, 1.0])
    assert by_place.value(["A"]) == by_name.value(["A"]) == 1


def test_noise_belongs_to_names_not_to_places():
    g = from_edges(["A", "C"], ["B", "D"])
    by_name = SupervisionVariance(g, elements=["D", "A"], noise={"D": 9.0, "A": 1.0})
    by_place = SupervisionVariance(g, elements=["D", "A"], noise=[9.0, 1.0])
    assert by_place.value(["A"]) == pytest.approx(by_name.value(["A"]))


def test_weights_and_noise_for_unknown_names_are_refused():
    "A name that is no target is a slip of the pen; weighing nothing in silence would hide it."
    g = from_edges(["A", "C"], ["B", "D"])
    with pytest.raises(GraphselError, match="XIST"):
        target_reach(g, weights={"XIST": 5.0})
    with pytest.raises(GraphselError, match="XIST"):
        SupervisionVariance(g, noise={"XIST": 5.0})


def test_very_large_weights():
    "Coverage that is full is full, whatever the size of the weights."
    g = from_edges(*np.random.default_rng(0).choice(gene_names(12), (2, 30)))
    weights = {
        n: float(w) for n, w in zip(g.genes, np.random.default_rng(1).uniform(1e8, 1e12, len(g)))
    }
    big, small = (
        greedy(target_reach(g, weights={n: w * s for n, w in weights.items()}), 6)
        for s in (1, 1e-12)
    )
    assert big.genes == small.genes and big.columns["level"] == small.columns["level"]


@pytest.mark.parametrize(
    "name,params,says",
    [
        ("graphreach", {"hops": 0}, "hops"),
        ("graphreach", {"hops": 1.5}, "hops"),
        ("graphreach", {"direction": "up"}, "direction"),
        ("graphreach", {"weights": [1, 2]}, "weights"),
        ("graphreach", {"weights": {"A": -1}}, "weights"),
        ("graphreach", {"weights": {"A": np.nan}}, "weights"),
        ("graphreach", {"weights": {"A": "x"}}, "weights"),
        ("softreach", {"form": "hard"}, "form"),
        ("softreach", {"norm": "max"}, "norm"),
        ("softreach", {"tau": 0}, "tau"),
        ("softreach", {"tau": -1}, "tau"),
        ("softreach", {"tau": np.nan}, "tau"),
        ("maxspec", {"noise": 0}, "noise"),
        ("maxspec", {"noise": -1}, "noise"),
        ("maxspec", {"noise": np.inf}, "noise"),
        ("maxspec", {"noise": [1, 2]}, "noise"),
        ("maxspec", {"noise": "x"}, "noise"),
        ("variance", {"noise": {"A": 0}}, "noise"),
        ("variance", {"hops": 0}, "hops"),
        ("facility", {"hops": "2"}, "hops"),
        ("facility", {"hops": True}, "hops"),
        ("graphreach", {"elements": ["A", "XIST"]}, "XIST"),
        ("graphreach", {"targets": ["A+XIST"]}, "XIST"),
        ("graphreach", {"elements": []}, "candidates: none is left"),
        ("graphreach", {"targets": []}, "targets: none is left"),
        ("graphreach", {"elements": ["A", "B", "A"]}, "named twice: A; keep each once"),
        ("graphreach", {"elements": ["A", ""]}, "empty name; remove it"),
        ("variance", {"targets": ["B", "B"]}, "named twice: B"),
        ("maxspec", {"elements": ["", "A"]}, "empty name"),
        ("graphreach", {"weights": {"A": np.inf}}, "non-negative numbers.*mend"),
        ("softreach", {"tau": True}, "positive number"),
        ("softreach", {"tau": "1"}, "positive number"),
        ("graphcut", {"lam": -1}, "at least 0"),
        ("graphcut", {"lam": np.nan}, "at least 0"),
        ("graphcut", {"lam": True}, "at least 0"),
        ("facility", {"kernel": np.eye(2)}, "2 x 2 for 3 genes"),
        ("facility", {"kernel": np.full((3, 3), np.nan)}, "NaN, infinite"),
        ("facility", {"kernel": np.full((3, 3), "x")}, "not a number"),
        ("facility", {"kernel": sp.csr_matrix((3, 4))}, "3 x 4"),
        ("facility", {"kernel": "cosin"}, "did you mean 'cosine'"),
        ("graphreech", {}, "did you mean 'graphreach'"),
        ("maxspec", {"color": 3}, "color"),
        ("facility", {"direction": "both"}, "direction"),
        ("nothing", {}, "unknown criterion"),
    ],
    ids=str,
)
def test_hostile_parameters(name, params, says):
    g = from_edges(["A", "B"], ["B", "C"])
    with pytest.raises(GraphselError, match=says):
        make_criterion(name, g, **params)


def test_unknown_elements_are_named():
    c = target_reach(from_edges(["A", "B"], ["B", "C"]))
    with pytest.raises(GraphselError, match="X, Y"):
        c.value(["A", "X", "Y"])


# ---- cut and closest-pick functions on any similarity ----


def test_flags_of_graphcut():
    """Monotone where every candidate is a target of weight 1 or more and lambda >= 2; submodular where no
    similarity is negative."""
    flags = lambda **params: (lambda c: (c.monotone, c.submodular))(GraphCut(PATH10, **params))
    negative = np.eye(10)
    negative[2, 3] = negative[3, 2] = -0.5
    assert (
        flags()
        == flags(lam=3, weights={"9": 4.0})
        == flags(elements=["1", "2"], targets=PATH10.genes)
        == (True, True)
    )
    assert (
        flags(lam=1.9)
        == flags(weights={"9": 0.9})
        == flags(targets=["0", "1"])
        == flags(elements=["0+1", "2"], targets=PATH10.genes)
        == (False, True)
    )
    assert (
        flags(kernel=negative) == flags(kernel=sp.csr_matrix(negative), lam=0.5) == (False, False)
    )
    for params in ({}, {"lam": 0.5}, {"kernel": negative}):
        s = greedy(GraphCut(PATH10, **params), 3)
        assert (s.upper_bound is None) == (params != {}) and s.guarantee.startswith("none") == (
            params != {}
        )


@pytest.mark.parametrize("name", ["facility", "graphcut"])
def test_a_similarity_may_be_sparse_or_dense(name):
    K = np.random.default_rng(0).random((10, 10)).round(1)
    dense, sparse = (
        make_criterion(name, PATH10, kernel=k)
        for k in (
            (K + K.T) * (K < 0.4) * (K.T < 0.4),
            sp.csr_matrix((K + K.T) * (K < 0.4) * (K.T < 0.4)),
        )
    )
    np.testing.assert_array_equal(dense.gains(), sparse.gains())
    assert greedy(dense, 6).genes == greedy(sparse, 6).genes


def test_graphcut_of_a_similarity_that_is_not_symmetric():
    K = np.random.default_rng(0).random((10, 10))
    c = GraphCut(PATH10, kernel=K)
    S = ["0", "4", "7"]
    assert c.start(c.positions(S)).current == pytest.approx(c.start(c.positions(S[::-1])).current)
    at = PATH10.index(S)
    assert c.value(S) == pytest.approx(2 * K[at].sum() - K[np.ix_(at, at)].sum())


def test_only_the_closest_candidates_are_kept():
    K, everyone = np.random.default_rng(1).normal(size=(10, 10)), np.arange(10)
    rows = similarity_rows(
        PATH10, K, 1, everyone, sp.identity(10, format="csr"), neighbors=3
    ).toarray()
    for v in range(10):
        kept = np.flatnonzero(rows[:, v])
        assert set(kept) == set(np.argsort(-K[:, v])[:3]) and np.allclose(rows[kept, v], K[kept, v])
    few, all_of = (
        FacilityLocation(PATH10, kernel=np.abs(K), neighbors=3),
        FacilityLocation(PATH10, kernel=np.abs(K)),
    )
    assert (few.gains() <= all_of.gains()).all() and few.reach.nnz == 30
    assert few.value(PATH10.genes) == pytest.approx(all_of.value(PATH10.genes)), (
        "the closest of all is kept"
    )


# ---- the closest of all, block by block ----


def closest_by_brute_force(K, keep):
    "elements x targets: of each target the largest positive entries, of equals the first."
    out = np.zeros_like(K)
    for v in range(K.shape[1]):
        best = np.argsort(-K[:, v], kind="stable")[:keep]
        out[best, v] = np.maximum(K[best, v], 0)
    return out


@pytest.mark.parametrize("mutual", [True, False])
@given(seed=SEEDS)
@settings(max_examples=15)
def test_the_closest_block_by_block(mutual, seed):
    rng = np.random.default_rng(seed)
    n, keep = int(rng.integers(2, 12)), int(rng.integers(1, 6))
    F = sp.csr_matrix(rng.integers(-1, 3, (n, 5)) * (rng.random((n, 5)) < 0.5), dtype=float)
    G = F if mutual else sp.csr_matrix(rng.integers(-1, 3, (n + 2, 5)), dtype=float)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("graphsel.criteria.loops.BLOCK", 3)
        found = _strongest(F, G, keep).toarray()
    np.testing.assert_array_equal(found, closest_by_brute_force((F @ G.T).toarray(), keep))


def test_small_parts_are_left_out_within_the_bound(monkeypatch):
    g = from_edges(*np.random.default_rng(0).integers(0, 60, (2, 400)).astype(str))
    monkeypatch.setattr("graphsel.criteria.similarity.SMALL", 0.01)
    F, again = _without_small(*[g.factor()] * 2)
    lost = np.asarray((g.factor() - F).power(2).sum(axis=1)).ravel()
    assert F is again and F.nnz < g.factor().nnz and lost.max() <= 0.01 + 1e-12
    assert abs(g.kernel() - (F @ F.T).toarray()).max() <= 0.2
    monkeypatch.setattr("graphsel.criteria.similarity.FULL_LIMIT", 10)
    monkeypatch.setattr("graphsel.criteria.similarity.NEIGHBORS", 5)
    c = FacilityLocation(g)
    assert c.reach.nnz == 5 * len(g) and abs(c.reach.data).max() <= 1 + 1e-9


# ---- mixtures ----


@given(seed=SEEDS)
@settings(max_examples=25)
def test_mixtures_are_weighted_sums(seed):
    rng = np.random.default_rng(seed)
    graph = random_graphs(rng)
    elements, targets, _, _ = random_lists(rng, graph)
    names, weights = (
        sorted(
            rng.choice(
                ["graphreach", "softreach", "facility", "maxspec", "variance", "topeig"],
                3,
                replace=False,
            )
        ),
        rng.integers(1, 9, 3) / 4,
    )
    mixture = make_criterion(
        "+".join(f"{w}*{n}" for n, w in zip(names, weights)), graph, elements, targets
    )
    parts = [make_criterion(n, graph, elements, targets) for n in names]
    unit = [w / (p.gains().max() or 1) for w, p in zip(weights, parts)]
    S = rng.permutation(mixture.elements)[:3]
    assert mixture.value(S) == pytest.approx(sum(u * p.value(S) for u, p in zip(unit, parts)))
    assert mixture.submodular == (not {"variance", "topeig"} & set(names)) and mixture.monotone
    assert mixture.value(mixture.elements) <= mixture.ceiling() + 1e-9
    check_criterion(mixture, rounds=5)
    assert (greedy(mixture, 2).upper_bound is None) != mixture.submodular


def test_mixtures_find_what_both_want():
    one, other = make_criterion("1*graphreach", PATH10), make_criterion("graphreach", PATH10)
    assert greedy(one, 5, ties="index").genes == greedy(other, 5, ties="index").genes
    s = greedy(make_criterion("1e-9*graphreach+1*maxspec", PATH10), 4)
    assert (
        s.genes == greedy(make_criterion("maxspec", PATH10), 4).genes
        and s.strategy == "1e-09*graphreach+1*maxspec"
    )
    assert make_criterion("1*graphcut+1*graphreach", PATH10).monotone and parse_mixture(
        " 0.7 * variance + .3*graphreach "
    ) == {"variance": 0.7, "graphreach": 0.3}


@pytest.mark.parametrize(
    "text,says",
    [
        ("0*variance", "positive weights"),
        ("-1*variance", "positive weights"),
        ("1*variance+", "not a mixture"),
        ("*variance", "not a mixture"),
        ("a*variance", "not a mixture"),
        ("1*variance+graphreach", "write weight\\*criterion"),
        ("1.1.1*variance", "no positive number"),
        ("1*variance+2*variance", "twice; add up"),
        ("1*variance*2", "not a mixture"),
        ("nan*variance", "not a mixture"),
        ("1*varance+1*facility", "did you mean 'variance'"),
        ("1e*variance", "no positive number"),
        ("*", "not a mixture"),
    ],
)
def test_hostile_mixtures(text, says):
    with pytest.raises(GraphselError, match=says):
        make_criterion(text, PATH10)


def test_mixtures_need_the_same_candidates():
    with pytest.raises(GraphselError, match="different candidates; build them over the same"):
        Mixture(
            {"graphreach": target_reach(PATH10, ["0", "1"]), "facility": FacilityLocation(PATH10)},
            {"graphreach": 1, "facility": 1},
        )


@pytest.mark.parametrize(
    "parts,weights",
    [
        ({}, {}),
        ("graphreach", {}),
        ("graphreach", {"graphreach": -1}),
        ("graphreach", {"graphreach": np.nan}),
        ("graphreach", {"graphreach": np.inf}),
    ],
    ids=str,
)
def test_mixtures_made_by_hand_need_positive_weights(parts, weights):
    with pytest.raises(GraphselError):
        Mixture({parts: target_reach(PATH10)} if parts else {}, weights)


def test_a_mixture_weight_must_be_finite():
    with pytest.raises(GraphselError):
        make_criterion("1e999*variance", PATH10)


def test_a_part_without_a_positive_gain_keeps_its_sign():
    mixture = Mixture(
        {"graphcut": GraphCut(PATH10, lam=0.0), "graphreach": target_reach(PATH10)},
        {"graphcut": 1, "graphreach": 1},
    )
    assert min(mixture.units) > 0
    check_criterion(mixture)


# ---- the check for criteria of one's own ----


@pytest.mark.parametrize("name", INSTANCES)
@given(seed=SEEDS)
@settings(max_examples=15)
def test_check_accepts_what_is_built_in(name, seed):
    rng, c, _ = instance(name, seed)
    for j in rng.permutation(len(c.elements))[:2]:
        c.add(int(j))
    before = c.current, c.gains().copy()
    seen = check_criterion(c, rounds=8, random_state=seed)
    assert (
        seen["checks"] == 8
        and not (c.monotone and seen["not monotone"])
        and not (c.submodular and seen["not submodular"])
    )
    assert c.current == before[0] and np.array_equal(c.gains(), before[1]), "it is left as it was"
    assert check_criterion(c, rounds=8, random_state=seed) == seen, "repeatable"


class Synergy(Criterion):
    "Two picks are worth more than twice one."

    name = "synergy"

    def reset(self):
        self.current, self.n = 0.0, 0

    def gains(self, at=slice(None)):
        return np.full(len(self.elements), 2 * self.n + 1.0)[at]

    def add(self, j):
        self.current, self.n = self.current + self.gain(j), self.n + 1


class InPlace(GraphReach):
    "Writes into the arrays that its copies share."

    def add(self, j):
        self.current += self.gain(j)
        self.count[self.row(j)[0]] += 1


class Ordered(Criterion):
    "What the first pick is decides."

    def reset(self):
        self.current, self.first = 0.0, None

    def gains(self, at=slice(None)):
        return (
            np.arange(1.0, len(self.elements) + 1)[at]
            if self.first is None
            else np.zeros(len(self.elements))[at]
        )

    def add(self, j):
        self.current, self.first = self.current + self.gain(j), j


class WrongGain(GraphReach):
    "Promises twice of what it adds."

    def gains(self, at=slice(None)):
        return 2 * super().gains(at)

    def add(self, j):
        before = self.current
        super().add(j)
        self.current = before + (self.current - before) / 2


class TwoGains(GraphReach):
    def gain(self, j):
        return super().gain(j) + 1


class Shrinks(Criterion):
    "More may hurt."

    def reset(self):
        self.current, self.n = 0.0, 0

    def gains(self, at=slice(None)):
        return np.full(len(self.elements), 2.0 - self.n)[at]

    def add(self, j):
        self.current, self.n = self.current + self.gain(j), self.n + 1


class Claims(TopEigenvalue):
    submodular = True


@pytest.mark.parametrize(
    "broken,says",
    [
        (Synergy, "claims to be submodular, but .* set submodular = False"),
        (InPlace, "changed the original; replace arrays in `add`"),
        (Ordered, "depends on the order"),
        (WrongGain, "another amount than its gain"),
        (TwoGains, "differ"),
        (Shrinks, "claims to be monotone, but .* set monotone = False"),
        (Claims, "claims to be submodular"),
    ],
)
def test_check_rejects_what_is_broken(broken, says):
    g = random_graph(np.random.default_rng(5), 12, directed=False, weighted=True)
    with pytest.raises(GraphselError, match=says):
        check_criterion(broken(g))


def test_check_accepts_honest_flags():
    for broken, flag in ((Synergy, "submodular"), (Shrinks, "monotone")):
        c = broken(PATH10)
        setattr(c, flag, False)
        assert check_criterion(c)[f"not {flag}"] > 0
