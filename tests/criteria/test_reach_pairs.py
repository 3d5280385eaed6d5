"Reach on pairs: genes are seen evenly, and their own effects count."

from collections import Counter

import numpy as np
import pytest

from graphsel.criteria.coverage import GraphReach, SoftReach
from graphsel.graphs.build import from_edges
from graphsel.selection.greedy import greedy

RNG = np.random.default_rng(0)
GENES = [f"g{i:02d}" for i in range(40)]
FEW, MANY = GENES[:4], GENES[4:]
EDGES = [(GENES[i], GENES[j]) for i in range(40) for j in range(i) if RNG.random() < 0.1]
GRAPH = from_edges(*zip(*EDGES, strict=True)).align(GENES)[0]
GRID = sorted("+".join(sorted((a, b))) for a in FEW for b in MANY)


def seen(picks):
    "How often each gene occurs."
    return Counter(g for p in picks for g in p.split("+"))


@pytest.mark.parametrize("method", ["naive", "lazy", "compiled"])
def test_a_plan_of_pairs_sees_the_genes_evenly(method):
    picks = greedy(GraphReach(GRAPH, GRID, GRID), 72, method=method).genes
    count = seen(picks)
    assert [count[g] for g in MANY] == [2] * len(MANY)
    few = [count[g] for g in FEW]
    assert max(few) <= 2 * min(few)
    assert picks == greedy(GraphReach(GRAPH, GRID, GRID), 72, method="naive").genes


def test_soft_reach_sees_every_gene_early():
    picks = greedy(SoftReach(GRAPH, GRID, GRID), 40).genes
    assert len(seen(picks)) >= 38


def test_own_effects_weigh_as_much_as_all_sources():
    c = GraphReach(GRAPH, GRID, GRID, sources=5)
    own = dict(zip(c.targets.tolist()[-len(GENES) :], c.weights[-len(GENES) :], strict=True))
    assert own[FEW[0]] == (len(MANY) - 1) * 5
    assert own[MANY[0]] == (len(FEW) - 1) * 5


def test_among_equals_the_second_visit_counts_less():
    c = GraphReach(GRAPH, GENES, GENES)
    fresh = c.tiebreak(np.arange(40))[:, 0]
    later = c.joined([0, 1]).tiebreak(np.arange(40))[:, 0]
    assert (later <= fresh + 1e-9).all() and later[0] < fresh[0] and later[0] > 0
