"""The next round from the results of the last: what is measured, what is learned, who chooses."""

import helpers
import numpy as np
import pytest

from graphsel.core.errors import GraphselError
from graphsel.criteria.design import SupervisionVariance
from graphsel.models.gp import GaussianProcess
from graphsel.selection.next_round import learned_design
from graphsel.selection.plan import load_selection, save_selection
from graphsel.selection.select import select

FIRST = helpers.PICKS[:12]
ROUND = helpers.SCREEN[FIRST].copy()


def test_what_was_measured_is_not_picked_again():
    plan = select(helpers.GRAPH, 6, screen=ROUND, pending=["g01"], random_state=0)
    assert len(plan.genes) == 6 and not set(plan.genes) & {*FIRST, "g01"}
    assert set(plan.measured) == {*FIRST, "g01"}


def test_the_kernel_is_that_of_the_model():
    model = GaussianProcess().fit(ROUND, helpers.GRAPH, random_state=0)
    design = learned_design(helpers.GRAPH, ROUND, random_state=0)
    (row,) = design["beliefs"]
    np.testing.assert_allclose(row, list(model.shares_.values()), atol=1e-4)
    assert design["noise"] == pytest.approx(model.noise_, abs=1e-4) or design["noise"] == 0.01


def test_the_plan_is_that_of_the_learned_kernel():
    design = learned_design(helpers.GRAPH, ROUND, random_state=0)
    plan = select(helpers.GRAPH, 5, "variance", screen=ROUND, random_state=0)
    same = select(helpers.GRAPH, 5, "variance", measured=FIRST, **design)
    assert plan.genes == same.genes and plan.value == pytest.approx(same.value)


def test_what_the_user_says_goes_before_what_was_learned():
    plan = select(helpers.GRAPH, 5, "variance", screen=ROUND, noise=3.0, random_state=0)
    assert plan.params["noise"] == 3.0
    plain = select(helpers.GRAPH, 5, "variance", screen=ROUND, kernel="cosine", random_state=0)
    same = select(helpers.GRAPH, 5, "variance", measured=FIRST, kernel="cosine")
    assert plain.genes == same.genes


def test_few_responses_count_by_their_names_alone(caplog):
    few = ROUND[:3].copy()
    plan = select(helpers.GRAPH, 5, screen=few, random_state=0)
    assert plan.genes == select(helpers.GRAPH, 5, measured=FIRST[:3]).genes
    assert "too few" in caplog.text


def test_other_criteria_use_the_names():
    plan = select(helpers.GRAPH, 5, "graphreach", screen=ROUND)
    assert plan.genes == select(helpers.GRAPH, 5, "graphreach", measured=FIRST).genes


def test_a_learner_chooses_from_a_model():
    plan = select(helpers.GRAPH, 4, "active:bald", screen=ROUND, random_state=0)
    model = GaussianProcess().fit(ROUND, helpers.GRAPH, random_state=0)
    assert not set(plan.genes) & set(FIRST)
    same = select(helpers.GRAPH, 4, "active:bald", screen=ROUND, model=model, random_state=0)
    assert plan.genes == same.genes
    spread = model.posterior_variance([g for g in helpers.GENES if g not in FIRST])
    assert len(plan.genes) == 4 and spread.max() > 0


def test_a_learner_needs_something_to_learn_from():
    with pytest.raises(GraphselError, match="--screen"):
        select(helpers.GRAPH, 4, "active:bald")
    with pytest.raises(GraphselError, match="did you mean 'gp'"):
        select(helpers.GRAPH, 4, "active:bald", screen=ROUND, model="gpp")


def test_a_plan_from_responses_is_saved_and_read(tmp_path):
    plan = select(helpers.GRAPH, 4, screen=ROUND, random_state=0)
    save_selection(plan, tmp_path / "plan.json")
    assert load_selection(tmp_path / "plan.json").params == plan.params


@pytest.mark.parametrize("beliefs", [[1.0], "all", [[-1.0] * 6], []])
def test_shares_that_are_none(beliefs):
    with pytest.raises(GraphselError, match="beliefs: give 6 shares"):
        SupervisionVariance(helpers.GRAPH, beliefs=beliefs)


def test_one_belief_is_the_kernel_it_describes():
    "Edges of the first graph over one hop alone: the cosine kernel of that graph."
    alone = helpers.GRAPH.graphs[0]
    c = SupervisionVariance(alone, beliefs=[1.0, 0.0, 0.0, 0.0], hops=2)
    same = SupervisionVariance(alone, kernel="cosine", hops=1)
    assert c.value(FIRST) == pytest.approx(same.value(FIRST), rel=1e-6)
