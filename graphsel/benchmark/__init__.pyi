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
from .combinations import evaluate_by_seen, interactions
from .metrics import budget_saved, evaluate
from .protocol import Protocol, make_protocol
from .setting import make_bench, split_perturbations
from .reliability import advantage, initial_risk, laboratory_time, stability_table
from .statistics import summarize
from .store import Comparison, read_comparison, read_results
