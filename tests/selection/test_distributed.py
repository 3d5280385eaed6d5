"""GreeDi: the same picks for any number of processes and any order, a bound that holds, and requests it must refuse."""

from itertools import combinations

import joblib
import numpy as np
import pytest
from conftest import printed_under
from helpers import gene_names, random_graph, random_graphs
from hypothesis import given, settings
from hypothesis import strategies as st

from graphsel.core.errors import GraphselError
from graphsel.criteria.base import CRITERIA
from graphsel.criteria.registry import make_criterion
from graphsel.graphs.build import from_edges
from graphsel.graphs.priors import make_prior
from graphsel.selection.distributed import default_parts, greedi, moments, part_of
from graphsel.selection.greedy import greedy

SEEDS = st.integers(0, 2**32 - 1)
SUBMODULAR = [n for n, c in CRITERIA.items() if c.submodular and c.monotone]


def graph_of(n=40, seed=0):
    return random_graph(np.random.default_rng(seed), n)


def same(a, b):
    return (
        a.genes == b.genes
        and a.gains == b.gains
        and a.values == b.values
        and a.upper_bound == b.upper_bound
        and a.columns == b.columns
    )


# ---- parts ----


def test_parts_depend_on_names_alone():
    names = gene_names(90)
    label = part_of(names, 4, 7)
    np.testing.assert_array_equal(part_of(names[::-1], 4, 7)[::-1], label)
    code = (
        "from graphsel.selection.distributed import part_of\n"
        "print(*part_of([f'g{i:02}' for i in range(90)], 4, 7))"
    )
    for told in printed_under(code):
        assert [int(o) for o in told.split()] == label.tolist()


def test_number_of_parts_depends_on_candidates_alone():
    assert [default_parts(n) for n in (1, 40_000, 40_001, 10**6)] == [2, 2, 3, 50]
    g = graph_of()
    assert greedi("graphreach", g, 5, n_jobs=1).params["parts"] == 2


@given(n=st.integers(0, 5000))
def test_moments(n):
    found = moments(n)
    assert (
        found[0] == 0
        and found[-1] == n
        and found == sorted(set(found))
        and len(found) <= n.bit_length() + 2
    )


# ---- the same picks everywhere ----


@pytest.mark.parametrize("name", ["graphreach", "softreach", "facility", "maxspec", "variance"])
def test_processes_and_order_change_nothing(name):
    g, rng = graph_of(), np.random.default_rng(1)
    one = greedi(name, g, 6, parts=3)
    genes, targets = (list(rng.permutation(g.genes)) for _ in range(2))
    with joblib.parallel_config(max_nbytes=10):  # every array comes from disk, read-only
        assert same(one, greedi(name, g, 6, genes, targets=targets, parts=3, n_jobs=2))
    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert same(one, greedi(name, g, 6, parts=3))
    assert same(one, greedi(name, g, 6, parts=3))


def test_a_dask_cluster_changes_nothing():
    distributed = pytest.importorskip("distributed", reason="dask is an extra")
    g = graph_of()
    one = greedi("graphreach", g, 6, parts=3, hops=2)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
    ):
        with joblib.parallel_config(backend="dask"):
            assert same(one, greedi("graphreach", g, 6, parts=3, hops=2))


def test_order_of_edges_changes_nothing():
    rng = np.random.default_rng(3)
    a, b = rng.choice(gene_names(30), 80), rng.choice(gene_names(30), 80)
    shuffle = rng.permutation(80)
    assert same(
        greedi("graphreach", from_edges(a, b), 5, parts=3),
        greedi("graphreach", from_edges(b[shuffle], a[shuffle]), 5, parts=3),
    )


def test_another_seed_another_division():
    g = graph_of(80, 5)
    a, b = (greedi("graphreach", g, 8, parts=4, random_state=r) for r in (0, 1))
    assert (a.params["part_seed"], b.params["part_seed"]) == (0, 1)
    assert same(
        greedi("graphreach", g, 8, parts=4, random_state=np.random.default_rng(2)),
        greedi("graphreach", g, 8, parts=4, random_state=np.random.default_rng(2)),
    )


def test_a_criterion_of_ones_own_travels():
    from graphsel.criteria.coverage import GraphReach

    class Mine(GraphReach):
        name = "mine"

    g = graph_of()
    assert greedi(Mine, g, 4, parts=2, n_jobs=2).genes == greedi("graphreach", g, 4, parts=2).genes


# ---- value and bound ----


def best_value(c, at, budget, allowed=lambda S: True, measured=()):
    return max(
        (c.value([*measured, *S]) for S in combinations(at, budget) if allowed(S)), default=-np.inf
    )


def assert_no_bound(c):
    assert not (c.monotone and c.submodular)


@pytest.mark.parametrize("name", SUBMODULAR)
@given(seed=SEEDS)
@settings(max_examples=20)
def test_bound_is_never_below_the_truth(name, seed):
    rng = np.random.default_rng(seed)
    g = random_graphs(rng, 9)
    names = list(rng.permutation(g.genes))
    measured, budget, parts = (
        names[: rng.integers(0, 2)],
        int(rng.integers(1, 4)),
        int(rng.integers(1, 5)),
    )
    must = names[2 : 2 + rng.integers(0, 2)]
    groups, caps = (
        (dict(zip(names, rng.choice(list("xyz"), len(names)).tolist())), 2)
        if rng.integers(2)
        else (None, None)
    )
    at = [n for n in names if n not in measured]
    allowed = lambda S: (
        set(must) <= set(S)
        and (caps is None or max(sum(groups[n] == p for n in S) for p in "xyz") <= caps)
    )
    try:
        s = greedi(
            name,
            g,
            budget,
            parts=parts,
            random_state=seed,
            measured=measured,
            must=must,
            groups=groups,
            caps=caps,
        )
    except GraphselError as e:
        assert "caps cannot be met" in str(e) or "must-have" in str(e)  # limits that no plan meets
        return
    c = make_criterion(name, g)
    best = best_value(c, at, budget, allowed, measured)
    assert allowed(s.genes) and len(set(s.genes)) == budget and not set(s.genes) & set(measured)
    assert s.value == pytest.approx(c.value([*measured, *s.genes]), abs=1e-8)
    assert s.value <= best + 1e-8
    if s.upper_bound is None:
        return assert_no_bound(c)  # a cut on a graph with a prior may have negative similarities
    assert best <= s.upper_bound + 1e-8
    assert (
        s.value - s.measured_value
        >= ((1 - 1 / np.e) / 2 if caps is None else 1 / 4) * (best - s.measured_value) - 1e-8
        or parts > 1
    )  # for one part always, for more on average
    assert s.n_candidates == len(at)


@pytest.mark.parametrize("name", ["graphreach", "variance", "facility"])
def test_one_part_is_greedy(name):
    g = graph_of(30, 2)
    whole, split = greedy(make_criterion(name, g), 7), greedi(name, g, 7, parts=1)
    assert whole.genes == split.genes
    np.testing.assert_allclose(whole.values, split.values, rtol=1e-9)
    if whole.upper_bound is not None:
        assert split.upper_bound >= whole.value


def test_never_below_its_best_part():
    g = graph_of(60, 4)
    label = part_of(g.genes, 3, 0)
    for name in ("graphreach", "maxspec", "variance"):
        alone = [
            greedy(make_criterion(name, g, g.genes[label == k], g.genes), 5).value for k in range(3)
        ]
        assert greedi(name, g, 5, parts=3).value >= max(alone) - 1e-9


def test_more_parts_than_candidates():
    g = graph_of(9)
    s = greedi("graphreach", g, len(g), parts=50)
    assert sorted(s.genes) == list(g.genes) and s.value == s.upper_bound


def test_no_certificate_without_submodularity():
    s = greedi("variance", graph_of(), 4)
    assert s.upper_bound is None and s.certificate is None and s.guarantee.startswith("none")
    assert greedi("graphcut", graph_of(), 4, parts=2, lam=0.5).upper_bound is None


def test_pairs_with_noise_of_their_own():
    g = graph_of(12)
    pairs = ["+".join(p) for p in combinations(g.genes.tolist(), 2)]
    noise = np.random.default_rng(0).uniform(0.5, 2, len(pairs))
    listed = greedi("maxspec", g, 4, pairs, targets=g.genes, parts=3, noise=noise)
    named = greedi(
        "maxspec",
        g,
        4,
        pairs[::-1],
        targets=g.genes,
        parts=3,
        noise=dict(zip(pairs, noise.tolist())),
    )
    assert listed.genes == named.genes and listed.value == pytest.approx(
        make_criterion("maxspec", g, pairs, g.genes, noise=dict(zip(pairs, noise))).value(
            listed.genes
        )
    )
    assert greedi("graphreach", g, 3, pairs).n_targets == 12


def test_facility_is_thinned_alike_in_all_parts():
    g = graph_of(30)
    s = greedi("facility", g, 5, parts=3, neighbors=3)
    assert 0 < s.value <= greedi("facility", g, 5, parts=3).value + 1e-9 and s.certificate <= 1


def test_a_set_of_graphs_with_a_prior():
    import pandas as pd

    from graphsel.graphs.graph import combine

    g = graph_of(20)
    prior = make_prior(
        pd.DataFrame(np.random.default_rng(0).normal(size=(20, 5)), index=g.genes), "prior"
    )
    both = combine([g, graph_of(20, 1)], [prior])
    assert same(
        greedi("maxspec", both, 5, parts=3, kernel="cosine"),
        greedi("maxspec", both, 5, parts=3, kernel="cosine", n_jobs=2),
    )


# ---- wrong input ----


@pytest.mark.parametrize(
    "ask,says",
    [
        (dict(name="graphreech"), "did you mean 'graphreach'"),
        (dict(name=3), "give a name"),
        (dict(name="0.5*variance+0.5*maxspec"), "cannot divide the mixture"),
        (dict(budget=0), "budget is 0"),
        (dict(budget=2.5), "budget is 2.5"),
        (dict(budget=True), "budget is True"),
        (dict(budget=99), "only 40 candidates"),
        (dict(costs={"g01": 2}), "takes no costs"),
        (dict(parts=0), "parts is 0"),
        (dict(random_state=-1), "random_state"),
        (dict(candidates=["g01", "g01"]), "named twice"),
        (dict(candidates=["g01", ""]), "empty name|not in the graph"),
        (dict(candidates=["XIST"], budget=1), "XIST"),
        (dict(candidates=[]), "none is left"),
        (dict(targets=["XIST"]), "XIST"),
        (dict(must=["XIST"]), "XIST"),
        (dict(must=["g01"], exclude=["g01"]), "excluded"),
        (dict(must=gene_names(8)), "must-have"),
        (dict(caps=1), "belong together"),
        (dict(groups={"g01": "x", "g02": "x"}, caps={"y": 1}), "no candidate belongs"),
        (dict(groups=dict.fromkeys(gene_names(40), "x"), caps=2), "caps cannot be met"),
        (dict(hops=0), "hops"),
        (dict(colour=1), "colour"),
        (dict(weights={"g01": -1}), "non-negative"),
        (dict(name="maxspec", noise=[1.0]), "1 numbers for 40"),
        (dict(name="maxspec", noise=0), "positive"),
    ],
)
def test_refusals(ask, says):
    with pytest.raises(GraphselError, match=says):
        greedi(**{**dict(name="graphreach", graph=graph_of(), budget=5), **ask})


def test_an_error_in_a_process_arrives_as_it_was():
    with pytest.raises(GraphselError, match="colour"):
        greedi("graphreach", graph_of(), 5, n_jobs=2, colour=1)


def test_a_criterion_that_sees_its_candidates_is_refused():
    from graphsel.criteria.coverage import GraphReach

    class Proud(GraphReach):
        "Counts in units of its own candidates."

        name = "proud"

        def __init__(self, graph, elements=None, targets=None, **params):
            super().__init__(graph, elements, targets, **params)
            self.set_rows(self.reach, self.weights / len(self.elements))

    with pytest.raises(GraphselError, match="depends on more than the picks"):
        greedi(Proud, graph_of(), 4, parts=3)
