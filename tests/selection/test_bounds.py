"""Limits of a plan, and bounds on what any plan within them can be, by trying all."""

from itertools import combinations

import numpy as np
import pytest
import scipy.sparse as sp
from helpers import (
    facility_instance,
    instance,
    optimum,
    random_graphs,
    random_limits,
    reach_instance,
    target_reach,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from graphsel.core.errors import GraphselError
from graphsel.criteria.base import CRITERIA
from graphsel.criteria.registry import make_criterion
from graphsel.graphs.build import from_edges
from graphsel.selection.bounds import (
    best_feasible,
    best_sum,
    dual_bound,
    exact_plan,
    has_dual,
    largest_sum,
)
from graphsel.selection.limits import Limits, check_budget, cost_array, make_limits, within_caps

SEEDS = st.integers(0, 2**32 - 1)
PATH10 = from_edges(list("000045558"), list("123456789"))


# ---- sums of single gains ----


@given(seed=SEEDS)
@settings(max_examples=40)
def test_best_sum_against_linear_programming(seed):
    from scipy.optimize import linprog

    rng = np.random.default_rng(seed)
    gains, costs, budget = rng.normal(1, 1, 6), rng.uniform(0.2, 3, 6), float(rng.uniform(0, 9))
    best = -linprog(-gains, A_ub=[costs], b_ub=[budget], bounds=(0, 1)).fun
    assert best_sum(gains, budget, costs) == pytest.approx(best, abs=1e-7)
    assert best_sum(gains, 3) == pytest.approx(
        max(sum(np.maximum(gains, 0)[list(S)]) for S in combinations(range(6), 3))
    )
    assert best_sum(gains, 0) == 0 and best_sum(gains, 99) == pytest.approx(
        np.maximum(gains, 0).sum()
    )


@given(seed=SEEDS)
@settings(max_examples=60)
def test_within_caps_keeps_the_best_of_each_part(seed):
    rng = np.random.default_rng(seed)
    n, parts = int(rng.integers(1, 12)), int(rng.integers(1, 4))
    gains, part, room = (
        rng.integers(0, 5, n).astype(float),
        rng.integers(-1, parts, n),
        rng.integers(0, 4, parts),
    )
    keep = within_caps(gains, part, room)
    assert keep[part < 0].all()
    for p in range(parts):
        assert sorted(gains[keep & (part == p)]) == sorted(gains[part == p])[::-1][: room[p]][::-1]


@given(seed=SEEDS)
@settings(max_examples=60)
def test_largest_sum_against_trying_all(seed):
    "Never below the best sum of any feasible set; equal to it without costs."
    rng = np.random.default_rng(seed)
    _, c, _ = instance("graphreach", seed)
    budget, given_limits = random_limits(rng, c, size=6)
    limits = make_limits(c, budget, **given_limits)
    gains, best = rng.integers(0, 6, len(c.elements)).astype(float), -1.0
    for k in range(len(limits.rest) + 1):
        for S in combinations(limits.rest.tolist(), k):
            S = np.array([*limits.must, *S], int)
            if limits.spend(S) <= budget + 1e-12 and (limits.left(S) >= 0).all():
                best = max(best, gains[S].sum())
    bound = largest_sum(gains, limits)
    assert bound >= best - 1e-9 and (limits.costs is not None or bound == pytest.approx(best))
    chosen = best_feasible(gains, limits)
    assert (
        limits.spend(chosen) <= budget + 1e-9
        and (limits.left(chosen) >= 0).all()
        and set(limits.must) <= set(chosen.tolist())
        and len(set(chosen.tolist())) == len(chosen)
    )
    if limits.costs is None:
        assert gains[chosen].sum() == pytest.approx(best)


@pytest.mark.parametrize("kind", ["costs", "caps", "tight caps"])
def test_the_front_of_many_gains_decides(kind):
    "Only the largest are sorted; the sum is that of sorting all, also where caps leave little of the front."
    for seed in range(10):
        rng = np.random.default_rng(seed)
        gains, costs, budget = (
            rng.integers(0, 50, 2000).astype(float),
            rng.choice([0.1, 1, 40], 2000),
            int(rng.integers(1, 60)),
        )
        if kind == "costs":
            order, left, expected = np.argsort(-gains / costs, kind="stable"), float(budget), 0.0
            for j in order:
                expected += gains[j] * min(1, left / costs[j])
                left = max(left - costs[j], 0)
            assert best_sum(gains, budget, costs) == pytest.approx(expected)
            continue
        part, room = (
            (gains < 45).astype(int) if kind == "tight caps" else rng.integers(-1, 9, 2000),
            np.full(9, 3 if kind == "tight caps" else 5),
        )
        limits = Limits(
            budget,
            np.arange(2000),
            np.zeros(0, int),
            np.zeros(0, int),
            None,
            part,
            room,
            tuple("abcdefghi"),
            members=sp.csr_matrix((2000, 1)),
        )
        kept = np.sort(gains[within_caps(gains, part, room)])[::-1]
        assert largest_sum(gains, limits) == kept[:budget].sum()


# ---- the dual bound ----


@pytest.mark.parametrize("make", [reach_instance, facility_instance])
@given(seed=SEEDS)
@settings(max_examples=20)
def test_the_dual_bound_is_valid_for_any_aim_and_any_number_of_steps(make, seed):
    rng = np.random.default_rng(seed)
    c, _ = make(rng, random_graphs(rng))
    for j in rng.permutation(len(c.elements))[:2]:
        c.add(int(j))  # its state plays no part
    before = c.current
    budget, given_limits = random_limits(rng, c, size=5)
    limits, best = make_limits(c, budget, **given_limits), optimum(c, budget, given_limits)
    for aim, steps in ((best, 1), (best, 60), (0.0, 20), (2 * best + 1, 20)):
        assert dual_bound(c, limits, aim, steps) >= best - 1e-9 * c.scale
    assert c.current == before


def test_the_dual_bound_is_tighter():
    from helpers import random_graph

    won = 0
    for seed in range(5):
        c = target_reach(random_graph(np.random.default_rng(seed), 40, directed=False))
        limits = make_limits(c, 6)
        best = exact_plan(c, limits)[1]
        dual, single = dual_bound(c, limits, best), c.current + largest_sum(c.gains(), limits)
        assert best - 1e-6 <= dual <= single + 1e-9
        won += dual < best + 0.6 * (single - best)
    assert won >= 4


def test_where_the_dual_bound_holds():
    holds = {name: has_dual(make_criterion(name, PATH10)) for name in CRITERIA}
    assert [n for n, h in holds.items() if h] == ["graphreach", "facility"] and has_dual(
        make_criterion("softreach", PATH10, form="facility")
    )
    for name in [n for n, h in holds.items() if not h]:
        c = make_criterion(name, PATH10)
        with pytest.raises(GraphselError, match=f"{name} has no dual bound"):
            dual_bound(c, make_limits(c, 2), 1.0)


def test_an_exact_plan_of_coverage_only():
    for name in set(CRITERIA) - {"graphreach"}:
        c = make_criterion(name, PATH10)
        with pytest.raises(
            GraphselError,
            match=f"{name}: an exact plan is computed for graphreach only; choose a greedy",
        ):
            exact_plan(c, make_limits(c, 2))
    picks, bound = exact_plan(target_reach(PATH10), make_limits(target_reach(PATH10), 2))
    assert bound == pytest.approx(9) and sorted(picks.tolist()) == [0, 5]


# ---- limits ----


def test_limits_of_a_plan():
    c = target_reach(PATH10)
    limits = make_limits(
        c,
        4.0,
        measured=["3"],
        exclude=["4", "not there"],
        must=["9", "9", "0"],
        costs={"9": 2.0, "1": 0.5},
        groups={"0": "p", "1": "p", "9": "q"},
        caps={"p": 2, "q": 1},
    )
    assert (
        limits.at.tolist() == [0, 1, 2, 5, 6, 7, 8, 9]
        and limits.must.tolist() == [0, 9]
        and limits.measured.tolist() == [3]
        and limits.rest.tolist() == [1, 2, 5, 6, 7, 8]
    )
    assert (
        limits.spend([0, 9]) == 3
        and limits.left(limits.must).tolist() == [1, 0]
        and limits.parts == ("p", "q")
        and limits.part.tolist() == [0, 0] + [-1] * 7 + [1]
    )
    plain = make_limits(c, 3)
    assert (
        not plain.capped
        and plain.costs is None
        and plain.spend([1, 2]) == 2
        and plain.rest is plain.at
    )
    assert make_limits(c, 3, groups={"0": "p"}, caps=1).capped


@pytest.mark.parametrize(
    "limits,says",
    [
        (
            dict(budget=3, must=["0"], exclude=["0"]),
            "excluded or already measured: 0; take them off one list",
        ),
        (dict(budget=3, must=["0"], measured=["0"]), "already measured: 0"),
        (dict(budget=3, must=["X"]), "not among the elements: X"),
        (
            dict(budget=1, must=["0", "1"]),
            "the 2 must-have genes cost 2, the budget is 1; raise it or drop some",
        ),
        (
            dict(budget=3, groups={"0": "p", "1": "p"}, caps=1, must=["0", "1"]),
            "more must-have genes than the cap allows in p",
        ),
        (
            dict(budget=10, groups={"0": "p", "1": "p"}, caps=1),
            "the caps cannot be met: they allow 9 picks, the budget asks for 10",
        ),
        (dict(budget=3, caps=2), "belong together"),
        (dict(budget=3, groups={"0": "p"}, caps={"q": 1}), "no candidate belongs to: q"),
        (dict(budget=0), "budget"),
        (dict(budget=11), "only 10"),
        (dict(budget=0.5, costs={}), "buys nothing: the cheapest of 10 candidates costs 1"),
        (dict(budget=2, costs={"0": -3}), "positive numbers; mend those of 0"),
    ],
    ids=str,
)
def test_limits_that_cannot_be_met(limits, says):
    with pytest.raises(GraphselError, match=says):
        make_limits(target_reach(PATH10), **limits)


def test_costs_and_budgets():
    np.testing.assert_array_equal(cost_array({"b": 3}, np.array(["a", "b"])), [1, 3])
    with pytest.raises(
        GraphselError, match="mend those of b and a|mend those of a, b|mend those of b, a"
    ):
        cost_array({"b": -1, "a": np.nan}, np.array(["a", "b"]))
    assert check_budget(np.int64(2), 2) == 2
    with pytest.raises(
        GraphselError, match="only 2 candidates can be picked; lower it or give more"
    ):
        check_budget(3, 2)
