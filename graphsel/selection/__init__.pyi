from . import (
    baselines,
    bounds,
    budget,
    distributed,
    explain,
    greedy,
    limits,
    names,
    next_round,
    plan,
    report,
    robust,
    select,
    strategies,
    wells,
)
from .bounds import exact_plan
from .budget import budget_curve, budget_for, plates
from .distributed import greedi
from .explain import why
from .plan import Selection
from .robust import robust_select, stability
from .strategies import Problem, STRATEGIES, Strategy, get_strategy, ranked, strategy
from .wells import plate_map, write_plate_map
