"""Models against formulas and other people's code, on hostile and tiny input, and for leaks and determinism."""

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import GENES, GRAPH, NAMES, NEEDS, OTHER, PICKS, REST, SCREEN, fitted, toy
from scipy import sparse
from sklearn.base import clone

from graphsel.core import identity as identity_room
from graphsel.core.errors import GraphselError
from graphsel.core.outputs import sealed
from graphsel.genes.perturbations import perturbed_genes
from graphsel.graphs.disturbance import disturb
from graphsel.graphs.graph import combine
from graphsel.graphs.kernels import spectral_features
from graphsel.graphs.operators import propagation
from graphsel.graphs.priors import make_prior
from graphsel.graphs.readers.read import read_graph
from graphsel.models import archetypes as archetypes_room
from graphsel.models import channels as channels_room
from graphsel.models import gnn as models
from graphsel.models import gnn_networks as networks
from graphsel.models import intervals as intervals_room
from graphsel.models.archetypes import Terms
from graphsel.models.channels import Channels, WholeGraph, channels, whole_graph
from graphsel.models.gnn import GNN
from graphsel.models.gp import GaussianProcess
from graphsel.models.likelihood import best_noise
from graphsel.models.registry import (
    load_model,
    make_model,
    measured_neighbors,
    rank_unmeasured,
)
from graphsel.models.ridge import Ridge
from graphsel.screens.read import read_screen
from graphsel.screens.screen import check_screen, make_screen


# the Gaussian process and the network as they were before fixed effects, archetypes and stacking
PLAIN = {"fixed_effects": False, "stacking": False}
CLASSIC = {"gp": {"tune": False, "noise": 0.3} | PLAIN, "gnn": PLAIN, "ridge": PLAIN, "knn": PLAIN}


@pytest.mark.parametrize("name", NAMES)
def test_prediction_is_a_screen(name):
    p = check_screen(fitted(name).predict(REST))
    assert list(p.obs_names) == REST and p.X.dtype == np.float32 and np.isfinite(p.X).all()
    assert (p.obs["n_cells"] == 0).all()
    assert p.uns["graphsel"] == {"kind": "prediction", "model": name}
    pd.testing.assert_frame_equal(p.var, SCREEN.var)
    if name in ("gp", "gnn", "knn", "additive", "transfer"):
        assert p.layers["variance"].shape == p.shape and (p.layers["variance"] >= 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_expected_is_what_is_predicted(name):
    model = fitted(name)
    asked = [*REST, "g00+g01", "nobody"]
    assert np.array_equal(model.expected(asked).X, model.predict(asked).X)


def test_whoever_says_last_how_to_predict_is_asked_what_is_expected():
    class Doubled(GaussianProcess):
        def _predict(self, names):
            mean, layers = super()._predict(names)
            return 2 * mean, layers

    class Nothing(GaussianProcess):
        def predict(self, names):
            found = super().predict(names)
            found.X[:] = 0
            return found

    for kind in (Doubled, Nothing):
        model = kind(stacking=False).fit(SCREEN, GRAPH, perturbations=PICKS, random_state=0)
        assert np.array_equal(model.expected(REST).X, model.predict(REST).X)


@pytest.mark.parametrize("name", NAMES)
def test_order_of_the_picks_and_of_the_screen_does_not_matter(name):
    p = fitted(name).predict(REST).X
    order = np.random.default_rng(1).permutation(40)
    assert np.array_equal(
        p, fitted(name, screen=SCREEN[order].copy(), picks=PICKS[::-1]).predict(REST).X
    )
    asked = fitted(name).predict(REST[::-1]).X[::-1]
    np.testing.assert_allclose(asked, p, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_unpicked_rows_cannot_leak(name):
    spoiled = SCREEN.copy()
    rng = np.random.default_rng(5)
    spoiled.X[1::2] = 1e6 * rng.normal(size=(20, 3))
    assert np.array_equal(
        fitted(name).predict(GENES).X, fitted(name, screen=spoiled).predict(GENES).X
    )
    absent = SCREEN[PICKS].copy()  # the names of a library tell its degrees, and nothing else
    of = CLASSIC.get(name, {})
    assert np.array_equal(
        fitted(name, **of).predict(GENES).X,
        fitted(name, screen=absent, picks=None, **of).predict(GENES).X,
    )


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_bytes_and_global_generators_untouched(name):
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002  the state that must not move
    before, before_np = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    threads = torch.get_num_threads()
    a = fitted(name, seed=7).predict(REST)
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(before_np, np.random.get_state()[1])  # noqa: NPY002
    assert torch.get_num_threads() == threads
    torch.manual_seed(99)
    identity_room._kept.clear()  # what was remembered must not matter either
    b = fitted(name, seed=7).predict(REST)
    assert a.X.tobytes() == b.X.tobytes()
    for k in a.layers:
        assert a.layers[k].tobytes() == b.layers[k].tobytes()


def test_seed_matters_for_the_network():
    assert not np.array_equal(
        fitted("gnn", seed=0).predict(REST).X, fitted("gnn", seed=1).predict(REST).X
    )


@pytest.mark.parametrize("name", NAMES)
def test_save_and_load(name, tmp_path):
    m = fitted(name)
    again = load_model(m.save(tmp_path / "m.joblib"))
    identity_room._kept.clear()
    assert np.array_equal(m.predict(REST).X, again.predict(REST).X)
    assert [f.name for f in tmp_path.iterdir()] == ["m.joblib"]


def test_load_refuses_what_is_no_model(tmp_path):
    (tmp_path / "x").write_text("no model")
    with pytest.raises(GraphselError, match="x is not a model, or its end is missing"):
        load_model(tmp_path / "x")
    with pytest.raises(GraphselError, match="no such file"):
        load_model(tmp_path / "y")
    import joblib

    joblib.dump([1], tmp_path / "z")
    with pytest.raises(GraphselError, match="z is not a model"):
        load_model(tmp_path / "z")
    for body, message in (
        ((tmp_path / "z").read_bytes(), "holds a list, not a model"),
        (b"no pickle", "cannot read"),
    ):
        (tmp_path / "z").write_bytes(sealed(body))
        with pytest.raises(GraphselError, match=message):
            load_model(tmp_path / "z")
    with pytest.raises(GraphselError, match="end it in .model"):
        fitted("mean").save(tmp_path / "m.csv")


def test_a_model_with_any_byte_changed_is_refused(tmp_path):
    path = fitted("mean").save(tmp_path / "m.model")
    data = path.read_bytes()
    for i in [*range(0, len(data), max(1, len(data) // 150)), *range(len(data) - 80, len(data))]:
        path.write_bytes(data[:i] + bytes([data[i] ^ 1 << i % 8]) + data[i + 1 :])
        with pytest.raises(GraphselError, match="m.model"):
            load_model(path)
    path.write_bytes(data)
    assert load_model(path).name == "mean"
    import joblib

    assert joblib.load(path).name == "mean", "it is a file of joblib all the same"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_tiny_screens(name, n):
    tiny = SCREEN[GENES[: 4 * n : 4], ["r1"]].copy()
    p = fitted(name, screen=tiny, picks=None).predict(GENES)
    assert p.shape == (40, 1) and np.isfinite(p.X).all()
    if "variance" in p.layers:
        assert (np.isnan if n == 1 else np.isfinite)(p.layers["variance"]).all()


@pytest.mark.parametrize("name", NAMES)
def test_constant_columns_and_many_outputs(name):
    rng = np.random.default_rng(0)
    Y = np.c_[SCREEN.X @ rng.normal(size=(3, 200)), np.full((40, 2), 3.0)]
    wide = make_screen(pd.DataFrame(Y, index=GENES, columns=[f"x{i}" for i in range(202)]))
    p = fitted(name, screen=wide).predict(REST)
    assert np.isfinite(p.X).all()
    if name != "nochange":
        np.testing.assert_allclose(p.X[:, -2:], 3.0, atol=1e-5)
    if name in ("gp", "gnn", "ridge", "knn", "additive"):
        assert np.mean((p.X - wide[REST].X) ** 2) < np.mean(
            (wide[PICKS].X.mean(0) - wide[REST].X) ** 2
        )


@pytest.mark.parametrize("name", NAMES)
def test_sparse_and_dense_screens_agree(name):
    s = SCREEN.copy()
    s.X = sparse.csr_matrix(s.X)
    assert np.array_equal(fitted(name, screen=s).predict(REST).X, fitted(name).predict(REST).X)


@pytest.mark.parametrize("name", NAMES)
def test_protocol_of_sklearn(name):
    m = make_model(name)
    assert clone(m).get_params() == m.get_params()
    m = make_model(name, **NEEDS.get(name, {}))
    assert not [a for a in vars(m) if a.endswith("_")]
    assert m.fit(SCREEN, GRAPH, random_state=0) is m
    assert clone(m).get_params().keys() == make_model(name).get_params().keys()
    assert not [a for a in vars(clone(m)) if a.endswith("_")]


def test_errors():
    with pytest.raises(GraphselError, match="not in the screen: nope"):
        fitted("gp", picks=["g00", "nope"])
    with pytest.raises(GraphselError, match="at least one"):
        fitted("gp", picks=[])
    with pytest.raises(GraphselError, match="call fit first"):
        GaussianProcess().predict(REST)
    with pytest.raises(GraphselError, match="asked for twice: g01"):
        fitted("gp").predict(["g01", "g02", "g01"])
    with pytest.raises(GraphselError, match="no features"):
        fitted("mean").features(REST)
    with pytest.raises(GraphselError, match="no features"):
        fitted("nochange").features(REST)
    with pytest.raises(GraphselError, match="noise is 0"):
        fitted("gp", noise=0)
    with pytest.raises(GraphselError, match="hops is 0"):
        fitted("gp", hops=(0, 1))
    with pytest.raises(GraphselError, match="validation is 0"):
        fitted("gnn", validation=0)
    with pytest.raises(GraphselError, match="unknown conv 'gin'"):
        fitted("gnn", conv="gin")
    with pytest.raises(GraphselError, match="rank is 0"):
        fitted("gnn", rank=0)
    with pytest.raises(GraphselError, match="needs message passing"):
        fitted("gnn", conv=None, learned=True)
    with pytest.raises(GraphselError, match="n_members is 0"):
        fitted("gnn", n_members=0)
    with pytest.raises(GraphselError, match="did you mean 'ridge'"):
        make_model("rigde")
    with pytest.raises(GraphselError, match="'gnn' has no parameter 'depth'"):
        make_model("gnn", depth=3)
    bad = SCREEN.copy()
    bad.X[4, 0] = np.nan
    with pytest.raises(GraphselError, match="g04 is not a finite number"):
        fitted("ridge", screen=bad)
    assert np.isfinite(
        fitted("ridge", screen=bad, picks=["g00", "g02", "g06", "g08"]).predict(REST).X
    ).all()


@pytest.mark.parametrize("name", ["gp", "gnn", "ridge"])
def test_pairs_and_unseen_genes(name):
    Y = SCREEN.to_df()
    Y.loc["g00+g09"] = Y.loc["g00"] + Y.loc["g09"]
    Y.loc["g02+mystery"] = Y.loc["g02"] + 1
    Y.loc["mystery"] = 1.0
    s = make_screen(Y)
    m = fitted(name, screen=s, picks=[*PICKS, "g00+g09", "g02+mystery", "mystery"])
    p = m.predict(["g01+g03", "mystery", "other", "g05+other", "g05", "g01", "g03"])
    assert np.isfinite(p.X).all()
    mean = p.X[2]  # nothing is known of it
    np.testing.assert_allclose(mean, m.mean_of_picks_, atol=0.5)  # estimated along with the rest
    np.testing.assert_allclose(p.X[3], p.X[4], atol=1e-5)  # and it adds nothing
    np.testing.assert_allclose(p.X[0] - mean, p.X[5] + p.X[6] - 2 * mean, atol=1e-4)
    Z = m.features(["g01+g03", "g01", "g03"])
    np.testing.assert_allclose(Z[0], Z[1] + Z[2], atol=1e-9)
    if name == "ridge":
        return
    # an unknown gene that was measured is remembered
    assert np.linalg.norm(p.X[1] - 1) < np.linalg.norm(m.mean_of_picks_ - 1)


def test_gp_is_sklearns():
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import DotProduct, WhiteKernel

    Z = spectral_features(GRAPH, 40)  # all of them: the kernel itself, as inner products
    at, to = GRAPH.index(PICKS), GRAPH.index(REST)
    Y = SCREEN[PICKS].X.astype(float)
    theirs = GaussianProcessRegressor(
        DotProduct(0.0, "fixed") + WhiteKernel(0.3, "fixed"), alpha=0, optimizer=None
    )
    theirs.fit(Z[at], Y[:, 0] - Y[:, 0].mean())
    mean, sd = theirs.predict(Z[to], return_std=True)
    ours = fitted("gp", **CLASSIC["gp"])
    np.testing.assert_allclose(ours.predict(REST).X[:, 0], mean + Y[:, 0].mean(), atol=1e-5)
    np.testing.assert_allclose(ours.posterior_variance(REST), sd**2 - 0.3, atol=1e-5)


@pytest.mark.parametrize("hops", [1, 2, (1, 2), (1, 3)])
def test_gp_is_the_formula_with_the_graph_kernel(hops):
    prior = make_prior(
        pd.DataFrame(np.random.default_rng(0).normal(size=(30, 4)), index=GENES[:30])
    )
    graph = combine([GRAPH], [prior])
    K, at, to = graph.kernel(hops), graph.index(PICKS), graph.index(REST)
    Y = SCREEN[PICKS].X.astype(float)
    A = np.linalg.inv(K[np.ix_(at, at)] + 0.5 * np.eye(20))
    C = Y - Y.mean(0)
    m = fitted("gp", graph=graph, hops=hops, **CLASSIC["gp"] | {"noise": 0.5})
    p = m.predict(REST)
    np.testing.assert_allclose(p.X, Y.mean(0) + K[np.ix_(to, at)] @ A @ C, atol=1e-5)
    variance = np.diag(K[np.ix_(to, to)] - K[np.ix_(to, at)] @ A @ K[np.ix_(at, to)])
    np.testing.assert_allclose(
        p.layers["variance"],
        variance[:, None] * np.diag(C.T @ A @ C) / 20 * m.calibration_,
        rtol=1e-3,
    )
    Z = m.features(GENES)
    np.testing.assert_allclose(Z @ Z.T, K, atol=1e-6)


def test_channels_whole_and_by_rows_agree(monkeypatch):
    genes = [*GENES[3:9], "unknown"]
    for directed in (False, True):
        graph = toy(directed=directed)[1]
        whole = channels(graph, (1, 2, 3))
        monkeypatch.setattr(channels_room, "DENSE_GENES", 10)
        rows = Channels(graph, (1, 2, 3))
        monkeypatch.undo()
        assert rows.dense is None and whole.dense is not None
        a, b = whole.encode(genes), whole.encode(["unknown", "new", *GENES[:5]])
        c, d = rows.encode(genes), rows.encode(["unknown", "new", *GENES[:5]])
        np.testing.assert_allclose(whole.between(a, b), rows.between(c, d), atol=1e-12)
        assert (whole.between(a, b)[:, -1, 0] == 1).all() and (
            whole.between(a, b)[:, -1, 1] == 0
        ).all()


@pytest.mark.parametrize("name", ["gp", "gnn"])
@pytest.mark.parametrize(
    "limits", [{}, {"LIBRARY_GENES": 10}, {"LIBRARY_GENES": 10, "KEPT_BYTES": 0}]
)
def test_large_graphs_take_the_other_road_to_the_same_place(name, limits, monkeypatch):
    asked = [*REST, "nobody", "g00+g01"]
    p = fitted(name).predict(asked)
    identity_room._kept.clear()
    for limit, value in ({"DENSE_GENES": 10} | limits).items():
        monkeypatch.setattr(channels_room, limit, value)
    monkeypatch.setattr(archetypes_room, "BLOCK", 7)
    q = fitted(name).predict(asked)
    identity_room._kept.clear()
    near = 1e-3 if name == "gnn" else 1e-6
    np.testing.assert_allclose(p.X, q.X, atol=near)
    np.testing.assert_allclose(p.layers["variance"], q.layers["variance"], atol=near)


@pytest.mark.parametrize(
    "limits", [{"THIN_KERNEL": 0}, {"THIN_KERNEL": 1}, {"KEPT_BYTES": 8 * 41 * 2 * 14}]
)
def test_rows_are_kept_as_they_are_asked_for(limits, monkeypatch):
    view = whole_graph(GRAPH, (1, 2), [*GENES, "nobody"])
    lists = [["nobody", *GENES[:9]], [*GENES[5:12], "new"], [*GENES[20:33]], GENES[:3], GENES]
    library = view.encode([*GENES[5:], "nobody"])
    expected = [view.between(view.encode(o), library) for o in lists]
    for limit, value in ({"DENSE_GENES": 10, "LIBRARY_GENES": 10, "STRETCH": 4} | limits).items():
        monkeypatch.setattr(channels_room, limit, value)
    monkeypatch.setattr(channels_room, "THIN_ROWS", 1)
    again = WholeGraph(Channels(GRAPH, (1, 2)), view.genes.genes)
    for genes, C in zip(lists, expected, strict=True):
        a = again.encode(genes)
        assert again.kept.suits(a, library) == (len(genes) <= again.kept.room)
        np.testing.assert_allclose(again.between(a, library), C, atol=1e-6)
    dense = isinstance(again.kept.kernels[1], np.ndarray)
    assert dense == (channels_room.THIN_KERNEL < 1)
    part, before = WholeGraph(Channels(GRAPH, (1, 2)), GENES[:30]), again.kept
    assert not part.kept.suits(library, part.encode(GENES[33:]))  # a column that is not there
    assert again.kept is not before and len(channels_room._latest) == 1  # they are large


def test_a_gene_that_nobody_knows_may_be_asked_for_first(monkeypatch):
    "Of a saved model, say, whose kept rows are gone."
    for limit, value in {"DENSE_GENES": 10, "LIBRARY_GENES": 10, "THIN_ROWS": 1}.items():
        monkeypatch.setattr(channels_room, limit, value)
    identity_room._kept.clear()
    model = fitted("gp")
    both = model.predict(["nobody", REST[0]])
    channels_room._latest.clear()
    np.testing.assert_allclose(model.predict(["nobody"]).X, both.X[:1], atol=1e-6)
    identity_room._kept.clear()


def test_what_was_asked_before_changes_no_bit(monkeypatch):
    for limit, value in {"DENSE_GENES": 10, "LIBRARY_GENES": 10, "THIN_ROWS": 1}.items():
        monkeypatch.setattr(channels_room, limit, value)
    found = []
    for before in ([], GENES[3:30:2], GENES[::-1]):
        view = WholeGraph(Channels(GRAPH, (1, 2)), GENES)
        if len(before):
            view.between(view.encode(before), view.genes)
        found.append(view.between(view.encode(GENES[7:19]), view.encode(GENES[2:25])))
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])


def test_noise_maximizes_the_marginal_likelihood():
    from scipy.stats import multivariate_normal

    rng = np.random.default_rng(0)
    K = GRAPH.kernel()
    Y = np.linalg.cholesky(K + 0.4 * np.eye(40)) @ rng.normal(size=(40, 30))

    def cost(noise):
        A = K + noise * np.eye(40)
        scale = np.sum(Y * np.linalg.solve(A, Y), axis=0) / 40
        return -sum(
            multivariate_normal(cov=s * A).logpdf(y) for s, y in zip(scale, Y.T, strict=True)
        )

    best = best_noise(K, Y)
    assert 0.2 < best < 0.8
    assert all(cost(best) <= cost(best * f) for f in (0.8, 0.95, 1.05, 1.25))


def test_ridge_is_sklearns():
    from sklearn.linear_model import Ridge as Theirs

    m = Ridge(n_components=10, alphas=(0.3,), **PLAIN).fit(SCREEN, GRAPH, perturbations=PICKS)
    Z = spectral_features(GRAPH, 10)
    theirs = Theirs(alpha=0.3).fit(Z[GRAPH.index(PICKS)], SCREEN[PICKS].X)
    np.testing.assert_allclose(m.predict(REST).X, theirs.predict(Z[GRAPH.index(REST)]), atol=1e-5)


def test_ridge_penalty_is_the_best_by_leave_one_out():
    alphas, Y = (0.01, 0.1, 1.0, 10.0), SCREEN[PICKS].X - SCREEN[PICKS].X.mean(0)
    Z, Y = spectral_features(GRAPH, 10)[GRAPH.index(PICKS)], Y / Y.std(0)
    Z = np.c_[
        Z - Z.mean(0), np.full(20, 1e4)
    ]  # a column so long that it is not shrunk: the intercept
    errors = []
    for a in alphas:
        keep = [np.arange(20) != i for i in range(20)]
        errors.append(
            np.mean(
                [
                    (Y[~k] - Z[~k] @ np.linalg.solve(Z[k].T @ Z[k] + a * np.eye(11), Z[k].T @ Y[k]))
                    ** 2
                    for k in keep
                ]
            )
        )
    assert (
        fitted("ridge", n_components=10, alphas=alphas, **PLAIN).alpha_
        == alphas[int(np.argmin(errors))]
    )


def test_more_picks_leave_less_variance():
    few, many = (fitted("gp", picks=PICKS[:n], tune=False, noise=0.3) for n in (8, 20))
    assert (many.posterior_variance(REST) <= few.posterior_variance(REST) + 1e-9).all()
    assert (many.posterior_variance(PICKS) < many.posterior_variance(REST).mean()).all()


def between_genes(member, c, names=GENES):
    a = models.ask(c, names)
    return member.kernel(c.between(a.rows, a.rows), a, a)


def test_gnn_without_training_is_a_gaussian_process():
    member = fitted("gnn").members_[0]
    c = channels(GRAPH, (1, 2, 3))
    flat = models.Member(np.tile(c.weights, (41, 1)), np.zeros((41, 0)), 1e-7, 0.3)
    np.testing.assert_allclose(between_genes(flat, c), GRAPH.kernel((1, 2, 3)), atol=1e-5)
    K = between_genes(member, c)
    assert np.linalg.eigvalsh((K + K.T) / 2).min() > -1e-9
    np.testing.assert_allclose(np.diag(K), 1, atol=1e-6)


def training(names=PICKS, Y=None, hops=(1, 2), seeds=(0,), coordinates=0, **options):
    terms = Terms(GRAPH, hops, GENES, effects=("shift",))
    start = models.Beginning(terms.kernels.weights, 0.5, np.array([models.BIAS]))
    Y = SCREEN[names].X - SCREEN[names].X.mean(0) if Y is None else Y
    data = models.training_data(
        terms,
        names,
        models.principal(Y)[0],
        start,
        np.random.default_rng(0),
        coordinates=coordinates,
    )
    return terms.kernels, data, models.new_networks(data, start, seeds, **options)


def test_best_weights_are_restored():
    _, data, nets = training(seeds=(0, 1, 2))
    history = models.train_ensemble(
        data, nets, np.random.default_rng(4), steps=60, learning_rate=0.5, patience=20
    )
    again = np.random.default_rng(4)
    order = torch.tensor(np.stack([again.permutation(20) for _ in range(3)]))
    with torch.no_grad():
        errors = models.validator(data, order[:, 4:], order[:, :4])(
            nets(data.x, data.edges, data.only)
        )
    for m in range(3):
        mine = [h["validation"] for h in history if h["member"] == m]
        assert errors[m].item() == pytest.approx(min(mine), rel=1e-4) and mine[-1] >= min(mine)


@pytest.mark.parametrize(
    "options",
    [{"conv": k} for k in (*networks.CONVS, None)]
    + [{"conv": "gcn", "layers": 2, "learned": True}],
    ids=str,
)
def test_an_ensemble_trains_like_its_members_alone(options):
    """One vectorised pass gives what separate passes give."""
    coordinates = 8 if options.get("learned") else 0
    _, data, nets = training(seeds=(3, 4), coordinates=coordinates, **options)
    models.train_ensemble(
        data, nets, np.random.default_rng(0), steps=8, validation=0.2, patience=50
    )
    rng = np.random.default_rng(0)
    orders, batches = (
        [rng.permutation(20) for _ in range(2)],
        [[rng.permutation(16)[:128] for _ in range(2)] for _ in range(8)],
    )

    class Replay:  # what a member alone would draw
        def __init__(self, m):
            self.draws = iter([orders[m], *(b[m] for b in batches)])

        def permutation(self, n):
            return next(self.draws)

    for m in range(2):
        _, data, alone = training(seeds=(3 + m,), coordinates=coordinates, **options)
        models.train_ensemble(data, alone, Replay(m), steps=8, validation=0.2, patience=50)
        for k, v in alone.params.items():
            torch.testing.assert_close(v[0], nets.params[k][m], rtol=2e-3, atol=2e-4, msg=k)


def test_gnn_kernel_with_pairs_in_training_matches_the_one_of_prediction():
    names = ["g00", "g00+g09", "g02+mystery", "mystery"]
    for options in ({}, {"learned": True, "conv": "sage"}):
        c, data, nets = training(names, np.eye(4), coordinates=4 if options else 0, **options)
        models.train_ensemble(data, nets, np.random.default_rng(0), steps=10)
        every = torch.arange(4)[None]
        K = between_genes(models.freeze(nets, data)[0], c, names) + models.BIAS
        np.testing.assert_allclose(
            data.kernel(nets(data.x, data.edges, data.only), *data.pairs(every, every))
            .detach()[0]
            .numpy(),
            K,
            atol=1e-4,
        )


@pytest.mark.parametrize(
    "params",
    [{"conv": k} for k in networks.CONVS]
    + [{"layers": 2}, {"conv": "gat", "learned": True, "layers": 2}, {"n_members": 1}],
    ids=str,
)
def test_every_gnn_beats_the_mean_and_is_the_same_twice(params):
    p, q = (fitted("gnn", **params).predict(REST) for _ in range(2))
    assert np.array_equal(p.X, q.X) and all(
        np.array_equal(p.layers[k], q.layers[k]) for k in p.layers
    )
    assert np.mean((p.X - SCREEN[REST].X) ** 2) < np.mean(
        (SCREEN[PICKS].X.mean(0) - SCREEN[REST].X) ** 2
    )


@pytest.mark.parametrize(
    "params", [{"conv": k} for k in (*networks.CONVS, None)] + [{"layers": 2}], ids=str
)
def test_step_0_is_the_linear_part_solved_exactly(params):
    m = fitted("gnn", learning_rate=1e-12, n_members=2, **PLAIN, **params)  # nothing moves
    c = channels(GRAPH, (1, 2, 3))
    K, Y = np.tensordot(c.weights, c.dense, 1), SCREEN[PICKS].X.astype(float)
    for member in m.members_:
        np.testing.assert_allclose(between_genes(member, c), K, atol=1e-6)
        assert member.noise == pytest.approx(0.501)
    K = K + models.BIAS
    solved = np.linalg.solve(K[::2, ::2] + 0.501 * np.eye(20), Y - Y.mean(axis=0))
    np.testing.assert_allclose(m.predict(REST).X, Y.mean(axis=0) + K[1::2, ::2] @ solved, atol=1e-5)


@pytest.mark.parametrize("beta", [0, 1e-6, 1e-3, 0.0099, 0.0101, 0.3, 5])
def test_activation_and_its_slope_in_single_precision(beta):
    G = np.linspace(-0.5, 1, 31)
    exact = lambda b: np.expm1(b * G) / np.expm1(b)
    b, one = torch.tensor(float(beta), requires_grad=True), torch.ones(1, 1)
    row = networks.Hidden(one, torch.zeros(1, 0), b, torch.tensor(1.0))
    at = lambda b: networks.hidden_kernel(
        torch.tensor(G, dtype=torch.float32)[None, :, None, None], row._replace(beta=b), row
    )[:, 0, 0]
    np.testing.assert_allclose(at(b).detach(), exact(beta) if beta else G, atol=1e-6)
    slope = torch.autograd.functional.jacobian(at, b.detach())
    high, low = max(beta, 1e-3) + 5e-4, max(beta, 1e-3) - 5e-4
    np.testing.assert_allclose(slope, (exact(high) - exact(low)) / 1e-3, atol=1e-3)


def test_the_linear_part_alone_is_a_mixture_of_the_channels():
    m = fitted("gnn", conv=None)
    for member in m.members_:
        assert np.ptp(member.gates, axis=0).max() < 1e-12 and member.beta < 1e-5
    c = channels(GRAPH, (1, 2, 3))
    everyone = c.encode(GENES)
    np.testing.assert_allclose(
        between_genes(m.members_[0], c),
        np.tensordot(m.members_[0].gates[0], c.between(everyone, everyone), 1),
        atol=1e-6,
    )


@pytest.mark.parametrize("shape", [(30, 7), (7, 30), (20, 20)])
def test_principal_directions(shape):
    Y = np.random.default_rng(0).normal(size=shape) * np.arange(1, shape[1] + 1)
    Y -= Y.mean(0)
    np.testing.assert_allclose(np.matmul(*models.principal(Y)), Y, atol=1e-8)
    np.testing.assert_allclose(np.matmul(*models.principal(Y, 100)), Y, atol=1e-8)
    scale = Y.std(0)
    U, s, V = np.linalg.svd(Y / scale, full_matrices=False)
    Z, A = models.principal(Y, 3)
    assert Z.shape[1] == 3
    np.testing.assert_allclose(Z @ A, (U[:, :3] * s[:3]) @ V[:3] * scale, atol=1e-8)


def test_training_sees_the_leading_directions_whatever_is_decoded():
    """With every direction decoded and more columns than train the gates, a signal in the last columns counts."""
    rng = np.random.default_rng(0)
    Y = np.hstack(
        [rng.normal(size=(200, 80)), rng.normal(size=(200, 2)) @ rng.normal(size=(2, 40))]
    )
    Z, A = models.principal(Y - Y.mean(0), None)
    np.testing.assert_allclose(Z @ A, Y - Y.mean(0), atol=1e-8)
    energy = (Z**2).sum(0)
    assert (np.diff(energy) < 1e-9).all() and energy[:2].min() > 5 * energy[3]


def test_what_a_low_rank_leaves_out_is_uncertain():
    rng = np.random.default_rng(0)
    wide = make_screen(
        pd.DataFrame(
            SCREEN.X @ rng.normal(size=(3, 50)) + rng.normal(size=(40, 50)),
            index=GENES,
            columns=[f"x{i}" for i in range(50)],
        )
    )
    full, low = (fitted("gnn", screen=wide, rank=r).predict(REST) for r in (None, 3))
    assert np.mean((low.X - wide[REST].X) ** 2) < 1.1 * np.mean((full.X - wide[REST].X) ** 2)
    for p in (full, low):
        covered = np.abs(p.X - wide[REST].X) < 1.96 * np.sqrt(p.layers["predictive_variance"])
        assert 0.85 < covered.mean() < 1


def test_gnn_finds_the_useful_graph_and_beats_the_mean():
    rng = np.random.default_rng(2)
    a = GRAPH.layers[0]
    graph = combine([a, disturb(a, 1.0, random_state=3)])
    Y = propagation(a.adjacency, 3) @ rng.normal(size=(40, 6))
    s = make_screen(pd.DataFrame(Y, index=GENES, columns=list("uvwxyz")))
    m = GNN().fit(s, graph, perturbations=PICKS, random_state=0)
    assert np.mean([o.gates[:, :3].sum(axis=1).mean() for o in m.members_]) > 0.5
    error = {
        n: np.mean((fitted(n, screen=s, graph=graph).predict(REST).X - s[REST].X) ** 2)
        for n in ("gnn", "gp", "mean")
    }
    assert error["gnn"] < error["mean"] and error["gnn"] < 1.1 * error["gp"]


@pytest.mark.parametrize("options", [{}, {"conv": None}, {"learned": True}, {"hops": 1}])
def test_mixture_is_the_mean_gate(options):
    with pytest.raises(GraphselError, match="call fit first"):
        GNN(**options).mixture()
    graph = combine([GRAPH], [OTHER])
    m = fitted("gnn", graph=graph, **options)
    mix = m.mixture()
    hops = ["1 hop"] if options.get("hops") else ["1 hop", "2 hops", "3 hops"]
    assert list(mix.index) == [f"a, {h}" for h in hops] + [f"a, {h} (2)" for h in hops] + [
        "other cells"
    ] + ["learned"] * ("learned" in options)
    assert mix.sum() == pytest.approx(1) and (mix >= 0).all()
    np.testing.assert_allclose(mix, np.mean([o.gates[:40] for o in m.members_], axis=(0, 1)))


def test_unmeasured_are_ranked_by_their_effect():
    m = fitted("gp", picks=PICKS[:5])
    p = m.predict([*GENES, "g01+g35", "mystery"])
    t = rank_unmeasured(m, p)
    assert list(t.columns) == ["rank", "gene", "effect", "sd", "n_measured_neighbors"] and list(
        t["rank"]
    ) == list(range(1, 38))
    assert set(t["gene"]) == {*p.obs_names} - {*PICKS[:5]} and t["effect"].is_monotonic_decreasing
    at = t.set_index("gene")
    np.testing.assert_allclose(at["effect"], np.linalg.norm(p[at.index].X, axis=1), rtol=1e-6)
    np.testing.assert_allclose(
        at["sd"] ** 2, p[at.index].layers["predictive_variance"].sum(axis=1), rtol=1e-5
    )
    A = sum(g.adjacency + g.adjacency.T for g in GRAPH.graphs).toarray() > 0
    of = lambda *genes: int(
        (A[GRAPH.index(list(genes))].any(axis=0) & np.isin(GENES, PICKS[:5])).sum()
    )
    assert {g: at.loc[g, "n_measured_neighbors"] for g in REST} == {g: of(g) for g in REST}
    assert (
        at.loc["g01+g35", "n_measured_neighbors"] == of("g01", "g35")
        and at.loc["mystery", "n_measured_neighbors"] == 0
    )
    assert rank_unmeasured(fitted("mean"), fitted("mean").predict(REST))["sd"].isna().all()
    assert rank_unmeasured(m, p[PICKS[:5]]).empty and measured_neighbors(
        GRAPH, ["g01"], ["mystery"]
    ).tolist() == [0]


def test_gnn_features_and_variances():
    m = fitted("gnn", n_members=2, n_features=10)
    Z = m.features(GENES)
    assert Z.shape == (40, 22)  # and two log degrees
    np.testing.assert_allclose(m.features(REST), Z[1::2], atol=1e-9)
    p = m.predict(REST)
    assert (p.layers["variance"] >= p.layers["ensemble_variance"]).all()
    full = fitted("gnn", n_members=2, n_features=40)
    c = channels(GRAPH, (1, 2, 3))
    K = np.mean([between_genes(o, c) for o in full.members_], axis=0)
    Z = full.features(GENES)[:, :-2]
    np.testing.assert_allclose(Z @ Z.T, K, atol=1e-6)


def test_memory_is_bounded():
    for seed in range(20):
        channels(disturb(GRAPH, 0.3, random_state=seed), 1)
    assert len(identity_room._kept) == 16


# ---- how sure: mean ± 1.96 sd holds 95 % ----


def inside(model, truth):
    "Share of measured responses within 1.96 predicted standard deviations."
    p = model.predict(list(truth.obs_names))
    return (np.abs(p.X - truth.X) < 1.96 * np.sqrt(p.layers["predictive_variance"])).mean()


@pytest.mark.parametrize("params", [{}, {"noise": 2.0}, {"tune": True}])
def test_leaving_a_pick_out_is_a_refit_without_it(params):
    m = fitted("gp", **CLASSIC["gp"] | params)
    Y = SCREEN[PICKS].X.astype(float)
    error, variance = m._left_out(Y)
    K = np.tensordot(m.weights_, channels(GRAPH, (1, 2)).dense, 1)[::2, ::2] + m.bias_
    for i in (0, 7, 19):
        k = np.delete(np.arange(20), i)
        A = np.linalg.inv(K[np.ix_(k, k)] + m.noise_ * np.eye(19))
        mean = Y[k].mean(axis=0) + K[i, k] @ A @ (Y[k] - Y[k].mean(axis=0))
        np.testing.assert_allclose(error[i], Y[i] - mean, atol=1e-8)
        np.testing.assert_allclose(
            variance[i], (K[i, i] + m.noise_ - K[i, k] @ A @ K[k, i]) * m.parts_[0].head.scale
        )


@pytest.mark.parametrize("name", ["knn", "transfer", "gnn"])
def test_other_models_leave_a_pick_out_as_a_refit_does(name):
    of = CLASSIC.get(name, {})
    m = fitted(name, **of)
    Y = SCREEN[PICKS].X.astype(float)
    error, variance = m._left_out(Y - m.mean_)
    fixed = {
        "knn": lambda: {"ks": (m.choice_.k,), "votes": (m.choice_.votes,)},
        "transfer": lambda: {"penalties": (m.noise_,)},
        "gnn": dict,
    }[name]()
    refits = [
        fitted(name, picks=[g for g in PICKS if g != p], **of, **fixed).predict([p]).X[0]
        for p in PICKS
    ]
    if name == "knn":
        assert (
            np.isclose(error, Y - refits, atol=1e-5).all(axis=1).mean() > 0.9
        )  # unless the refit prefers another kernel
    assert (variance > 0).all() and np.corrcoef(error.ravel(), (Y - refits).ravel())[
        0, 1
    ] > 0.9  # the others choose kernel, gates or offset anew


@pytest.mark.parametrize("name", ["gp", "gnn", "knn", "additive", "transfer"])
def test_one_perturbation_says_nothing_of_the_uncertainty(name, caplog, tmp_path):
    with caplog.at_level("WARNING", logger="graphsel"):
        m = fitted(name, picks=PICKS[:1])
    assert "their variances are NaN; measure two or more" in caplog.text
    p = m.predict(REST)
    for k in {"variance", "predictive_variance"} & set(p.layers):
        assert np.isnan(p.layers[k]).all()
    assert np.isfinite(p.X).all() and rank_unmeasured(m, p)["sd"].isna().all()
    caplog.clear()
    with caplog.at_level("WARNING", logger="graphsel"):
        m = fitted(name, picks=PICKS[:3])
    assert "NaN" not in caplog.text and (m.predict(REST).layers["variance"] > 0).all()


def test_fit_on_one_perturbation_writes_an_unknown_uncertainty(tmp_path):
    from click.testing import CliRunner

    from graphsel.cli.main import main

    SCREEN[PICKS[:1]].to_df().rename_axis("perturbation").to_csv(tmp_path / "one.csv")
    A = GRAPH.layers[0].adjacency.tocoo()
    pd.DataFrame({"source": np.array(GENES)[A.col], "target": np.array(GENES)[A.row]}).to_csv(
        tmp_path / "net.csv", index=False
    )
    r = CliRunner().invoke(
        main,
        [
            "fit",
            "--screen",
            str(tmp_path / "one.csv"),
            "--graph",
            str(tmp_path / "net.csv"),
            "--model",
            "gp",
            "--out",
            str(tmp_path / "out"),
        ],
    )
    assert r.exit_code == 0, r.output
    sd = pd.read_csv(tmp_path / "out" / "uncertainty.csv", index_col=0)
    assert (
        len(sd) == 39
        and sd.isna().all(axis=None)
        and pd.read_csv(tmp_path / "out" / "ranked.csv")["sd"].isna().all()
    )


def test_the_factor_makes_the_interval_hold_what_it_says():
    rng = np.random.default_rng(0)
    for draw in (
        lambda n: rng.normal(size=(n, 4)),
        lambda n: rng.standard_t(4, (n, 1)) * rng.normal(size=(n, 4)),
    ):
        for n in (4, 8, 15, 30, 100, 400):
            shares = []
            for _ in range(200):
                picks, scale = draw(n) * [1, 5, 1e-7, 1e7], np.array([1, 5, 1e-7, 1e7])
                factor = intervals_room.interval_factor(picks, np.full((n, 1), 3.0))
                shares.append((np.abs(draw(100) * scale) < 1.96 * np.sqrt(3 * factor)).mean())
            assert 0.92 < np.mean(shares) < 0.99, n
    assert np.array_equal(
        intervals_room.interval_factor(np.zeros((5, 2)), np.zeros((5, 2))), [0, 0]
    )


@pytest.fixture(scope="module")
def real(shared_data):
    "Real screens, columns of unit variance, with their graphs."

    def load(screen, *graphs):
        s = read_screen(shared_data / screen)
        names = [n for n in s.obs_names if perturbed_genes(n)]
        graph = combine([read_graph(shared_data / g, genes=names) for g in graphs])
        names = [n for n in names if n in graph]
        table = s[names].to_df()
        return make_screen(table / table.std(axis=0)), graph

    human, fly = (
        ("string_v12.tsv.gz", "go_bp_2018.txt"),
        ("screens/fly_dpim.tsv", "screens/fly_go_bp.gmt"),
    )
    files = {
        "k562": ("k562_essential_latent.tsv", *human),
        "depmap": ("screens/depmap_500.tsv", *human),
        "fly": ("screens/fly_s2_rnai.tsv", *fly),
    }
    return lambda name: load(*files[name])


def real_coverage(screen, graph, name, n, seeds):
    "Mean share of a hidden fifth that the 95 % intervals hold, trained on n random picks."
    shares = []
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(screen.n_obs)
        hidden, pool = (
            screen[order[: screen.n_obs // 5]],
            screen.obs_names[order[screen.n_obs // 5 :]],
        )
        if n > len(pool):
            return None
        shares.append(
            inside(
                make_model(name).fit(screen, graph, perturbations=pool[:n], random_state=seed),
                hidden,
            )
        )
    return np.mean(shares)


def test_intervals_after_few_real_picks(real):
    screen, graph = real("k562")
    for n in (4, 8, 15, 30):
        assert 0.90 < real_coverage(screen, graph, "gp", n, 20) < 0.98


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gp", "gnn", "knn"])
@pytest.mark.parametrize("screen", ["k562", "depmap", "fly"])
def test_intervals_on_real_screens(real, screen, name):
    data = real(screen)
    found = {
        n: real_coverage(*data, name, n, 20 if n < 100 else 5)
        for n in (4, 8, 15, 30, 60, 120, 250, 400)
    }
    assert all(0.90 < c < 0.98 for c in found.values() if c is not None), found
