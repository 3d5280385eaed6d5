from . import (
    across,
    combinations,
    compare,
    execute,
    metrics,
    protocol,
    reliability,
    setting,
    statistics,
    store,
    tasks,
)
from .across import average_ranks, own_start, pooled_ratios, screen_ratios
from .combinations import evaluate_by_seen, genes_seen, interactions
from .metrics import budget_saved, curve_area, evaluate, row_correlation
from .protocol import NOISE_KINDS, Protocol, make_protocol
from .setting import make_bench, split_perturbations
from .reliability import advantage, initial_risk, laboratory_time, noise_stability, stability_table
from .statistics import holm, mean_interval, summarize
from .store import Comparison, read_comparison, read_results, write_results
