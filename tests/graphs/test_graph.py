"""Graphs against oracles: networkx, brute force, dense formulas; nothing lost in silence; the real files."""

import heavy
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from helpers import (
    dense_kernel,
    dense_operator,
    gene_names,
    random_edges,
    random_graph,
    random_graphs,
    write,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from graphsel.core.errors import GraphselError
from graphsel.graphs.build import (
    from_edges,
    from_gene_sets,
    from_membership,
    keep_top,
    set_similarity,
)
from graphsel.graphs.disturbance import disturb
from graphsel.graphs.graph import align, combine, is_undirected, neighbor_agreement
from graphsel.graphs.kernels import spectral_features
from graphsel.graphs.priors import make_prior, read_prior
from graphsel.graphs.readers.read import read_graph
from graphsel.screens.read import read_screen
from graphsel.screens.screen import make_screen

SEEDS = st.integers(0, 2**32 - 1)


# ---- what the other suites use too ----


# ---- edges ----


@given(seed=SEEDS, directed=st.booleans(), weighted=st.booleans())
@settings(max_examples=60)
def test_edges_against_networkx(seed, directed, weighted):
    rng = np.random.default_rng(seed)
    source, target, weight = random_edges(rng, gene_names(int(rng.integers(3, 9))))
    G = heavy.networkx.DiGraph() if directed else heavy.networkx.Graph()
    G.add_nodes_from(source + target)  # a gene that stands only beside itself keeps its place
    for s, t, w in zip(source, target, weight if weighted else np.ones(len(source))):
        if s != t and w > G.get_edge_data(s, t, {"weight": 0})["weight"]:
            G.add_edge(s, t, weight=w)
    g = from_edges(source, target, weight if weighted else None, directed=directed)
    assert list(g.genes) == sorted(G.nodes)
    expected = heavy.networkx.to_numpy_array(G, nodelist=sorted(G.nodes)).T / (
        weight.max() if weighted else 1
    )  # row = receiver
    np.testing.assert_allclose(g.adjacency.toarray(), expected, rtol=1e-6)
    assert (
        g.adjacency.dtype == np.float32
        and g.adjacency.diagonal().sum() == 0
        and (g.adjacency.data > 0).all()
    )
    own = g.source
    pairs = g.n_edges if directed else g.n_edges // 2
    assert own["edges_read"] == own["self_loops"] + own["repeated"] + pairs, (
        "every edge read is accounted for"
    )


@given(seed=SEEDS, directed=st.booleans())
@settings(max_examples=25)
def test_order_of_edges_does_not_matter(seed, directed):
    rng = np.random.default_rng(seed)
    source, target, weight = map(np.array, random_edges(rng, gene_names(7), 0.4))
    order = rng.permutation(len(source))
    a, b = (
        from_edges(source[o], target[o], weight[o], directed=directed, top_k=2)
        for o in (slice(None), order)
    )
    assert (
        a.fingerprint == b.fingerprint and a.adjacency.data.tobytes() == b.adjacency.data.tobytes()
    )
    if not directed:
        assert a.fingerprint == from_edges(target, source, weight, top_k=2).fingerprint


@given(seed=SEEDS, k=st.integers(1, 6))
@settings(max_examples=30)
def test_keep_top_against_sorting(seed, k):
    rng = np.random.default_rng(seed)
    M = rng.integers(0, 4, (6, 6)) / 3.0  # many ties
    kept = keep_top(sp.csr_matrix(M), k).toarray()
    for row, out in zip(M, kept):
        best = sorted(np.flatnonzero(row), key=lambda j: (-row[j], j))[:k]
        assert np.array_equal(np.flatnonzero(out), sorted(best)) and np.array_equal(
            out[best], row[best]
        )


@pytest.mark.parametrize(
    "column",
    [
        ["A", "B", 7],
        np.array(["A", "B", "7"]),
        pd.Series(["A", "B", "7"]),
        pd.Series(["A ", "B", "7"], dtype="category"),
        pd.Categorical([" A", "B", "7"]),
        pd.Series(["A", "B", "7"], dtype="string"),
        ("A", "B", "7"),
        pd.Index(["A", "B", "7"]),
        np.array(["A", "B", 7], dtype=object),
    ],
    ids=lambda c: f"{type(c).__name__}-{getattr(c, 'dtype', '')}",
)
def test_columns_of_any_kind(column):
    g = from_edges(column, ["B", "C", "A"])
    assert list(g.genes) == ["7", "A", "B", "C"] and g.n_edges == 6


def test_unicode_names_are_kept():
    g = from_edges(["TNF-α", "Ünc-5", "基因"], ["基因", "TNF-α", "Ünc-5"])
    assert set(g.genes) == {"TNF-α", "Ünc-5", "基因"} and g.n_edges == 6


@given(seed=SEEDS, directed=st.booleans())
@settings(max_examples=10)
def test_many_repeated_and_reversed_edges_against_pandas(seed, directed):
    rng = np.random.default_rng(seed)
    s, t = rng.integers(40, size=(2, 3000))
    w = rng.random(3000) + 0.01
    g = from_edges([f"g{i:02}" for i in s], [f"g{i:02}" for i in t], w, directed=directed)
    a, b = (s, t) if directed else (np.r_[s, t], np.r_[t, s])
    best = (
        pd.DataFrame({"s": a, "t": b, "w": np.tile(w, 1 if directed else 2)})
        .query("s != t")
        .groupby(["t", "s"])["w"]
        .max()
        / w.max()
    )
    expected = np.zeros((40, 40))
    expected[best.index.get_level_values(0), best.index.get_level_values(1)] = best
    np.testing.assert_allclose(g.adjacency.toarray(), expected, rtol=1e-6)


def test_only_edges_among_the_asked_for_genes():
    g = from_edges(list("ABCX"), list("BCXY"), genes=["A", "B", "C", "Z"])
    assert list(g.genes) == ["A", "B", "C"] and g.n_edges == 4 and g.source["outside"] == 2


@pytest.mark.parametrize(
    "source,target,weight,says",
    [
        (["A", ""], ["B", "C"], None, "edge 2"),
        (["A", "B"], ["B", "  "], None, "edge 2"),
        (["A", np.nan], ["B", "C"], None, "edge 2"),
        (["A", None], ["B", "C"], None, "edge 2"),
        (pd.Series(["A", pd.NA], dtype="string"), ["B", "C"], None, "edge 2"),
        (["A", "B"], ["B", "C"], [1, np.nan], "edge 2"),
        (["A", "B"], ["B", "C"], [1, np.inf], "edge 2"),
        (["A", "B"], ["B", "C"], [1, -1], "edge 2"),
        (["A", "B"], ["B", "C"], [0, 0], "no edge"),
        (["A"], ["A"], None, "no edge"),
        ([], [], None, "no edge"),
        ([], [], [], "no edge"),
        (["A", "B"], ["B", "C"], [1], "weight"),
        (["A", "B"], ["B"], None, "."),
        (["A", "B"], ["B", "C", "D"], None, "."),
        (["A", "B"], ["B", "C"], ["x", 1], "weight"),
    ],
    ids=str,
)
def test_hostile_edges(source, target, weight, says):
    with pytest.raises(GraphselError, match=says):
        from_edges(source, target, weight, name="net")


def test_hostile_parameters():
    edges = list("AB"), list("BC")
    for k in (0, -1, 1.5, True):
        with pytest.raises(GraphselError, match="top_k"):
            from_edges(*edges, top_k=k)
    g = from_edges(*edges)
    for hops in (0, -1, 1.5, "2"):
        with pytest.raises(GraphselError, match="hops"):
            g.operator(hops)
    with pytest.raises(GraphselError, match="hops"):
        g.factor(())
    with pytest.raises(GraphselError, match="norm"):
        g.operator(1, "max")
    with pytest.raises(GraphselError, match="X"):
        g.index(["A", "X"])
    with pytest.raises(GraphselError):
        combine([])


# ---- gene sets ----


@given(
    seed=SEEDS, threshold=st.sampled_from([0.0, 0.1, 1 / 3, 0.5]), k=st.sampled_from([None, 1, 3])
)
@settings(max_examples=40)
def test_gene_sets_against_brute_force(seed, threshold, k):
    rng, names = np.random.default_rng(seed), gene_names(8)
    sets = {
        f"t{i}": [names[j] for j in rng.integers(0, 8, rng.integers(1, 7))]
        for i in range(int(rng.integers(1, 8)))
    }
    terms = {g: {t for t, members in sets.items() if g in members} for g in names}
    known = [g for g in names if terms[g]]
    J = np.array(
        [
            [len(terms[a] & terms[b]) / len(terms[a] | terms[b]) if a != b else 0 for b in known]
            for a in known
        ]
    )
    B = sp.csr_matrix(np.array([[t in terms[g] for t in sets] for g in known], float))
    np.testing.assert_allclose(set_similarity(B, block=int(rng.integers(1, 9))).toarray(), J)
    J[J <= threshold] = 0
    for row in J:
        if k is not None:
            row[sorted(np.flatnonzero(row), key=lambda j: (-row[j], j))[k:]] = 0
    g = from_gene_sets(sets, threshold=threshold, top_k=k)
    assert list(g.genes) == known
    np.testing.assert_allclose(g.adjacency.toarray(), J, rtol=1e-6)
    again = from_gene_sets(
        {t: sets[t][::-1] for t in rng.permutation(list(sets))}, threshold=threshold, top_k=k
    )
    assert again.fingerprint == g.fingerprint, "the order of sets and members does not matter"


def test_sets_are_pruned_before_the_index():
    g = from_gene_sets({"a": ["A", "B"], "b": ["A", "C"], "c": ["C"]}, genes=["A", "B", "nobody"])
    assert list(g.genes) == ["A", "B"] and g.adjacency[0, 1] == np.float32(0.5)
    with pytest.raises(GraphselError, match="asked for"):
        from_gene_sets({"a": ["A"]}, genes=["nobody"])
    with pytest.raises(GraphselError):
        from_gene_sets({})


@given(
    seed=SEEDS,
    threshold=st.sampled_from([0.0, 0.3, 0.5]),
    k=st.sampled_from([None, 1, 3]),
    block=st.sampled_from([None, 1, 2, 100]),
)
@settings(max_examples=30)
def test_overlap_coefficient_against_brute_force(seed, threshold, k, block):
    rng = np.random.default_rng(seed)
    B = rng.random((7, rng.choice([5, 40]))) < rng.choice(
        [0.1, 0.4, 0.9]
    )  # with many wide terms the product is dense
    O = np.array(
        [
            [
                (a & b).sum() / max(min(a.sum(), b.sum()), 1) if i != j else 0
                for j, b in enumerate(B)
            ]
            for i, a in enumerate(B)
        ]
    )
    O[O <= threshold] = 0
    for row in O:
        if k is not None:
            row[sorted(np.flatnonzero(row), key=lambda j: (-row[j], j))[k:]] = 0
    np.testing.assert_allclose(
        set_similarity(sp.csr_matrix(B), "overlap", threshold, k, block).toarray(), O
    )


def test_membership_is_a_set_and_large_terms_can_be_left_out():
    twice = sp.csr_matrix(([1.0, 1, 3], ([0, 0, 1], [0, 0, 0])), shape=(2, 1))
    assert set_similarity(twice).toarray().tolist() == [[0, 1], [1, 0]], (
        "a gene that stands twice in a set counts once"
    )
    assert set_similarity(sp.csr_matrix((0, 3))).shape == (0, 0)
    g = from_membership(list("ABC"), sp.csr_matrix([[1, 1], [1, 1], [1, 0]]), max_size=2)
    assert g.source["sets_too_large"] == 1 and g.n_edges == 2
    for bad in ({"measure": "dice"}, {"max_size": 0}, {"top_k": 0}):
        with pytest.raises(GraphselError):
            from_gene_sets({"a": ["A", "B"]}, **bad)
    for member in ("", " ", None, float("nan")):
        with pytest.raises(GraphselError, match="'b' has no name"):
            from_gene_sets({"a": ["A"], "b": ["B", member]})


# ---- operator, sets of graphs, kernel ----


@given(seed=SEEDS, hops=st.integers(1, 3), norm=st.sampled_from(["sym", "row"]))
@settings(max_examples=40)
def test_operator_against_the_formula(seed, hops, norm):
    g = random_graphs(np.random.default_rng(seed))
    P = g.operator(hops, norm)
    np.testing.assert_allclose(P.toarray(), dense_operator(g, hops, norm), atol=1e-12)
    assert (P.toarray() >= 0).all()
    if norm == "row":
        np.testing.assert_allclose(P.toarray().sum(1), 1)
    if norm == "row" or all(map(is_undirected, g.graphs)):
        assert P.toarray().max() <= 1 + 1e-12


def test_a_directed_symmetric_operator_may_exceed_one():
    "Rows and columns of a directed graph have different sums; the bound of 1 needs them equal."
    middle = [f"m{i}" for i in range(9)]
    fan = from_edges(["root"] * 9 + middle, middle + ["hub"] * 9, directed=True)
    assert fan.operator(2, "row").max() <= 1 < fan.operator(2).max()


@given(seed=SEEDS)
@settings(max_examples=40)
def test_kernel_against_the_formula(seed):
    g = random_graphs(np.random.default_rng(seed))
    K = g.kernel((1, 2))
    np.testing.assert_allclose(
        K, dense_kernel(g, (1, 2)), atol=1e-9
    )  # adjacency and priors are float32 and float64
    np.testing.assert_allclose(K, K.T)
    assert np.linalg.eigvalsh(K).min() > -1e-9
    if not g.priors:
        np.testing.assert_allclose(np.diag(K), 1)
    X = spectral_features(g, 60)
    np.testing.assert_allclose(X @ X.T, K, atol=1e-8)


@given(seed=SEEDS)
@settings(max_examples=10)
def test_degree_is_what_a_gene_sends_summed_in_double_precision(seed):
    g = random_graphs(np.random.default_rng(seed), 12)
    np.testing.assert_allclose(
        g.degree, sum(a.adjacency.toarray().astype(float).sum(axis=0) for a in g.graphs), rtol=1e-12
    )
    np.testing.assert_array_equal(
        g.isolated,
        sum(a.adjacency.toarray().sum(axis=0) + a.adjacency.toarray().sum(axis=1) for a in g.graphs)
        == 0,
    )


def test_operators_are_averaged_after_powering():
    one, two = from_edges(["A"], ["B"]), from_edges(["B"], ["C"])
    both = combine([one, two])
    a, c = both.index(["A", "C"])
    assert both.operator(2)[a, c] == 0, "no path leads through both layers"
    assert from_edges(["A", "B"], ["B", "C"]).operator(2)[a, c] > 0


@given(seed=SEEDS)
@settings(max_examples=20)
def test_combine_keeps_every_gene_and_edge(seed):
    rng = np.random.default_rng(seed)
    graphs = [
        from_edges(*random_edges(rng, [f"{c}{i}" for i in range(4)] + ["shared"])) for c in "ab"
    ]
    both = combine(graphs)
    assert set(both.genes) == set(graphs[0].genes) | set(graphs[1].genes)
    for layer, g in zip(both.layers, graphs):
        assert layer.n_edges == g.n_edges and layer.subgraph(g.genes).fingerprint == g.fingerprint
    assert both.n_edges == sum(g.n_edges for g in graphs)
    np.testing.assert_allclose(both.degree.sum(), sum(g.degree.sum() for g in graphs), rtol=1e-6)
    assert (
        combine([both, graphs[0]]).graphs[2].subgraph(graphs[0].genes).fingerprint
        == graphs[0].fingerprint
    ), "a set in a set is unfolded"


def test_spectral_features_of_a_large_graph_are_those_of_the_dense_way():
    rng = np.random.default_rng(0)
    s, t = rng.integers(2100, size=(2, 6000))
    g = from_edges([f"g{i}" for i in s], [f"g{i}" for i in t])
    X = spectral_features(g, 5, hops=1)
    values = np.linalg.eigvalsh(g.kernel(1))[::-1][:5]
    np.testing.assert_allclose((X**2).sum(0), values, rtol=1e-6)
    np.testing.assert_array_equal(X, spectral_features(g, 5, hops=1))


# ---- alignment: nothing is lost in silence ----


@given(seed=SEEDS, missing=st.sampled_from(["report", "drop", "backoff"]))
@settings(max_examples=40)
def test_every_missing_gene_is_reported(seed, missing):
    rng = np.random.default_rng(seed)
    g, fallback = random_graphs(rng), random_graph(rng, 12)
    asked = list(rng.permutation(gene_names(16))[: rng.integers(1, 16)])
    aligned, report = g.align(asked * 2, missing, fallback)
    lacking = sorted(set(asked) - set(g.genes))
    assert list(report.missing) == lacking and report.n_asked == len(asked)
    assert report.to_frame()["gene"].tolist() == lacking and all(report.missing.values())
    assert list(aligned.genes) == sorted(a for a in asked if missing != "drop" or a in g)
    known = [a for a in sorted(asked) if a in g]
    for old, new in zip(g.graphs, aligned.graphs):
        at, to = old.index(known), new.index(known)
        np.testing.assert_array_equal(
            new.adjacency.toarray()[np.ix_(to, to)], old.adjacency.toarray()[np.ix_(at, at)]
        )
    for gene in lacking:
        if missing == "drop":
            assert gene not in aligned
        elif "without edges" in report.missing[gene]:
            assert aligned.isolated[aligned.index([gene])[0]]
        else:
            assert not aligned.isolated[aligned.index([gene])[0]], (
                f"the report says '{report.missing[gene]}', but {gene} has no edge"
            )


def test_backoff_takes_the_fallback_edges():
    g, fallback = (
        from_edges(["A"], ["B"]),
        from_edges(["A", "X", "Y", "A"], ["X", "Y", "Z", "B"], [1, 0.5, 1, 0.25]),
    )
    aligned, report = align(g, ["A", "B", "X", "Y"], "backoff", fallback)
    at = dict(zip(aligned.genes, range(4)))
    A = aligned.adjacency.toarray()
    assert (
        A[at["A"], at["X"]] == A[at["X"], at["A"]] == 1
        and A[at["X"], at["Y"]] == A[at["Y"], at["X"]] == 0.5
        and A[at["A"], at["B"]] == 1
    )
    assert list(report.missing) == ["X", "Y"]


def test_a_chain_of_fallbacks_goes_on_where_the_first_has_no_edge():
    g = from_edges(["A"], ["B"])
    first, second = (
        from_edges(["X", "Y"], ["A", "elsewhere"], name="one"),
        from_edges(["X", "Y", "Z"], ["B", "B", "elsewhere"], name="two"),
    )
    aligned, report = align(g, ["A", "B", "X", "Y", "Z", "W"], "backoff", [first, second])
    assert report.missing == {
        "X": "attached by one",
        "Y": "attached by two",
        "Z": "kept without edges (at the mean)",
        "W": "kept without edges (at the mean)",
    }
    assert report.unattached == ["W", "Z"]
    x, y, a, b = aligned.index(["X", "Y", "A", "B"])
    assert (
        aligned.adjacency[x, a] == 1
        and aligned.adjacency[x, b] == 0
        and aligned.adjacency[y, b] == 1
    )
    assert "1 attached by one: X" in str(report) and align(g, ["A"])[1].unattached == []


def attached_example(rng):
    "A graph of 30 genes, two more attached by fallbacks, two at the mean; a screen of 16 of the connected ones."
    names = gene_names(30)
    g = from_edges(*random_edges(rng, names, 0.1)).align(names)[0]
    other, expressed = (
        from_edges(["n1"], ["g01"], name="other"),
        from_edges(["n2", "n1"], ["g02", "g05"], name="co-expression"),
    )
    graph, report = g.align([*names, "n1", "n2", "n3", "n4"], "backoff", [other, expressed])
    screen = make_screen(pd.DataFrame(rng.normal(size=(16, 5)) + 2, index=names[:16]))
    return graph, report, screen


@pytest.mark.parametrize("model", ["gp", "gnn", "ridge"])
def test_models_know_attached_genes(model):
    from graphsel.models.registry import make_model

    graph, report, screen = attached_example(np.random.default_rng(0))
    assert (
        report.missing["n1"] == "attached by other"
        and report.missing["n2"] == "attached by co-expression"
        and report.unattached == ["n3", "n4"]
    )
    centered = {
        "fixed_effects": False,
        "stacking": False,
    }  # on the picks, whose mean is not zero here
    if model == "gp":
        centered |= {"tune": False, "noise": 0.3}
    fitted = make_model(model, **centered).fit(screen, graph, random_state=0)
    p = fitted.predict(["n1", "n2", "n3", "n4"])
    assert np.isfinite(p.X).all()
    np.testing.assert_allclose(
        p.X[2], p.X[3], rtol=1e-5, err_msg="nothing tells two genes at the mean apart"
    )
    mean = screen.X.mean(axis=0)
    np.testing.assert_allclose(
        p.X[2], mean, atol=1e-5 if model == "gp" else 0.3
    )  # ridge gives its intercept; the network's bias unit is shrunk, not free
    assert np.abs(p.X[0] - mean).max() > 1e-3, "an attached gene learns from its neighbors"
    if model != "ridge":
        v = p.layers["variance"].mean(axis=1)
        assert v[2] >= v[0] and v[2] >= v[1], "at the mean, the prior variance is left"


def test_gp_variance_at_the_mean_is_the_prior_variance():
    from graphsel.models.registry import make_model

    graph, _, screen = attached_example(np.random.default_rng(1))
    plain = {"tune": False, "noise": 0.3, "fixed_effects": False, "stacking": False}
    fitted = make_model("gp", **plain).fit(screen, graph)
    np.testing.assert_allclose(fitted.posterior_variance(["n3", "n1"]) < 1 - 1e-9, [False, True])
    np.testing.assert_allclose(fitted.posterior_variance(["n3"]), 1)


@pytest.mark.parametrize(
    "criterion", ["graphreach", "softreach", "facility", "maxspec", "variance"]
)
def test_criteria_know_attached_genes(criterion):
    from graphsel.selection.select import select

    graph, _, _ = attached_example(np.random.default_rng(2))
    own = (
        {"kernel": "cosine"} if criterion == "variance" else {}
    )  # the graph alone, no constant and degree
    plan = select(graph, len(graph), criterion, **own)
    assert sorted(plan.genes) == sorted(graph.genes), "every gene can be picked"
    alone = select(
        graph, 1, criterion, candidates=["n3"], targets=[g for g in graph.genes if g != "n3"], **own
    )
    assert alone.values[-1] == pytest.approx(0, abs=1e-9), (
        "a gene at the mean claims nothing about the others"
    )
    near = select(graph, 1, criterion, candidates=["n1"], targets=["g01"], **own)
    assert near.values[-1] > 0, "an attached gene does"


def test_a_gene_at_the_mean_gains_by_itself_only():
    from graphsel.selection.select import select

    graph, _, _ = attached_example(np.random.default_rng(3))
    for criterion, own, form in (
        ("graphreach", 1, {"covers": "targets"}),
        ("variance", 0.5, {"kernel": "cosine"}),
        ("maxspec", 0, {}),
    ):  # itself; K^2/(K + noise) with K = noise = 1; nothing
        plan = select(graph, len(graph), criterion, **form)
        gain = dict(zip(plan.genes, plan.gains))
        assert gain["n3"] == pytest.approx(own) and gain["n4"] == pytest.approx(own)
        assert set(plan.genes[:3]).isdisjoint({"n3", "n4"}), "connected genes come first"


def test_align_error_names_the_genes():
    g = from_edges(["A"], ["B"])
    with pytest.raises(GraphselError, match="X1, X2, X3, X4, X5 and 2 more"):
        align(g, ["A", *(f"X{i}" for i in range(1, 8))], "error")
    with pytest.raises(GraphselError, match="'report'|report, error"):
        align(g, ["A"], "ignore")
    assert align(g, ["A", "B"], "error")[1].missing == {}


def test_nothing_left_to_align():
    for g in (
        from_edges(["A"], ["B"]),
        combine(
            [from_edges(["A"], ["B"])],
            [make_prior(pd.DataFrame({"x": [1.0, 2]}, index=["A", "B"]))],
        ),
    ):
        empty, report = g.align(["X"], "drop")
        assert len(empty) == 0 and report.missing == {"X": "left out"}
        assert g.align([])[0].kernel().shape == (0, 0)


def test_graphs_are_not_changed_by_their_methods():
    rng = np.random.default_rng(0)
    g = random_graphs(rng)
    before = g.fingerprint, [a.adjacency.toarray() for a in g.graphs]
    g.align(gene_names(5))
    g.operator(2)
    g.kernel()
    disturb(g, 0.5, random_state=0)
    g.subgraph(gene_names(3))
    spectral_features(g)
    fresh = combine([a for a in g.graphs], g.priors) if len(g.graphs) > 1 or g.priors else g
    assert fresh.fingerprint == before[0]
    for a, b in zip(g.graphs, before[1]):
        np.testing.assert_array_equal(a.adjacency.toarray(), b)


# ---- noise ----


@given(seed=SEEDS, fraction=st.sampled_from([0.0, 0.1, 0.5, 1.0]), directed=st.booleans())
@settings(max_examples=30)
def test_rewired_graphs(seed, fraction, directed):
    rng = np.random.default_rng(seed)
    s, t = rng.integers(60, size=(2, 200))
    g = from_edges(
        [f"g{i:02}" for i in s], [f"g{i:02}" for i in t], rng.integers(1, 5, 200), directed=directed
    )
    noisy = disturb(g, fraction, random_state=seed)
    assert list(noisy.genes) == list(g.genes) and noisy.adjacency.diagonal().sum() == 0
    assert 0.8 * g.n_edges <= noisy.n_edges <= g.n_edges, "moved edges may fall together, no more"
    if not directed:
        assert abs(noisy.adjacency - noisy.adjacency.T).nnz == 0
    assert noisy.fingerprint == disturb(g, fraction, random_state=seed).fingerprint
    if fraction == 0:
        assert noisy.fingerprint == g.fingerprint
    if fraction == 1:
        assert noisy.adjacency.multiply(g.adjacency).nnz < 0.5 * g.n_edges
    assert set(np.unique(noisy.adjacency.data)) <= set(np.unique(g.adjacency.data))
    if fraction:
        assert noisy.fingerprint != disturb(g, fraction, random_state=seed + 1).fingerprint


def test_noise_outside_its_range():
    g = from_edges(["A"], ["B"])
    for fraction in (-0.1, 1.1, float("nan")):
        with pytest.raises(GraphselError, match="fraction"):
            disturb(g, fraction, random_state=0)


def test_layers_get_noise_of_their_own():
    g = from_edges(*np.random.default_rng(0).choice(gene_names(30), (2, 100)))
    noisy = disturb(combine([g, g]), 0.5, random_state=0)
    assert noisy.layers[0].fingerprint != noisy.layers[1].fingerprint


# ---- priors ----


def test_priors_are_aligned_and_reported():
    prior = make_prior(pd.DataFrame({"x": [1.0, 2, 6]}, index=["C", "A", "B"]))
    sub = prior.subgraph(["B", "X", "A"])
    assert list(sub.genes) == ["A", "B", "X"] and sub.missing == ("X",)
    np.testing.assert_allclose(sub.features.ravel(), [-1, 3, 0])
    assert sub.subgraph(["X", "A"]).missing == ("X",)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"x": [1.0, np.nan]}, index=["A", "B"]),
        pd.DataFrame({"x": [1.0, np.inf]}, index=["A", "B"]),
        pd.DataFrame({"x": [1.0, 2]}, index=["A", "A"]),
        pd.DataFrame({"x": ["a", "b"]}, index=["A", "B"]),
        pd.DataFrame(index=["A"]),
        pd.DataFrame({"x": []}),
    ],
    ids=range(6),
)
def test_hostile_priors(frame):
    with pytest.raises(GraphselError, match="prior"):
        make_prior(frame)


def test_prior_files(tmp_path):
    embedding = pd.DataFrame({"gene": ["B", "A"], "e1": [1.0, 2], "e2": [3.0, 4]})
    screen = embedding.rename(columns={"gene": "perturbation"})
    for name, frame in (("embedding.csv", embedding), ("screen.csv", screen)):
        p = read_prior(write(tmp_path, name, frame.to_csv(index=False)))
        assert list(p.genes) == ["A", "B"]
        np.testing.assert_allclose(p.features, [[0.5, 0.5], [-0.5, -0.5]])
    ranks = pd.DataFrame(
        {
            "cell_line": ["K", "K", "R"],
            "perturbed_gene": ["A", "B", "A"],
            "gene": ["x", "y", "y"],
            "rank": [100, 1, 1],
        }
    )
    path = write(tmp_path, "ranks.csv", ranks.to_csv(index=False))
    p = read_prior(f"{path}:cell_line=K")
    np.testing.assert_allclose(
        p.features,
        np.array([[np.exp(-1), 0], [0, np.exp(-0.01)]])
        - np.array([[np.exp(-1), np.exp(-0.01)]]) / 2,
        rtol=1e-6,
    )
    for bad in (
        f"{path}:cell_line=Q",
        f"{path}:line=K",
        str(tmp_path / "none.csv"),
        str(write(tmp_path, "odd.csv", "a,b\n1,2\n")),
    ):
        with pytest.raises(GraphselError):
            read_prior(bad)


def test_rank_lists_of_two_cell_lines_are_not_mixed_in_silence(tmp_path):
    ranks = pd.DataFrame(
        {
            "cell_line": ["K", "R"],
            "perturbed_gene": ["A", "A"],
            "gene": ["x", "x"],
            "rank": [1, 900],
        }
    )
    with pytest.raises(GraphselError, match="twice|cell_line"):
        read_prior(write(tmp_path, "ranks.csv", ranks.to_csv(index=False)))


# ---- real files ----


@pytest.fixture(scope="module")
def knockdowns(shared_data):
    return read_screen(shared_data / "k562_essential_latent.tsv")


@pytest.fixture(scope="module")
def string(shared_data):
    return read_graph(shared_data / "string_v12.tsv.gz")


def test_string(string, knockdowns):
    assert len(string) == 17_288 and string.n_edges == 2 * 174_962
    inside = [n for n in knockdowns.obs_names if n in string]
    assert len(inside) == 1_065
    sub, report = string.align(knockdowns.obs_names)
    assert len(report.missing) == 27 and len(sub) == 1_092
    g = string.subgraph(inside)
    assert g.n_edges == 2 * 22_057
    Y = knockdowns[list(g.genes)].X
    assert 0.5 < neighbor_agreement(g, Y) < 0.62
    assert abs(neighbor_agreement(g, Y, random_state=0)) < 0.1


def test_reading_a_part_is_the_part_of_what_was_read(string, knockdowns, shared_data):
    part = read_graph(shared_data / "string_v12.tsv.gz", genes=knockdowns.obs_names)
    inside = string.subgraph(part.genes)
    assert part.n_edges == inside.n_edges and set(part.genes) == {
        n for n in knockdowns.obs_names if n in string
    }
    np.testing.assert_array_equal(part.adjacency.toarray(), inside.adjacency.toarray())


def test_rank_lists(shared_data):
    path = shared_data / "k562_rpe1_ranked_genes.parquet"
    table = pd.read_parquet(path).astype({"cell_line": str, "perturbed_gene": str, "gene": str})
    line = table["cell_line"].iloc[-1]
    p = read_prior(f"{path}:cell_line={line}")
    assert len(p.genes) == 585
    own = (
        table[table["cell_line"] == line]
        .assign(strength=lambda t: np.exp(-t["rank"] / 100))
        .groupby("perturbed_gene")["strength"]
    )
    np.testing.assert_allclose(
        p.features.sum(1) - p.features.sum(1).mean(),
        own.sum()[p.genes] - own.sum().mean(),
        atol=1e-6,
    )


def test_a_prior_row_without_a_gene_is_refused_and_a_gene_called_na_is_kept(tmp_path):
    (tmp_path / "a.csv").write_text("gene,x\nNA,1\nTP53,2\n")
    assert list(read_prior(tmp_path / "a.csv").genes) == ["NA", "TP53"]
    (tmp_path / "b.csv").write_text("gene,x\n,1\nTP53,2\n")
    with pytest.raises(GraphselError, match="1 rows without a gene"):
        read_prior(tmp_path / "b.csv")
