"""`select` as a user meets it: lists with slips, policies, budgets, determinism across processes, baselines
against brute force."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import printed_under
from helpers import dense_kernel, gene_names, random_graph, random_graphs
from hypothesis import given, settings
from hypothesis import strategies as st

from graphsel.core.errors import GraphselError
from graphsel.core.randomness import as_rng
from graphsel.criteria.base import CRITERIA
from graphsel.criteria.registry import make_criterion
from graphsel.genes.perturbations import perturbed_genes
from graphsel.graphs.build import from_edges
from graphsel.graphs.graph import combine, fill_layers
from graphsel.selection.baselines import pick_kcenter, pick_typiclust, squared_distances, typicality
from graphsel.selection.greedy import greedy
from graphsel.selection.names import in_known_names
from graphsel.selection.plan import Selection
from graphsel.selection.select import make_problem, select
from graphsel.selection.strategies import STRATEGIES, Problem, Strategy, ranked, strategy

SEEDS = st.integers(0, 2**32 - 1)
ONE_SHOT = [n for n, s in STRATEGIES.items() if s.kind in ("criterion", "baseline")]
BASELINES = [n for n in ONE_SHOT if STRATEGIES[n].kind == "baseline"]
G = random_graph(np.random.default_rng(5), 20, directed=False, weighted=True)
NAMES = list(G.genes)


# ---- what is picked, and what is said about the rest ----


def test_the_names_that_others_script_against():
    assert set(ONE_SHOT) == {
        "random",
        "degree",
        "pagerank",
        "kcenter",
        "kmeans",
        "typiclust",
        "facility",
        "graphreach",
        "softreach",
        "maxspec",
        "variance",
        "graphcut",
        "topeig",
    }


@pytest.mark.parametrize("name", ONE_SHOT)
@given(seed=SEEDS)
@settings(max_examples=12)
def test_every_strategy_keeps_to_the_lists(name, seed):
    rng = np.random.default_rng(seed)
    g = random_graphs(rng, 12)
    candidates = list(
        rng.permutation([*g.genes, "g01+g02", "XIST", "XIST+g00"])[: rng.integers(6, 15)]
    )
    measured, exclude = (
        list(rng.choice([*g.genes, "NOPE"], 2, replace=False)),
        list(rng.choice(g.genes, 2, replace=False)),
    )
    pickable = {c for c in candidates if "XIST" not in c} - set(measured) - set(exclude)
    if not pickable:
        return
    budget = int(rng.integers(1, len(pickable) + 1))
    s = select(
        g, budget, name, candidates=candidates, measured=measured, exclude=exclude, random_state=0
    )
    assert len(s) == len(set(s.genes)) == budget and set(s.genes) <= pickable
    assert (
        s.strategy == name
        and s.budget == budget
        and s.n_candidates == len(pickable)
        and set(s.measured) == set(measured) & set(g.genes)
    )
    assert len(s.gains) == len(s.values) == budget
    for n in [*candidates, *measured]:
        assert n in pickable or n in s.report or n in s.measured, f"{n} was dropped in silence"
    assert not set(s.report) & pickable


@pytest.mark.parametrize("name", [n for n in ONE_SHOT if STRATEGIES[n].nested])
@given(seed=SEEDS)
@settings(max_examples=8)
def test_nested_means_nested(name, seed):
    rng = np.random.default_rng(seed)
    g, measured = (
        random_graphs(rng, 12),
        list(rng.choice(gene_names(12), rng.integers(0, 3), replace=False)),
    )
    whole = select(g, 12 - len(measured), name, measured=measured, random_state=7)
    for budget in (1, 4, 8):
        assert (
            select(g, budget, name, measured=measured, random_state=7).genes == whole.genes[:budget]
        )


@pytest.mark.parametrize("name", CRITERIA)
def test_select_is_greedy_on_the_criterion(name):
    candidates, targets = NAMES[:12], NAMES[6:]
    c = make_criterion(name, G, sorted({*candidates, NAMES[15]}), targets, hops=1)
    s, direct = (
        select(G, 5, name, candidates=candidates, targets=targets, measured=[NAMES[15]], hops=1),
        greedy(c, 5, measured=[NAMES[15]], exclude=[NAMES[15]]),
    )
    assert (
        s.genes == direct.genes
        and s.gains == direct.gains
        and s.measured_value == direct.measured_value
        and s.upper_bound == direct.upper_bound
    )
    assert s.params["hops"] == 1 and s.graph == G.fingerprint


def test_targets_default_to_the_candidates_also_the_excluded_ones():
    s = select(G, 3, candidates=NAMES[:10], exclude=NAMES[:2], measured=NAMES[2:3])
    assert s.n_targets == 10


def test_spellings_of_one_perturbation_are_one():
    spelled = select(
        G,
        3,
        candidates=["g03+g01", "g01+ctrl", *NAMES[4:9]],
        exclude=["ctrl+g05"],
        measured=["g06+ctrl"],
        random_state=0,
    )
    plain = select(
        G,
        3,
        candidates=["g01+g03", "g01", *NAMES[4:9]],
        exclude=["g05"],
        measured=["g06"],
        random_state=0,
    )
    assert (
        spelled.genes == plain.genes
        and spelled.n_candidates == plain.n_candidates
        and spelled.measured == plain.measured == ["g06"]
    )
    with pytest.raises(GraphselError, match="candidates: named twice: g01\\+g03"):
        select(G, 3, candidates=["g03+g01", "g01 + g03", *NAMES[4:9]])
    with pytest.raises(GraphselError, match="targets: named twice: g05"):
        select(G, 3, targets=["g05", "g05+ctrl"])
    with pytest.raises(GraphselError, match="candidates: an empty name"):
        select(G, 3, candidates=["g05", " "])


def test_costs_may_be_spelled_like_the_candidates():
    "`B+A` in the cost list is the price of A+B."
    lists = dict(candidates=["g03+g01", *NAMES[4:9]], targets=NAMES)
    dear = select(G, 3.0, costs={"g03+g01": 2.5, "g05+ctrl": 2.0}, **lists)
    assert dict(zip(dear.genes, dear.columns["cost"])) == {
        n: {"g01+g03": 2.5, "g05": 2.0}.get(n, 1.0) for n in dear.genes
    }
    assert dear.genes == select(G, 3.0, costs={"g01+g03": 2.5, "g05": 2.0}, **lists).genes


def test_the_control_is_nothing_to_pick():
    "Lists taken from a screen hold its control; it touches no gene."
    for candidates in (
        [*NAMES[:5], "ctrl"],
        [*NAMES[:5], "control"],
        [*NAMES[:5], "non-targeting"],
    ):
        with pytest.raises(GraphselError):
            select(G, 6, "random", candidates=candidates, random_state=0)
        assert "control" not in select(G, 5, "degree", candidates=candidates).genes
        s = select(G, 5, candidates=candidates)
        assert s.n_candidates == 5 and len(s.report) == 1


@pytest.mark.parametrize("what", ["candidates", "targets", "measured", "exclude", "costs"])
def test_unknown_names_are_reported_in_every_list(what):
    given = {
        "candidates": [*NAMES, "XIST"],
        "targets": [*NAMES, "XIST"],
        "measured": ["XIST"],
        "exclude": ["XIST"],
        "costs": {"XIST": 2.0},
    }[what]
    for missing in ("report", "drop"):
        s = select(G, 2, missing=missing, **{what: given})
        assert "XIST" in s.report and what in s.report["XIST"]
    with pytest.raises(GraphselError, match=f"{what}.*XIST"):
        select(G, 2, missing="error", **{what: given})


def test_backoff_keeps_genes_that_no_graph_knows(caplog):
    "They stand for themselves alone: picked last, reached by nobody else; a fallback graph connects them."
    alone = select(G, len(NAMES) + 1, candidates=[*NAMES, "XIST"], missing="backoff")
    assert (
        sorted(alone.genes) == sorted([*NAMES, "XIST"])
        and "XIST" not in alone.report
        and "XIST" in caplog.text
    )
    lists = dict(targets=["XIST"], candidates=NAMES, missing="backoff")
    assert select(G, 3, "variance", kernel="cosine", **lists).value == pytest.approx(0)
    shift = select(G, 3, "variance", **lists)
    assert 0 < shift.share < 0.1, "only the shift that all share is known of it"
    linked = select(
        G,
        1,
        "variance",
        targets=["XIST"],
        candidates=NAMES,
        missing="backoff",
        fallback=[from_edges(["XIST"], [NAMES[3]])],
    )
    assert linked.genes == [NAMES[3]] and linked.value > 0.1
    assert (
        select(G, 3, candidates=iter([*NAMES[:4], "XIST"]), missing="backoff").n_candidates == 5
    )  # a list that can be read once
    with pytest.raises(GraphselError, match="fallback.*backoff"):
        select(G, 1, fallback=[G])
    with pytest.raises(GraphselError, match="belong together"):
        select(G, 1, groups={NAMES[0]: "plate"})


def test_a_name_unknown_to_two_lists_keeps_both_reasons():
    s = select(G, 2, candidates=[*NAMES, "XIST"], targets=[*NAMES, "XIST"])
    assert "candidates" in s.report["XIST"] and "targets" in s.report["XIST"]


def test_lists_that_are_one_string():
    "A word is no list of letters."
    for what in ("candidates", "targets", "measured", "exclude"):
        with pytest.raises(GraphselError):
            select(from_edges(list("ABC"), list("BCD")), 1, **{what: "A"})


def test_lists_may_be_any_iterable():
    for kind in (list, tuple, set, np.array, iter, dict.fromkeys):
        s = select(
            G,
            3,
            candidates=kind(NAMES[:9]),
            targets=kind(NAMES[5:]),
            measured=kind(NAMES[:2]),
            exclude=kind(NAMES[2:3]),
        )
        assert (
            s.genes
            == select(
                G,
                3,
                candidates=NAMES[:9],
                targets=NAMES[5:],
                measured=NAMES[:2],
                exclude=NAMES[2:3],
            ).genes
        )


# ---- budgets, costs, names ----


@pytest.mark.parametrize("name", ONE_SHOT)
@pytest.mark.parametrize("budget", [0, -3, 21, 2.5, 2.0, "3", None, float("nan"), True], ids=str)
def test_impossible_budgets(name, budget):
    with pytest.raises(GraphselError, match="budget"):
        select(G, budget, name, random_state=0)


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_refuse_costs(name):
    with pytest.raises(GraphselError, match="costs"):
        select(G, 3.5, name, costs={NAMES[0]: 2.0})


@pytest.mark.parametrize("name", CRITERIA)
def test_criteria_keep_to_the_money(name):
    costs = {n: 1 + i % 3 for i, n in enumerate(NAMES)}
    s = select(G, 7.5, name, costs=costs)
    assert sum(costs[n] for n in s.genes) <= 7.5 and s.columns["cost"] == [
        costs[n] for n in s.genes
    ]
    for budget in (0, -1, float("nan"), float("inf"), 0.5):
        with pytest.raises(GraphselError, match="budget"):
            select(G, budget, name, costs=costs)


def test_unknown_and_active_names(monkeypatch):
    with pytest.raises(GraphselError, match="did you mean 'graphreach'"):
        select(G, 2, "graphreech")
    with pytest.raises(GraphselError, match="unknown strategy"):
        select(G, 2, "")
    monkeypatch.setitem(
        STRATEGIES,
        "active:toy",
        Strategy("active:toy", lambda *a: pytest.fail("must not be called"), "active"),
    )
    with pytest.raises(GraphselError, match="round by round"):
        select(G, 2, "active:toy")


def test_registering_a_strategy(monkeypatch):
    monkeypatch.setattr("graphsel.selection.strategies.STRATEGIES", own := dict(STRATEGIES))

    @strategy("last")
    def pick_last(problem, budget, rng):
        "Last names first."
        return ranked(problem, sorted(problem.candidates)[::-1][:budget], "last")

    assert own["last"].about == "Last names first." and "last" not in STRATEGIES
    assert select(G, 2, "last").genes == NAMES[::-1][:2]


@pytest.mark.parametrize("name", ONE_SHOT)
def test_misspelled_parameters_are_refused(name):
    with pytest.raises(GraphselError, match="hopps"):
        select(G, 2, name, hopps=3, random_state=0)


@pytest.mark.parametrize(
    "lists,says",
    [
        (dict(candidates=[]), "candidate"),
        (dict(candidates=["X", "Y"]), "candidate"),
        (dict(exclude=NAMES), "candidate"),
        (dict(measured=NAMES), "candidate"),
        (dict(targets=[]), "target"),
        (dict(targets=["X"]), "target"),
        (dict(missing="ignore"), "missing"),
        (dict(random_state=-1), "random_state"),
        (dict(random_state="x"), "random_state"),
        (dict(costs={"g00": "x"}), "cost"),
    ],
    ids=str,
)
def test_hostile_lists(lists, says):
    with pytest.raises(GraphselError, match=says):
        select(G, 2, **lists)


def test_nothing_is_remembered_between_calls():
    first = select(G, 5, "variance", measured=NAMES[:2])
    select(G, 5, "variance", exclude=NAMES[4:6])
    select(random_graph(np.random.default_rng(9), 20), 5, "kcenter")
    again = select(G, 5, "variance", measured=NAMES[:2])
    assert first.genes == again.genes and first.gains == again.gains


@pytest.mark.parametrize(
    "params",
    [
        dict(weights=np.ones(20)),
        dict(weights={"g00": 2.0}),
        dict(hops=np.int64(2)),
        dict(kernel="cosine"),
    ],
    ids=["array", "mapping", "numpy integer", "word"],
)
def test_plans_of_select_survive_the_disk(params, tmp_path):
    s = select(G, 3, **params)
    back = Selection.load(s.save(tmp_path / "s.json"))
    assert back.genes == s.genes and back.gains == s.gains and set(back.params) == set(s.params)


@pytest.mark.parametrize("name", BASELINES)
def test_plans_of_baselines_survive_the_disk(name, tmp_path):
    s = select(G, 3, name, random_state=0)
    back = Selection.load(s.save(tmp_path / "s.json"))
    assert back.genes == s.genes and s.certificate is None and np.isnan(back.value)


# ---- determinism ----


@pytest.mark.parametrize("name", ONE_SHOT)
@given(seed=SEEDS)
@settings(max_examples=5)
def test_the_order_of_the_lists_does_not_matter(name, seed):
    rng = np.random.default_rng(seed)
    source, target, weight = (
        rng.choice(gene_names(15), 40),
        rng.choice(gene_names(15), 40),
        rng.integers(1, 5, 40) / 4,
    )
    pairs, plans = ["g01+g02", "g05+g07"], []
    for _ in range(3):
        o = rng.permutation(40)
        g = from_edges(source[o], target[o], weight[o]).align(rng.permutation(gene_names(15)))[0]
        plans.append(
            select(
                g,
                5,
                name,
                candidates=rng.permutation(gene_names(12) + pairs),
                targets=rng.permutation(gene_names(15)[3:]),
                measured=rng.permutation(gene_names(2)),
                exclude=rng.permutation(gene_names(4)[2:]),
                random_state=3,
            )
        )
    for other in plans[1:]:
        assert (
            other.genes == plans[0].genes
            and np.array(other.gains).tobytes() == np.array(plans[0].gains).tobytes()
            and other.graph == plans[0].graph
        )
        assert other.report == plans[0].report and other.upper_bound == plans[0].upper_bound


PROCESS = """
import json, numpy as np
from graphsel.graphs.build import from_edges
from graphsel.graphs.graph import combine
from graphsel.selection.select import select
from graphsel.selection.strategies import STRATEGIES
rng = np.random.default_rng(0)
names = [f"g{i:02}" for i in range(40)]
g = combine([from_edges(*rng.choice(names, (2, 80)), rng.integers(1, 4, 80)/3) for _ in range(2)])
lists = dict(candidates=set(g.genes) | {"XIST", "g01+g02"}, measured={"g03", "g04", "Y"})
lists |= dict(exclude={"g05", "g06"}, targets=set(g.genes) - {"g09"})
plans = {n: select(g, 9, n, random_state=1, **lists) for n, s in STRATEGIES.items() if s.kind != "active"}
def told(s):
    return [s.genes, np.array(s.gains).tobytes().hex(), s.measured, s.report, s.upper_bound, s.graph]
print(json.dumps({n: told(s) for n, s in plans.items()}))
"""


def test_hash_seeds_do_not_matter():
    one, other = map(json.loads, printed_under(PROCESS))
    assert set(one) == set(ONE_SHOT) and one == other


def test_saved_plans_do_not_depend_on_the_order_of_the_lists(tmp_path):
    "Two runs on the same sets write the same file, times aside."
    texts = []
    for order in (1, -1):
        s = select(
            G,
            3,
            candidates=[*NAMES, "X", "Y"][::order],
            exclude=NAMES[4:7][::order],
            measured=NAMES[:2][::order],
        )
        texts.append(replace(s, seconds=0.0).save(tmp_path / "s.json").read_text())
    assert texts[0] == texts[1]


@pytest.mark.parametrize("name", [n for n in ONE_SHOT if STRATEGIES[n].seeded])
def test_seeded_means_seeded(name):
    g = random_graph(np.random.default_rng(2), 40, directed=False)
    plans = [select(g, 6, name, random_state=i).genes for i in (1, 1, 2, 3)]
    assert plans[0] == plans[1] and (plans[0] != plans[2] or plans[0] != plans[3])
    rng = np.random.default_rng(1)
    assert (
        select(g, 6, name, random_state=rng).genes == plans[0]
        and rng.random() != np.random.default_rng(1).random()
    ), "the generator's stream goes on"


@pytest.mark.parametrize("name", [n for n in ONE_SHOT if not STRATEGIES[n].seeded])
def test_unseeded_draws_nothing(name):
    rng = np.random.default_rng(0)
    assert select(G, 6, name).genes == select(G, 6, name, random_state=rng).genes
    assert rng.random() == np.random.default_rng(0).random(), "the generator was not touched"


def test_random_is_uniform():
    hits, (problem, _) = np.zeros(20), make_problem(G)
    assert len(problem.candidates) == 20
    for seed in range(2000):
        plan = STRATEGIES["random"].pick(problem, 5, np.random.default_rng(seed))
        hits[[NAMES.index(n) for n in plan.genes]] += 1
    assert plan.genes == select(G, 5, "random", random_state=seed).genes
    assert abs(hits / 2000 - 0.25).max() < 0.04  # four standard deviations


# ---- baselines against brute force ----


@given(seed=SEEDS)
@settings(max_examples=30)
def test_kcenter_is_farthest_first(seed):
    rng = np.random.default_rng(seed)
    g = random_graphs(rng, 11)
    measured = list(rng.choice(g.genes, rng.integers(0, 3), replace=False))
    candidates = [n for n in [*g.genes, "g01+g02"] if n not in measured]
    K = dense_kernel(g, (1, 2))
    at = {n: g.index(perturbed_genes(n)) for n in [*candidates, *measured]}
    k = lambda a, b: K[np.ix_(at[a], at[b])].sum()  # a pair is the sum of its genes
    d = lambda a, b: max(k(a, a) + k(b, b) - 2 * k(a, b), 0)
    chosen = list(measured)
    picks = select(g, len(candidates), "kcenter", candidates=candidates, measured=measured).genes
    if not measured:
        mean = {a: k(a, a) - 2 * np.mean([k(a, b) for b in candidates]) for a in candidates}
        assert mean[picks[0]] <= min(mean.values()) + 1e-7, (
            "without a start, the most central first"
        )
        chosen, picks = [picks[0]], picks[1:]
    for p in picks:
        rest = [c for c in candidates if c not in chosen]
        distance = {c: min(d(c, q) for q in chosen) for c in rest}
        assert distance[p] >= max(distance.values()) - 1e-7
        chosen.append(p)


def test_degree_and_pagerank():
    g = random_graph(np.random.default_rng(1), 15, directed=True, weighted=True)
    A = g.adjacency.toarray().astype(float)
    order = sorted(range(15), key=lambda i: (-round(g.degree[i], 9), i))
    assert select(g, 15, "degree").genes == [g.genes[i] for i in order]
    out = A.sum(axis=0)
    M = np.where(out > 0, A / np.where(out > 0, out, 1), 1 / 15)
    rank = np.linalg.solve(np.eye(15) - 0.85 * M, np.full(15, 0.15 / 15))
    picks = [list(g.genes).index(n) for n in select(g, 15, "pagerank").genes]
    assert (np.diff(rank[picks]) <= 1e-6).all()


@given(seed=SEEDS, k=st.integers(1, 25))
@settings(max_examples=25)
def test_typicality_and_distances_against_loops(seed, k):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(int(rng.integers(2, 12)), 3))
    D = np.array([[((a - b) ** 2).sum() for b in X] for a in X])
    np.testing.assert_allclose(squared_distances(X, X), D, atol=1e-9)
    n = max(1, min(k, len(X) // 2))
    expected = [1 / np.mean(sorted(np.sqrt(np.delete(row, i)))[:n]) for i, row in enumerate(D)]
    np.testing.assert_allclose(typicality(X, k), expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["kmeans", "typiclust"])
@pytest.mark.filterwarnings("error")
def test_clusters_of_equal_points(name):
    """Genes without edges to tell them apart: clusters stay empty, but the plan is full and nobody is warned of
    k-means' troubles."""
    g = from_edges(["hub"] * 12, [f"x{i:02}" for i in range(12)])
    s = select(g, 8, name, random_state=0)
    assert len(set(s.genes)) == 8


def test_typiclust_prefers_clusters_without_measured_genes():
    g = combine(
        [
            from_edges(
                [f"{c}{i}" for c in "abc" for i in range(4) for _ in range(4)],
                [f"{c}{j}" for c in "abc" for _ in range(4) for j in range(4)],
            )
        ]
    )
    picks = pick_typiclust(
        Problem(g, [n for n in g.genes if n != "a0"], list(g.genes), measured=["a0"]), 2, as_rng(0)
    ).genes
    assert {p[0] for p in picks} == {"b", "c"}


def test_kcenter_takes_a_problem_directly():
    s = pick_kcenter(Problem(G, NAMES[3:], NAMES, measured=NAMES[:3]), 4, None)
    assert s.genes == select(G, 4, "kcenter", measured=NAMES[:3]).genes


# ---- layers that lack genes ----


@given(seed=SEEDS)
@settings(max_examples=20)
def test_backoff_fills_only_the_lonely(seed):
    rng = np.random.default_rng(seed)
    layers = [random_graph(rng, 9, directed=False) for _ in range(rng.integers(2, 4))]
    g = combine(layers)
    filled = fill_layers(g)
    assert list(filled.genes) == list(g.genes) and len(filled.graphs) == len(g.graphs)
    for k, (old, new) in enumerate(zip(g.graphs, filled.graphs)):
        known = np.flatnonzero(~old.isolated)
        np.testing.assert_array_equal(
            new.adjacency.toarray()[np.ix_(known, known)],
            old.adjacency.toarray()[np.ix_(known, known)],
        )
        others = np.all([o.isolated for i, o in enumerate(g.graphs) if i != k], axis=0)
        np.testing.assert_array_equal(new.isolated, old.isolated & others)
        if not old.isolated.any():
            assert new.fingerprint == old.fingerprint
    assert select(g, 3, missing="backoff").graph == filled.fingerprint


def test_fill_layers_leaves_one_graph_alone():
    assert fill_layers(G) is G


def test_a_problem_is_what_was_asked():
    problem, report = make_problem(G, [*NAMES[:6], "XIST"], NAMES[3:9], NAMES[:2], NAMES[2:3])
    assert (
        problem.candidates == NAMES[3:6]
        and problem.targets == NAMES[3:9]
        and problem.measured == NAMES[:2]
    )
    assert report == {
        "XIST": "candidates: not in the graph",
        NAMES[0]: "already measured",
        NAMES[1]: "already measured",
        NAMES[2]: "excluded",
    }
    assert problem.points(["g05", "g03"]).shape == (2, problem.coordinates.shape[1])
    assert isinstance(replace(problem, model=SimpleNamespace()).elements, list)


# ---- names and costs of the user ----


def test_names_as_the_graph_spells_them():
    named, found = in_known_names(
        G,
        {
            "candidates": [
                "G01+g02",
                "g01+G03",
                "g02+ctrl",
                "ctrl",
                "XIST",
                "G02",
                "G04",
                "G04+ctrl",
            ],
            "costs": {"G05": 2.0},
            "measured": [],
        },
    )
    assert named == {
        "candidates": ["G01+g02", "g01+g03", "g02", "control", "XIST", "G02", "g04"],
        "costs": {"g05": 2.0},
        "measured": [],
    }, "g01 and g02 are there as they stand, so G01 and G02 may be others"
    assert found["costs"].changed == {"G05": "g05"} and set(found["candidates"].missing) == {
        "XIST",
        "G01",
        "G02",
    }
    fly = from_edges(["dl", "CTRL"], ["Dl", "dl"])
    assert in_known_names(fly, {"candidates": ["DL", "ctrl", "Dl"]})[0] == {
        "candidates": ["DL", "control", "Dl"]
    }
    with pytest.raises(
        GraphselError, match="costs: several names of one gene: g01\\+g02, g02\\+g01; keep one"
    ):
        in_known_names(G, {"costs": {"g01+g02": 1.0, "g02+g01": 2.0}})


def test_a_default_cost(caplog):
    half = {g: 2.0 for g in NAMES[:5]}
    with caplog.at_level("WARNING", "graphsel"):
        paid = select(G, 6.0, costs=half, candidates=NAMES[:8], default_cost=3)
        assert (
            not caplog.records
            and dict(zip(paid.genes, paid.columns["cost"])).items()
            <= {g: half.get(g, 3.0) for g in NAMES[:8]}.items()
        )
        plain = select(G, 6.0, costs=half, candidates=NAMES[:8])
    assert [r.getMessage() for r in caplog.records] == [
        "3 of 8 candidates have no cost and are taken at 2, the median of the others; "
        "give them a cost or a default (default_cost, --default-cost)"
    ]
    assert plain.genes == select(G, 6.0, costs=half, candidates=NAMES[:8], default_cost=2.0).genes
    for wrong in (
        dict(default_cost=2.0),
        dict(costs=half, default_cost=0),
        dict(costs=half, default_cost=float("nan")),
    ):
        with pytest.raises(GraphselError, match="default_cost is"):
            select(G, 6, **wrong)


@pytest.mark.parametrize(
    "call,says",
    [
        (
            lambda: select("net.csv", 3),
            "graph is of type str, not a graph; make one with read_graph",
        ),
        (lambda: select([G, G], 3), "put several graphs together with combine"),
        (lambda: select(G, 3, screen="round1.xlsx"), "a screen is an AnnData; got str"),
        (lambda: combine([G, "net.csv"]), "graph is of type str, not a graph"),
    ],
    ids=["a path", "a list", "a path to a screen", "a path beside a graph"],
)
def test_what_is_no_graph_or_screen(call, says):
    with pytest.raises(GraphselError, match=says):
        call()


def test_a_missing_gene_is_told_once(caplog):
    caplog.set_level("INFO", "graphsel")
    costs = dict.fromkeys([NAMES[0].upper(), NAMES[1], "NONE"], 2.0)
    select(G, 2.0, candidates=list(costs), costs=costs)
    assert caplog.text.count("NONE") == 1 and caplog.text.count(NAMES[0].upper()) == 1
