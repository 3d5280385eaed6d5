"""The maximizers against brute force, against each other, and against a slow greedy and another program; limits of
every kind; no order, no repetition changes a plan."""

import re
from itertools import combinations, product

import numpy as np
import pytest
from helpers import (
    INSTANCES,
    dense_operator,
    facility_instance,
    gene_names,
    instance,
    optimum,
    random_graph,
    random_graphs,
    random_limits,
    random_lists,
    reach_instance,
    soft_instance,
    target_reach,
    touched,
    weigh,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from graphsel.core.errors import GraphselError
from graphsel.criteria.base import CRITERIA, Criterion
from graphsel.criteria.coverage import GraphReach, RowCriterion, SoftReach
from graphsel.criteria.design import MaxSpec, SupervisionVariance
from graphsel.criteria.registry import make_criterion
from graphsel.criteria.similarity import FacilityLocation
from graphsel.graphs.build import from_edges
from graphsel.graphs.readers.read import read_graph
from graphsel.selection.bounds import LOOKS, largest_sum
from graphsel.selection.budget import bounds_of_prefixes
from graphsel.selection.distributed import greedi
from graphsel.selection.greedy import BOUNDS, METHODS, TIES, greedy
from graphsel.selection.limits import make_limits

SEEDS = st.integers(0, 2**32 - 1)
SUBMODULAR = [n for n in INSTANCES if CRITERIA[n].submodular]
ROWS = ["graphreach", "softreach", "facility"]
PATH10 = from_edges(list("000045558"), list("123456789"))
PLATES = {str(i): "left" if i < 5 else "right" for i in range(10)}


def assert_feasible(s, c, budget, limits):
    assert len(set(s.genes)) == len(s.genes) and not set(s.genes) & {
        *limits.get("measured", ()),
        *limits.get("exclude", ()),
    }
    assert set(s.genes[: len(limits.get("must", ()))]) == set(limits.get("must", ())), (
        "must-haves come first"
    )
    if "costs" in limits:
        assert s.columns.get("cost", []) == [limits["costs"].get(e, 1.0) for e in s.genes]
        assert sum(s.columns.get("cost", [])) <= budget + 1e-8
    else:
        assert len(s) <= budget
    if "caps" in limits:
        caps = (
            limits["caps"]
            if isinstance(limits["caps"], dict)
            else dict.fromkeys(limits["groups"].values(), limits["caps"])
        )
        assert s.columns["group"] == [limits["groups"].get(e, "") for e in s.genes]
        for part, cap in caps.items():
            assert s.columns["group"].count(part) <= cap


def assert_same_plan(a, b):
    assert a.genes == b.genes
    assert (
        np.array(a.gains).tobytes() == np.array(b.gains).tobytes()
        and np.array(a.values).tobytes() == np.array(b.values).tobytes()
    )
    assert a.columns == b.columns and a.measured_value == b.measured_value


def assert_alike(a, b, scale=1.0):
    "The same picks and levels; numbers equal but for the last digits."
    assert a.genes == b.genes and a.columns.keys() == b.columns.keys()
    for x, y in [
        (a.gains, b.gains),
        (a.values, b.values),
        (a.columns.get("level_gain", []), b.columns.get("level_gain", [])),
        (a.columns.get("cost", []), b.columns.get("cost", [])),
    ]:
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9 * scale)
    assert all(a.columns[k] == b.columns[k] for k in ("level", "group") if k in a.columns)


# ---- naive = lazy = compiled ----


@pytest.mark.parametrize("name", ROWS)
@given(seed=SEEDS)
@example(seed=108659815)  # a capped plan that stays empty
@settings(max_examples=100)
def test_compiled_is_lazy_is_naive(name, seed):
    rng, c, _ = instance(name, seed)
    budget, limits = random_limits(rng, c)
    for ties in TIES:
        naive, lazy, compiled = (
            greedy(c, budget, method=m, ties=ties, **limits) for m in ("naive", "lazy", "compiled")
        )
        assert_same_plan(naive, lazy)
        assert_alike(naive, compiled, c.scale)
        assert greedy(c, budget, ties=ties, **limits).params["method"] == "compiled"
        assert_feasible(compiled, c, budget, limits)
        for s in (naive, lazy, compiled):
            assert s.upper_bound >= s.value - 1e-9 * c.scale
        assert compiled.value == pytest.approx(
            c.value(limits["measured"] + compiled.genes), abs=1e-9 * c.scale
        )


@pytest.mark.parametrize("name", ["maxspec", "graphcut", "1*graphreach+.5*maxspec"])
@given(seed=SEEDS)
@settings(max_examples=30)
def test_lazy_is_naive(name, seed):
    if name in INSTANCES:
        rng, c, _ = instance(name, seed)
    else:
        c = make_criterion(name, random_graphs(rng := np.random.default_rng(seed)))
    if not c.submodular:
        return
    budget, limits = random_limits(rng, c)
    for ties in TIES:
        naive, lazy = (greedy(c, budget, method=m, ties=ties, **limits) for m in ("naive", "lazy"))
        assert_same_plan(naive, lazy)
        assert_feasible(lazy, c, budget, limits)
        if c.monotone:
            assert naive.upper_bound >= naive.value - 1e-9 and lazy.upper_bound >= lazy.value - 1e-9


def ring(n):
    return from_edges(gene_names(n), gene_names(n)[1:] + gene_names(n)[:1])


def star(n):
    return from_edges([gene_names(n)[0]] * (n - 1), gene_names(n)[1:])


def complete(n):
    return from_edges(*zip(*combinations(gene_names(n), 2)))


def islands(n):
    return from_edges(gene_names(n)[::2], gene_names(n)[1::2])


def grid(n):
    return from_edges(
        [f"g{i}{j}" for i in range(n) for j in range(n - 1)]
        + [f"g{j}{i}" for i in range(n) for j in range(n - 1)],
        [f"g{i}{j}" for i in range(n) for j in range(1, n)]
        + [f"g{j}{i}" for i in range(n) for j in range(1, n)],
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda g: target_reach(g),
        lambda g: target_reach(g, hops=2),
        lambda g: target_reach(g, direction="prediction"),
        lambda g: SoftReach(g),
        lambda g: SoftReach(g, form="noisyor"),
        lambda g: SoftReach(g, form="facility", hops=2),
        lambda g: FacilityLocation(g),
        lambda g: MaxSpec(g),
        lambda g: MaxSpec(g, hops=2),
    ],
)
@pytest.mark.parametrize(
    "graph",
    [ring(12), star(9), complete(7), islands(10), grid(4)],
    ids=["ring", "star", "complete", "islands", "grid"],
)
def test_methods_agree_where_everything_ties(graph, make):
    for ties in TIES:
        for run in (
            dict(budget=len(graph)),
            dict(budget=3, measured=list(graph.genes[2:4]), exclude=list(graph.genes[:1])),
        ):
            naive = greedy(make(graph), method="naive", ties=ties, **run)
            assert_same_plan(naive, greedy(make(graph), method="lazy", ties=ties, **run))
            assert_alike(naive, greedy(make(graph), ties=ties, **run))


def test_ratios_are_rounded_alike():
    "A gain of 9 billionths for a cost of 2 against 5 billionths for 1: the same order in every method."
    g = from_edges(["a", "b", "c"], ["z", "y", "x"])
    c = target_reach(g, ["a", "b", "c"], ["a", "b", "c"], weights={"a": 1.0, "b": 9e-9, "c": 5e-9})
    for ties in TIES:
        assert (
            len(
                {
                    tuple(greedy(c, 4, method=m, costs={"b": 2.0}, ties=ties, exclude=["a"]).genes)
                    for m in ("naive", "lazy", "compiled")
                }
            )
            == 1
        )


def test_lazy_and_compiled_compute_less():
    g = random_graph(np.random.default_rng(0), 60)
    naive, lazy, compiled = (
        greedy(SoftReach(g), 20, method=m) for m in ("naive", "lazy", "compiled")
    )
    assert lazy.evaluations < naive.evaluations and compiled.evaluations < naive.evaluations


def test_thirty_thousand_pairs():
    "Pairs of 250 genes: compiled picks are the naive ones, and memory is that of the genes, not of the pairs."
    g = from_edges(*np.random.default_rng(0).choice(gene_names(250), (2, 1500)))
    pairs = ["+".join(p) for p in combinations(g.genes, 2)]
    assert len(pairs) > 30_000
    c = target_reach(g, pairs, g.genes)
    assert c.reach.shape == (len(g), len(g)) and c.sparse.start.shape == (len(g) + 1,)
    held = sum(
        a.nbytes for o in (c.reach, c.reached_by) for a in (o.data, o.indices, o.indptr)
    ) + sum(a.nbytes for a in c.sparse)
    assert held < 1_500_000 < len(pairs) * len(g), "less than one bit for each pair and target"
    few = target_reach(g, pairs[:300], g.genes)  # pairs of the first two genes with all others
    assert few.reach.shape[0] == len({x for p in pairs[:300] for x in p.split("+")})
    for ties in TIES:
        assert_alike(greedy(c, 25, ties=ties), greedy(c, 25, method="naive", ties=ties))
    costs = dict(
        zip(pairs[::3], np.random.default_rng(1).integers(1, 5, len(pairs[::3])).astype(float))
    )
    assert_alike(
        greedy(c, 12, costs=costs, measured=pairs[:5]),
        greedy(c, 12, costs=costs, measured=pairs[:5], method="naive"),
    )


# ---- multi-cover: greedy written out ----


def slow_reach(c, graph, elements, targets, weights, hops, budget, measured=()):
    "(picks, hard gains, levels, level gains) by definition: level, soft gain, degree, name."
    Q = touched(graph, elements) @ dense_operator(graph, hops)[:, graph.index(targets)]
    hit, a, degree = Q > 1e-15, weigh(weights, targets), touched(graph, elements) @ graph.degree
    chosen, level, out = [elements.index(n) for n in measured], 1, []
    for _ in range(budget):
        count, best = hit[chosen].sum(axis=0), Q[chosen].max(axis=0, initial=0)
        rest = [j for j in range(len(elements)) if j not in chosen]
        total = lambda S, m: a @ np.minimum(m, hit[S].sum(axis=0))
        while True:
            gain = {j: total(chosen + [j], level) - total(chosen, level) for j in rest}
            if max(gain.values()) > 1e-9 or level > count.max():
                break  # above the highest count there is nothing left to reach
            level += 1
        soft = {j: a @ np.maximum(Q[j] - best, 0) for j in rest}
        j = min(
            rest,
            key=lambda j: (
                -round(gain[j], 9),
                -round(soft[j], 9),
                -round(degree[j], 9),
                elements[j],
            ),
        )
        out.append((elements[j], total(chosen + [j], 1) - total(chosen, 1), level, gain[j]))
        chosen.append(j)
    return out


@given(seed=SEEDS, hops=st.integers(1, 2))
@settings(max_examples=60)
def test_multi_cover_by_definition(seed, hops):
    rng = np.random.default_rng(seed)
    graph = random_graphs(rng, 9)
    elements, _, _, weights = random_lists(rng, graph)
    targets = sorted(rng.choice(graph.genes, rng.integers(1, 9), replace=False))
    measured = list(rng.permutation(elements)[: rng.integers(0, 2)])
    c = target_reach(graph, elements, targets, hops=hops, weights=weights)
    budget = len(elements) - len(measured)
    expected = slow_reach(c, graph, elements, targets, weights, hops, budget, measured)
    for method in ("naive", "lazy", "compiled"):
        s = greedy(c, budget, method=method, measured=measured)
        assert s.genes == [e[0] for e in expected]
        np.testing.assert_allclose(s.gains, [e[1] for e in expected], atol=1e-9)
        assert s.columns["level"] == [e[2] for e in expected]
        np.testing.assert_allclose(s.columns["level_gain"], [e[3] for e in expected], atol=1e-9)


def test_candidates_that_reach_nothing_do_not_hang():
    g = from_edges(["A", "C"], ["B", "D"], directed=True).align([*"ABCDXYZ"])[0]
    for method in ("naive", "lazy", "compiled", "threshold", "stochastic"):
        s = greedy(target_reach(g, ["X", "Y", "Z"], ["A"]), 3, method=method)
        assert (
            s.genes == ["X", "Y", "Z"]
            and s.gains == [0, 0, 0]
            and s.upper_bound == 0
            and s.certificate == 1
        )
        s = greedy(target_reach(g, ["X", "A", "Y", "Z"], ["A"]), 4, method=method)
        assert method == "stochastic" or s.genes[0] == "A" and s.gains == [1, 0, 0, 0]
        s = greedy(target_reach(g, weights=dict.fromkeys(g.genes, 0.0)), 7, method=method)
        assert len(s) == 7 and s.value == 0


# ---- brute force ----


@pytest.mark.parametrize("name", SUBMODULAR)
@given(seed=SEEDS)
@settings(max_examples=20)
def test_greedy_against_the_optimum(name, seed):
    "Limits of every kind: the promise is kept, and no bound is below the truth."
    rng, c, _ = instance(name, seed)
    budget, limits = random_limits(rng, c, size=5)
    best, given_value, slack = (
        optimum(c, budget, limits),
        c.value(limits["measured"] + limits["must"]),
        1e-9 * c.scale,
    )
    share = (1 - 1 / np.e) / 2 if "costs" in limits else 1 / 2 if "caps" in limits else 1 - 1 / np.e
    if "costs" in limits and "caps" in limits:
        share = 0
    for method in ("naive", "lazy", "auto") if c.submodular else ("naive",):
        s = greedy(c, budget, method=method, **limits)
        assert_feasible(s, c, budget, limits)
        assert s.value <= best + slack or not c.monotone
        assert s.value == pytest.approx(
            c.value(limits["measured"] + s.genes), abs=1e-8
        ) and s.measured_value == pytest.approx(c.value(limits["measured"]), abs=1e-8)
        assert s.values == pytest.approx(
            np.cumsum([s.measured_value, *s.gains])[1:].tolist(), abs=1e-8
        )
        if not (c.monotone and c.submodular):
            assert (
                s.upper_bound is None and s.certificate is None and s.guarantee.startswith("none")
            )
            continue
        assert s.value - given_value >= share * (best - given_value) - slack
        assert (
            s.upper_bound >= best - slack
            and 0 <= s.certificate_of_rest <= s.certificate + 1e-12 <= 1 + 1e-12
        )


@pytest.mark.parametrize(
    "name,make",
    [("graphreach", reach_instance), ("facility", facility_instance), ("softreach", soft_instance)],
)
@given(seed=SEEDS)
@settings(max_examples=15)
def test_the_dual_bound_against_the_optimum(name, make, seed):
    rng = np.random.default_rng(seed)
    c, _ = make(rng, random_graphs(rng))
    if name == "softreach" and c.form != "facility":
        return
    budget, limits = random_limits(rng, c, size=5)
    plain, tight = (greedy(c, budget, bound=b, **limits) for b in BOUNDS)
    assert tight.genes == plain.genes and tight.upper_bound <= plain.upper_bound
    assert tight.upper_bound >= optimum(c, budget, limits) - 1e-9 * c.scale


@given(seed=SEEDS)
@settings(max_examples=40)
def test_the_exact_plan_is_the_optimum(seed):
    rng = np.random.default_rng(seed)
    c, _ = reach_instance(rng, random_graphs(rng))
    budget, limits = random_limits(rng, c, size=6)
    s, best = greedy(c, budget, method="exact", **limits), optimum(c, budget, limits)
    assert_feasible(s, c, budget, limits)
    assert (
        s.value == pytest.approx(best, abs=1e-6 * c.scale)
        and s.upper_bound >= best - 1e-9 * c.scale
        and s.certificate >= 1 - 1e-6
    )


@pytest.mark.parametrize("size", [1e-12, 1e-7, 1e12, 1.0])
def test_the_unit_of_the_weights_does_not_matter(size):
    c = target_reach(PATH10, weights=dict.fromkeys(PATH10.genes, size))
    for method, bound in (
        ("exact", "gains"),
        ("compiled", "dual"),
        ("naive", "gains"),
        ("threshold", "gains"),
    ):
        s = greedy(c, 3, method=method, bound=bound)
        assert s.value == pytest.approx(10 * size) and s.upper_bound == pytest.approx(10 * size)


def test_the_bound_of_an_exact_plan_for_weights_of_many_sizes():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        g = random_graph(rng, 8, directed=False)
        c = target_reach(g, weights=dict(zip(g.genes, 10.0 ** -rng.integers(0, 9, len(g)))))
        best = max(c.value(S) for S in combinations(c.elements, 2))
        s = greedy(c, 2, method="exact")
        assert s.upper_bound >= max(best - 1e-6 * c.scale, s.value), (
            "up to the tolerance of HiGHS, a millionth of the largest weight"
        )


@pytest.mark.parametrize("name", ["variance", "topeig", "1*variance+1*graphreach"])
@given(seed=SEEDS)
@settings(max_examples=10)
def test_no_bound_where_none_is_valid(name, seed):
    if name in INSTANCES:
        rng, c, _ = instance(name, seed)
    else:
        c = make_criterion(name, random_graphs(rng := np.random.default_rng(seed)))
    budget, limits = random_limits(rng, c)
    for method in ("auto", "naive", "lazy", "stochastic", "threshold"):
        s = greedy(c, budget, method=method, random_state=0, **limits)
        assert_feasible(s, c, budget, limits)
        assert s.upper_bound is None and s.certificate is None and s.certificate_of_rest is None
        assert s.guarantee.startswith("none")
    with pytest.raises(GraphselError, match="has no dual bound"):
        greedy(c, budget, bound="dual", **limits)
    with pytest.raises(GraphselError, match="exact plan is computed for graphreach only"):
        greedy(c, budget, method="exact", **limits)
    with pytest.raises(GraphselError, match="not made of sparse rows; use method='auto'"):
        greedy(c, budget, method="compiled", **limits)


@given(seed=SEEDS)
@settings(max_examples=25)
def test_variance_picks_are_scored_exactly(seed):
    rng, c, f = instance("variance", seed)
    budget, limits = random_limits(rng, c, kinds=("measured", "exclude"))
    if budget < 1:
        return
    s = greedy(c, min(budget, 4), **limits)
    S = c.positions(limits["measured"]).tolist()
    for name, gain in zip(s.genes, s.gains):
        at = [j for j, e in enumerate(c.elements) if j not in S and e not in limits["exclude"]]
        all_gains = {j: f(np.array(sorted(S + [j]))) - f(np.array(sorted(S))) for j in at}
        j = int(c.positions([name])[0])
        assert (
            gain == pytest.approx(all_gains[j], abs=1e-8)
            and gain >= max(all_gains.values()) - 2e-9 * c.scale
        )
        S.append(j)


@given(seed=SEEDS)
@settings(max_examples=25)
def test_no_money_is_left_for_another_candidate(seed):
    rng, c, _ = instance(str(np.random.default_rng(seed).choice(SUBMODULAR)), seed)
    budget, limits = random_limits(rng, c, kinds=("measured", "exclude", "must", "costs"))
    s = greedy(c, budget, **limits)
    price = {e: limits.get("costs", {}).get(e, 1.0) for e in c.elements}
    left = budget - sum(price[n] for n in s.genes)
    assert not [
        n
        for n in c.elements
        if n not in {*s.genes, *limits["measured"], *limits["exclude"]} and price[n] < left - 1e-8
    ]


# ---- stochastic and threshold greedy ----


def test_stochastic_is_repeatable_and_near_greedy():
    c = target_reach(random_graph(np.random.default_rng(3), 60, directed=False), hops=1)
    best = greedy(c, 8)
    plans = [greedy(c, 8, method="stochastic", random_state=seed) for seed in range(30)]
    assert [p.genes for p in plans] == [
        greedy(c, 8, method="stochastic", random_state=np.random.default_rng(seed)).genes
        for seed in range(30)
    ]
    assert len({tuple(p.genes) for p in plans}) > 5, "other seeds, other plans"
    values = [p.value for p in plans]
    assert (
        0.95 * best.value <= np.mean(values) <= best.upper_bound and min(values) >= 0.8 * best.value
    )
    assert all(p.upper_bound >= best.value - 1e-9 and len(p) == 8 for p in plans)
    assert np.mean([p.evaluations for p in plans]) < 0.5 * greedy(c, 8, method="naive").evaluations
    assert greedy(c, 8, method="stochastic", epsilon=1e-30, random_state=0).genes == best.genes, (
        "a sample of everyone is naive greedy"
    )


@pytest.mark.parametrize("name", ["graphreach", "softreach", "facility", "maxspec"])
@given(seed=SEEDS)
@settings(max_examples=10)
def test_stochastic_keeps_its_promise_on_average(name, seed):
    rng, c, _ = instance(name, seed)
    budget, limits = random_limits(rng, c, size=7, kinds=("measured", "exclude"))
    if budget < 1:
        return
    best, known = optimum(c, budget, limits), c.value(limits["measured"])
    plans = [
        greedy(c, budget, method="stochastic", epsilon=0.3, random_state=s, **limits)
        for s in range(12)
    ]
    assert np.mean([p.value - known for p in plans]) >= (1 - 1 / np.e - 0.3) * (best - known) - 1e-9
    for p in plans:
        assert_feasible(p, c, budget, limits)
        assert p.upper_bound >= best - 1e-9


@pytest.mark.parametrize("name", ["graphreach", "softreach", "facility", "maxspec"])
@given(seed=SEEDS)
@settings(max_examples=15)
def test_threshold_keeps_its_promise(name, seed):
    rng, c, _ = instance(name, seed)
    budget, limits = random_limits(rng, c, size=6, kinds=("measured", "exclude", "must"))
    if budget < 1:
        return
    best, given_value = optimum(c, budget, limits), c.value(limits["measured"] + limits["must"])
    for eps in (0.05, 0.3):
        s = greedy(c, budget, method="threshold", epsilon=eps, **limits)
        assert_feasible(s, c, budget, limits)
        assert (
            len(s) == budget
            and s.value - given_value >= (1 - 1 / np.e - eps) * (best - given_value) - 1e-9
            and s.upper_bound >= best - 1e-9
        )
    full, everything = random_limits(rng, c)
    for method in ("threshold", "stochastic"):
        s = greedy(c, full, method=method, random_state=seed, **everything)
        assert_feasible(s, c, full, everything)
        assert s.upper_bound >= s.value - 1e-9


# ---- another program ----


def apricot_of(kind, matrix, budget):
    "Picks and gains of apricot-select's naive greedy."
    apricot = pytest.importorskip("apricot")
    if kind == "coverage":
        model = apricot.MaxCoverageSelection(budget, threshold=1, optimizer="naive")
    else:
        model = apricot.FacilityLocationSelection(budget, metric="precomputed", optimizer="naive")
    model.fit(matrix)
    return list(model.ranking), list(model.gains)


def test_coverage_is_at_least_that_of_apricot():
    g = random_graph(np.random.default_rng(1), 150)
    c = target_reach(g)
    M = (c.reach.toarray() > 0).astype(float)
    ranking, gains = apricot_of("coverage", M, 25)
    theirs = (M[ranking].sum(axis=0) > 0).sum()
    for ties in TIES:
        s = greedy(c, 25, ties=ties)
        assert (
            s.value >= theirs
            and s.upper_bound >= theirs
            and greedy(c, 25, ties=ties, bound="dual").upper_bound >= theirs
        )
    novel = np.count_nonzero(
        s.gains
    )  # with the first name among equals, the picks are the same until nothing is new
    assert [list(g.genes).index(n) for n in s.genes][:novel] == ranking[:novel] and s.gains[
        :novel
    ] == pytest.approx(gains[:novel])


def test_facility_location_is_at_least_that_of_apricot():
    g = random_graph(np.random.default_rng(0), 100, weighted=True)
    K = np.maximum(g.kernel((1, 2)), 0)
    ranking, gains = apricot_of("facility", K, 20)
    s, value = greedy(FacilityLocation(g), 20), K[ranking].max(axis=0).sum()
    assert s.value >= value - 1e-6 and s.gains == pytest.approx(gains, abs=1e-6)
    assert (
        s.upper_bound >= value - 1e-6
        and greedy(FacilityLocation(g), 20, bound="dual").upper_bound >= value - 1e-6
    )


def test_certificate_on_whole_string(shared_data):
    "The share of the optimum that 1,000 picks surely reach at one hop: .88."
    s = greedy(target_reach(read_graph(shared_data / "string_v12.tsv.gz"), hops=1), 1000)
    assert s.certificate == pytest.approx(0.88, abs=0.005) and len(set(s.genes)) == 1000
    assert (np.diff(s.gains) <= 1e-9).all(), "gains only shrink"


@pytest.mark.parametrize("bounded", ["greedy", "curve"])
def test_the_smallest_bound_of_all_prefixes_on_whole_string(shared_data, bounded):
    "One hundred picks at one hop: .766 from a quarter and the end of them, .801 from the prefix of 60."
    s = greedy(target_reach(read_graph(shared_data / "string_v12.tsv.gz"), hops=1), 100)
    bound = s.upper_bound if bounded == "greedy" else bounds_of_prefixes(s)[-1]
    assert (s.value, bound) == (8283, 10335) and np.floor(s.certificate * 1000) == 801


def all_prefixes(c, s, limits):
    "The smallest bound over the prefixes of a plan, by looking at each."
    state, picks, found = c.start(limits.measured), c.positions(s.genes), []
    for k in range(len(picks) + 1):
        gains = np.array(state.gains(), float)
        gains[picks[:k]] = 0
        found.append(state.current + largest_sum(gains, limits))
        if k < len(picks):
            state.add(int(picks[k]))
    return min(c.ceiling(), *found)


@pytest.mark.parametrize("name", SUBMODULAR)
@given(seed=SEEDS)
@settings(max_examples=20)
def test_a_bound_is_the_smallest_over_all_prefixes(name, seed):
    "With costs and caps, must-haves and measured genes alike, and for every method."
    rng, c, _ = instance(name, seed)
    if not (c.monotone and c.submodular):
        return
    budget, given_limits = random_limits(rng, c)
    limits = make_limits(c, budget, **given_limits)
    for method in ["auto", "naive", "lazy", "threshold", "stochastic"]:
        s = greedy(c, budget, method=method, random_state=0, **given_limits)
        assert s.upper_bound <= all_prefixes(c, s, limits) * (1 + 1e-9) + 1e-9 * c.scale
        assert s.upper_bound >= s.value - 1e-9 * c.scale


@pytest.mark.parametrize("kind", ["plain", "costs", "caps", "must", "weights"])
def test_a_bound_of_a_large_plan_is_the_smallest_too(kind):
    "Where most prefixes are ruled out without a look."
    rng = np.random.default_rng(5)
    g = random_graph(rng, 400)
    c = target_reach(g, weights=dict(zip(g.genes, rng.random(400))) if kind == "weights" else None)
    given_limits = {
        "costs": dict(costs=dict(zip(g.genes, rng.choice([0.5, 1, 3], 400)))),
        "must": dict(must=list(g.genes[:9])),
        "caps": dict(groups=dict(zip(g.genes, map(str, rng.integers(0, 9, 400)))), caps=5),
    }.get(kind, {})
    s = greedy(c, 30, **given_limits)
    expected = all_prefixes(c, s, make_limits(c, 30, **given_limits))
    assert (
        s.upper_bound == pytest.approx(expected, rel=1e-12)
        or kind == "costs"
        and s.upper_bound <= expected + 1e-9
    )


def test_pairs_are_bound_by_the_gains_of_their_genes_and_by_their_own():
    g = random_graph(np.random.default_rng(6), 60)
    c = target_reach(g, ["+".join(p) for p in combinations(g.genes[:40], 2)], g.genes)
    s, limits = greedy(c, 12), make_limits(c, 12)
    assert len(c.elements) * 12 < LOOKS and s.upper_bound == pytest.approx(
        all_prefixes(c, s, limits), rel=1e-12
    )
    state = c.followed()
    for k in range(5):
        exact = c.start(c.positions(s.genes[:k]))
        assert (
            (state.gains() >= exact.gains() - 1e-9).all()
            and state.current == pytest.approx(exact.current)
            and not state.exact_gains
        )
        state = state.joined(c.positions(s.genes[k : k + 1]))


# ---- nested designs ----


@pytest.mark.parametrize("make", [GraphReach, SoftReach])
def test_values_are_a_running_sum_however_the_run_is_cut(make):
    "Compiled runs go in pieces whose ends depend on the budget; the values of a prefix do not, to the last bit."
    for seed in range(4):
        rng = np.random.default_rng(seed)
        g = random_graph(rng, 60, weighted=True)
        c = make(g, weights=dict(zip(g.genes, rng.random(60))))
        whole = greedy(c, 60)
        for b in range(1, 60):
            assert greedy(c, b).values == whole.values[:b]


@pytest.mark.parametrize(
    "make,columns", [(GraphReach, {"level", "level_gain"}), (SoftReach, set())]
)
def test_an_empty_plan_has_the_columns_of_any_other(make, columns):
    "A cap of zero leaves nothing to pick: the table is empty and has its columns, in every method."
    g = from_edges(list("000"), list("123"))
    limits = dict(groups=dict.fromkeys("0123", "plate"), caps=0, costs={"0": 2.0})
    for method in ("naive", "lazy", "compiled", "stochastic", "threshold"):
        s = greedy(make(g), 3, method=method, random_state=0, **limits)
        assert len(s) == 0 and s.columns == dict.fromkeys({*columns, "cost", "group"}, [])


@pytest.mark.parametrize("name", INSTANCES)
@given(seed=SEEDS)
@settings(max_examples=8)
def test_prefixes_and_repetition(name, seed):
    rng, c, _ = instance(name, seed)
    whole = greedy(c, len(c.elements))
    for b in (1, len(c.elements) // 2):
        part = greedy(c, b)
        assert part.genes == whole.genes[:b] and part.gains == whole.gains[:b]
    assert greedy(c, len(c.elements)).genes == whole.genes
    if c.monotone and c.submodular:
        assert whole.certificate == pytest.approx(1, abs=1e-6), "everything is the best there is"
    budget, limits = random_limits(rng, c, kinds=("measured", "exclude", "must", "caps"))
    methods = (
        ["auto", "naive"]
        + ["lazy"] * bool(c.submodular)
        + ["compiled"] * isinstance(c, RowCriterion)
    )
    for method, ties in product(methods, TIES):
        whole = greedy(c, budget, method=method, ties=ties, **limits)
        for b in {max(1, len(limits["must"])), max(1, len(limits["must"]), budget // 2)}:
            part = greedy(c, b, method=method, ties=ties, **limits)
            assert (
                part.genes == whole.genes[:b]
                and part.gains == whole.gains[:b]
                and part.values == whole.values[:b]
            )
            assert part.columns == {k: v[:b] for k, v in whole.columns.items()}


# ---- order of the input ----


@pytest.mark.parametrize("name", CRITERIA)
@given(seed=SEEDS)
@settings(max_examples=8)
def test_the_order_of_the_input_does_not_matter(name, seed):
    rng = np.random.default_rng(seed)
    names = gene_names(14)
    source, target = rng.choice(names, (2, 40))
    weight, elements, targets = (
        rng.random(40),
        [*rng.permutation(names[:9]), "g02+g11", "g04+g06", "g01+g08+g12"],
        rng.permutation(names[4:]),
    )
    weight[::3] = weight[0]
    weights = (
        {t: float(w) for t, w in zip(targets, rng.random(len(targets)))}
        if name not in ("maxspec", "topeig")
        else None
    )
    limits = dict(
        measured=sorted(elements[:2]),
        exclude=set(elements[2:3]),
        must=elements[-2:],
        costs={e: float(rng.integers(1, 4)) for e in elements},
        groups={e: e[2] for e in elements},
        caps=3,
    )
    shuffled = lambda d: {k: d[k] for k in rng.permutation(list(d))}
    plans = []
    for _ in range(3):
        o = rng.permutation(40)
        g = from_edges(source[o], target[o], weight[o]).align(rng.permutation(names))[0]
        c = CRITERIA[name](
            g,
            rng.permutation(elements),
            rng.permutation(targets),
            **({"weights": shuffled(weights)} if weights else {}),
        )
        orders = (
            limits
            | {k: rng.permutation(limits[k]) for k in ("measured", "must")}
            | {k: shuffled(limits[k]) for k in ("costs", "groups")}
        )
        plans.append(
            [
                greedy(c, 6, measured=sorted(elements[:2]), exclude=set(elements[2:3])),
                greedy(c, 9, **orders),
                greedy(c, 4, method="stochastic", random_state=1),
            ]
            + ([greedy(c, 5, bound="dual")] if name in ("graphreach", "facility") else [])
        )
    for other in plans[1:]:
        for a, b in zip(plans[0], other):
            assert_same_plan(a, b)
            assert a.upper_bound == b.upper_bound and a.graph == b.graph


def test_the_order_of_the_measured_does_not_matter():
    g = random_graph(np.random.default_rng(7), 14, weighted=True)
    for name in CRITERIA:
        plans = [
            greedy(CRITERIA[name](g), 6, measured=m)
            for m in (["g01", "g05", "g09"], ["g09", "g01", "g05"], ["g05", "g09", "g01"])
        ]
        for other in plans[1:]:
            assert_same_plan(plans[0], other)


def test_a_run_leaves_the_criterion_as_it_was():
    for name in CRITERIA:
        c = make_criterion(name, PATH10)
        c.add(3)
        before = c.current, c.gains().copy()
        for method in ("auto", "naive", "lazy", "stochastic", "threshold"):
            greedy(c, 3, method=method, measured=["1"])
        assert c.current == before[0] and np.array_equal(c.gains(), before[1])


# ---- a criterion of one's own ----


class Degrees(Criterion):
    "The sum of the picks' degrees: nothing but reset, gains and add."

    name = "degrees"

    def reset(self):
        self.current = 0.0

    def gains(self, at=slice(None)):
        return (self.rows @ self.graph.degree)[at]

    def add(self, j):
        self.current += self.gain(j)


def test_twenty_lines_run_through_everything():
    c = Degrees(PATH10)
    for method in ("auto", "naive", "lazy", "threshold"):
        s = greedy(c, 3, method=method, must=["9"], groups=PLATES, caps=2)
        assert s.genes == ["9", "5", "0"] or s.genes == ["9", "0", "5"]
        assert s.certificate == 1
    assert greedy(c, 5, method="stochastic", random_state=0).upper_bound >= greedy(c, 5).value


# ---- what theory promises ----


def test_guarantees_are_stated():
    reach, costs, caps = target_reach(PATH10), dict(costs={}), dict(groups=PLATES, caps=2)
    promise = lambda **run: greedy(reach, 3, random_state=0, **run).guarantee
    assert promise() == "at least 1 - 1/e of the best value (Nemhauser, Wolsey & Fisher 1978)"
    assert promise(measured=["1"]).startswith(
        "at least 1 - 1/e of the best addition to what is given"
    ) and promise(must=["1"]) == promise(measured=["1"])
    assert promise(**caps).startswith("at least 1/2 of") and promise(**costs).startswith(
        "at least (1 - 1/e)/2 of"
    )
    for method in ("naive", "lazy", "compiled"):
        assert promise(method=method) == promise()
    for method in ("stochastic", "threshold"):
        assert promise(method=method, epsilon=0.2).startswith("at least 1 - 1/e - 0.2 of") and (
            "in expectation" in promise(method=method)
        ) == (method == "stochastic")
        assert promise(method=method, **caps).startswith("none is known") and promise(
            method=method, **costs
        ).startswith("none is known")
    assert promise(**costs, **caps).startswith("none is known for costs and caps together")
    assert promise(method="exact").startswith("the best plan")
    assert greedy(SupervisionVariance(PATH10), 2).guarantee == "none: variance is not submodular"


def promised(text):
    "The factor that a guarantee names; None where it names none."
    found = re.match(
        r"at least ([-+/(). 0-9e]+) of the best (value|addition to what is given)", text
    )
    assert found or text.startswith(("none", "the best plan")), text
    return eval(found[1].replace("1/e", str(1 / np.e))) if found else None


def assert_kept(plans, best, given_value, slack):
    "One guarantee for all plans, and kept: on average over the draws where it is one in expectation, else by each."
    assert len({s.guarantee for s in plans}) == 1
    factor, won = promised(plans[0].guarantee), [s.value - given_value for s in plans]
    if factor is None:
        return
    assert 0 < factor < 1 and ("addition" in plans[0].guarantee or given_value == 0)
    assert (np.mean(won) if len(plans) > 1 else min(won)) >= factor * (
        best - given_value
    ) - slack, plans[0].guarantee


@pytest.mark.parametrize("name", SUBMODULAR)
@given(seed=SEEDS)
@settings(max_examples=15)
def test_every_promise_is_kept(name, seed):
    "All methods under all limits at once, against the best plan there is."
    rng, c, _ = instance(name, seed)
    if not (c.monotone and c.submodular):
        return
    budget, limits = random_limits(rng, c, size=5)
    best, given_value, slack = (
        optimum(c, budget, limits),
        c.value(limits["measured"] + limits["must"]),
        1e-8 * c.scale,
    )
    for method in ["naive", "lazy"] + ["compiled"] * (name in ROWS) + ["threshold"]:
        for epsilon in (0.1, 0.5):
            assert_kept(
                [greedy(c, budget, method=method, epsilon=epsilon, **limits)],
                best,
                given_value,
                slack,
            )
    for epsilon in (0.1, 0.5):
        assert_kept(
            [
                greedy(c, budget, method="stochastic", epsilon=epsilon, random_state=i, **limits)
                for i in range(12)
            ],
            best,
            given_value,
            slack,
        )
    if name != "graphreach":
        return
    s = greedy(c, budget, method="exact", **limits)
    assert s.guarantee.startswith("the best plan") and s.value >= best - 1e-6 * c.scale


@pytest.mark.parametrize("name", ["graphreach", "softreach", "facility", "maxspec"])
@given(seed=SEEDS)
@settings(max_examples=6)
def test_the_promise_of_greedi_is_kept(name, seed):
    rng = np.random.default_rng(seed)
    g = random_graphs(rng, 9)
    c = make_criterion(name, g)
    budget, limits = random_limits(rng, c, size=5, kinds=("measured", "exclude", "must", "caps"))
    plans = [greedi(name, g, budget, parts=3, random_state=i, **limits) for i in range(5)]
    for s in plans:
        assert s.value == pytest.approx(c.value(limits["measured"] + s.genes), abs=1e-8 * c.scale)
    assert_kept(
        plans,
        optimum(c, budget, limits),
        c.value(limits["measured"] + limits["must"]),
        1e-8 * c.scale,
    )


@pytest.mark.parametrize(
    "limits",
    [
        dict(must=[f"dud{i:03}" for i in range(60)]),
        dict(measured=[f"dud{i:03}" for i in range(60)]),
    ],
    ids=["must", "measured"],
)
def test_a_sample_is_sized_by_what_is_left_of_the_budget(limits):
    """Sixty must-haves that reach nothing, five hubs that reach twenty each: the sample is one for five picks, not
    for sixty-five."""
    edges = [(f"hub{i}", f"hub{i} target{j:02}") for i in range(5) for j in range(20)]
    g = from_edges([t for _, t in edges], [h for h, _ in edges], directed=True)
    g = g.align([*g.genes, *(f"dud{i:03}" for i in range(200))])[0]
    c = target_reach(g, [n for n in g.genes if " " not in n], [t for _, t in edges])
    plans = [
        greedy(c, 5 + len(limits.get("must", ())), method="stochastic", random_state=i, **limits)
        for i in range(40)
    ]
    assert (
        promised(plans[0].guarantee) > 0.53
        and np.mean([s.value for s in plans]) >= promised(plans[0].guarantee) * 100
    )


def test_a_sample_without_gain_does_not_end_the_first_level():
    "That nothing is left to reach is for all candidates to say: a poor sample is no reason to reach things twice."
    g = from_edges(*zip(*[(f"hub{i}", f"leaf{i}{j}") for i in range(9) for j in range(4)]))
    c = target_reach(
        g, [n for n in g.genes if n.startswith("hub")] + [f"leaf0{j}" for j in range(4)]
    )
    for seed in range(20):
        s = greedy(c, 9, method="stochastic", epsilon=0.9, random_state=seed)
        assert all(
            level == 1 or gain == 0 for level, gain in zip(s.columns["level"], s.gains)
        ) and s.columns["level"] == sorted(s.columns["level"])
        assert s.columns["level"][-1] == 1 or s.value == c.value(c.elements)


def test_no_promise_of_nothing():
    for method in ("stochastic", "threshold"):
        assert greedy(
            target_reach(PATH10), 3, method=method, epsilon=0.7, random_state=0
        ).guarantee.startswith("none with epsilon 0.7")


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_a_sample_does_not_depend_on_the_currency(unit):
    "Costs ten thousand times as large are no reason to look at one candidate a step."
    g = random_graph(np.random.default_rng(3), 60)
    costs = dict(zip(g.genes, np.random.default_rng(4).integers(1, 4, 60).astype(float)))
    plain, other = (
        greedy(
            target_reach(g),
            12 * u,
            costs={n: u * v for n, v in costs.items()},
            method="stochastic",
            random_state=0,
        )
        for u in (1.0, unit)
    )
    assert plain.genes == other.genes


# ---- hostile runs ----


@pytest.mark.parametrize(
    "run,says",
    [
        (dict(budget=0), "budget"),
        (dict(budget=-1), "budget"),
        (dict(budget=11), "only 10 candidates can be picked; lower it or give more"),
        (dict(budget=2.5), "whole number"),
        (dict(budget=2.0), "whole number"),
        (dict(budget="3"), "budget"),
        (dict(budget=None), "budget"),
        (dict(budget=True), "budget"),
        (dict(budget=float("nan")), "budget"),
        (dict(budget=float("inf")), "budget"),
        (dict(budget=9, measured=["0"], exclude=["1"]), "only 8"),
        (dict(budget=1, exclude=PATH10.genes), "only 0"),
        (dict(budget=1, measured=["X"]), "not among the elements: X"),
        (dict(budget=1, method="fast"), "method is 'fast'; use one of auto, naive"),
        (dict(budget=1, method=None), "method"),
        (dict(budget=1, ties="first"), "ties is 'first'; use one of soft, index"),
        (dict(budget=1, bound="lp"), "bound is 'lp'; use one of gains, dual"),
        (dict(budget=1, epsilon=0), "epsilon is 0; give a number above 0 and below 1"),
        (dict(budget=1, epsilon=1), "epsilon"),
        (dict(budget=1, epsilon=float("nan")), "epsilon"),
        (dict(budget=1, epsilon=-0.1), "epsilon"),
        (dict(budget=1, method="stochastic", random_state="x"), "random_state"),
        (dict(budget=0, costs={}), "buys nothing"),
        (dict(budget=-1.0, costs={}), "buys nothing"),
        (dict(budget=float("nan"), costs={}), "budget"),
        (dict(budget=float("inf"), costs={}), "budget"),
        (dict(budget="3", costs={}), "cost units"),
        (dict(budget=None, costs={}), "cost units"),
        (dict(budget=True, costs={}), "cost units"),
        (dict(budget=0.5, costs={"0": 3.0}), "buys nothing: the cheapest of 10 candidates costs 1"),
        (dict(budget=3, costs={"0": 0}), "costs must be positive numbers; mend those of 0"),
        (dict(budget=3, costs={"0": -1}), "mend those of 0"),
        (dict(budget=3, costs={"0": float("nan")}), "mend those of 0"),
        (dict(budget=3, costs={"0": float("inf")}), "mend those of 0"),
        (dict(budget=3, costs={"0": "cheap"}), "costs must be positive numbers .*mend"),
        (dict(budget=3, costs=[1] * 10), "give a mapping"),
        (dict(budget=3, costs={"0": None}), "costs"),
        (dict(budget=1, costs={}, exclude=PATH10.genes), "budget|candidate"),
        (
            dict(budget=5, groups=PLATES, caps=2),
            "caps cannot be met: they allow 4 picks, the budget asks for 5; raise the caps or lower",
        ),
        (dict(budget=1, groups=PLATES, caps=0), "caps cannot be met"),
        (dict(budget=6, groups=PLATES, caps={"left": 1}, exclude=["9"]), "allow 5 picks"),
        (dict(budget=2, caps=1), "belong together; give both"),
        (dict(budget=2, groups=["a"], caps=1), "give a mapping"),
        (
            dict(budget=2, groups=PLATES, caps={"middle": 1}),
            "no candidate belongs to: middle; mend the names",
        ),
        (dict(budget=2, groups=PLATES, caps=-1), "the cap of left is -1"),
        (dict(budget=2, groups=PLATES, caps=1.5), "the cap of left is 1.5"),
        (dict(budget=2, groups=PLATES, caps=True), "the cap of left"),
        (dict(budget=2, groups=PLATES, caps={"left": None}), "the cap of left"),
        (
            dict(budget=3, groups=PLATES, caps=1, must=["0", "1"]),
            "more must-have genes than the cap allows in left; raise the cap or drop some",
        ),
        (
            dict(budget=2, must=["0", "1", "2"]),
            "3 must-have genes cost 3, the budget is 2; raise it or drop some",
        ),
        (
            dict(budget=2.5, must=["0"], costs={"0": 3.0}),
            "must-have genes cost 3, the budget is 2.5",
        ),
        (dict(budget=2, must=["X"]), "not among the elements: X"),
        (
            dict(budget=2, must=["0"], exclude=["0"]),
            "excluded or already measured: 0; take them off one list",
        ),
        (dict(budget=2, must=["0"], measured=["0"]), "already measured: 0"),
    ],
    ids=str,
)
def test_hostile_runs(run, says):
    with pytest.raises(GraphselError, match=says):
        greedy(target_reach(PATH10), run.pop("budget"), **run)


@pytest.mark.parametrize(
    "run",
    [
        dict(epsilon="x"),
        dict(epsilon=None),
        dict(method="exact", seconds="x"),
        dict(method="exact", seconds=None),
        dict(method="exact", seconds=float("nan")),
        dict(method="exact", seconds=-1),
    ],
    ids=str,
)
def test_hostile_settings_of_a_method(run):
    with pytest.raises(GraphselError):
        greedy(target_reach(PATH10), 2, **run)


def test_no_time_for_the_exact_plan():
    with pytest.raises(GraphselError, match="no plan found within 1e-09 s .*allow more time"):
        greedy(target_reach(PATH10), 2, method="exact", seconds=1e-9)


def test_an_empty_graph_and_no_candidates():
    with pytest.raises(GraphselError, match="no edge between two different genes; check"):
        from_edges([], [])
    with pytest.raises(GraphselError, match="candidates: none is left; give at least one"):
        target_reach(PATH10, [])
    assert set(METHODS) >= {"naive", "lazy", "compiled", "stochastic", "threshold", "exact"}


def test_limits_at_their_edge():
    "Budgets that are spent to the last unit, caps that are full, must-haves that are everything."
    reach = target_reach(PATH10)
    assert len(greedy(reach, 10)) == 10 and len(greedy(reach, 4, groups=PLATES, caps=2)) == 4
    assert sorted(greedy(reach, 3, must=["1", "2", "3"]).genes) == ["1", "2", "3"]
    assert len(greedy(reach, 0.3, costs=dict.fromkeys(PATH10.genes, 0.1))) == 3, (
        ".1 + .1 + .1 is .3, whatever the last bit says"
    )
    assert greedy(reach, 2, must=["1", "1"]).genes[0] == "1" and greedy(
        reach, 2, groups=PLATES, caps={"left": 0}
    ).genes == ["5", "9"]
    assert greedy(reach, 10, costs={}).genes == greedy(reach, 10).genes
    assert greedy(reach, np.int64(3)).genes == greedy(reach, 3).genes


def test_costs_with_one_that_is_dear():
    s = greedy(target_reach(PATH10), 1.5, costs={"0": 9.0})
    assert len(s) == 1 and s.genes != ["0"]


def test_one_large_beats_many_small_per_cost():
    "The example on which gain per cost alone is arbitrarily bad."
    g = from_edges(["hub"] * 9, [f"x{i}" for i in range(9)], directed=False)
    s = greedy(
        target_reach(g, elements=["hub", "x0"], targets=[f"x{i}" for i in range(9)]),
        9,
        costs={"hub": 9.0, "x0": 0.5},
    )
    assert s.genes == ["hub"] and s.value == 9
