"""Fixed effects, archetypes, stacking and kernels through the whole graph: against formulas written out."""

import numpy as np
import pandas as pd
import pytest
from helpers import GENES, GRAPH, OTHER, PICKS, REST, SCREEN, fitted, make_prior, random_graph
from scipy.stats import multivariate_normal

from graphsel.core.errors import GraphselError
from graphsel.graphs.build import from_edges
from graphsel.graphs.graph import combine
from graphsel.graphs.operators import propagation
from graphsel.models import channels as channels_room
from graphsel.models.archetypes import (
    SHARES,
    Degrees,
    Terms,
    among,
    archetypes,
    believed,
    effective_responses,
    log_evidence,
    winsorized,
)
from graphsel.models.base import check_graph
from graphsel.models.channels import Channels, WholeGraph, gram
from graphsel.models.gp import GaussianProcess
from graphsel.models.registry import load_model, make_model
from graphsel.models.stacking import response_units, shrunken_mean, stacked_trust
from graphsel.screens.screen import make_screen

Y = SCREEN[PICKS].X.astype(float)


def test_kernels_take_paths_through_the_whole_graph():
    "A and B are linked by C alone, which nobody perturbed."
    graph = from_edges(["A", "B"], ["C", "C"], name="star")
    terms = Terms(graph, (1, 2), ["A", "B"], effects=())
    asked = terms.ask(["A", "B"])
    assert terms.between(asked, asked)[0, 0, 1] > 0
    cut = Terms(graph.align(["A", "B"])[0], (1, 2), ["A", "B"], effects=())
    asked = cut.ask(["A", "B"])
    assert cut.between(asked, asked)[0, 0, 1] == 0


@pytest.mark.parametrize("picks", [GENES[3:9], [*GENES[3:9], "nobody"]])
def test_a_library_is_the_channels_themselves(monkeypatch, picks):
    monkeypatch.setattr(channels_room, "DENSE_GENES", 5)
    c = Channels(GRAPH, (1, 2))
    view = WholeGraph(c, GENES[:20])
    for a, b in ((GENES[30:], picks), (picks, GENES[30:]), (picks, picks), (["x"], GENES[:4])):
        a, b = c.encode(a), c.encode(b)
        for _ in range(2):  # computed, and remembered
            np.testing.assert_allclose(view.between(a, b), c.between(a, b), atol=1e-6)


@pytest.mark.parametrize("hops", [(1,), (1, 2, 3), (2,)])
def test_many_genes_go_by_the_spread_rows_of_the_library(monkeypatch, hops):
    "Two graphs, one of them directed, a prior, and a gene that none of them knows."
    rng = np.random.default_rng(0)
    one = random_graph(rng, 40, directed=True, weighted=True)
    other = random_graph(rng, 40, directed=False, weighted=True)
    prior = make_prior(pd.DataFrame(rng.normal(size=(38, 3)), index=one.genes[2:]))
    monkeypatch.setattr(channels_room, "DENSE_GENES", 5)
    monkeypatch.setattr(channels_room, "MANY", 3)
    c = Channels(combine([one, other], [prior]), hops)
    view = WholeGraph(c, one.genes[:9])
    monkeypatch.setattr(view, "wave", asked := Counting(view.wave))
    a, b = c.encode([*one.genes[20:30], "nobody"]), c.encode(one.genes[:4])
    np.testing.assert_allclose(view.between(a, b), c.between(a, b), atol=1e-6)
    assert asked.times == 1
    few = c.encode(one.genes[30:32])
    np.testing.assert_allclose(view.between(few, b), c.between(few, b), atol=1e-6)
    assert asked.times == 1, "two genes are not worth it"


class Counting:
    "A function that counts its calls."

    def __init__(self, function):
        self.function, self.times = function, 0

    def __call__(self, *given):
        self.times += 1
        return self.function(*given)


def test_full_rows_go_block_by_block():
    rng = np.random.default_rng(0)
    import scipy.sparse as sp

    A, B = (sp.random(n, 2000, 0.3, random_state=rng, format="csr") for n in (7, 5))
    np.testing.assert_allclose(gram(A, B, block=300), (A @ B.T).toarray(), rtol=1e-5)


def test_degrees_are_those_of_the_screen_and_of_the_graph():
    terms = Terms(GRAPH, (1, 2), GENES[:30])
    x = terms.degrees(terms.ask(GENES[:30])) * np.sqrt(2)
    A = GRAPH.graphs[0].adjacency.toarray() != 0
    A = A | A.T
    by_hand = np.log1p(np.stack([A[:30, :30].sum(1), A[:30].sum(1)], axis=1))
    by_hand = (by_hand - by_hand.mean(0)) / by_hand.std(0)
    np.testing.assert_allclose(x, np.clip(by_hand, -3, 3), atol=1e-12)
    both = terms.degrees(terms.ask(["g00+g01", "nobody", "g02+nobody"])) * np.sqrt(2)
    np.testing.assert_allclose(both, [x[0] + x[1], [0, 0], x[2]], atol=1e-12)


def test_the_first_graph_of_edges_tells_the_degree():
    sets = from_edges(["g00"], ["g01"], genes=GENES)
    sets.source["kind"] = "gene sets"
    edges = from_edges(GENES[:-1], GENES[1:], genes=GENES)
    edges.source["kind"] = "edges"
    d = Degrees(combine([sets, edges]), GENES)
    assert np.diff(d.links.indptr).tolist() == [1, *[2] * 38, 1]


def test_terms_of_combinations_add_up_over_genes():
    terms = Terms(GRAPH, (1, 2), GENES, effects=("shift", "degree", "own"))
    a, b = terms.ask(["g00+g09", "g03"]), terms.ask(["g00", "g09", "g03", "g00+g03"])
    C = terms.between(a, b)
    single = terms.between(terms.ask(["g00", "g09", "g03"]), b)
    gene_wise = [k for k, n in enumerate(terms.names) if n != "shift"]
    np.testing.assert_allclose(C[gene_wise, 0], single[gene_wise, 0] + single[gene_wise, 1])
    assert (C[terms.names.index("shift")] == 1).all()
    assert C[terms.names.index("own")].tolist() == [[1, 1, 0, 1], [0, 0, 1, 1]]
    diagonal = np.diagonal(terms.between(b, b), axis1=1, axis2=2)
    np.testing.assert_allclose(terms.diagonal(b), diagonal, atol=1e-12)
    singles = terms.ask(["g05", "nobody", "g01"])
    diagonal = np.diagonal(terms.between(singles, singles), axis1=1, axis2=2)
    np.testing.assert_allclose(terms.diagonal(singles), diagonal, atol=1e-6)


@pytest.mark.parametrize("hops", [(1,), (2,), (1, 2), (1, 2, 3)])
def test_archetypes_divide_their_shares(hops):
    edges, sets = (from_edges(GENES[:-1], GENES[1:], genes=GENES) for _ in range(2))
    sets.source["kind"] = "gene sets"
    rows = archetypes(Terms(combine([edges, sets]), hops, GENES))
    n = len(hops)
    np.testing.assert_allclose(rows.sum(1), 1)
    np.testing.assert_allclose(rows[:, :n].sum(1), SHARES[:, :2].sum(1))
    np.testing.assert_allclose(rows[:, -2:], SHARES[:, 4:])
    alone = archetypes(Terms(edges, hops, GENES))
    np.testing.assert_allclose(alone[:, :n].sum(1), SHARES[:, :4].sum(1))
    twice = archetypes(Terms(combine([edges, edges]), hops, GENES))
    np.testing.assert_allclose(twice[:, :n], twice[:, n : 2 * n])
    with_prior = archetypes(Terms(combine([edges], [OTHER]), hops, GENES))
    assert with_prior.shape == (12, n + 3)
    np.testing.assert_allclose(with_prior[:3, n], SHARES[0, :4].sum() * np.array([0.2, 0.5, 0.8]))


def test_evidence_is_the_likelihood_at_its_best_scale():
    terms = Terms(GRAPH, (1, 2), GENES)
    picks = terms.ask(PICKS)
    C = terms.between(picks, picks)
    found = []
    for a, s in ((archetypes(terms)[0], 0.3), (archetypes(terms)[3], 0.8)):
        K = np.tensordot(a, C, 1)
        A = (1 - s) * K + s * np.eye(20)
        scale = np.mean(np.sum(Y * np.linalg.solve(A, Y), axis=0)) / 20
        density = sum(multivariate_normal(cov=scale * A).logpdf(y) for y in Y.T)
        found.append((log_evidence(K, Y @ Y.T / Y.shape[1], s, Y.shape[1]), density))
    (a, b), (c, d) = found
    assert a - c == pytest.approx(b - d)


def test_evidence_finds_the_term_that_made_the_responses():
    terms = Terms(GRAPH, (1, 2), GENES)
    picks = terms.ask(GENES)
    C = terms.between(picks, picks)
    rng = np.random.default_rng(0)
    for term, archetype in (("shift", 3), (terms.names[0], 1)):
        K = C[terms.names.index(term)] + 0.05 * np.eye(40)
        Z = np.linalg.cholesky(K) @ rng.normal(size=(40, 60))
        parts = believed(among(terms, picks), Z, archetypes(terms), rng)
        assert sum(p.weight for p in parts) == pytest.approx(1)
        best = max(parts, key=lambda p: p.weight)
        np.testing.assert_allclose(best.shares, archetypes(terms)[archetype])
    noise = rng.normal(size=(40, 60))
    assert all(p.noise > 3 for p in believed(among(terms, picks), noise, archetypes(terms), rng))


def test_long_rows_are_cut_back_and_responses_counted():
    Z = np.ones((5, 4))
    Z[0] = 100
    assert np.linalg.norm(winsorized(Z), axis=1).tolist() == [4, 2, 2, 2, 2]
    assert not winsorized(np.zeros((3, 2))).any()
    assert effective_responses(np.eye(6)) == pytest.approx(6)
    assert effective_responses(np.ones((6, 9))) == pytest.approx(1)


def test_the_mixture_is_the_formula():
    m = fitted("gp")
    terms = m._terms()
    every = terms.ask(GENES)
    C, mean, variance = terms.between(every, every), 0, 0
    means = []
    for p in m.parts_:
        K = np.tensordot(p.part.shares, C, 1)
        A = np.linalg.inv(K[::2, ::2] + p.part.noise * np.eye(20))
        means.append((p.part.weight, K[1::2, ::2] @ A @ Y))
        left = np.diag(K[1::2, 1::2] - K[1::2, ::2] @ A @ K[::2, 1::2]) + p.part.noise
        variance = variance + p.part.weight * np.outer(left, np.diag(Y.T @ A @ Y) / 20)
    mean = sum(q * f for q, f in means)
    variance = variance + sum(q * (f - mean) ** 2 for q, f in means)
    prediction = m.predict(REST)
    blend = m.fallback_ + m.trust_ * (mean - m.fallback_)
    np.testing.assert_allclose(prediction.X, blend, atol=1e-5)
    claimed = m.trust_ * variance + (1 - m.trust_) * m.claimed_
    found = prediction.layers["predictive_variance"]
    np.testing.assert_allclose(found, claimed * m.calibration_, rtol=1e-3)
    Z = m.features(GENES)
    shift = m.shares_["shift"]
    K = np.tensordot(list(m.shares_.values()), C, 1) - shift
    np.testing.assert_allclose(Z @ Z.T, K, atol=1e-6)


def test_leaving_a_pick_out_of_the_mixture():
    m = fitted("gp")
    terms = m._terms()
    picks = terms.ask(PICKS)
    C = terms.between(picks, picks)
    error, _ = m._left_out(Y)
    for i in (0, 11):
        k = np.delete(np.arange(20), i)
        says = 0
        for p in m.parts_:
            K = np.tensordot(p.part.shares, C, 1)
            A = np.linalg.inv(K[np.ix_(k, k)] + p.part.noise * np.eye(19))
            says = says + p.part.weight * (K[i, k] @ A @ Y[k])
        np.testing.assert_allclose(error[i], Y[i] - says, atol=1e-8)


def test_trust_is_a_regression_through_the_origin():
    rng = np.random.default_rng(0)
    e, unit = rng.normal(size=(500, 3)), np.ones(3)
    d = 0.4 * e + rng.normal(size=e.shape)
    slope = (d * e).sum() / (d * d).sum()
    n, size = len(e), (d * d).sum()
    plain = {"belief": 0.0}
    assert stacked_trust(e - d, e, unit, **plain) == pytest.approx(slope)
    expected = (slope + 10 / n) / (1 + 10 / n)
    assert stacked_trust(e - d, e, unit, 10.0, **plain) == pytest.approx(expected)
    assert stacked_trust(e - d, e, unit, -5.0, **plain) == pytest.approx(slope / (1 + 5 / n))
    sure = 16 * (e**2).mean() * 3 / effective_responses(e)
    expected = (slope * size + sure) / (size + sure)
    assert stacked_trust(e - d, e, unit) == pytest.approx(expected)
    assert stacked_trust(e - 1e-3 * d, e, unit) > 0.99  # who never claimed to know is not refuted
    assert stacked_trust(e + d, e, unit, **plain) == 0 and stacked_trust(0 * e, e, unit) == 1
    assert stacked_trust(e + 10 * e, e, unit) == 0  # far worse than the mean
    assert stacked_trust(e, e, unit) == 0  # the model says what the mean says


def test_the_mean_is_shrunk_to_no_change():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(10, 50))
    mean, left_out = shrunken_mean(noise, response_units(noise))
    assert np.abs(mean).mean() < 0.3 * np.abs(noise.mean(0)).mean()
    shifted = noise + 5
    mean, left_out = shrunken_mean(shifted, response_units(shifted))
    np.testing.assert_allclose(mean, shifted.mean(0), rtol=0.02)
    np.testing.assert_allclose(left_out[3], shifted[3] - np.delete(shifted, 3, 0).mean(0), atol=0.2)


@pytest.mark.parametrize("name", ["gp", "gnn", "ridge", "knn"])
def test_a_screen_without_signal_gets_the_mean(name):
    rng = np.random.default_rng(3)
    s = make_screen(pd.DataFrame(1 + rng.normal(size=(40, 40)), index=GENES))
    m = fitted(name, screen=s, picks=GENES[:30])
    truth = s[GENES[30:]].X
    of_mean = np.mean((s[GENES[:30]].X.mean(0) - truth) ** 2)
    assert m.trust_ < 0.6
    assert np.mean((m.predict(GENES[30:]).X - truth) ** 2) < 1.03 * of_mean


def test_a_model_that_is_the_mean_says_so(caplog):
    P = propagation(GRAPH.graphs[0].adjacency, 1)
    rng = np.random.default_rng(0)
    wrong = np.linalg.inv(P.toarray() + 0.3 * np.eye(40)) @ rng.normal(size=(40, 30))
    s = make_screen(pd.DataFrame(wrong, index=GENES))  # neighbors do the opposite
    with caplog.at_level("WARNING", logger="graphsel"):
        m = fitted("knn", screen=s, picks=GENES, ks=(3,), votes=(0.0,))
    assert m.trust_ == 0 and "no more than their mean" in caplog.text
    p = m.predict(["g00", "g20"])
    np.testing.assert_allclose(p.X, np.tile(m.fallback_, (2, 1)), atol=1e-6)
    assert np.ptp(p.layers["predictive_variance"], axis=0).max() == 0


def test_responses_in_any_unit():
    scale = np.array([1e-4, 1.0, 1e5])
    scaled = make_screen(pd.DataFrame(SCREEN.X * scale, index=GENES, columns=list("abc")))
    for name in ("gp", "ridge", "knn"):
        p, q = fitted(name).predict(REST), fitted(name, screen=scaled).predict(REST)
        np.testing.assert_allclose(q.X / scale, p.X, rtol=1e-3, atol=1e-4)


def test_settings_that_cannot_work():
    with pytest.raises(GraphselError, match="tune is 'likelihood'; give 'evidence', True or False"):
        fitted("gp", tune="likelihood")
    with pytest.raises(GraphselError, match=r"combine\(graphs\)"):
        check_graph([GRAPH, GRAPH])


def test_a_model_of_an_older_version_is_refused_in_one_line(tmp_path):
    m = fitted("gp")
    m.form_ = 1
    m.save(tmp_path / "old.model")
    with pytest.raises(
        GraphselError, match="written by an older version of graphsel; fit it again"
    ):
        load_model(tmp_path / "old.model")


def test_own_effects_of_genes_in_pairs():
    "Effects that no graph tells: the pair's partner in other pairs does."
    rng = np.random.default_rng(0)
    own = dict(zip(GENES, rng.normal(size=(40, 20)), strict=True))
    pairs = [f"{a}+{b}" for i, a in enumerate(GENES) for b in GENES[i + 1 :]]
    some = [pairs[i] for i in rng.permutation(len(pairs))[:150]]
    table = pd.DataFrame({p: sum(own[g] for g in p.split("+")) for p in some}).T
    s = make_screen(table + 0.1 * rng.normal(size=table.shape))
    m = make_model("gp").fit(s, GRAPH, perturbations=some[:110])
    assert m.shares_["own"] > 0.2
    truth = s[some[110:]].X
    error = np.mean((m.predict(some[110:]).X - truth) ** 2)
    plain = GaussianProcess(fixed_effects=False, tune=False, noise=0.3, stacking=False)
    old = np.mean(
        (plain.fit(s, GRAPH, perturbations=some[:110]).predict(some[110:]).X - truth) ** 2
    )
    assert error < 0.25 * np.mean(truth**2) and error < old
