"""Coverage and its graded forms: reach in all directions, levels, pairs without a matrix of pairs; names, weights
and noise."""

import numpy as np
import pytest
import scipy.sparse as sp
from helpers import (
    INSTANCES,
    dense_operator,
    gene_names,
    instance,
    random_graph,
    random_graphs,
    target_reach,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from graphsel.core.errors import GraphselError
from graphsel.criteria.base import (
    CRITERIA,
    Criterion,
    by_name,
    check_noise,
    incidence,
    register,
    sorted_names,
    target_weights,
)
from graphsel.criteria.coverage import (
    DIRECTIONS,
    SoftReach,
    block,
    reach_matrix,
    target_genes,
    transposed_support,
)
from graphsel.criteria.registry import make_criterion
from graphsel.criteria.similarity import FacilityLocation
from graphsel.graphs.build import from_edges
from graphsel.graphs.graph import combine, is_undirected

SEEDS = st.integers(0, 2**32 - 1)
PATH10 = from_edges(list("000045558"), list("123456789"))
CHAIN = from_edges(["A", "B"], ["B", "C"], directed=True)  # A -> B -> C


# ---- reach ----


@given(seed=SEEDS, hops=st.integers(1, 3))
@settings(max_examples=25)
def test_reach_in_all_directions(seed, hops):
    graph = random_graphs(np.random.default_rng(seed))
    P = dense_operator(graph, hops)
    for direction, expected in {
        "receptive": P,
        "influence": P.T,
        "both": (P + P.T) / 2,
        "prediction": P @ P.T,
    }.items():
        R = reach_matrix(graph, hops, direction)
        np.testing.assert_allclose(R.toarray(), expected, atol=1e-9)
        assert R.has_sorted_indices and (R.data > 0).all()
        assert (np.diag(R.toarray()) > 0).all(), "everyone reaches itself, isolated or not"
    assert is_undirected(graph) == all(
        (abs(a.adjacency - a.adjacency.T)).nnz == 0 for a in graph.graphs
    )


def test_directions_of_a_chain():
    value = lambda d, hops=1: {
        e: target_reach(CHAIN, hops=hops, direction=d).value([e]) for e in "ABC"
    }
    assert value("receptive") == {"A": 1, "B": 2, "C": 2} and value("influence") == {
        "A": 2,
        "B": 2,
        "C": 1,
    }
    assert value("both") == {"A": 2, "B": 3, "C": 2} and value("prediction") == {
        "A": 2,
        "B": 3,
        "C": 2,
    }
    assert value("receptive", 2) == {"A": 1, "B": 2, "C": 3}
    assert (
        is_undirected(PATH10)
        and not is_undirected(CHAIN)
        and not is_undirected(combine([CHAIN.align(list("ABC"))[0], from_edges("AB", "BC")]))
    )
    undirected = {d: target_reach(PATH10, direction=d).gains() for d in DIRECTIONS}
    np.testing.assert_array_equal(undirected["receptive"], undirected["influence"])
    np.testing.assert_array_equal(undirected["receptive"], undirected["both"])
    np.testing.assert_array_equal(undirected["prediction"], target_reach(PATH10, hops=2).gains())


def test_isolated_genes_reach_themselves():
    g = from_edges(["A"], ["B"]).align(list("ABXY"))[0]
    for direction in DIRECTIONS:
        assert target_reach(g, direction=direction, hops=2).gains().tolist() == [2, 2, 1, 1]
    assert target_reach(g, ["X"], ["A", "B"]).value(["X"]) == 0
    for form in ("facility", "saturated", "noisyor"):
        assert SoftReach(g, form=form).value(["X"]) == pytest.approx(1), (
            "P[x, x] of a gene without neighbors is 1"
        )


@given(seed=SEEDS)
@settings(max_examples=25)
def test_blocks_and_supports(seed):
    rng = np.random.default_rng(seed)
    M = sp.random(7, 5, 0.4, format="csr", random_state=rng)
    np.testing.assert_array_equal(transposed_support(M).toarray() != 0, M.toarray().T != 0)
    rows, columns = (np.flatnonzero(rng.integers(0, 2, n)) for n in M.shape)
    np.testing.assert_array_equal(
        block(M, rows, columns).toarray(), M.toarray()[np.ix_(rows, columns)]
    )
    assert block(M, np.arange(7), np.arange(5)) is M, "no copy where none is needed"


# ---- rows are kept by gene ----


@given(seed=SEEDS)
@settings(max_examples=25)
def test_rows_of_pairs_are_sums(seed):
    rng = np.random.default_rng(seed)
    c = instance(str(rng.choice(["graphreach", "softreach", "facility"])), seed)[1]
    members = c.rows[:, c.touched].toarray()
    for j, element in enumerate(c.elements):
        row = np.zeros(c.reach.shape[1])
        targets, strength = c.row(j)
        assert len(set(targets.tolist())) == len(targets)
        row[targets] = strength
        np.testing.assert_allclose(row, members[j] @ c.reach.toarray(), atol=1e-12, err_msg=element)


@pytest.mark.parametrize("make", [target_reach, SoftReach, FacilityLocation])
def test_no_matrix_of_pairs_and_targets(make):
    "Combinations cost no more than their names and the rows of the genes they touch."
    g = random_graph(np.random.default_rng(0), 40, directed=False)
    few = gene_names(40)[:12]
    pairs = [f"{a}+{b}" for a in few for b in few if a < b] + [f"{few[0]}+{few[1]}+{few[2]}"]
    c = make(g, pairs, g.genes)
    assert c.reach.shape == (12, 40) and len(c.touched) == 12 and len(c.elements) == 67
    for name, a in vars(c).items():
        entries = a.size if isinstance(a, np.ndarray) else a.nnz if sp.issparse(a) else 0
        assert entries <= max(12 * 40, 2 * 67 + 1), name
    assert make(g, pairs[:-1], g.genes).value(["g00+g01"]) == pytest.approx(c.value(["g00+g01"]))
    if make is target_reach:
        assert c.value(["g00+g01+g02"]) == target_reach(g).value(["g00", "g01", "g02"]), "a union"


def test_noisyor_of_a_sum_above_one():
    "A pair's strength is a sum and may exceed 1; a chance may not."
    g = from_edges(["A"], ["B"]).align(list("ABX"))[0]
    c = SoftReach(g, ["A+B", "A"], g.genes, form="noisyor", norm="row")
    assert c.value(["A+B"]) == pytest.approx(2) and c.value(["A+B", "A"]) == pytest.approx(2)


# ---- levels ----


def test_levels_of_coverage():
    c = target_reach(PATH10)
    assert not c.advance(), "nothing is covered yet: there is nothing to cover twice"
    for j in c.positions(["0", "5", "9"]):
        c.add(int(j))
    assert c.current == 10 == c.ceiling() and (c.gains() == 0).all() and c.level == 1
    assert c.advance() and c.level == 2
    np.testing.assert_allclose(
        c.scores(), [sum(c.count[v] < 2 for v in c.row(j)[0]) for j in range(10)]
    )
    assert c.extras(1) == {"level": 2, "level_gain": 2.0} and c.gain(1) == 0
    c.reset()
    assert c.level == 1 and c.current == 0


def test_copies_keep_their_own_state():
    for name in ("graphreach", "softreach", "facility"):
        c = make_criterion(name, PATH10)
        c.add(0)
        other = c.start([5])
        assert other.current == c.value(["5"]) and c.current == c.value(["0"])
        other.add(1)
        assert c.current == c.value(["0"])


# ---- ceilings and contributions ----


@pytest.mark.parametrize("name", INSTANCES)
@given(seed=SEEDS)
@settings(max_examples=15)
def test_ceilings_are_never_exceeded(name, seed):
    rng, c, _ = instance(name, seed)
    values = [c.value(rng.permutation(c.elements)[:k]) for k in range(len(c.elements) + 1)]
    assert max(values) <= c.ceiling() + 1e-8
    if name == "graphreach":
        assert c.value(c.elements) == pytest.approx(c.ceiling()), (
            "of coverage it is the value of everyone"
        )


@pytest.mark.parametrize("name", ["graphreach", "softreach", "facility", "variance"])
@given(seed=SEEDS)
@settings(max_examples=15)
def test_contributions_add_up_to_the_gain(name, seed):
    rng, c, _ = instance(name, seed)
    for j in rng.permutation(len(c.elements))[:4]:
        parts = c.contributions(int(j))
        assert parts.shape == (len(c.targets),) and (parts >= -1e-12).all()
        assert parts.sum() == pytest.approx(c.gain(int(j)), abs=1e-8)
        c.add(int(j))


# ---- names, weights, noise ----


def test_names():
    assert sorted_names(["b", "a+c", "a"], "candidates").tolist() == ["a", "a+c", "b"]
    for names, says in (
        ([], "candidates: none is left"),
        (["a", "b", "a"], "named twice: a; keep each once"),
        (["a", ""], "an empty name; remove it"),
    ):
        with pytest.raises(GraphselError, match=says):
            sorted_names(names, "candidates")
    with pytest.raises(GraphselError, match="not in the graph: X, Y"):
        incidence(PATH10, ["0", "X+Y"])
    assert PATH10.genes[target_genes(PATH10, ["8+9", "8"])].tolist() == ["8", "9"]
    np.testing.assert_array_equal(
        incidence(PATH10, ["3", "0+3+9"]).toarray().nonzero(), ([0, 1, 1, 1], [3, 0, 3, 9])
    )


@pytest.mark.parametrize("twins", [["0+1", "1+0"], ["0", "0+0"]])
def test_two_spellings_of_one_perturbation(twins):
    "The same genes under two names would be measured twice."
    with pytest.raises(GraphselError):
        target_reach(PATH10, twins, PATH10.genes)


@given(seed=SEEDS)
@settings(max_examples=20)
def test_numbers_belong_to_names(seed):
    rng = np.random.default_rng(seed)
    names, numbers = rng.permutation(list("0123456789"))[:5], rng.random(5)
    of = dict(zip(names, numbers))
    np.testing.assert_array_equal(
        by_name(PATH10, numbers, names, sorted(names), "weights"), [of[n] for n in sorted(names)]
    )
    np.testing.assert_array_equal(
        by_name(PATH10, of, None, list("0123456789"), "weights"),
        [of.get(n, 1.0) for n in "0123456789"],
    )
    c = target_reach(PATH10, targets=names, weights=numbers)
    assert c.value([names[0]]) == pytest.approx(
        sum(of.get(v, 0) for v in c.targets[c.row(int(c.positions([names[0]])[0]))[0]])
    )


@pytest.mark.parametrize(
    "values,says",
    [
        ([1, 2], "2 numbers for 3 names; give a mapping"),
        ({"X": 1}, "not in the graph: X; mend or remove"),
        ({"0": "heavy"}, "not a number .*mend it"),
        ([1, 2, None], "not a number"),
    ],
    ids=str,
)
def test_hostile_numbers(values, says):
    with pytest.raises(GraphselError, match=f"weights: {says}"):
        by_name(PATH10, values, None, ["0", "1", "2"], "weights")


def test_weights_and_noise_are_checked():
    for bad in ({"0": -1.0}, {"0": np.nan}, {"0": np.inf}, [-1.0, 0, 0], np.nan):
        with pytest.raises(
            GraphselError, match="graphreach: target weights must be 3 non-negative numbers.*mend"
        ):
            target_weights(PATH10, bad, None, ["0", "1", "2"], "graphreach")
    for bad in (0, -1, np.nan, np.inf, {"0": 0.0}, [1.0, -1.0]):
        with pytest.raises(GraphselError, match="positive and finite for every candidate; mend it"):
            check_noise(bad, np.array(["0", "1"]))
    assert target_weights(PATH10, None, None, ["0"], "x").tolist() == [1] and check_noise(
        {"0": 2}, np.array(["0", "1"])
    ).tolist() == [2, 1]


# ---- the register ----


def test_names_of_criteria_are_unique():
    class GraphReach(Criterion):
        name = "graphreach"

    with pytest.raises(GraphselError, match="'graphreach' exists already; choose another name"):
        register(GraphReach)

    class Own(Criterion):
        name = "own"

    try:
        assert register(Own) is register(Own) is CRITERIA["own"], (
            "the same class again, as happens in notebooks"
        )
    finally:
        CRITERIA.pop("own")
    assert make_criterion("graphreach", PATH10).name == "graphreach"
