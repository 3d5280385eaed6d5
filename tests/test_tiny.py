"""Every model on next to nothing: few perturbations, one response, constants, genes and graphs that say nothing."""

import logging
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from graphsel.core import identity as identity_room
from graphsel.core.errors import GraphselError
from graphsel.graphs.build import from_edges
from graphsel.graphs.disturbance import disturb
from graphsel.graphs.graph import GeneGraph, combine
from graphsel.graphs.priors import make_prior
from graphsel.models.registry import MODELS, make_model
from graphsel.screens.screen import check_screen, make_screen

GENES = [f"g{i:02}" for i in range(24)]
RNG = np.random.default_rng(0)
LINKS = [
    (i, j)
    for i in range(24)
    for j in range(i + 1, 24)
    if i // 6 == j // 6 and (j == i + 1 or RNG.random() < 0.4)
]
EDGES = from_edges(
    [GENES[i] for i, _ in LINKS],
    [GENES[j] for _, j in LINKS],
    RNG.random(len(LINKS)) + 0.1,
    genes=GENES,
    name="edges",
)
GRAPH = combine([EDGES, disturb(EDGES, 0.5, random_state=1)])
BARE = GeneGraph(
    np.array(GENES), sp.csr_matrix((24, 24), dtype=np.float32), {"name": "bare"}
)  # as `align` gives for genes of which no two are linked
Y = pd.DataFrame(
    np.repeat(RNG.normal(size=(4, 5)), 6, axis=0) + 0.3 * RNG.normal(size=(24, 5)),
    index=GENES,
    columns=[f"r{i}" for i in range(5)],
)
ELSEWHERE = make_screen(0.5 * Y + 0.2 * RNG.normal(size=Y.shape))

SMALL = {
    "gears": {"hidden": 8, "steps": 4, "look": 2},
    "gnn": {"steps": 6, "n_members": 2},
    "transfer": {"prior": ELSEWHERE},
}
GNNS = [{"conv": k} for k in ("gcn", "sage", "gat", None)] + [
    {"learned": True},
    {"layers": 2},
    {"conv": "gat", "learned": True, "layers": 2},
    {"rank": 1},
    {"rank": None},
]
EVERY = [pytest.param(n, {}, id=n) for n in sorted(MODELS)]
NETWORKS = [
    pytest.param("gnn", o, id=f"gnn {' '.join(f'{k}={v}' for k, v in o.items())}") for o in GNNS
]
BOTH = [
    pytest.param(
        "gears",
        {"n_members": 2, "coexpression": "picks", "start": "published"},
        id="gears published",
    ),
    pytest.param("gp", {"tune": True}, id="gp tuned"),
    pytest.param("gp", {"noise": None}, id="gp noise"),
]

ASKED = [
    "g00",
    "g01",
    "g23",
    "new",
    "g01+g23",
    "g01+new",
    "new+other",
    "g00+g09+g23",
    "g02+new+other",
]


PLAIN = {"fixed_effects": False, "stacking": False}
CENTERED = {
    "gp": {"tune": False, "noise": 0.3} | PLAIN,
    "gnn": PLAIN,
    "ridge": PLAIN,
    "knn": PLAIN,
    "additive": {"base": "mean"},
}


def new_model(name, options):
    return make_model(name, **(SMALL.get(name, {}) | options))


def sums(*names):
    "The toy table with rows for combinations, each the sum of its genes and one."
    table = Y.copy()
    for n in names:
        table.loc[n] = Y.loc[n.split("+")].sum() + 1
    return table


# name -> table of what was measured, graph
CASES = {
    "one perturbation": (Y.iloc[:1], GRAPH),
    "two perturbations": (Y.iloc[[0, 9]], GRAPH),
    "four perturbations": (Y.iloc[::6], GRAPH),
    "one of one": (Y.iloc[:1, :1], GRAPH),
    "one response": (Y.iloc[::2, :1], GRAPH),
    "one validation perturbation": (Y.iloc[:5], GRAPH),
    "constant responses": (Y.iloc[::2] * 0 + 2.5, GRAPH),
    "no response at all": (Y.iloc[::2] * 0, GRAPH),
    "one gene outside": (Y.iloc[:1].set_axis(["x0"]), GRAPH),
    "all genes outside": (Y.iloc[::2].set_axis([f"x{i}" for i in range(12)]), GRAPH),
    "graph without edges": (Y.iloc[::2], BARE),
    "one graph of two without edges": (Y.iloc[::2], combine([EDGES, BARE])),
    "pairs only": (sums("g00+g09", "g02+g11", "g03+g20", "g05+g07").iloc[24:], GRAPH),
    "pairs of genes outside": (Y.iloc[:6].set_axis([f"x{i}+x{i + 1}" for i in range(6)]), GRAPH),
    "triples": (sums("g00+g09+g20", "g02+g11+g14").iloc[[0, 2, 9, 20, 24, 25]], GRAPH),
    "one triple": (sums("g00+g09+g20").iloc[24:], GRAPH),
    "huge responses": (Y.iloc[::2] * 1e6, GRAPH),
    "tiny responses": (Y.iloc[::2] * 1e-6, GRAPH),
    "the same row again and again": (Y.iloc[[0] * 6].set_axis(GENES[:6]), GRAPH),
}


# Every model meets every case; variants of a model meet those in which they could differ from it.
APART = (
    "one perturbation",
    "constant responses",
    "all genes outside",
    "graph without edges",
    "pairs only",
)


@pytest.fixture(scope="module", autouse=True)
def networks_are_loaded():
    "The import of torch-geometric warns: here, and not in the middle of a test."
    import torch_geometric.nn  # noqa: F401


@pytest.mark.parametrize(
    "name,options,case",
    [
        pytest.param(*o.values, case, id=f"{o.id}, {case}")
        for some, cases in ((EVERY, CASES), (NETWORKS + BOTH, APART))
        for o in some
        for case in cases
    ],
)
def test_next_to_nothing(name, options, case):
    table, graph = CASES[case]
    screen = make_screen(table)
    before, fingerprint = screen.copy(), graph.fingerprint
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        p = new_model(name, options).fit(screen, graph, random_state=3).predict(ASKED)
    check_screen(p)
    assert (
        p.shape == (len(ASKED), table.shape[1])
        and list(p.obs_names) == ASKED
        and list(p.var_names) == list(table.columns)
        and p.X.dtype == np.float32
    )
    assert np.isfinite(p.X).all()
    alone = (
        len(table) == 1 and name != "gears"
    )  # a single perturbation cannot tell how far predictions are off
    for k, v in p.layers.items():
        unknown = alone and k in ("variance", "predictive_variance")
        assert (
            v.shape == p.shape and (np.isnan(v) if unknown else np.isfinite(v) & (v >= 0)).all()
        ), k

    identity_room._kept.clear()
    q = new_model(name, options).fit(screen, graph, random_state=3).predict(ASKED)
    assert (
        q.X.tobytes() == p.X.tobytes()
        and all(q.layers[k].tobytes() == p.layers[k].tobytes() for k in p.layers)
        and set(q.layers) == set(p.layers)
    )

    assert (
        screen.X.tobytes() == before.X.tobytes()
        and set(screen.layers) == set(before.layers)
        and graph.fingerprint == fingerprint
    )
    pd.testing.assert_frame_equal(screen.obs, before.obs)
    pd.testing.assert_frame_equal(screen.var, before.var)


@pytest.mark.parametrize("name,options", EVERY + NETWORKS + BOTH)
def test_what_can_be_foretold(name, options):
    """A response that never changes, an unknown gene, an unknown gene in company: of models that are
    centered on their picks. Those with prior mean zero draw what is unknown towards no change."""
    if name == "nochange":
        return
    options = CENTERED.get(name, {}) | options
    p = (
        new_model(name, options)
        .fit(make_screen(Y.iloc[::2] * 0 + 2.5), GRAPH, random_state=0)
        .predict(["g01", "new", "g01+new"])
    )
    if name != "additive":
        np.testing.assert_allclose(p.X, 2.5, atol=1e-5)
    p = (
        new_model(name, options)
        .fit(make_screen(Y.iloc[::2]), GRAPH, random_state=0)
        .predict(["g01", "new", "g01+new", "new+other"])
    )
    if name != "additive":
        np.testing.assert_allclose(
            p.X[2], p.X[0], atol=1e-5
        )  # nothing is known of it, and it adds nothing
    mean = Y.iloc[::2].mean().to_numpy()
    tolerance = (
        0.6 if name in ("gnn", "ridge") or options.get("tune") else 1e-5
    )  # these estimate the mean along with the rest
    np.testing.assert_allclose(p.X[1], mean, atol=tolerance)


@pytest.mark.parametrize("name,options", EVERY + NETWORKS + BOTH)
@pytest.mark.parametrize("n", [2, 4, 12])
def test_predictions_stay_in_range(name, options, n, request):
    """Trained on singles, asked for what was never seen in company: at most a few times the sum."""
    if name == "gears" and (n == 2 or options.get("start") == "published"):
        request.applymarker(
            pytest.mark.xfail(
                reason="batch norm over two perturbations; the published bias counts once for each gene",
                strict=False,
            )
        )
    p = (
        new_model(name, options)
        .fit(make_screen(Y.iloc[:n]), GRAPH, random_state=0)
        .predict(["g13", "g23", "g00+g01", "g13+g23", "g00+g13+g23"])
    )
    assert np.abs(p.X).max() < 5 * np.abs(Y).to_numpy().max()


@pytest.mark.parametrize("name,options", EVERY + BOTH)
def test_wrong_input_ends_in_one_kind_of_error(name, options):
    screen = make_screen(Y.iloc[::2])
    fit = lambda s=screen, g=GRAPH, **k: new_model(name, options).fit(s, g, random_state=0, **k)
    with pytest.raises(GraphselError, match="at least one"):
        fit(perturbations=[])
    with pytest.raises(GraphselError, match="not in the screen"):
        fit(perturbations=["g00", "nobody"])
    with pytest.raises(GraphselError, match="not in the screen"):
        fit(perturbations=["g01"])
    with pytest.raises(GraphselError, match="call fit first"):
        new_model(name, options).predict(["g00"])
    model = fit()
    with pytest.raises(GraphselError, match="at least one"):
        model.predict([])
    with pytest.raises(GraphselError, match="asked for twice"):
        model.predict(["g00", "g00"])
    for value in (np.nan, np.inf):
        bad = screen.copy()
        bad.X[3, 1] = value
        with pytest.raises(GraphselError, match="not a finite number"):
            fit(bad)
    with pytest.raises(GraphselError):
        fit(Y)  # a table is not a screen
    with pytest.raises(GraphselError):
        fit(screen[:0].copy())


@pytest.mark.parametrize("name,options", EVERY + BOTH)
def test_what_is_no_graph_is_refused(name, options):
    screen = make_screen(Y.iloc[::2])
    for graph, hint in [
        ([GRAPH, GRAPH], "combine"),
        (None, "NoneType"),
        (Y, "DataFrame"),
        ([], "not a graph"),
    ]:
        with pytest.raises(GraphselError, match=hint):
            new_model(name, options).fit(screen, graph, random_state=0)


@pytest.mark.parametrize("name,options", EVERY + BOTH)
def test_names_in_any_spelling(name, options):
    """One name alone, pairs in either order, the spelling of GEARS; the control is refused."""
    screen = make_screen(sums("g00+g09", "g02+g11"))
    fit = lambda picks: new_model(name, options).fit(
        screen, GRAPH, perturbations=picks, random_state=0
    )
    a, b = fit(["g00", "g05", "g07", "g00+g09"]), fit(["g05", "g09+g00", "g07+ctrl", "g00"])
    assert a.perturbations_ == b.perturbations_ == ["g00", "g00+g09", "g05", "g07"]
    p, q = a.predict(["g01+g23", "g03"]), b.predict(["g23+g01", "ctrl+g03"])
    assert (
        list(p.obs_names) == list(q.obs_names) == ["g01+g23", "g03"]
        and p.X.tobytes() == q.X.tobytes()
    )
    assert fit("g00").perturbations_ == ["g00"] and list(a.predict("g00").obs_names) == ["g00"]
    for control in ("ctrl", "control", "non-targeting", "ctrl+ctrl"):
        with pytest.raises(GraphselError, match="zero by definition"):
            fit(["g00", control])
        with pytest.raises(GraphselError, match="zero by definition"):
            a.predict(["g00", control])
    with pytest.raises(GraphselError, match=r"asked for twice: g01.g23"):
        a.predict(["g01+g23", "g23+g01"])


@pytest.mark.parametrize("name,options", EVERY + BOTH)
def test_screens_spelled_otherwise(name, options):
    """Tables from elsewhere, with a screen's columns but other names; a row of the control is not learned from."""
    right = make_screen(sums("g00+g09").iloc[[0, 7, 14, 21, 24]])
    wrong = right.copy()
    wrong.obs_names = [*(f"{n}+ctrl" for n in right.obs_names[:4]), "g09+g00"]
    fit = lambda s, **k: (
        new_model(name, options).fit(s, GRAPH, random_state=0, **k).predict(["g01", "g01+g20"])
    )
    p = fit(right)
    assert (
        fit(wrong).X.tobytes()
        == p.X.tobytes()
        == fit(wrong, perturbations=list(right.obs_names)).X.tobytes()
    )
    wrong.obs_names = ["g09+g00", *right.obs_names[1:]]
    with pytest.raises(GraphselError, match="two spellings"):
        fit(wrong)
    table = right.to_df()
    table.loc["ctrl"] = 100.0
    assert fit(make_screen(table)).X.tobytes() == p.X.tobytes()


@pytest.mark.parametrize("name,options", EVERY + BOTH)
def test_a_screen_without_columns(name, options):
    with pytest.raises(GraphselError, match="no response column"):
        new_model(name, options).fit(make_screen(Y)[:, :0].copy(), GRAPH)


@pytest.mark.parametrize("name,options", EVERY + BOTH)
def test_unknown_names_are_told_once(name, options, caplog):
    model = new_model(name, options).fit(make_screen(Y.iloc[:12:2]), GRAPH, random_state=0)
    with caplog.at_level(logging.WARNING, "graphsel"):
        caplog.clear()
        model.predict(["g01", "g23", "g01+new"])
        assert not caplog.messages
        model.predict(["g01", *(f"new{i}" for i in range(7)), "new+other", "g01+new"])
    told = [m for m in caplog.messages if "get the mean" in m]
    if name in ("mean", "nochange"):
        assert not told  # they look nobody up
    else:
        assert (
            len(told) == 1
            and "8 of 10" in told[0]
            and "new0, new1, new2, new3, new4 and 3 more" in told[0]
            and ("prior" if name == "transfer" else "graph") in told[0]
        )


def test_a_measured_gene_outside_the_graph_is_known_to_those_who_remember_it(caplog):
    table = Y.iloc[:8].rename(index={"g01": "new"})
    for name, told in [
        ("gp", False),
        ("knn", False),
        ("gnn", False),
        ("additive", False),
        ("ridge", True),
    ]:
        caplog.clear()
        new_model(name, {}).fit(make_screen(table), GRAPH, random_state=0).predict(["new", "g20"])
        assert any("get the mean: new" in m for m in caplog.messages) == told, name


SETTINGS = [
    ("ridge", "alphas", [(), (0,), (-1,), (np.inf,), ("a",), None]),
    ("knn", "ks", [(), (0,), (1.5,), None]),
    ("knn", "votes", [(), (-1,), (np.nan,), None]),
    ("knn", "noise", [-0.1, np.nan, None, (1, 2)]),
    ("gp", "hops", [(), (0,), None, "two"]),
    ("ridge", "hops", [()]),
    ("knn", "hops", [()]),
    ("gnn", "hops", [()]),
    ("gp", "noise", [0, -1, np.inf, "x"]),
    ("gnn", "learning_rate", [0, -0.1, np.nan, None]),
    ("gnn", "validation", [0, 1, -1, None]),
    ("transfer", "penalties", [(), (-1,), (np.nan,)]),
]


@pytest.mark.parametrize(
    "name,setting,value", [(n, s, v) for n, s, values in SETTINGS for v in values]
)
@pytest.mark.parametrize("n", [1, 12])
def test_settings_that_cannot_work(name, setting, value, n):
    with pytest.raises(GraphselError, match=setting):
        new_model(name, {setting: value}).fit(make_screen(Y.iloc[:n]), GRAPH, random_state=0)


def test_one_number_will_do_for_several_and_endless_penalties_for_responses():
    fit = lambda name, **k: (
        new_model(name, k).fit(make_screen(Y.iloc[:12]), GRAPH, random_state=0).predict(["g20"]).X
    )
    assert np.array_equal(fit("ridge", alphas=0.3), fit("ridge", alphas=(0.3,))) and np.array_equal(
        fit("knn", ks=3, votes=1), fit("knn", ks=(3,), votes=(1,))
    )
    assert np.isfinite(fit("transfer", penalties=(np.inf,))).all()
    for penalties in [(np.inf,), (0,)]:
        with pytest.raises(GraphselError, match="penalties"):
            fit("transfer", penalties=penalties, prior=make_prior(ELSEWHERE.to_df()))


def test_transfer_needs_another_source():
    with pytest.raises(GraphselError, match="nothing to transfer from"):
        make_model("transfer").fit(make_screen(Y), GRAPH)
    p = (
        make_model("transfer")
        .fit(make_screen(Y.iloc[:1]), combine([GRAPH], [make_prior(ELSEWHERE.to_df())]))
        .predict(ASKED)
    )
    np.testing.assert_allclose(p.X, np.tile(Y.iloc[0], (len(ASKED), 1)), atol=1e-5)
