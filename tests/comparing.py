"""The small comparison that tests of the benchmark share, run once per process."""

from functools import cache

import pandas as pd

from graphsel.benchmark.compare import compare
from graphsel.datasets.simulate import simulated_screen

TIMES = ["select_seconds", "fit_seconds"]
SEEDS = 3
ASK = dict(
    strategies=["random", "variance", "active:bald"],
    budgets=[6, 12, 18],
    models=("gp",),
    seeds=SEEDS,
    initial=6,
    random_draws=2,
)
TASKS = (2 + 1 + 1) * SEEDS
# the first columns of summary.csv, which others script against
PROMISED = "strategy model budget metric mean sd n ci_low ci_high ratio_to_random p_value p_holm budget_saved".split()


@cache
def small_screen():
    return simulated_screen(60, 40, cells_per_perturbation=10, n_control=100, random_state=3)


@cache
def finished() -> pd.DataFrame:
    "Its result table. Nobody changes it."
    sim = small_screen()
    return compare(sim.screen, sim.graph, **ASK)


def without_times(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns=TIMES)


def same(table: pd.DataFrame, reference: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(without_times(table), without_times(reference))
