"""Robust plans: honest criteria at every level, bounds that hold, worst cases no worse than those of the pool, and
stability tables."""

import copy
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from helpers import gene_names, random_graph
from hypothesis import given, settings
from hypothesis import strategies as st

from graphsel.core.errors import GraphselError
from graphsel.criteria.base import CRITERIA
from graphsel.criteria.registry import check_criterion, make_criterion
from graphsel.graphs.build import from_edges
from graphsel.graphs.disturbance import disturb
from graphsel.graphs.graph import combine
from graphsel.selection.greedy import greedy
from graphsel.selection.robust import (
    AcrossGraphs,
    known_everywhere,
    robust_select,
    scenarios,
    shares_along,
    stability,
)

SEEDS = st.integers(0, 2**32 - 1)
SUBMODULAR = ["graphreach", "softreach", "facility", "maxspec"]


def graphs_of(rng, n=8, k=3):
    return {f"g{i}": random_graph(rng, n) for i in range(k)}


def parts_of(graphs, name):
    names = known_everywhere(graphs, None, "candidates", {})
    return names, {k: make_criterion(name, g, names, names) for k, g in graphs.items()}


def units_of(parts, budget):
    return {k: max(greedy(c, budget).value, 1e-9) for k, c in parts.items()}


# ---- the criterion ----


@pytest.mark.parametrize("name", [*CRITERIA, "0.5*graphreach+0.5*maxspec"])
@pytest.mark.parametrize("level", [0.2, 0.7, np.inf])
@given(seed=SEEDS)
@settings(max_examples=5)
def test_it_keeps_its_promises_at_every_level(name, level, seed):
    rng = np.random.default_rng(seed)
    _, parts = parts_of(graphs_of(rng), name)
    if level < np.inf and not all(c.monotone for c in parts.values()):
        return
    across = AcrossGraphs(parts, units_of(parts, 3), level)
    assert check_criterion(across, 20, random_state=seed % 1000)["checks"] == 20
    assert across.submodular == all(c.submodular for c in parts.values())
    assert across.value(across.elements) <= across.ceiling() + 1e-9


@given(seed=SEEDS, level=st.sampled_from([0.3, 0.8, np.inf]))
@settings(max_examples=20)
def test_value_by_definition(seed, level):
    rng = np.random.default_rng(seed)
    names, parts = parts_of(graphs_of(rng), "graphreach")
    units = units_of(parts, 3)
    S = list(rng.choice(names, 3, replace=False))
    assert AcrossGraphs(parts, units, level).value(S) == pytest.approx(
        np.mean([min(c.value(S) / units[k], level) for k, c in parts.items()])
    )


@pytest.mark.parametrize("name", ["graphreach", "softreach", "facility", "variance"])
@given(SEEDS)
@settings(max_examples=10)
def test_what_a_pick_adds_is_told_by_name(name, seed):
    names, parts = parts_of(graphs_of(np.random.default_rng(seed)), name)
    units = units_of(parts, 3)
    across = AcrossGraphs(parts, units)
    told = dict(zip(across.targets.tolist(), across.contributions(0), strict=True))
    each = dict.fromkeys(told, 0.0)
    for k, c in parts.items():
        for target, new in zip(c.targets.tolist(), c.contributions(0), strict=True):
            each[target] += new / units[k] / len(parts)
    assert told == pytest.approx(each)
    assert sum(told.values()) == pytest.approx(across.gain(0))


def test_a_copy_that_advances_leaves_its_original_alone():
    _, parts = parts_of(graphs_of(np.random.default_rng(0)), "graphreach")
    across = AcrossGraphs(parts, units_of(parts, 3))
    across.add(0)
    before, other = across.scores().copy(), copy.copy(across)
    assert other.advance() and (other.scores() != before).any()
    np.testing.assert_array_equal(across.scores(), before)


@pytest.mark.parametrize("name", ["graphreach", "softreach", "facility", "maxspec", "variance"])
@given(seed=SEEDS)
@settings(max_examples=10)
def test_lazy_is_naive(name, seed):
    rng = np.random.default_rng(seed)
    _, parts = parts_of(graphs_of(rng), name)
    units = units_of(parts, 4)
    if not all(c.submodular for c in parts.values()):
        return
    for level in (0.6, np.inf):
        naive, lazy = (
            greedy(AcrossGraphs(parts, units, level), 6, method=m) for m in ("naive", "lazy")
        )
        assert naive.genes == lazy.genes


@pytest.mark.parametrize("name", ["graphreach", "softreach", "maxspec", "variance"])
@pytest.mark.parametrize("how", ["mean", "worst"])
def test_the_same_graph_twice_is_the_graph(name, how):
    for seed in range(5):
        g = random_graph(np.random.default_rng(seed), 12)
        plain, twice = greedy(make_criterion(name, g), 9), robust_select([g, g], 9, name, how=how)
        if how == "mean":
            assert twice.genes == plain.genes  # second levels of coverage included
        assert twice.value == pytest.approx(1)


# ---- bounds and worst cases ----


@pytest.mark.parametrize("name", SUBMODULAR)
@given(seed=SEEDS)
@settings(max_examples=15)
def test_bounds_are_never_below_the_truth(name, seed):
    rng = np.random.default_rng(seed)
    graphs, budget = graphs_of(rng, 8, int(rng.integers(2, 4))), int(rng.integers(1, 4))
    names, parts = parts_of(graphs, name)
    measured = [n for n in rng.permutation(names)[: rng.integers(0, 2)]]
    if budget > len(names) - len(measured) - 1:
        return
    for how, f in (("mean", np.mean), ("worst", np.min)):
        s = robust_select(graphs, budget, name, how=how, measured=measured)
        units = {k: v if v > 0 else 1.0 for k, v in s.params["own"].items()}
        share = lambda S, f=f, units=units: f(
            [c.value([*measured, *S]) / units[k] for k, c in parts.items()]
        )
        best = max(share(S) for S in combinations([n for n in names if n not in measured], budget))
        assert len(set(s.genes)) == budget and not set(s.genes) & set(measured)
        assert s.value == pytest.approx(share(s.genes)) and s.value == pytest.approx(
            f(list(s.params["share"].values()))
        )
        assert s.value <= best + 1e-9 <= s.upper_bound + 2e-9
        assert s.values[-1] == pytest.approx(s.measured_value + sum(s.gains))
        if how == "mean":
            assert s.value - s.measured_value >= (1 - 1 / np.e) * (best - s.measured_value) - 1e-9


@pytest.mark.parametrize("name", [*SUBMODULAR, "variance", "topeig"])
@given(seed=SEEDS)
@settings(max_examples=10)
def test_worst_case_is_no_worse_than_any_of_the_pool(name, seed):
    rng = np.random.default_rng(seed)
    graphs = graphs_of(rng, 10)
    names, parts = parts_of(graphs, name)
    if len(names) < 4:
        return
    s, mean = (robust_select(graphs, 4, name, how=how) for how in ("worst", "mean"))
    own = {k: greedy(c, 4) for k, c in parts.items()}
    units = {k: o.value or 1.0 for k, o in own.items()}
    for other in (mean, *own.values()):
        assert s.value >= shares_along(parts, units, other.genes)[:, -1].min() - 1e-8
    assert (s.upper_bound is None) == (not all(c.submodular for c in parts.values()))


def test_where_the_mean_sides_with_the_majority():
    "Three graphs want hub A, one wants hub B, and hub C is fair to all: the worst case takes C."
    leaves = gene_names(12)
    fan = lambda hub, k: [(hub, o) for o in leaves[:k]]
    three, other = (
        from_edges(*zip(*(fan(a, 9) + fan(b, 1) + fan("C", 6))))
        for a, b in (("A", "B"), ("B", "A"))
    )
    ask = dict(candidates=["A", "B", "C"], targets=leaves[:9])
    graphs = [three] * 3 + [other]
    assert robust_select(graphs, 1, how="mean", **ask).genes == ["A"]
    worst = robust_select(graphs, 1, how="worst", **ask)
    assert (
        worst.genes == ["C"]
        and worst.value == pytest.approx(6 / 9)
        and worst.params["chosen"].startswith("saturate")
    )


# ---- the same every time ----


@pytest.mark.parametrize("how", ["mean", "worst"])
def test_repeats_and_order_of_graphs(how):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        graphs = graphs_of(rng, 14)
        turned = dict(reversed(graphs.items()))
        a, b = (robust_select(g, 5, "softreach", how=how) for g in (graphs, turned))
        assert (
            a.genes == b.genes
            and a.value == pytest.approx(b.value)
            and a.params["share"] == pytest.approx(b.params["share"])
        )
    g = random_graph(np.random.default_rng(1), 20)
    one, two, other = (
        robust_select(g, 5, how=how, noise=0.3, draws=3, random_state=r) for r in (4, 4, 5)
    )
    assert (
        one.genes == two.genes
        and one.values == two.values
        and one.graph == two.graph != other.graph
    )
    assert (
        robust_select(g, 5, how=how, noise=0, draws=2).genes
        == greedy(make_criterion("graphreach", g), 5).genes
    )


def test_scenarios():
    g = random_graph(np.random.default_rng(0), 20)
    found = scenarios(g, 0.3, 2)
    assert (
        list(found) == ["as given", "draw 1", "draw 2"]
        and found["as given"] is g
        and len({o.fingerprint for o in found.values()}) == 3
    )
    assert (
        scenarios(g, 0.3, 5)["draw 2"].fingerprint == found["draw 2"].fingerprint
    )  # more draws leave the first ones as they are
    both = combine([g, random_graph(np.random.default_rng(1), 20)])
    assert len(scenarios(both, 0.3, 2)["draw 1"].graphs) == 2
    assert list(scenarios([g, g])) == ["graph 1", "graph 2"]


# ---- names and limits ----


def test_genes_that_some_graphs_lack():
    a, b = from_edges(list("AABC"), list("BCDD")), from_edges(list("ABCX"), list("BCDA"))
    b = b.subgraph([*b.genes, "Y"])
    plain = robust_select([a, b], 2)
    assert (
        set(plain.report) == {"X", "Y"}
        and plain.n_candidates == plain.n_targets == 4
        and "graph 1" in plain.report["X"]
    )
    filled = robust_select([a, b], 2, genes="union")
    assert not filled.report and filled.n_candidates == 6
    asked = robust_select([a, b], 2, candidates=["A", "B", "X", "nobody"], targets=["C", "D", "Y"])
    assert (
        asked.n_candidates == 2
        and asked.n_targets == 2
        and set(asked.report) == {"X", "nobody", "Y"}
    )
    weighed = robust_select([a, b], 1, weights={"D": 3.0, "X": 9.0})
    assert weighed.n_targets == 4  # the weight of a gene that was left out is left out with it


def test_limits(tmp_path):
    g = random_graph(np.random.default_rng(2), 15)
    for how in ("mean", "worst"):
        s = robust_select(
            g,
            4,
            "graphreach",
            how=how,
            draws=2,
            must=["g01"],
            exclude=["g02"],
            measured=["g03"],
            groups=dict.fromkeys(g.genes, "x"),
            caps=4,
        )
        assert (
            len(s) == 4
            and "g01" in s.genes
            and not {"g02", "g03"} & set(s.genes)
            and s.measured == ["g03"]
            and s.columns["group"] == ["x"] * 4
        )
        paid = robust_select(g, 3.0, "graphreach", how=how, draws=2, costs={"g00": 2.0})
        assert sum(paid.columns["cost"]) <= 3
        assert robust_select(g, 3, "variance", how=how, draws=2, sigma2=0.3).upper_bound is None
    frame = s.to_frame()
    assert [c for c in frame if c.startswith("share on")] == [
        "share on as given",
        "share on draw 1",
        "share on draw 2",
    ]
    np.testing.assert_allclose(frame.filter(like="share on").min(axis=1), frame["value"])
    assert s.load(s.save(tmp_path / "plan.json")).params["share"] == s.params["share"]


@pytest.mark.parametrize(
    "ask,says",
    [
        (dict(how="best"), "mean, worst"),
        (dict(genes="all"), "common, union"),
        (dict(noise=2), "between 0 and 1"),
        (dict(noise="x"), "between 0 and 1"),
        (dict(noise=float("nan")), "between 0 and 1"),
        (dict(draws=0), "draws is 0"),
        (dict(random_state=-1), "random_state"),
        (dict(graphs=[]), "no graph"),
        (dict(graphs=["a"]), "no graph but a str"),
        (dict(graphs=[from_edges(["A"], ["B"]), from_edges(["C"], ["D"])]), "no gene in common"),
        (dict(candidates=["XIST"]), "no candidate"),
        (dict(targets=["XIST"]), "no target"),
        (dict(candidates="g01"), "give a list"),
        (dict(criterion="graphreech"), "did you mean"),
        (dict(budget=0), "budget is 0"),
        (dict(budget=99), "only 12"),
        (dict(must=["XIST"]), "XIST"),
        (dict(hops=0), "hops"),
        (dict(colour=1), "colour"),
        (dict(criterion="graphcut", lam=0.5, how="worst"), "not monotone"),
        (dict(caps=1), "belong together"),
        (dict(costs={"g01": -1}), "positive"),
        (dict(criterion="variance", sigma2=0), "positive"),
        (dict(weights={"g01": -1}), "non-negative"),
    ],
)
def test_refusals(ask, says):
    with pytest.raises(GraphselError, match=says):
        robust_select(
            **{**dict(graphs=random_graph(np.random.default_rng(0), 12), budget=3, draws=2), **ask}
        )


# ---- stability ----


def test_stability():
    g = random_graph(np.random.default_rng(3), 25)
    table = stability(g, 5, "softreach", noise=(0, 0.2, 1), draws=3)
    assert list(table.columns) == ["noise", "draw", "jaccard", "value"] and table.groupby(
        "noise"
    ).size().to_dict() == {0: 1, 0.2: 3, 1: 3}
    assert (
        table.iloc[0].tolist() == [0, 0, 1, 1]
        and table["jaccard"].between(0, 1).all()
        and (table["value"] > 0).all()
    )
    pd.testing.assert_frame_equal(table, stability(g, 5, "softreach", noise=(0, 0.2, 1), draws=3))
    alone = stability(
        g, 5, "softreach", noise=0.2, draws=2
    )  # a level and a draw do not depend on the others
    pd.testing.assert_frame_equal(
        alone, table.query("noise == 0.2 and draw < 2").reset_index(drop=True)
    )
    assert not table.equals(
        stability(g, 5, "softreach", noise=(0, 0.2, 1), draws=3, random_state=1)
    )


def test_stability_by_definition():
    from graphsel.core.randomness import child_rng

    g = random_graph(np.random.default_rng(4), 25)
    c = make_criterion("graphreach", g, g.genes[:20], g.genes[5:], hops=2)
    own = greedy(c, 4, measured=[str(g.genes[0])])
    noisy = greedy(
        make_criterion(
            "graphreach",
            disturb(g, 0.4, random_state=child_rng(9, "stability", 400000, 0)),
            g.genes[:20],
            g.genes[5:],
            hops=2,
        ),
        4,
        measured=[str(g.genes[0])],
    )
    row = stability(
        g,
        4,
        noise=[0.4],
        draws=1,
        random_state=9,
        candidates=iter(g.genes[:20]),
        targets=g.genes[5:],
        measured=g.genes[:1],
        hops=2,
    ).iloc[0]
    assert row["jaccard"] == len(set(own.genes) & set(noisy.genes)) / len(
        set(own.genes) | set(noisy.genes)
    )
    assert row["value"] == pytest.approx(c.value([*own.measured, *noisy.genes]) / own.value)


@pytest.mark.parametrize(
    "ask,says",
    [
        (dict(noise=[0.1, 2]), "between 0 and 1"),
        (dict(noise=["x"]), "between 0 and 1"),
        (dict(draws=0), "draws is 0"),
        (dict(criterion="x"), "unknown criterion"),
        (dict(budget=99), "only 12"),
        (dict(candidates=["XIST"]), "no candidate"),
        (dict(random_state="x"), "random_state"),
    ],
)
def test_stability_refusals(ask, says):
    with pytest.raises(GraphselError, match=says):
        stability(
            **{**dict(graph=random_graph(np.random.default_rng(0), 12), budget=3, draws=1), **ask}
        )
