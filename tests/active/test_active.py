"""Active learners against the reference implementation and brute force; nothing leaks, nothing is picked twice."""

import itertools
import json
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from conftest import printed_under
from helpers import gene_names, random_graphs
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from graphsel.active.diversity import (
    averaged,
    farthest_first,
    largest_cluster,
    nearest_to_the_farthest,
    plus_plus,
    sketch,
    sources,
)
from graphsel.active.loop import learner, read_name, round_sizes, rounds
from graphsel.active.queries import RULES, SIGMA, leading, narrow, posterior, query, scaled, top
from graphsel.active.uncertainty import (
    forward_bait,
    frank_wolfe,
    likelihood_points,
    max_determinant,
)
from graphsel.core.errors import GraphselError
from graphsel.core.randomness import as_rng, as_seed
from graphsel.genes.perturbations import perturbed_genes
from graphsel.graphs.build import from_edges
from graphsel.graphs.graph import combine
from graphsel.graphs.priors import make_prior
from graphsel.models.registry import make_model
from graphsel.screens.screen import make_screen
from graphsel.selection.baselines import squared_distances
from graphsel.selection.strategies import STRATEGIES, Problem, get_strategy

SEEDS = st.integers(0, 2**32 - 1)
LEARNERS = sorted(n for n, s in STRATEGIES.items() if s.kind == "active")
GREEDY = [n for n in LEARNERS if STRATEGIES[n].nested]


# ---- one toy for all: three modules, six responses, a prior that lacks some genes, pairs ----


def toy(seed=0, n=30, prior=True):
    "A graph of three modules, with a prior for most genes, and a screen of its genes and two pairs."
    rng = np.random.default_rng(seed)
    names = gene_names(n)
    module = np.arange(n) % 3
    edges = [
        (a, b)
        for a, b in itertools.combinations(range(n), 2)
        if module[a] == module[b] and rng.random() < 0.5
    ]
    g = from_edges([names[a] for a, _ in edges], [names[b] for _, b in edges], genes=names)
    signal = rng.normal(size=(3, 6))
    table = lambda: pd.DataFrame(
        signal[module] + 0.3 * rng.normal(size=(n, 6)), index=names, columns=list("uvwxyz")
    )
    Y = table()
    Y.loc["g00+g04"], Y.loc["g01+g05"] = Y.loc["g00"] + Y.loc["g04"], Y.loc["g01"] + Y.loc["g05"]
    return combine([g], [make_prior(table().iloc[4:], "elsewhere")] if prior else []), make_screen(
        Y
    )


GRAPH, SCREEN = toy()
EVERYTHING = sorted(SCREEN.obs_names)
MEASURED = ["g03", "g00+g04", "g07", "g11", "g08"]


def ask(model="gp", measured=MEASURED, candidates=None, graph=GRAPH, screen=SCREEN, **params):
    "The problem of a learner that has measured `measured`."
    fit = lambda names, rng=None: make_model(model, **params).fit(
        screen, graph, perturbations=names, random_state=7 if rng is None else rng
    )
    candidates = [n for n in EVERYTHING if n not in measured] if candidates is None else candidates
    return Problem(
        graph,
        list(candidates),
        EVERYTHING,
        list(measured),
        model=fit(measured) if measured else None,
        fit=fit,
    )


def pick(name, problem, n, seed=0):
    return learner(name).ask.pick(problem, n, as_rng(seed)).genes


def points(rng, kind):
    "Candidates and measured, of one of several shapes."
    n, m, d = rng.integers(1, 14), rng.integers(0, 6), rng.integers(1, 7)
    P = rng.normal(size=(n + m, d)) * 10.0 ** rng.integers(-6, 4)
    if kind == "twins":
        P = P[rng.integers(0, 3, n + m) % (n + m)]
    if kind == "one point":
        P[:] = P[0]
    if kind == "zero":
        P[:] = 0
    if kind == "few columns":
        P[:, 1:] = 0
    return P[:n], P[n:]


SHAPES = st.sampled_from(["any", "twins", "one point", "zero", "few columns"])


# ---- names ----


def test_the_names_that_others_script_against():
    assert set(LEARNERS) == {
        f"active:{n}"
        for n in (
            "ensemble",
            "bald",
            "batchbald",
            "bait",
            "acs-fw",
            "coreset",
            "badge",
            "lcmd",
            "kmeans",
            "typiclust",
            "iterpert",
            "prior",
        )
    }
    assert all(STRATEGIES[n].about for n in LEARNERS)


@pytest.mark.parametrize(
    "name,parts",
    [
        ("active:bald", ("random", "active:bald")),
        ("variance+active:lcmd", ("variance", "active:lcmd")),
        ("active:acs-fw@variance:200", ("random", "active:acs-fw@variance:200")),
        (
            "0.5*variance+0.5*graphreach+active:bald@0.2*variance+0.8*maxspec:7",
            ("0.5*variance+0.5*graphreach", "active:bald@0.2*variance+0.8*maxspec:7"),
        ),
    ],
)
def test_names_of_learners(name, parts):
    found = learner(name)
    assert (found.start.name, found.ask.name) == parts
    start, rule, cut, m = read_name(name)
    assert (f"{start}+" if start else "") + rule + (f"@{cut}:{m}" if cut else "") == name


@pytest.mark.parametrize(
    "name,says",
    [
        ("active:bold", "did you mean 'active:bald'"),
        ("bald", "not the name of a learner"),
        ("variance+degree", "not the name"),
        ("varianc+active:bald", "did you mean 'variance'"),
        ("active:bald@variance", "not the name"),
        ("active:bald@variance:", "not the name"),
        ("active:bald@variance:0", "shortlist is 0"),
        ("active:bald@varianc:5", "did you mean 'variance'"),
        ("active:bald@active:lcmd:5", "shortlist must be a one-shot"),
        ("active:bald+active:lcmd", "start must be a one-shot"),
        ("active:bald@variance:-5", "not the name"),
        ("active:bald@variance:2.5", "not the name"),
        ("", "not the name"),
        ("active:", "not the name"),
    ],
)
def test_names_that_are_none(name, says):
    with pytest.raises(GraphselError, match=says):
        learner(name)


# ---- what every rule keeps ----


@pytest.mark.parametrize("name", list(RULES))
@given(seed=SEEDS, kind=SHAPES)
@settings(max_examples=25, deadline=None)
@pytest.mark.filterwarnings("error")
def test_no_rule_picks_twice_or_too_few(name, seed, kind):
    "One candidate, all of them, twins, zeros, nothing measured."
    rng = np.random.default_rng(seed)
    X, L = points(rng, kind)
    for n in {1, len(X), int(rng.integers(1, len(X) + 1))}:
        picks = RULES[name].choose(X, L, n, as_rng(1))
        assert (
            sorted(set(picks)) == sorted(picks)
            and len(picks) == n
            and 0 <= min(picks)
            and max(picks) < len(X)
        )


@pytest.mark.parametrize("name", [n for n in GREEDY if n in RULES])
@given(seed=SEEDS, kind=SHAPES)
@settings(max_examples=15, deadline=None)
def test_smaller_batches_are_prefixes(name, seed, kind):
    X, L = points(np.random.default_rng(seed), kind)
    whole = RULES[name].choose(X, L, len(X), as_rng(1))
    assert all(RULES[name].choose(X, L, n, as_rng(1)) == whole[:n] for n in range(1, len(X)))


@pytest.mark.parametrize("name", [n for n in RULES if not STRATEGIES[n].seeded])
@given(seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_the_unit_of_the_points_does_not_matter(name, seed):
    X, L = points(np.random.default_rng(seed), "any")
    if len(L):
        assert RULES[name].choose(X * 2.0**20, L * 2.0**20, len(X), None) == RULES[name].choose(
            X, L, len(X), None
        )


@pytest.mark.parametrize("name", [n for n in RULES if not STRATEGIES[n].seeded])
def test_ties_go_to_the_first_name(name):
    "Equal points, but for the last digits."
    X = np.ones((9, 4)) * (1 + 1e-14 * np.random.default_rng(0).normal(size=(9, 1)))
    assert RULES[name].choose(X, X[:2] + [1, 0, 0, 0], 9, None) == list(range(9))


def test_leading_and_top():
    assert (
        leading(np.array([1.0, 2, 2]), np.array([True, True, True]), 2) == 1
        and leading(np.zeros(3), np.array([False, True, True]), 0) == 1
    )
    assert top(np.array([1e-12, 3e-12, 2e-12]), 2) == [1, 2], "small scores are scores, too"


# ---- against the reference implementation ----


@pytest.fixture
def reference(monkeypatch):
    "bmdal_reg 3.0.2 was written for NumPy 1."
    pytest.importorskip("bmdal_reg", reason="an oracle of the development extra")
    monkeypatch.setattr(np, "Inf", np.inf, raising=False)
    import bmdal_reg.bmdal.selection as oracle

    return oracle


def as_features(oracle, *matrices):
    import torch
    from bmdal_reg.bmdal.feature_data import TensorFeatureData
    from bmdal_reg.bmdal.feature_maps import IdentityFeatureMap

    return [
        oracle.Features(
            IdentityFeatureMap(M.shape[1]), TensorFeatureData(torch.tensor(M, dtype=torch.float64))
        )
        for M in matrices
    ]


def random_points(seed, n=60, m=9, d=12):
    rng = np.random.default_rng(seed)
    P = rng.normal(size=(n + m, d)) * rng.gamma(1, size=d)
    return P[:n], P[n:]


@pytest.mark.parametrize("seed", range(4))
def test_posterior_against_bmdal(reference, seed):
    X, L = random_points(seed)
    pool, train = as_features(reference, X, L)
    scale = train.scale_tfm()
    pool, train = scale(pool), scale(train)
    pool, train = (train.posterior_tfm(SIGMA)(f) for f in (pool, train))
    K = pool.precompute().get_kernel_matrix(train.precompute()).numpy()
    np.testing.assert_allclose(posterior(X, L) @ posterior(L, L).T, K, atol=1e-9)
    diagonal = pool.precompute().get_kernel_matrix_diag().numpy()
    np.testing.assert_allclose((posterior(X, L) ** 2).sum(axis=1), diagonal, atol=1e-9)
    assert (
        top((posterior(X, L) ** 2).sum(axis=1), 7)
        == reference.MaxDiagSelectionMethod(pool.precompute()).select(7).tolist()[::-1]
    ), "BALD"


def selected(method, X, L, n, **config):
    pool, train = as_features(sys.modules["bmdal_reg.bmdal.selection"], X, L)
    return method(pool, train, verbosity=0, **config).select(n).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_rules_against_bmdal(reference, seed):
    "Core-Set, LCMD, BatchBALD, BAIT and Frank-Wolfe, pick by pick."
    X, L = random_points(seed)
    assert RULES["active:coreset"].choose(X, L, 20, None) == selected(
        reference.MaxDistSelectionMethod, X, L, 20, sel_with_train=True
    )
    assert RULES["active:lcmd"].choose(X, L, 20, as_rng(0)) == selected(
        reference.LargestClusterMaxDistSelectionMethod, X, L, 20, sel_with_train=True
    )
    P, Q = posterior(X, L), posterior(L, L)
    assert RULES["active:batchbald"].choose(X, L, 30, None) == selected(
        reference.MaxDetSelectionMethod, P, Q, 30, noise_sigma=SIGMA
    )
    assert max_determinant(P, 10, noise=0.0) == selected(reference.MaxDetSelectionMethod, P, Q, 10)
    unit = (
        posterior(X, L) / np.sqrt((P**2).sum(axis=1).max()),
        Q / np.sqrt((P**2).sum(axis=1).max()),
    )
    assert forward_bait(unit[0], np.vstack(unit), 30, noise=0.1) == selected(
        reference.BaitFeatureSpaceSelectionMethod, *unit, 30, noise_sigma=0.1
    )
    big = P * 1e4, Q * 1e4  # the reference adds 1e-8 to the denominator
    assert RULES["active:bait"].choose(X, L, 11, None) == selected(
        reference.BaitFeatureSpaceSelectionMethod, *big, 11
    )
    T = likelihood_points(X, L, as_rng(0))
    assert frank_wolfe(T, 15) == selected(reference.FrankWolfeSelectionMethod, T, Q, 15)


def test_likelihood_points_against_bmdal(reference):
    import torch
    from bmdal_reg.bmdal.feature_data import TensorFeatureData
    from bmdal_reg.bmdal.features import ACSRFDataTransform

    X, L = random_points(1, d=8)
    Xs, Ls = scaled(X, L)
    cov = np.linalg.inv(Ls.T @ Ls + SIGMA**2 * np.eye(8))
    draws = np.linalg.inv(np.linalg.cholesky(np.linalg.inv(cov))).T @ as_rng(5).standard_normal(
        (8, 512)
    )
    theirs = (
        ACSRFDataTransform(torch.tensor(cov), torch.tensor(draws), SIGMA)(
            TensorFeatureData(torch.tensor(Xs))
        )
        .get_tensor()
        .numpy()
    )
    np.testing.assert_allclose(
        likelihood_points(X, L, as_rng(5)) * np.sqrt(512), theirs * np.sqrt(8), rtol=1e-7
    )


def test_plus_plus_against_bmdal(reference, monkeypatch):
    "Two samplers, one distribution: pairs of picks on five points."
    import torch

    X = np.array([[0.0, 0], [1, 0], [0, 2], [3, 3], [3.5, 3]])
    D = squared_distances(X, X)
    exact = {(a, b): 0.2 * D[a, b] / D[a].sum() for a, b in itertools.permutations(range(5), 2)}
    ours = [tuple(plus_plus(X, 2, rng)) for rng in as_rng(0).spawn(4000)]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        monkeypatch.setattr(np.random, "randint", np.random.RandomState(0).randint)
        pool, train = as_features(reference, X, X)
        theirs = [
            tuple(
                reference.KmeansppSelectionMethod(pool, train, sel_with_train=False, verbosity=0)
                .select(2)
                .tolist()
            )
            for _ in range(1500)
        ]
    for drawn in (ours, theirs):
        assert max(
            abs(drawn.count(pair) / len(drawn) - share) for pair, share in exact.items()
        ) < 4 * np.sqrt(0.2 * 0.8 / len(drawn))


# ---- against brute force ----


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_batchbald_by_determinants(seed):
    rng = np.random.default_rng(seed)
    X, L = random_points(seed, 9, 3, 4)
    K = (
        0.01
        * (A := X / (s := np.sqrt((L**2).sum(1).mean())))
        @ np.linalg.inv((L / s).T @ (L / s) + 0.01 * np.eye(4))
        @ A.T
    )
    information = lambda S: np.linalg.slogdet(np.eye(len(S)) + K[np.ix_(S, S)] / 0.01)[1]
    chosen = []
    for p in RULES["active:batchbald"].choose(X, L, 9, rng):
        best = max(information([*chosen, q]) for q in range(9) if q not in chosen)
        assert information([*chosen, p]) >= best - 1e-6 * abs(best)
        chosen.append(p)


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_bait_by_projection(seed):
    "Each pick leaves the least variance in all points, with what was picked known exactly."
    X, L = random_points(seed, 10, 3, 4)
    C = np.linalg.cholesky(
        np.linalg.inv((L / (s := np.sqrt((L**2).sum(1).mean()))).T @ (L / s) + 0.01 * np.eye(4))
    )
    P, everything = 0.1 * X / s @ C, 0.1 * np.vstack([X, L]) / s @ C

    def left_over(S):
        Q, _ = np.linalg.qr(P[S].T)
        return ((everything - everything @ Q @ Q.T) ** 2).sum()

    picks = RULES["active:bait"].choose(X, L, 10, None)
    for i in range(4):
        best = min(left_over([*picks[:i], q]) for q in range(10) if q not in picks[:i])
        assert left_over(picks[: i + 1]) <= best + 1e-6 * left_over([picks[0]])
    rest = [i for i in range(10) if i not in picks[:4]]
    assert picks[4:7] == [rest[i] for i in forward_bait_from_the_start(P, everything, rest)], (
        "the second layer begins anew"
    )


def forward_bait_from_the_start(P, everything, rest):
    "Three steps of BAIT among `rest` by explicit projections; in the last dimension all would score alike."
    R, E, picks = P[rest].copy(), everything.copy(), []
    for _ in range(3):
        score = [
            np.sum((E @ r) ** 2) / (r @ r) if i not in picks and r @ r > 1e-9 else -1
            for i, r in enumerate(R)
        ]
        p = int(np.argmax(score))
        picks.append(p)
        u = R[p] / np.linalg.norm(R[p])
        R, E = R - np.outer(R @ u, u), E - np.outer(E @ u, u)
    return picks


@given(seed=SEEDS, empty=st.booleans())
@settings(max_examples=20, deadline=None)
def test_lcmd_and_coreset_by_loops(seed, empty):
    X, L = random_points(seed, 12, 4, 3)
    if empty:
        L = L[:0]
    far, big = farthest_first(X, L, 12), largest_cluster(X, L, 12)
    d = lambda i, c: ((X[i] - c) ** 2).sum()
    if empty:
        middle = min(range(12), key=lambda i: d(i, X.mean(axis=0)))
        assert far[0] == big[0] == middle
    for picks, clustered in ((far, False), (big, True)):
        for i in range(int(empty), 11):
            centers = [*L, *X[picks[:i]]]
            rest = [q for q in range(12) if q not in picks[:i]]
            owner = {q: int(np.argmin([d(q, c) for c in centers])) for q in rest}
            size = {
                c: sum(d(q, centers[c]) for q in rest if owner[q] == c) for c in set(owner.values())
            }
            pool = [q for q in rest if not clustered or size[owner[q]] > max(size.values()) - 1e-9]
            assert picks[i] == max(pool, key=lambda q: min(d(q, c) for c in centers))


def test_frank_wolfe_step_by_step():
    T = np.random.default_rng(3).normal(size=(15, 4)) + 0.5
    goal, now, total, picks = T.sum(axis=0), np.zeros(4), np.linalg.norm(T, axis=1).sum(), []
    for p in frank_wolfe(T, 5):
        score = [t @ (goal - now) / np.linalg.norm(t) for t in T]
        assert p == max((i for i in range(15) if i not in picks), key=lambda i: score[i])
        vertex = total * T[p] / np.linalg.norm(T[p])
        gamma = min(
            np.linspace(0, 1, 20001),
            key=lambda c: np.linalg.norm(goal - (1 - c) * now - c * vertex),
        )
        now = (1 - gamma) * now + gamma * vertex
        picks.append(p)


def test_honest_draws_have_the_posterior_of_the_parameters():
    "The mean of the random features over draws is what theory says, for both covariances."
    X, L = random_points(2, 8, 5, 4)
    v = (posterior(X, L) ** 2).sum(axis=1)
    for honest, var in ((True, v), (False, v / SIGMA**2)):
        mean = likelihood_points(X, L, as_rng(0), 40_000, honest=honest).sum(axis=1) / np.sqrt(
            40_000
        )
        np.testing.assert_allclose(mean, np.log1p(var / SIGMA**2) / 2 - var / SIGMA**2, rtol=0.06)


@pytest.mark.parametrize("n", [3, 7])
def test_kmeans_and_typiclust_against_scikit_learn(n):
    "The same clusters by scikit-learn; the choice within each by plain loops."
    X, L = random_points(5, 50, 8, 3)
    km = KMeans(n, n_init=10, random_state=as_seed(as_rng(4))).fit(X)
    nearest = {
        int(
            np.argmin(
                np.where(km.labels_ == c, ((X - km.cluster_centers_[c]) ** 2).sum(axis=1), np.inf)
            )
        )
        for c in range(n)
    }
    picks = RULES["active:kmeans"].choose(X, L, n, as_rng(4))
    assert (
        set(picks) == nearest and (np.diff(np.bincount(km.labels_)[km.labels_[picks]]) <= 0).all()
    )
    label = KMeans(n + 8, n_init=10, random_state=as_seed(as_rng(4))).fit(np.vstack([X, L])).labels_
    order = sorted(
        set(label[:50]), key=lambda c: (np.sum(label[50:] == c), -np.sum(label == c), c)
    )[:n]
    typical = []
    for c in order:
        members = np.flatnonzero(label[:50] == c)
        k = max(1, min(20, len(members) // 2))
        spread = [
            np.mean(sorted(np.linalg.norm(X[i] - X[j]) for j in members if j != i)[:k])
            if len(members) > 1
            else 0
            for i in members
        ]
        typical.append(int(members[np.argmin(spread)]))
    assert RULES["active:typiclust"].choose(X, L, n, as_rng(4)) == typical


def test_typiclust_avoids_what_is_known():
    X = np.vstack(
        [np.random.default_rng(0).normal(size=(20, 2)) * 0.1 + c for c in ([0, 0], [9, 0], [0, 9])]
    )
    picks = RULES["active:typiclust"].choose(X[1:], X[:1], 2, as_rng(0))
    assert {(i + 1) // 20 for i in picks} == {1, 2}


# ---- points ----


def test_narrow_is_principal_components():
    rng = np.random.default_rng(0)
    for n, d in ((300, 150), (300, 900), (80, 900), (30, 101)):
        P = rng.normal(size=(n, 20)) @ rng.normal(size=(20, d)) + 3
        Q = narrow(P)
        assert Q.shape[1] <= 100 and narrow(P).tobytes() == Q.tobytes()
        np.testing.assert_allclose(
            squared_distances(Q, Q), squared_distances(P, P), rtol=1e-6, atol=1e-6
        )
    assert narrow(P[:, :100]).shape == (30, 100)


def test_sketch_keeps_inner_products_on_average():
    P = np.random.default_rng(0).normal(size=(5, 900))
    assert sketch(P[:, :512], None) is not None and sketch(P[:, :512], None).shape[1] == 512
    mean = np.mean([(Q := sketch(P, rng)) @ Q.T for rng in as_rng(1).spawn(200)], axis=0)
    assert abs(mean - P @ P.T).max() < 4 * 900 / np.sqrt(512 * 200) * 1.5


@pytest.mark.parametrize("model", ["gp", "gnn", "ridge", "knn", "additive"])
def test_every_learner_with_every_model_that_has_features(model):
    problem = ask(model)
    for name in LEARNERS:
        picks = pick(name, problem, 6)
        assert len(set(picks)) == 6 and set(picks) <= set(problem.candidates), name


@pytest.mark.parametrize("model", ["mean", "nochange"])
def test_models_without_features(model):
    "Rules that look at predictions work, and so does what needs no model; the others say what is missing."
    problem = ask(model)
    for name in LEARNERS:
        if name in (
            "active:ensemble",
            "active:kmeans",
            "active:typiclust",
            "active:iterpert",
            "active:prior",
        ):
            assert len(set(pick(name, problem, 6))) == 6
        else:
            with pytest.raises(GraphselError, match="has no features; use gnn, gp or ridge"):
                pick(name, problem, 6)


def test_bald_takes_the_process_at_its_word():
    problem = ask("gp")
    names = sorted(problem.candidates)
    variance = problem.model.posterior_variance(names)
    s = get_strategy("active:bald").pick(problem, 8, None)
    assert s.genes == [names[i] for i in np.argsort(-variance.round(9), kind="stable")[:8]]
    np.testing.assert_allclose(s.gains, np.sort(variance)[::-1][:8])


@pytest.mark.parametrize("name", LEARNERS)
def test_the_order_of_the_lists_does_not_matter(name):
    "Nor does the call: the same seed, the same picks."
    for model in ("gp", "ridge"):
        problem = ask(model)
        shuffled = replace(
            problem,
            candidates=list(np.random.default_rng(1).permutation(problem.candidates)),
            measured=problem.measured[::-1],
        )
        assert pick(name, problem, 7) == pick(name, shuffled, 7) == pick(name, problem, 7)


@pytest.mark.parametrize("name", LEARNERS)
def test_seeded_means_seeded(name):
    problem = ask("gp")
    rng = as_rng(3)
    plans = [pick(name, problem, 7, seed) for seed in range(6)]
    get_strategy(name).pick(problem, 7, rng)
    if STRATEGIES[name].seeded and name != "active:lcmd":
        assert len({tuple(p) for p in plans}) > 1  # a sketch is drawn for wide features only
    if not STRATEGIES[name].seeded:
        assert (
            len({tuple(p) for p in plans}) == 1
            and rng.random() == as_rng(3).random()
            and get_strategy(name).pick(problem, 7, None).genes == plans[0]
        )


# ---- what goes wrong is said ----


@pytest.mark.parametrize("name", LEARNERS)
def test_impossible_requests(name):
    problem = ask("gp")
    for budget, says in ((99, "only 27 candidates"), (0, "budget"), (2.5, "budget")):
        with pytest.raises(GraphselError, match=says):
            get_strategy(name).pick(problem, budget, as_rng(0))
    with pytest.raises(GraphselError, match="costs"):
        get_strategy(name).pick(replace(problem, costs={"g01": 2}), 3, as_rng(0))
    if name == "active:prior":
        assert len(get_strategy(name).pick(replace(problem, model=None, fit=None), 3, None)) == 3
    else:
        with pytest.raises(GraphselError, match="asks a trained model"):
            get_strategy(name).pick(replace(problem, model=None), 3, as_rng(0))


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.filterwarnings("error")
def test_one_candidate_all_candidates_one_measured(name):
    for measured in (["g03"], MEASURED):
        problem = ask("gp", measured)
        everything = pick(name, problem, len(problem.candidates))
        assert sorted(everything) == sorted(problem.candidates)
        assert pick(name, replace(problem, candidates=["g09"]), 1) == ["g09"]


def test_a_model_that_diverged():
    from graphsel.models.base import MeanModel

    class Diverged(MeanModel):
        def predict(self, names):
            p = super().predict(names)
            p.X[1:] = np.nan
            return p

        def features(self, names):
            return np.full((len(names), 3), np.inf)

    problem = replace(ask("gp"), model=Diverged().fit(SCREEN, GRAPH, perturbations=MEASURED))
    for name in RULES:
        if name != "active:prior":
            with pytest.raises(GraphselError, match="not a finite number"):
                pick(name, problem, 3)


def test_own_rules(monkeypatch):
    monkeypatch.setattr("graphsel.selection.strategies.STRATEGIES", own := {**STRATEGIES})
    monkeypatch.setattr("graphsel.active.queries.RULES", {**RULES})
    query("active:last", RULES["active:kmeans"].points)(
        lambda X, L, n, rng: list(range(len(X)))[::-1][:n]
    )
    problem = ask("gp")
    assert own["active:last"].pick(problem, 2, None).genes == sorted(problem.candidates)[::-1][:2]
    assert own["active:last"].pick.__module__ == __name__, (
        "or comparisons in other processes would not be told of it"
    )
    query("active:greedy", RULES["active:kmeans"].points)(lambda X, L, n, rng: [0])
    with pytest.raises(GraphselError, match="mend the rule"):
        own["active:greedy"].pick(problem, 2, None)


# ---- what a learner is told ----


def told(problem, targets):
    return replace(problem, targets=sorted(targets))


@pytest.mark.parametrize("name", ["active:bait", "active:iterpert", "active:prior"])
def test_told_candidates_and_measured_is_the_published_rule(name):
    "The targets of the literature, whether they are named or not."
    problem = ask("gp", candidates=[n for n in EVERYTHING[:24] if n not in MEASURED])
    plain = told(problem, {*problem.candidates, *problem.measured})
    rule = RULES[name]
    v = rule.points(plain, name, True)
    assert v.T is None
    assert pick(name, plain, 8) == [v.names[i] for i in rule.choose(v.X, v.L, 8, None)]


@pytest.mark.parametrize("name", LEARNERS)
def test_who_looks_at_targets(name):
    "Three learners do; the others cannot be told anything by them."
    problem = ask("gp", candidates=[n for n in EVERYTHING[:24] if n not in MEASURED])
    few = told(problem, EVERYTHING[24:28])
    same = pick(name, problem, 8) == pick(name, few, 8)
    assert same == (name not in ("active:bait", "active:iterpert", "active:prior"))


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_bait_for_targets_by_projection(seed):
    "The first pick leaves the least variance in the targets."
    X, L = random_points(seed, 10, 3, 4)
    T = random_points(seed + 1, 6, 1, 4)[0]
    s = np.sqrt((L**2).sum(1).mean())
    C = np.linalg.cholesky(np.linalg.inv((L / s).T @ (L / s) + 0.01 * np.eye(4)))
    P, Q = 0.1 * X / s @ C, 0.1 * T / s @ C
    left_over = [((Q - np.outer(Q @ p, p) / (p @ p)) ** 2).sum() for p in P]
    first = RULES["active:bait"].choose(X, L, 1, None, T)[0]
    assert left_over[first] <= min(left_over) * (1 + 1e-6)


@given(seed=SEEDS, empty=st.booleans())
@settings(max_examples=20, deadline=None)
def test_nearest_to_the_farthest_by_loops(seed, empty):
    X, L = random_points(seed, 9, 3, 3)
    T = random_points(seed + 1, 7, 1, 3)[0]
    L = L[:0] if empty else L
    picks = nearest_to_the_farthest(X, L, 9, T)
    assert sorted(picks) == list(range(9))
    sparse = nearest_to_the_farthest(*map(sp.csr_matrix, (X, L)), 9, sp.csr_matrix(T))
    assert sparse == picks
    for i, p in enumerate(picks):
        centers = [*L, *X[picks[:i]]]
        far = [min(((t - c) ** 2).sum() for c in centers) for t in T] if centers else None
        goal = T[int(np.argmax(far))] if centers else T.mean(axis=0)
        rest = [q for q in range(9) if q not in picks[:i]]
        assert p == min(rest, key=lambda q: ((X[q] - goal) ** 2).sum())


# ---- nothing leaks ----


@pytest.mark.parametrize("model", ["gp", "gnn"])
@pytest.mark.parametrize("name", LEARNERS)
def test_outcomes_of_what_was_not_measured_change_nothing(name, model):
    "Responses of unmeasured perturbations become noise: the picks are the same, to the byte."
    spoiled = SCREEN.copy()
    unseen = ~np.isin(spoiled.obs_names, MEASURED)
    spoiled.X[unseen] = 10 * np.random.default_rng(0).normal(
        size=(int(unseen.sum()), spoiled.n_vars)
    )
    params = {"n_members": 2, "steps": 10} if model == "gnn" else {}
    s, t = (
        get_strategy(name).pick(ask(model, screen=o, **params), 8, as_rng(0))
        for o in (SCREEN, spoiled)
    )
    assert s.genes == t.genes and np.array(s.gains).tobytes() == np.array(t.gains).tobytes()


@pytest.mark.parametrize("name", LEARNERS)
def test_outcomes_of_what_was_measured_do_matter_or_never(name):
    """Learners that look at predictions follow them; the features of a process whose weights are given
    do not depend on outcomes."""
    other = SCREEN.copy()
    other.X[:] = np.random.default_rng(2).normal(size=other.shape)
    given = {"tune": False, "noise": 0.3, "fixed_effects": False, "stacking": False}
    same = pick(name, ask("gp", **given), 8) == pick(name, ask("gp", screen=other, **given), 8)
    assert same == (
        name not in ("active:ensemble", "active:kmeans", "active:typiclust", "active:iterpert")
    )


# ---- priors ----


def similarity(graph, names):
    "IterPert's sources as whole matrices, from the definitions: unlike the code, which never builds them."
    S = np.array([[g in perturbed_genes(n) for g in graph.genes] for n in names], float)
    if graph.priors:
        return [S @ p.features @ p.features.T @ S.T for p in graph.priors]
    return [S @ layer.kernel((1, 2)) @ S.T for layer in graph.graphs]


@pytest.mark.parametrize("prior", [True, False])
@pytest.mark.parametrize("name", ["active:iterpert", "active:prior"])
def test_iterpert_by_whole_matrices(name, prior):
    graph, screen = toy(3, prior=prior)
    problem = ask("gp", graph=graph, screen=screen)
    names = sorted(problem.candidates) + sorted(problem.measured)
    Y = problem.model.predict(names).X.astype(float)
    parts = similarity(graph, names) + ([Y @ Y.T] if name == "active:iterpert" else [])
    K = np.mean([M / M.max() for M in parts], axis=0)
    D = np.diag(K)[:, None] + np.diag(K)[None] - 2 * K
    centers = list(range(len(problem.candidates), len(names)))
    for p in pick(name, problem, 12):
        i = names.index(p)
        far = D[:, centers].min(axis=1)[: len(problem.candidates)]
        assert far[i] >= far.max() - 1e-9
        centers.append(i)


@given(seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_sources_have_the_inner_products_of_the_tables(seed):
    rng = np.random.default_rng(seed)
    graph = random_graphs(rng, 9)
    names = [*graph.genes, "g01+g02"]
    found = [
        np.asarray((P @ P.T).todense() if hasattr(P, "todense") else P @ P.T)
        for P in sources(Problem(graph, names, names), names)
    ]
    for ours, expected in zip(found, similarity(graph, names), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-6)
    both = sources(Problem(graph, names, names), names, graphs=True)
    assert len(both) == len(graph.priors) + len(graph.graphs)
    assert len(sources(Problem(graph, names, names), names, graphs=False)) == len(graph.priors)


def test_parameters_of_iterpert_reach_it_alone():
    "Whether graphs are sources, and their hops; the start and the shortlist never hear of `graphs`."
    rest = [n for n in EVERYTHING if n not in MEASURED]
    plans = {
        str(params): tuple(
            pick("active:prior", Problem(GRAPH, rest, EVERYTHING, MEASURED, params=params), 12)
        )
        for params in ({}, {"graphs": False}, {"graphs": True}, {"graphs": True, "hops": 1})
    }
    assert plans["{}"] == plans["{'graphs': False}"] and len(set(plans.values())) == 3
    fresh = Problem(
        GRAPH, EVERYTHING, EVERYTHING, fit=ask("gp").fit, params={"graphs": True, "hops": 1}
    )
    assert (
        len(
            list(rounds(fresh, "variance+active:iterpert@maxspec:15", [4, 10], as_rng(0)))[
                -1
            ].measured
        )
        == 10
    )


def test_genes_that_a_prior_lacks_stand_at_its_mean():
    graph, _ = toy()
    (P,) = sources(Problem(graph, [], []), list(graph.genes))
    assert (
        set(graph.priors[0].missing) == {"g00", "g01", "g02", "g03"}
        and not P[:4].any()
        and P[4:].any(axis=1).all()
    )


def test_wide_priors_cost_no_more_columns_than_there_are_genes():
    graph, _ = toy(prior=False)
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 500)), index=graph.genes)
    (P,) = sources(Problem(combine([graph], [make_prior(table)]), [], []), list(graph.genes))
    assert P.shape == (30, 30)
    np.testing.assert_allclose(
        P @ P.T, (c := table.to_numpy() - table.to_numpy().mean(axis=0)) @ c.T, atol=1e-8
    )


def test_sources_of_nothing_are_no_obstacle():
    assert np.isfinite(averaged([np.zeros((4, 2)), np.eye(4)])).all()


@pytest.mark.parametrize("start", [[], MEASURED])
def test_batches_of_the_prior_are_one_ordering(start):
    rest = [n for n in EVERYTHING if n not in start]
    problem = Problem(GRAPH, rest, EVERYTHING, start)
    whole, known = get_strategy("active:prior").pick(problem, 20, None).genes, []
    for _ in range(5):
        known += (
            get_strategy("active:prior")
            .pick(
                replace(
                    problem, candidates=[n for n in rest if n not in known], measured=start + known
                ),
                4,
                None,
            )
            .genes
        )
    assert known == whole


# ---- shortlists and rounds ----


@pytest.mark.parametrize("name", LEARNERS)
def test_shortlists(name):
    problem = ask("gp")
    allowed = get_strategy("variance").pick(problem, 9, None).genes
    s = learner(f"{name}@variance:9").ask.pick(problem, 6, as_rng(0))
    assert (
        set(s.genes) <= set(allowed)
        and s.strategy == f"{name}@variance:9"
        and s.measured == sorted(MEASURED)
    )
    assert pick(f"{name}@variance:9", problem, 9) == pick(
        f"{name}@variance:9", replace(problem, candidates=problem.candidates[::-1]), 9
    )
    assert sorted(pick(f"{name}@variance:9", problem, 9)) == sorted(allowed)
    assert pick(f"{name}@degree:500", problem, 6) == pick(name, problem, 6)
    with pytest.raises(GraphselError, match="does not fit a shortlist of 9"):
        pick(f"{name}@variance:9", problem, 10)


@pytest.mark.parametrize("cut", ["random", "kmeans"])
def test_shortlists_that_draw(cut):
    problem = ask("gp")
    plans = [tuple(pick(f"active:bald@{cut}:8", problem, 5, seed)) for seed in (1, 1, 2, 3)]
    assert plans[0] == plans[1] and len(set(plans)) > 1


@pytest.mark.parametrize(
    "name",
    [
        "active:lcmd",
        "variance+active:badge",
        "active:typiclust@variance:12",
        "degree+active:iterpert@random:15",
    ],
)
def test_rounds(name):
    fresh = Problem(GRAPH, EVERYTHING, EVERYTHING, fit=ask("gp").fit)
    states = list(rounds(fresh, name, [4, 8, 16], as_rng(0)))
    assert [len(set(r.measured)) for r in states] == [4, 8, 16] and [r.number for r in states] == [
        0,
        1,
        2,
    ]
    assert all(b.measured[: len(a.measured)] == a.measured for a, b in itertools.pairwise(states))
    assert all(r.model.perturbations_ == sorted(r.measured) for r in states)
    assert (
        states[-1].measured
        == list(rounds(replace(fresh, candidates=EVERYTHING[::-1]), name, [4, 8, 16], as_rng(0)))[
            -1
        ].measured
    )
    if name.startswith(("variance", "degree")):
        assert states[0].measured == get_strategy(name.split("+")[0]).pick(fresh, 4, None).genes


def test_rounds_to_the_last_candidate():
    fresh = Problem(GRAPH, EVERYTHING, EVERYTHING, fit=ask("gp").fit)
    for name in LEARNERS:
        assert (
            sorted(list(rounds(fresh, name, [1, len(EVERYTHING)], as_rng(0)))[-1].measured)
            == EVERYTHING
        )


@pytest.mark.parametrize("sizes", [[8, 4], [4, 4], [4, 99], [0, 4]])
def test_sizes_that_are_none(sizes):
    with pytest.raises(GraphselError):
        list(
            rounds(
                Problem(GRAPH, EVERYTHING, EVERYTHING, fit=ask("gp").fit),
                "active:lcmd",
                sizes,
                as_rng(0),
            )
        )


def test_round_sizes():
    assert round_sizes([50, 100, 200, 300, 400]) == [80, 100, 200, 300, 400]
    assert (
        round_sizes([600], 5, 100) == [100, 200, 300, 400, 500, 600]
        and round_sizes([3]) == [2, 3]
        and round_sizes([1]) == [1]
    )


PROCESS = """
import json, sys
sys.path[:0] = ["tests", "tests/active"]
from test_active import LEARNERS, ask, pick
problem = ask("gp")
print(json.dumps({n: pick(n, problem, 9) for n in LEARNERS}))
"""


def test_hash_seeds_do_not_matter():
    one, other = map(json.loads, printed_under(PROCESS))
    assert one == other
