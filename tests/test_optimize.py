"""The maximizer against brute force, against itself (lazy = naive), and against a slow greedy of its own; plans on disk."""
import json
from dataclasses import asdict, replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from test_criteria import INSTANCES, instance, random_lists, touched, weigh
from test_graph import dense_operator, gene_names, random_graph, random_graphs

from graphsel.core import GraphselError
from graphsel.criteria import CRITERIA, FacilityLocation, GraphReach, MaxSpec, SoftReach, SupervisionVariance
from graphsel.graph import from_edges, read_graph
from graphsel.optimize import Selection, best_sum, greedy

SEEDS = st.integers(0, 2**32 - 1)
SUBMODULAR = [n for n, c in CRITERIA.items() if c.submodular]
PATH10 = from_edges(list("000045558"), list("123456789"))


def random_run(rng, c):
    "Measured and excluded elements, and a budget that fits."
    names = list(rng.permutation(c.elements))
    k, l = rng.integers(0, 3, 2)
    return dict(measured=names[:k], exclude=names[k:k + l], budget=int(rng.integers(1, max(2, len(names) - k - l + 1))))


def assert_same_plan(a, b):
    assert a.genes == b.genes
    assert np.array(a.gains).tobytes() == np.array(b.gains).tobytes() and np.array(a.values).tobytes() == np.array(b.values).tobytes()
    assert a.columns == b.columns and a.measured_value == b.measured_value


# ---- lazy = naive ----

@pytest.mark.parametrize("ties", ["soft", "index"])
@pytest.mark.parametrize("name", SUBMODULAR)
@given(seed=SEEDS)
@settings(max_examples=30)
def test_lazy_is_naive(name, ties, seed):
    rng, c, _ = instance(name, seed)
    run = random_run(rng, c)
    if run["budget"] > len(c.elements) - len(run["measured"]) - len(run["exclude"]): return
    naive, lazy = (greedy(c, method=m, ties=ties, **run) for m in ("naive", "lazy"))
    assert_same_plan(naive, lazy)
    assert len(set(naive.genes)) == run["budget"] and not set(naive.genes) & {*run["measured"], *run["exclude"]}
    assert naive.upper_bound >= naive.value - 1e-9 and lazy.upper_bound >= lazy.value - 1e-9


def ring(n): return from_edges(gene_names(n), gene_names(n)[1:] + gene_names(n)[:1])
def star(n): return from_edges([gene_names(n)[0]]*(n - 1), gene_names(n)[1:])
def complete(n): return from_edges(*zip(*combinations(gene_names(n), 2)))
def islands(n): return from_edges(gene_names(n)[::2], gene_names(n)[1::2])
def grid(n): return from_edges([f"g{i}{j}" for i in range(n) for j in range(n - 1)] + [f"g{j}{i}" for i in range(n) for j in range(n - 1)],
                               [f"g{i}{j}" for i in range(n) for j in range(1, n)] + [f"g{j}{i}" for i in range(n) for j in range(1, n)])


@pytest.mark.parametrize("make", [lambda g: GraphReach(g), lambda g: GraphReach(g, hops=2), lambda g: SoftReach(g), lambda g: SoftReach(g, form="noisyor"),
                                  lambda g: SoftReach(g, form="facility", hops=2), lambda g: FacilityLocation(g), lambda g: MaxSpec(g), lambda g: MaxSpec(g, hops=2)])
@pytest.mark.parametrize("graph", [ring(12), star(9), complete(7), islands(10), grid(4)], ids=["ring", "star", "complete", "islands", "grid"])
def test_lazy_is_naive_where_everything_ties(graph, make):
    for ties in ("soft", "index"):
        for run in (dict(budget=len(graph)), dict(budget=3, measured=list(graph.genes[2:4]), exclude=list(graph.genes[:1]))):
            assert_same_plan(*(greedy(make(graph), method=m, ties=ties, **run) for m in ("naive", "lazy")))


def test_lazy_computes_less():
    g = random_graph(np.random.default_rng(0), 60)
    naive, lazy = (greedy(SoftReach(g), 20, method=m) for m in ("naive", "lazy"))
    assert lazy.evaluations < naive.evaluations


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
            if max(gain.values()) > 1e-9 or level > count.max(): break # above the highest count there is nothing left to reach
            level += 1
        soft = {j: a @ np.maximum(Q[j] - best, 0) for j in rest}
        j = min(rest, key=lambda j: (-round(gain[j], 9), -round(soft[j], 9), -round(degree[j], 9), elements[j]))
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
    measured = list(rng.permutation(elements)[:rng.integers(0, 2)])
    c = GraphReach(graph, elements, targets, hops=hops, weights=weights)
    budget = len(elements) - len(measured)
    expected = slow_reach(c, graph, elements, targets, weights, hops, budget, measured)
    for method in ("naive", "lazy"):
        s = greedy(c, budget, method=method, measured=measured)
        assert s.genes == [e[0] for e in expected]
        np.testing.assert_allclose(s.gains, [e[1] for e in expected], atol=1e-9)
        assert s.columns["level"] == [e[2] for e in expected]
        np.testing.assert_allclose(s.columns["level_gain"], [e[3] for e in expected], atol=1e-9)


def test_candidates_that_reach_nothing_do_not_hang():
    g = from_edges(["A", "C"], ["B", "D"], directed=True).align([*"ABCDXYZ"])[0]
    for method in ("naive", "lazy"):
        s = greedy(GraphReach(g, ["X", "Y", "Z"], ["A"]), 3, method=method)
        assert s.genes == ["X", "Y", "Z"] and s.gains == [0, 0, 0] and s.upper_bound == 0 and s.certificate == 1
        s = greedy(GraphReach(g, ["X", "A", "Y", "Z"], ["A"]), 4, method=method)
        assert s.genes[0] == "A" and s.gains == [1, 0, 0, 0]
        s = greedy(GraphReach(g, weights=dict.fromkeys(g.genes, 0.0)), 7, method=method)
        assert len(s) == 7 and s.value == 0


# ---- brute force ----

def optimum(c, at, budget, measured=(), costs=None):
    "The best value of any affordable set, by trying all."
    sets = (S for k in range(len(at) + 1) for S in combinations(at, k)) if costs is not None else combinations(at, min(budget, len(at)))
    return max(c.value([*measured, *S]) for S in sets if costs is None or sum(costs.get(n, 1.0) for n in S) <= budget + 1e-12)


@pytest.mark.parametrize("name", SUBMODULAR)
@given(seed=SEEDS)
@settings(max_examples=15)
def test_greedy_against_the_optimum(name, seed):
    rng, c, _ = instance(name, seed)
    names = list(rng.permutation(c.elements))
    measured, exclude, budget = names[:rng.integers(0, 2)], names[3:3 + rng.integers(0, 2)], int(rng.integers(1, 4))
    at = [n for n in c.elements if n not in {*measured, *exclude}]
    budget = min(budget, len(at))
    best = optimum(c, at, budget, measured)
    for method in ("naive", "lazy"):
        s = greedy(c, budget, measured=measured, exclude=exclude, method=method)
        assert s.value - s.measured_value >= (1 - 1/np.e)*(best - s.measured_value) - 1e-9
        assert best - 1e-9 <= s.upper_bound and s.value <= best + 1e-9
        assert s.certificate is None or 0 <= s.certificate <= 1
        assert s.value == pytest.approx(c.value(measured + s.genes), abs=1e-8)
        assert s.values == pytest.approx(np.cumsum([s.measured_value, *s.gains])[1:].tolist(), abs=1e-8)


@pytest.mark.parametrize("name", SUBMODULAR)
@given(seed=SEEDS)
@settings(max_examples=10)
def test_costs_against_the_optimum(name, seed):
    rng, c, _ = instance(name, seed)
    names = list(rng.permutation(c.elements))[:8]
    costs, exclude, measured = {n: float(rng.choice([.5, 1, 2, 3.7])) for n in names[1:]}, [n for n in c.elements if n not in names], names[:rng.integers(0, 2)]
    at = [n for n in names if n not in measured]
    price = {n: costs.get(n, 1.0) for n in at}
    budget = float(rng.uniform(min(price.values()), sum(price.values())))
    best = optimum(c, at, budget, measured, price)
    s = greedy(c, budget, measured=measured, exclude=exclude, costs=costs)
    assert sum(price[n] for n in s.genes) <= budget + 1e-8 and s.columns["cost"] == [price[n] for n in s.genes]
    assert s.value - s.measured_value >= (1 - 1/np.e)/2*(best - s.measured_value) - 1e-9
    assert s.value - 1e-9 <= best <= s.upper_bound + 1e-9
    left = budget - sum(price[n] for n in s.genes)
    assert not [n for n in at if n not in s.genes and price[n] < left - 1e-8], "money is left for another candidate"


@given(seed=SEEDS)
@settings(max_examples=40)
def test_best_sum_against_linear_programming(seed):
    from scipy.optimize import linprog
    rng = np.random.default_rng(seed)
    gains, costs, budget = rng.normal(1, 1, 6), rng.uniform(.2, 3, 6), float(rng.uniform(0, 9))
    best = -linprog(-gains, A_ub=[costs], b_ub=[budget], bounds=(0, 1)).fun
    assert best_sum(gains, budget, costs) == pytest.approx(best, abs=1e-7)
    assert best_sum(gains, 3) == pytest.approx(max(sum(np.maximum(gains, 0)[list(S)]) for S in combinations(range(6), 3)))


@given(seed=SEEDS)
@settings(max_examples=25)
def test_variance_picks_are_scored_exactly_and_unbounded(seed):
    rng, c, f = instance("variance", seed)
    run = random_run(rng, c)
    budget, measured = min(run["budget"], 4, len(c.elements) - len(run["measured"]) - len(run["exclude"])), run["measured"]
    if budget < 1: return
    s = greedy(c, budget, measured=measured, exclude=run["exclude"])
    assert s.upper_bound is None and s.certificate is None
    S = [int(c.positions([m])[0]) for m in measured]
    for name, gain in zip(s.genes, s.gains):
        at = [j for j, e in enumerate(c.elements) if j not in S and e not in run["exclude"]]
        all_gains = {j: f(np.array(sorted(S + [j]))) - f(np.array(sorted(S))) for j in at}
        j = int(c.positions([name])[0])
        assert gain == pytest.approx(all_gains[j], abs=1e-8) and gain >= max(all_gains.values()) - 2e-9
        S.append(j)


@pytest.mark.parametrize("name", INSTANCES)
@given(seed=SEEDS)
@settings(max_examples=10)
def test_prefixes_and_repetition(name, seed):
    _, c, _ = instance(name, seed)
    whole = greedy(c, len(c.elements))
    for b in (1, len(c.elements)//2):
        part = greedy(c, b)
        assert part.genes == whole.genes[:b] and part.gains == whole.gains[:b]
    assert greedy(c, len(c.elements)).genes == whole.genes
    if c.submodular: assert whole.certificate == pytest.approx(1, abs=1e-6), "everything is the best there is"


def test_certificate_on_whole_string(shared_data):
    "The share of the optimum that 1,000 picks surely reach at one hop: .88."
    s = greedy(GraphReach(read_graph(shared_data/"string_v12.tsv.gz"), hops=1), 1000)
    assert s.certificate == pytest.approx(0.88, abs=0.005) and len(set(s.genes)) == 1000
    assert (np.diff(s.gains) <= 1e-9).all(), "gains only shrink"


# ---- order of the input ----

@pytest.mark.parametrize("name", CRITERIA)
@given(seed=SEEDS)
@settings(max_examples=12)
def test_the_order_of_the_input_does_not_matter(name, seed):
    rng = np.random.default_rng(seed)
    names = gene_names(14)
    source, target = rng.choice(names, (2, 40))
    weight, elements, targets = rng.random(40), rng.permutation(names[:10]), rng.permutation(names[4:])
    weight[::3] = weight[0]
    weights = {t: float(w) for t, w in zip(targets, rng.random(len(targets)))} if name != "maxspec" else None
    plans = []
    for _ in range(3):
        o = rng.permutation(40)
        g = from_edges(source[o], target[o], weight[o]).align(rng.permutation(names))[0]
        c = CRITERIA[name](g, rng.permutation(elements), rng.permutation(targets), **({"weights": {t: weights[t] for t in rng.permutation(targets)}} if weights else {}))
        plans.append(greedy(c, 6, measured=sorted(elements[:2]), exclude=set(elements[2:3])))
    for other in plans[1:]:
        assert other.genes == plans[0].genes and np.array(other.gains).tobytes() == np.array(plans[0].gains).tobytes()
        assert other.upper_bound == plans[0].upper_bound and other.graph == plans[0].graph


def test_the_order_of_the_measured_does_not_matter():
    g = random_graph(np.random.default_rng(7), 14, weighted=True)
    for name in CRITERIA:
        plans = [greedy(CRITERIA[name](g), 6, measured=m) for m in (["g01", "g05", "g09"], ["g09", "g01", "g05"], ["g05", "g09", "g01"])]
        for other in plans[1:]: assert_same_plan(plans[0], other)


# ---- hostile runs ----

@pytest.mark.parametrize("run,says", [
    (dict(budget=0), "budget"), (dict(budget=-1), "budget"), (dict(budget=11), "only 10"), (dict(budget=2.5), "whole number"), (dict(budget=2.0), "whole number"), (dict(budget="3"), "budget"),
    (dict(budget=None), "budget"), (dict(budget=True), "budget"), (dict(budget=float("nan")), "budget"), (dict(budget=float("inf")), "budget"),
    (dict(budget=9, measured=["0"], exclude=["1"]), "only 8"), (dict(budget=1, exclude=PATH10.genes), "only 0"), (dict(budget=1, measured=["X"]), "X"),
    (dict(budget=1, method="fast"), "method"), (dict(budget=1, ties="first"), "ties"),
    (dict(budget=0, costs={}), "budget"), (dict(budget=-1.0, costs={}), "budget"), (dict(budget=float("nan"), costs={}), "budget"), (dict(budget=float("inf"), costs={}), "budget"),
    (dict(budget="3", costs={}), "budget"), (dict(budget=None, costs={}), "budget"),
    (dict(budget=3, costs={"0": 0}), "costs"), (dict(budget=3, costs={"0": -1}), "costs"), (dict(budget=3, costs={"0": float("nan")}), "costs"), (dict(budget=3, costs={"0": "cheap"}), "costs"),
    (dict(budget=3, costs={"0": None}), "costs"), (dict(budget=1, costs={}, exclude=PATH10.genes), "budget|candidate")], ids=str)
def test_hostile_runs(run, says):
    with pytest.raises(GraphselError, match=says): greedy(GraphReach(PATH10), run.pop("budget"), **run)


def test_costs_with_one_that_is_dear():
    s = greedy(GraphReach(PATH10), 1.5, costs={"0": 9.0})
    assert len(s) == 1 and s.genes != ["0"]
    assert greedy(GraphReach(PATH10), 10, costs={}).genes == greedy(GraphReach(PATH10), 10).genes


def test_one_large_beats_many_small_per_cost():
    "The example on which gain per cost alone is arbitrarily bad."
    g = from_edges(["hub"]*9, [f"x{i}" for i in range(9)], directed=False)
    s = greedy(GraphReach(g, elements=["hub", "x0"], targets=[f"x{i}" for i in range(9)]), 9, costs={"hub": 9.0, "x0": 0.5})
    assert s.genes == ["hub"] and s.value == 9


# ---- plans on disk ----

@pytest.mark.parametrize("make", [lambda: greedy(GraphReach(PATH10), 3, measured=["4"]), lambda: greedy(SupervisionVariance(PATH10), 3), lambda: greedy(MaxSpec(PATH10), 3.5, costs={"0": 2.0}),
                                  lambda: greedy(GraphReach(PATH10), np.int64(3)), lambda: greedy(GraphReach(PATH10), np.float64(3), costs={}),
                                  lambda: greedy(GraphReach(PATH10), 2, measured=PATH10.genes[:2])], ids=["measured", "variance", "costs", "numpy budget", "numpy costs", "numpy names"])
def test_plans_survive_the_disk(make, tmp_path):
    s = make()
    back = Selection.load(s.save(tmp_path/"plan.json"))
    assert asdict(back) == asdict(s) and back.certificate == s.certificate and repr(back) == repr(s)
    frame = s.to_frame()
    assert list(frame.columns[:4]) == ["rank", "gene", "gain", "value"] and frame["gene"].tolist() == s.genes
    s.to_csv(tmp_path/"picks.csv")
    assert (tmp_path/"picks.csv").read_text().splitlines()[0].startswith("rank,gene,gain,value")


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", '"x"', "null", '{"a": 1}', '{"genes": ["A"]}'])
def test_hostile_plans(text, tmp_path):
    (tmp_path/"plan.json").write_text(text)
    with pytest.raises(GraphselError, match="plan.json"): Selection.load(tmp_path/"plan.json")


def test_plan_files_are_json_for_everyone(tmp_path):
    "NaN is no JSON: other languages refuse the file."
    s = replace(greedy(GraphReach(PATH10), 2), gains=[float("nan")]*2, values=[float("nan")]*2)
    text = s.save(tmp_path/"plan.json").read_text()
    json.loads(text, parse_constant=lambda o: pytest.fail(f"{o} in the file"))
    assert np.isnan(Selection.load(tmp_path/"plan.json").gains).all()
