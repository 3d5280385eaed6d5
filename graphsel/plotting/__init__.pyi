from . import atlas, curves, plans, results, screens, style
from .atlas import rank_diagram, ratio_heatmap
from .curves import (
    calibration_curve,
    error_against_time,
    learning_curves,
    noise_curves,
    paired_differences,
    pick_map,
    save_figures,
)
from .plans import plan_map
from .screens import plot_cells, plot_knockdown
from .style import PALETTE
