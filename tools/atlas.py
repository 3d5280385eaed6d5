"""The atlas: every screen × strategies × levels of telling, resumable. `python tools/atlas.py --help`.

Each screen is an ordinary comparison in a folder of its own; what is done is kept, and the same command goes on.
`--gather` writes the one table of the page: errors and hashes of picks, no measurement."""

import argparse
import json
import logging
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

import graphsel as gs

ROOT = Path(__file__).resolve().parent.parent
HUMAN = ("string_v12.tsv.gz", "go_bp_2018.txt")
YEAST = ("screens/yeast_string_actions.tsv.gz", "screens/yeast_go.gmt")
FLY = ("screens/fly_dpim.tsv", "screens/fly_go_bp.gmt")
SCREENS = {
    "K562": ("k562_essential_latent.tsv", HUMAN),
    "HepG2": ("screens/hepg2_ternary_svd20.tsv", HUMAN),
    "RPE1": ("screens/rpe1_ternary_svd20.tsv", HUMAN),
    "DepMap": ("screens/depmap_500.tsv", HUMAN),
    "fly": ("screens/fly_s2_rnai.tsv", FLY),
    "yeast TF": ("screens/yeast_tfko.tsv", YEAST),
    "HCT116 singles": ("screens/hct116_singles.tsv", HUMAN),
    "T cells": ("screens/tcell_facs.tsv", HUMAN),
    "HeLa": ("screens/hela_periscope_2500.tsv", HUMAN),
    "LINCS": ("screens/lincs_overexpression.tsv", HUMAN),
    "HCT116 pairs": ("screens/hct116_pairs.tsv", HUMAN),
}
SHARES = (0.02, 0.05, 0.1, 0.2, 0.32)  # of the perturbations that the graph knows
ONE_SHOT = (
    "random degree pagerank kcenter kmeans typiclust facility graphreach softreach maxspec variance"
)
LEARNERS = "ensemble bald batchbald bait acs-fw coreset badge lcmd kmeans typiclust iterpert"
STRATEGIES = [*ONE_SHOT.split(), *(f"active:{name}" for name in LEARNERS.split())]
KEPT = [
    "strategy",
    "kind",
    "model",
    "targets",
    "judged",
    "seed",
    "split",
    "round",
    "budget",
    "n_measured",
    "n_pool",
    "n_test",
    "mse",
    "pearson_delta_centered",
    "picks_sha1",
    "status",
]


def read_arguments() -> argparse.Namespace:
    "The command line."
    told = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = os.environ.get("GRAPHSEL_DATA") or ROOT.parent / "shared" / "data"
    told.add_argument(
        "--data", type=Path, default=Path(data), help="folder of the screens and graphs"
    )
    told.add_argument("--out", type=Path, default=Path("atlas"), help="folder of the comparisons")
    told.add_argument("--screens", default=",".join(SCREENS), help="names, separated by commas")
    told.add_argument("--strategies", default=",".join(STRATEGIES))
    told.add_argument("--levels", default="pool,library", help="what strategies are told")
    told.add_argument("--model", default="gp")
    told.add_argument("--seeds", type=int, default=10, help="splits")
    told.add_argument("--random-draws", type=int, default=5)
    told.add_argument("--jobs", type=int, default=1)
    told.add_argument("--dask", help="address of a scheduler")
    told.add_argument(
        "--gather", type=Path, help="write the table of the page here, and run nothing"
    )
    return told.parse_args()


def budgets_of(screen, graph) -> list[int]:
    "The shares of the perturbations that the graph knows, in picks."
    n = len(gs.benchmark.make_bench(screen, graph).names)
    return sorted({max(2, round(share * n)) for share in SHARES})


def run_screen(name: str, asked: argparse.Namespace) -> None:
    "The comparisons of one screen, a folder for each level of telling."
    file, graphs = SCREENS[name]
    screen = gs.read_screen(asked.data / file)
    graph = gs.combine([gs.read_graph(asked.data / g) for g in graphs])
    budgets = budgets_of(screen, graph)
    for level in asked.levels.split(","):
        gs.compare(
            screen,
            graph,
            asked.strategies.split(","),
            budgets,
            out=asked.out / f"{name}-{level}-{asked.model}",
            resume=True,
            jobs=asked.jobs,
            dask=asked.dask,
            models=asked.model,
            seeds=asked.seeds,
            random_draws=asked.random_draws,
            targets=level,
            standardize=True,
        )


def finished(folder: Path) -> bool:
    "Whether a comparison ran to its end."
    if not (folder / "results.parquet").exists():
        return False
    asked = json.loads((folder / "run.json").read_text())["protocol"]
    curves = len(asked["strategies"]) * asked["repeats"]
    if "random" in asked["strategies"]:
        curves += max(asked["random_draws"] - asked["repeats"], 0)
    every = curves * asked["seeds"] * len(asked["models"]) * len(asked["budgets"])
    return len(gs.benchmark.read_results(folder)) == every


def gather(out: Path) -> pd.DataFrame:
    "Every row of every comparison that ran to its end: errors and hashes, no measurement."
    parts = []
    for folder in sorted(out.iterdir()):
        if finished(folder):
            rows = gs.benchmark.read_results(folder)[KEPT]
            parts.append(rows.assign(screen=folder.name.rsplit("-", 2)[0]))
        else:
            logging.warning("%s is not finished and is left out", folder.name)
    found = pd.concat(parts, ignore_index=True)
    found["picks_sha1"] = found["picks_sha1"].str[:10]
    for column in ("mse", "pearson_delta_centered"):
        found[column] = found[column].astype(np.float32)
    return found


def main() -> int:
    "Run, or gather."
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    asked = read_arguments()
    if asked.gather is not None:
        gather(asked.out).to_parquet(asked.gather, index=False, compression="zstd")
        return 0
    unknown = [n for n in asked.screens.split(",") if n not in SCREENS]
    if unknown:
        sys.exit(f"no screen called {unknown[0]}; there are {', '.join(SCREENS)}")
    for name in asked.screens.split(","):
        run_screen(name, asked)
    return 0


if __name__ == "__main__":
    sys.exit(main())
