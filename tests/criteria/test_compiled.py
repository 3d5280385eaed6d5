"""The compiled loops against the same sums with dense matrices."""

import numpy as np
import pytest
import scipy.sparse as sp
from helpers import gene_names, random_graph, target_reach
from hypothesis import given, settings
from hypothesis import strategies as st

from graphsel.criteria.coverage import GraphReach, SoftReach
from graphsel.criteria.loops import (
    FORMS,
    buyers,
    gene_gains,
    hard_gain,
    hard_gains,
    join,
    loosen,
    make_buffer,
    make_rows,
    next_state,
    pick_some,
    priced_gains,
    row_of,
    soft_gain,
    soft_gains,
    soft_part,
)
from graphsel.selection.greedy import Draft, bundle
from graphsel.selection.limits import make_limits

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed):
    "(rng, members, reach, rows) of singles, pairs and triples over a few genes; genes without a row among them."
    rng = np.random.default_rng(seed)
    n, genes, targets = rng.integers(1, [9, 6, 8])
    members = np.zeros((n, genes))
    for row in members:
        row[rng.choice(genes, rng.integers(1, min(genes, 3) + 1), replace=False)] = 1
    reach = rng.normal(0.3, 0.5, (genes, targets)) * (rng.random((genes, targets)) < 0.5)
    return rng, members, reach, make_rows(sp.csr_matrix(members), sp.csr_matrix(reach))


STATES = {
    "facility": lambda q: np.maximum(q, 0).max(axis=0, initial=0),
    "saturated": lambda q: np.maximum(q, 0).sum(axis=0),
    "noisyor": lambda q: np.prod(1 - np.clip(q, 0, 1), axis=0),
    "hyperbolic": lambda q: np.maximum(q, 0).sum(axis=0),
}
VALUES = {
    "facility": lambda q: np.maximum(q, 0).max(axis=0, initial=0),
    "saturated": lambda q: np.minimum(1, np.maximum(q, 0).sum(axis=0)),
    "noisyor": lambda q: 1 - np.prod(1 - np.clip(q, 0, 1), axis=0),
    "hyperbolic": lambda q: 1 - 1 / (1 + np.maximum(q, 0).sum(axis=0)),
}


@given(seed=SEEDS)
@settings(max_examples=50)
def test_rows(seed):
    rng, members, reach, rows = drawn(seed)
    buffer, dense = make_buffer(reach.shape[1]), members @ reach
    for j in rng.integers(0, len(members), 20):  # one buffer serves all rows, in any order
        targets, strength = row_of(rows, j, buffer)
        assert len(set(targets.tolist())) == len(targets) and set(targets.tolist()) == set(
            np.flatnonzero(((members[j][:, None] * reach) != 0).any(axis=0))
        )
        np.testing.assert_allclose(strength, dense[j][targets], atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
@given(seed=SEEDS)
@settings(max_examples=40)
def test_soft_gains_are_differences(form, seed):
    rng, members, reach, rows = drawn(seed)
    q, weight, at = members @ reach, rng.random(reach.shape[1]), np.arange(len(members))
    state, count, S = (
        np.full(reach.shape[1], float(form == "noisyor")),
        np.zeros(reach.shape[1], np.int32),
        [],
    )
    for j in rng.permutation(len(members)):
        expected = [weight @ (VALUES[form](q[S + [i]]) - VALUES[form](q[S])) for i in at]
        np.testing.assert_allclose(
            soft_gains(rows, at, FORMS[form], weight, state), expected, atol=1e-12
        )
        targets, strength = row_of(rows, j, make_buffer(len(weight)))
        assert soft_gain(FORMS[form], targets, strength, weight, state) == pytest.approx(
            expected[j], abs=1e-12
        )
        join(targets, strength, FORMS[form], count, state)
        S.append(j)
        np.testing.assert_allclose(state, STATES[form](q[S]), atol=1e-12)
    np.testing.assert_array_equal(count, (abs(members) @ (reach != 0) > 0).sum(axis=0))


@pytest.mark.parametrize("form,code", FORMS.items())
@given(q=st.floats(-2, 2), s=st.floats(0, 2), r=st.floats(-2, 2))
@settings(max_examples=60)
def test_soft_parts_shrink_and_never_hurt(form, code, q, s, r):
    s = min(s, 1.0) if form == "noisyor" else s
    later = next_state(code, r, s)
    assert soft_part(code, q, s) >= soft_part(code, q, later) - 1e-12 >= -1e-12


@given(seed=SEEDS, level=st.integers(1, 4))
@settings(max_examples=50)
def test_hard_gains(seed, level):
    rng, members, reach, rows = drawn(seed)
    hit, count, at = (
        members @ (reach != 0) > 0,
        rng.integers(0, 4, reach.shape[1]).astype(np.int32),
        rng.permutation(len(members)),
    )
    for weight in (rng.random(reach.shape[1]), rng.integers(0, 10**9, reach.shape[1])):
        gains = hard_gains(rows, at, weight, count, level)
        np.testing.assert_allclose(gains, (hit @ (weight * (count < level)))[at], atol=1e-12)
        assert gains.dtype == weight.dtype, "whole numbers stay whole"
        assert (
            hard_gain(row_of(rows, at[0], make_buffer(len(weight)))[0], weight, count, level)
            == gains[0]
        )


@given(seed=SEEDS, hard=st.booleans())
@settings(max_examples=50)
def test_prices(seed, hard):
    rng, members, reach, rows = drawn(seed)
    m, everyone = reach.shape[1], np.arange(len(members))
    weight, count, state, price = (
        rng.random(m),
        rng.integers(0, 2, m).astype(np.int32),
        rng.random(m) / 2,
        rng.random(m) / 2,
    )
    present = members @ (reach != 0) > 0
    worth = (
        present * weight * (count < 1)
        if hard
        else present * weight * np.maximum(members @ reach - state, 0)
    )
    np.testing.assert_allclose(
        priced_gains(rows, everyone, hard, weight, count, state, price),
        np.maximum(worth - price, 0).sum(axis=1),
        atol=1e-12,
    )
    some = np.flatnonzero(rng.integers(0, 2, len(members)))
    np.testing.assert_array_equal(
        buyers(rows, some, hard, weight, count, state, price), (worth > price)[some].sum(axis=0)
    )


# ---- a run ----


def run_of(c, **limits):
    draft = Draft(c.start(), make_limits(c, len(c.elements), **limits))
    run = bundle(draft)
    run.bound[:] = np.inf
    if c.hard:
        run.gain[:] = gene_gains(run.rows, run.units, run.count, 1)
        loosen(run, False)
    return run


@given(seed=SEEDS)
@settings(max_examples=25)
def test_running_gains_of_genes_stay_exact(seed):
    "After any number of picks, at any level: the gain kept for each gene is the one counted anew."
    rng = np.random.default_rng(seed)
    g = random_graph(rng, 10)
    pairs = sorted(
        {"+".join(sorted(rng.choice(gene_names(10), 2, replace=False))) for _ in range(8)}
    )
    c = target_reach(
        g,
        list(g.genes[:6]) + pairs,
        g.genes,
        weights=dict(zip(g.genes, rng.integers(0, 4, 10) / 4)),
    )
    run = run_of(c)
    for _ in range(len(c.elements)):
        picks, _, _ = pick_some(run, 1, np.inf, True, 0, False, True, True)
        assert len(picks) == 1
        genes = make_rows(sp.identity(len(c.touched), format="csr"), c.reach)
        np.testing.assert_array_equal(
            run.gain,
            hard_gains(genes, np.arange(len(c.touched)), c.units, run.count, run.number[0]),
        )
    assert len(pick_some(run, 1, np.inf, True, 0, False, True, True)[0]) == 0, "nobody is left"


@pytest.mark.parametrize("make", [GraphReach, SoftReach])
def test_a_run_can_stop_and_go_on(make):
    c = make(random_graph(np.random.default_rng(2), 20), hops=1)
    whole = pick_some(run_of(c), 20, np.inf, c.hard, FORMS[c.form], False, True, True)
    run, picks, told = run_of(c), [], []
    for n in (1, 2, 5, 12):
        p, t, _ = pick_some(run, n, np.inf, c.hard, FORMS[c.form], False, True, True)
        picks += p.tolist()
        told += t.tolist()
    assert picks == whole[0].tolist() and told == whole[1].tolist()


def test_money_and_room_end_a_run():
    c = target_reach(random_graph(np.random.default_rng(2), 12))
    run = run_of(c)
    assert len(pick_some(run, 12, 2.5, True, 0, False, True, True)[0]) == 2, "each costs 1"
    run = run_of(c, groups=dict.fromkeys(c.elements[:11], "plate"), caps={"plate": 11})
    run.room[:] = 3
    picks = pick_some(run, 12, np.inf, True, 0, False, True, True)[0]
    assert (picks < 11).sum() == 3 and len(picks) == 4 and run.room[0] == 0
