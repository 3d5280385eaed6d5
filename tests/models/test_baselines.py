"""Neighbors, sums, transfer, the tuned Gaussian process: against formulas, on hostile input, at the edges."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from graphsel.core import identity as identity_room
from graphsel.core.errors import GraphselError
from graphsel.core.randomness import one_thread
from graphsel.graphs.build import from_edges
from graphsel.graphs.disturbance import disturb
from graphsel.graphs.graph import combine
from graphsel.graphs.operators import propagation
from graphsel.graphs.priors import make_prior
from graphsel.models import channels as channels_room
from graphsel.models import gp as gp_room
from graphsel.models import likelihood
from graphsel.models.additive import Additive, singles_from
from graphsel.models.base import MeanModel
from graphsel.models.channels import channels
from graphsel.models.gnn import GNN
from graphsel.models.gp import GaussianProcess
from graphsel.models.likelihood import best_noise, mixture_cost, softmax, tune_mixture
from graphsel.models.neighbors import Neighbors, leave_one_out, neighbor_weights
from graphsel.models.registry import load_model, make_model
from graphsel.models.transfer import Transfer, best_penalty, fit_slopes
from graphsel.screens.screen import check_screen, make_screen

GENES = [f"g{i:02}" for i in range(40)]


def toy(seed=0, columns=3):
    rng = np.random.default_rng(seed)
    links = [
        (i, j)
        for i in range(40)
        for j in range(i + 1, 40)
        if i // 8 == j // 8 and (j == i + 1 or rng.random() < 0.3)
    ]
    a = from_edges(
        [GENES[i] for i, _ in links], [GENES[j] for _, j in links], genes=GENES, name="a"
    )
    Y = propagation(a.adjacency, 2) @ rng.normal(size=(40, columns)) + 0.1 * rng.normal(
        size=(40, columns)
    )
    return make_screen(
        pd.DataFrame(Y, index=GENES, columns=[f"r{i}" for i in range(columns)])
    ), combine([a, disturb(a, 1.0, random_state=1)])


SCREEN, GRAPH = toy()
PICKS, REST = GENES[::2], GENES[1::2]
Y = SCREEN.to_df().astype(float)


def with_pairs(*pairs):
    "The toy screen and exact sums."
    table = Y.copy()
    for p in pairs:
        table.loc[p] = Y.loc[p.split("+")].sum()
    return make_screen(table)


# ---- nearest neighbors ----


def test_weights_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    K = rng.uniform(-0.5, 1, size=(7, 9))
    W = neighbor_weights(K, 3, 0.5).toarray()
    for row, w in zip(K, W, strict=True):
        near = np.argsort(-row)[:3]
        s = np.maximum(row[near], 0)
        np.testing.assert_allclose(w[near], s / (s.sum() + 0.5))
        assert w.sum() == pytest.approx(w[near].sum())
    assert (neighbor_weights(K, 100).toarray() >= 0).all()


def test_ties_go_to_the_first_and_rounding_does_not_break_them():
    K = np.array([[0.5, 0.5 + 1e-13, 0.5]])
    assert neighbor_weights(K, 1).toarray().tolist() == [[1, 0, 0]]


def test_leave_one_out_leaves_one_out():
    K = GRAPH.kernel()[:20, :20]
    Z = (Y.iloc[:20] - Y.iloc[:20].mean()).to_numpy()
    for c in leave_one_out(K[None], Z, (1, 4), (0.0, 0.3)):
        errors = []
        for i in range(20):
            k = np.delete(np.arange(20), i)
            errors.append(Z[i] - neighbor_weights(K[i : i + 1, k], c.k, c.votes) @ Z[k])
        assert c.error == pytest.approx(np.mean((np.concatenate(errors) / Z.std(0)) ** 2))


def test_neighbors_find_the_useful_graph_and_beat_the_mean():
    m = Neighbors().fit(SCREEN, GRAPH, perturbations=PICKS)
    assert m.choice_.kernel in (0, 1)  # the first graph's channels; the second was shuffled
    mean = MeanModel().fit(SCREEN, GRAPH, perturbations=PICKS)
    error = [np.mean((o.predict(REST).X - SCREEN[REST].X) ** 2) for o in (m, mean)]
    assert error[0] < 0.8 * error[1]


def test_a_gene_without_neighbors_gets_the_mean():
    m = Neighbors().fit(SCREEN, GRAPH, perturbations=PICKS)
    p = m.predict(["nobody", *REST, "nobody+else"])
    plain = Neighbors(fixed_effects=False, stacking=False).fit(SCREEN, GRAPH, perturbations=PICKS)
    mean = np.tile(Y.loc[PICKS].mean(), (2, 1))
    np.testing.assert_allclose(plain.predict(["nobody", "nobody+else"]).X, mean, atol=1e-5)
    np.testing.assert_allclose(p.X[0], p.X[-1], atol=1e-6)
    assert (np.abs(p.X[0]) <= np.abs(mean[0]) + 1e-6).all()  # the same, shrunk to no change
    v = p.layers["variance"]
    assert (v[0] >= v[1:-1].min(axis=0)).all() and np.isfinite(v).all()
    assert (p.layers["predictive_variance"] > v).all()
    assert (
        np.mean((p.X[1:-1] - Y.loc[REST]) ** 2 / p.layers["predictive_variance"][1:-1], axis=None)
        < 3
    )


def test_neighbors_in_blocks_and_on_large_graphs(monkeypatch):
    whole = Neighbors().fit(SCREEN, GRAPH, perturbations=PICKS).predict(GENES).X
    monkeypatch.setattr(channels_room, "DENSE_GENES", 10)

    identity_room._kept.clear()
    m = Neighbors().fit(SCREEN, GRAPH, perturbations=PICKS)
    np.testing.assert_allclose(m.predict(GENES).X, whole, atol=1e-5)
    many = [f"{a}+{b}" for a in GENES for b in GENES if a < b][:700]
    np.testing.assert_allclose(m.predict(many).X[600:], m.predict(many[600:]).X, atol=1e-6)
    identity_room._kept.clear()


def test_neighbors_with_a_prior_that_knows_half():
    prior = make_prior(Y.iloc[:20], "half")
    m = Neighbors().fit(SCREEN, combine([GRAPH], [prior]), perturbations=PICKS)
    assert np.isfinite(m.predict([*REST, "nobody"]).X).all()
    assert m.features(REST[:2]).shape[0] == 2


# ---- sums ----


def test_a_pair_is_the_sum_of_its_measured_singles():
    s = with_pairs("g00+g09", "g02+g11+g20")
    plain = GaussianProcess(tune=False, noise=0.3, fixed_effects=False, stacking=False)
    m = Additive(plain).fit(s, GRAPH, perturbations=GENES)
    p = m.predict(["g00+g09", "g02+g11+g20", "g00"])
    np.testing.assert_allclose(p.X[:2], s[["g00+g09", "g02+g11+g20"]].X, atol=1e-5)
    gp = clone(plain).fit(SCREEN, GRAPH)
    np.testing.assert_allclose(
        p.X[2], gp.predict(["g00"]).X[0], atol=1e-5
    )  # singles by the other model
    noise = gp.noise_ * gp.parts_[0].head.scale * gp.calibration_
    np.testing.assert_allclose(p.layers["variance"][:2], np.outer([2, 3], noise), rtol=1e-3)
    np.testing.assert_allclose(
        p.layers["predictive_variance"][:2], np.outer([3, 4], noise), rtol=1e-3
    )


def test_a_gene_measured_in_company_only():
    s = with_pairs("g00+g09")
    m = Additive("mean").fit(s, GRAPH, perturbations=["g00", "g00+g09", "g05"])
    np.testing.assert_allclose(m.parts_["g09"], Y.loc["g09"], atol=1e-5)
    np.testing.assert_allclose(m.predict(["g05+g09"]).X[0], Y.loc["g05"] + Y.loc["g09"], atol=1e-5)


def test_chains_and_cycles_of_combinations():
    one = np.ones((1, 1))
    assert set(singles_from(["A+B", "B+C"], np.vstack([one, one]))) == set()
    found = singles_from(["A", "A+B", "B+C", "C+D", "E+F"], np.array([[1.0], [3], [5], [7], [9]]))
    assert {g: y[0] for g, y in found.items()} == {"A": 1, "B": 2, "C": 3, "D": 4}
    twice = singles_from(["A", "B", "A+C", "B+C"], np.array([[1.0], [1], [3], [5]]))
    assert twice["C"] == pytest.approx(3)  # the mean of 2 and 4


def test_sums_where_only_pairs_were_measured_and_with_unknown_genes():
    s = with_pairs("g00+g09", "g01+g10", "g02+g11")
    m = Additive().fit(s, GRAPH, perturbations=["g00+g09", "g01+g10", "g02+g11"])
    p = check_screen(m.predict(["g00+g09", "g03", "x+y", "x+y+z", "g00+x"]))
    assert np.isfinite(p.X).all() and np.isfinite(p.layers["variance"]).all()
    np.testing.assert_allclose(p.X[3], 1.5 * p.X[2], atol=1e-5)


@pytest.mark.parametrize(
    "base", ["gp", "ridge", "knn", "mean", "nochange", GNN(n_members=1, steps=5)]
)
def test_any_base(base, tmp_path):
    m = make_model("additive", base=base).fit(
        with_pairs("g00+g09"), GRAPH, perturbations=[*PICKS, "g00+g09"], random_state=1
    )
    p = m.predict(["g00+g02", "g01+g03", "g01"])
    assert np.isfinite(p.X).all()
    np.testing.assert_allclose(p.X[0], Y.loc["g00"] + Y.loc["g02"], atol=1e-5)
    again = load_model(m.save(tmp_path / "m"))
    assert np.array_equal(again.predict(p.obs_names).X, p.X)
    np.testing.assert_allclose(
        again.predict(["g01+g03"]).X, p.X[1:2], atol=1e-5
    )  # products of another shape add up in another order
    assert not hasattr(base, "perturbations_")  # the model given is left as it was
    assert ("variance" in p.layers) == (base in ("gp", "knn") or isinstance(base, GNN))
    fresh = clone(m)
    assert not hasattr(fresh, "base_")


def test_unknown_base():
    with pytest.raises(GraphselError, match="did you mean 'knn'"):
        Additive("knm").fit(SCREEN, GRAPH)


# ---- transfer ----

PENALTIES = (0, 0.1, 1, 10, np.inf)


def test_slopes_without_penalty_are_least_squares():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 4))
    T = X * [1, 2, 3, -1] + 5 + 0.1 * rng.normal(size=X.shape)
    s = fit_slopes(X, T, (0,))
    theirs = [np.polyfit(x, t, 1) for x, t in zip(X.T, T.T, strict=True)]
    np.testing.assert_allclose(s.slope, [o[0] for o in theirs])
    np.testing.assert_allclose(s(np.zeros((1, 4)))[0], [o[1] for o in theirs])
    left_out = []
    for i in range(30):
        k = np.delete(np.arange(30), i)
        left_out.append(
            [
                np.polyval(np.polyfit(x[k], t[k], 1), x[i]) - t[i]
                for x, t in zip(X.T, T.T, strict=True)
            ]
        )
    np.testing.assert_allclose(s.variance, np.mean(np.square(left_out), axis=0))


def test_slopes_with_all_penalty_are_one_slope():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 50))
    s = fit_slopes(X, 2 * X + rng.normal(size=X.shape), PENALTIES)
    assert s.penalty > 1  # the slopes do not differ
    assert np.ptp(fit_slopes(X, 2 * X, (np.inf,)).slope) == 0
    s = fit_slopes(np.zeros((4, 2)), rng.normal(size=(4, 2)), PENALTIES)
    assert np.array_equal(s.slope, [0, 0])


def test_penalty_of_the_dual_form():
    rng = np.random.default_rng(1)
    X, T = rng.normal(size=(15, 4)), rng.normal(size=(15, 2))
    K = X @ X.T + 1
    errors = []
    for p in (0.1, 1, 10, 100):
        keep = [np.arange(15) != i for i in range(15)]
        errors.append(
            np.mean(
                [
                    (
                        (
                            T[~k]
                            - K[np.ix_(~k, k)]
                            @ np.linalg.solve(K[np.ix_(k, k)] + p * np.eye(14), T[k])
                        )
                        / T.std(0)
                    )
                    ** 2
                    for k in keep
                ]
            )
        )
    assert (
        best_penalty(K, T, (0, 0.1, 1, 10, 100, np.inf))
        == (0.1, 1, 10, 100)[int(np.argmin(errors))]
    )


def elsewhere(noise=0.05, columns=None):
    table = 0.5 * Y + 3 + noise * np.random.default_rng(4).normal(size=Y.shape)
    return make_screen((table if columns is None else table.set_axis(columns, axis=1)).iloc[:35])


@pytest.mark.parametrize("form", ["screen", "other columns", "prior", "graph"])
def test_transfer_from_each_kind_of_source(form, tmp_path):
    other, graph = elsewhere(columns=None if form == "screen" else ["u", "v", "w"]), GRAPH
    if form in ("prior", "graph"):
        other = make_prior(other.to_df())
    if form == "graph":
        other, graph = None, combine([GRAPH], [other])
    m = Transfer(other).fit(SCREEN, graph, perturbations=PICKS)
    known = [g for g in REST if g in GENES[:35]]
    p = m.predict([*known, "g39", "nobody", "g01+g03"])
    assert np.mean((p.X[: len(known)] - Y.loc[known]) ** 2, axis=None) < 0.3 * np.mean(
        (Y.loc[known] - Y.loc[PICKS].mean()) ** 2, axis=None
    )
    np.testing.assert_allclose(
        p.X[len(known) : len(known) + 2], np.tile(Y.loc[PICKS].mean(), (2, 1)), atol=1e-5
    )
    v = p.layers["variance"]
    assert (v[: len(known)] < v[len(known)]).all() and np.isfinite(p.X).all()
    assert np.array_equal(load_model(m.save(tmp_path / "m")).predict(known).X, m.predict(known).X)
    Z = m.features([*known, "nobody"])
    assert not Z[-1].any() and Z[:-1].any()


def test_transfer_of_some_responses():
    other = elsewhere()[:, ["r2", "r0"]].copy()
    p = Transfer(other).fit(SCREEN, GRAPH, perturbations=PICKS).predict(REST[:5])
    np.testing.assert_allclose(p.X[:, 1], Y.loc[PICKS, "r1"].mean(), atol=1e-5)
    np.testing.assert_allclose(p.X[:, [0, 2]], Y.loc[REST[:5], ["r0", "r2"]], atol=0.6)


def test_transfer_with_hardly_any_overlap(caplog):
    for n in (0, 1, 2):
        few = elsewhere()[[*PICKS[:n], "g01"]].copy()
        with caplog.at_level("WARNING", logger="graphsel"):
            p = Transfer(few).fit(SCREEN, GRAPH, perturbations=PICKS).predict(["g01", "g03"])
        np.testing.assert_allclose(p.X, np.tile(Y.loc[PICKS].mean(), (2, 1)), atol=1e-5)
        assert f"only {n} of 20 picks" in caplog.text
        caplog.clear()


def test_transfer_errors():
    with pytest.raises(GraphselError, match="nothing to transfer from"):
        Transfer().fit(SCREEN, GRAPH)
    bad = elsewhere()
    bad.X[0, 0] = np.nan
    with pytest.raises(GraphselError, match="not finite"):
        Transfer(bad).fit(SCREEN, GRAPH)
    with pytest.raises(GraphselError, match="screen is an AnnData"):
        Transfer(3).fit(SCREEN, GRAPH)
    m = clone(Transfer(elsewhere()))
    assert m.prior.shape == (35, 3)


# ---- marginal likelihood ----


def stack(picks=PICKS):
    c = channels(GRAPH, (1, 2))
    return c.between(c.encode(picks), c.encode(picks)), c


def test_gradient_of_the_marginal_likelihood():
    from scipy.optimize import check_grad

    C, _ = stack()
    Z = (Y.loc[PICKS] - Y.loc[PICKS].mean()).to_numpy()
    for seed in range(5):
        point = np.random.default_rng(seed).normal(size=5)
        assert check_grad(
            lambda x: mixture_cost(x, C, Z)[0], lambda x: mixture_cost(x, C, Z)[1], point
        ) < 1e-4 * np.linalg.norm(mixture_cost(point, C, Z)[1])


def test_tuning_recovers_what_was_drawn():
    rng = np.random.default_rng(0)
    C, _ = stack(GENES)
    for w, noise in (([0.05, 0.8, 0.05, 0.1], 0.2), ([0.45, 0.05, 0.45, 0.05], 1.0)):
        A = np.tensordot(w, C, 1) + noise * np.eye(40)
        draws = np.linalg.cholesky(A) @ rng.normal(size=(40, 400))
        found = tune_mixture(
            C, draws * rng.uniform(0.1, 10, 400), np.full(4, 0.25)
        )  # scales are profiled out
        np.testing.assert_allclose(found.weights, w, atol=0.12)
        assert found.noise == pytest.approx(noise, rel=0.25)


def test_tuning_ends_where_no_start_ends_lower_and_noise_agrees():
    C, c = stack()
    Z = (Y.loc[PICKS] - Y.loc[PICKS].mean()).to_numpy()
    found = tune_mixture(C, Z, c.weights)
    assert found.weights.sum() == pytest.approx(1) and (found.weights > 0).all()
    assert (
        mixture_cost(np.append(np.log(found.weights), np.log(found.noise)), C, Z)[0]
        < mixture_cost(np.append(np.log(c.weights), np.log(0.3)), C, Z)[0]
    )
    K = np.tensordot(c.weights, C, 1)  # one channel: only the noise is left
    one = tune_mixture(K[None], Z, [1.0], noise=best_noise(K, Z))
    assert one.noise == pytest.approx(best_noise(K, Z), rel=0.01)
    assert np.array_equal(softmax(np.array([1000.0, 1000.0])), [0.5, 0.5])


def test_tuned_process_is_the_formula(monkeypatch):
    options = {"tune": True, "fixed_effects": False, "stacking": False}
    m = GaussianProcess(**options).fit(SCREEN, GRAPH, perturbations=PICKS)
    c = channels(GRAPH, (1, 2))
    K = np.tensordot(m.weights_, c.between(c.encode(GENES), c.encode(GENES)), 1) + m.bias_
    assert m.weights_.sum() + m.bias_ == pytest.approx(1)
    Z, at, to = Y.loc[PICKS].to_numpy(), slice(0, None, 2), slice(1, None, 2)
    A = np.linalg.inv(K[at, at] + m.noise_ * np.eye(20))
    p = m.predict(REST)
    np.testing.assert_allclose(p.X, Z.mean(0) + K[to, at] @ A @ (Z - Z.mean(0)), atol=1e-5)
    np.testing.assert_allclose(
        m.posterior_variance(REST), np.diag(K[to, to] - K[to, at] @ A @ K[at, to]), atol=1e-6
    )
    np.testing.assert_allclose(
        p.layers["predictive_variance"] - p.layers["variance"],
        np.tile(m.noise_ * m.parts_[0].head.scale * m.calibration_, (20, 1)),
        rtol=1e-3,
    )
    F = m.features(GENES)
    np.testing.assert_allclose(F @ F.T, K - m.bias_, atol=1e-6)
    monkeypatch.setattr(gp_room, "TUNING_PICKS", 10)
    assert np.isfinite(
        GaussianProcess(tune=True)
        .fit(SCREEN, GRAPH, perturbations=PICKS, random_state=0)
        .predict(REST)
        .X
    ).all()


@pytest.mark.parametrize(
    "params", [{"tune": True}, {"tune": True, "noise": None}, {"tune": True, "hops": (1, 2, 3)}]
)
def test_tuned_process_keeps_the_protocol(params, tmp_path):
    m = make_model("gp", **params)
    assert clone(m).get_params() == m.get_params()
    for n in (1, 2, 3, 4):
        tiny = SCREEN[GENES[: 4 * n : 4], ["r1"]].copy()
        p = make_model("gp", **params).fit(tiny, GRAPH).predict([*GENES, "nobody"])
        assert (
            np.isfinite(p.X).all()
            and (np.isnan if n == 1 else np.isfinite)(p.layers["variance"]).all()
        )
    a, b = (
        make_model("gp", **params).fit(SCREEN, GRAPH, perturbations=o, random_state=s)
        for o, s in ((PICKS, 0), (PICKS[::-1], 5))
    )
    assert (
        a.predict(REST).X.tobytes() == b.predict(REST).X.tobytes()
    )  # nothing is drawn below TUNING_PICKS
    assert np.array_equal(load_model(a.save(tmp_path / "m")).predict(REST).X, a.predict(REST).X)
    pairs = with_pairs("g00+g09", "g01+g10")
    assert np.isfinite(
        make_model("gp", **params).fit(pairs, GRAPH).predict(["g02+g11", "x+g00"]).X
    ).all()


def test_tuning_trusts_the_useful_graph():
    m = GaussianProcess(tune=True).fit(SCREEN, GRAPH, perturbations=PICKS)
    assert m.weights_[:2].sum() > 2 * m.weights_[2:].sum()
    tuned, fixed = (
        np.mean((o.fit(SCREEN, GRAPH, perturbations=PICKS).predict(REST).X - SCREEN[REST].X) ** 2)
        for o in (m, GaussianProcess())
    )
    assert tuned < fixed


def test_tuning_with_picks_that_do_not_differ():
    flat = make_screen(pd.DataFrame(np.ones((40, 2)), index=GENES, columns=["a", "b"]))
    p = GaussianProcess(tune=True).fit(flat, GRAPH, perturbations=PICKS).predict(REST)
    np.testing.assert_allclose(p.X, 1)
    with pytest.raises(GraphselError, match="positive numbers"):
        tune_mixture(np.eye(3)[None], np.eye(3), [0.0])
    assert likelihood.PRIOR_SD > 0


# ---- coverage ----


def test_coverage_counts_what_it_says():
    from scipy import sparse
    from scipy.stats import norm

    from graphsel.benchmark.metrics import coverage

    p = GaussianProcess().fit(SCREEN, GRAPH, perturbations=PICKS).predict(REST)
    sd = np.sqrt(p.layers["predictive_variance"].astype(float))
    error = np.abs(p.X.astype(float) - SCREEN[REST].X)
    t = coverage(p, SCREEN, (0.5, 0.9))
    np.testing.assert_allclose(
        t["covered"], [(error <= norm.ppf(0.75) * sd).mean(), (error <= norm.ppf(0.95) * sd).mean()]
    )
    np.testing.assert_allclose(
        t["width"], [2 * norm.ppf(0.75) * sd.mean(), 2 * norm.ppf(0.95) * sd.mean()]
    )
    assert (coverage(p, SCREEN, (0.5, 0.9), "variance")["covered"] <= t["covered"]).all()
    s = SCREEN.copy()
    s.X = sparse.csr_matrix(s.X)
    pd.testing.assert_frame_equal(coverage(p, s, (0.5, 0.9)), t)
    assert np.isnan(coverage(p[:1], SCREEN)["standard_error"]).all()


def test_coverage_refuses():
    from graphsel.benchmark.metrics import coverage

    p = GaussianProcess().fit(SCREEN, GRAPH, perturbations=PICKS).predict([*REST, "nobody"])
    with pytest.raises(GraphselError, match="no truth for nobody"):
        coverage(p, SCREEN)
    with pytest.raises(GraphselError, match="level 1 is not"):
        coverage(p[:-1], SCREEN, (1,))
    q = MeanModel().fit(SCREEN, GRAPH).predict(REST)
    with pytest.raises(GraphselError, match="no layer 'variance'"):
        coverage(q, SCREEN)
    q.layers["variance"] = np.full(q.shape, np.nan)
    with pytest.raises(GraphselError, match="not a number"):
        coverage(q, SCREEN)
    q.layers["variance"] = np.zeros(q.shape)
    assert (coverage(q, q)["covered"] == 1).all()  # no error, no doubt


def test_calibration_curve_draws_a_line_for_each():
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from graphsel.plotting.curves import calibration_curve

    p = {
        n: make_model(n).fit(SCREEN, GRAPH, perturbations=PICKS).predict(REST)
        for n in ("gp", "knn")
    }
    ax = plt.subplots()[1]
    assert calibration_curve(p, SCREEN, ax=ax) is ax and len(ax.get_lines()) == 3
    with pytest.raises(GraphselError, match="no prediction to draw"):
        calibration_curve({}, SCREEN)
    from graphsel.benchmark.metrics import coverage

    for layer in ("variance", "predictive_variance"):
        drawn = (
            calibration_curve({"gp": p["gp"]}, SCREEN, layer=layer, ax=plt.subplots()[1])
            .get_lines()[1]
            .get_ydata()
        )
        np.testing.assert_allclose(drawn, coverage(p["gp"], SCREEN, layer=layer)["covered"])
    with pytest.raises(GraphselError, match="no layer 'ensemble_variance'"):
        calibration_curve(p, SCREEN, layer="ensemble_variance")
    plt.close("all")


def test_leave_one_out_does_not_mind_many_columns():
    K = GRAPH.kernel()[:10, :10]
    wide = np.random.default_rng(0).normal(size=(10, 300))
    wide -= wide.mean(axis=0)
    for c in leave_one_out(K[None], wide, (2, 5), (0.3,)):
        W = neighbor_weights(K - 2 * np.eye(10), c.k, c.votes)
        assert c.error == pytest.approx((((wide - W @ wide) / wide.std(0)) ** 2).mean())


# ---- threads ----


@pytest.mark.parametrize("alone", [True, False])
def test_training_and_answers_use_one_thread(alone):
    "Unless a model wants more; what was set before is set afterwards."
    import torch

    seen = []

    class Watching(MeanModel):
        one_thread = alone

        def _fit(self, Y, rng):
            seen.append(torch.get_num_threads())
            with one_thread():
                seen.append(torch.get_num_threads())
            seen.append(torch.get_num_threads())
            super()._fit(Y, rng)

        def _predict(self, names):
            seen.append(torch.get_num_threads())
            return super()._predict(names)

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        Watching().fit(SCREEN, GRAPH).predict(["g00"])
        assert seen == ([1, 1, 1, 1] if alone else [2, 1, 2, 2])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
