"""The atlas: every screen × strategies × levels of telling × models, resumable. `python tools/atlas.py --help`.

Each screen is an ordinary comparison in a folder of its own; what is done is kept, and the same command goes on.
`--gather` writes the one table of the page: errors, hashes of picks and a few numbers about each screen, no
measurement."""

from dataclasses import dataclass, field
import argparse
import json
import logging
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

import graphsel as gs
from graphsel.active.loop import parse_strategy

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


@dataclass(frozen=True)
class Variant:
    "What else is tried on some screens: told the first level only."

    screens: tuple[str, ...]
    strategies: tuple[str, ...]
    priors: tuple[str, ...] = ()  # screens whose responses are known
    start: float | None = None  # size of a learner's start, as a share of the last budget
    graphs: tuple[str, ...] = ()  # in place of the screen's own
    models: tuple[str, ...] = ()  # the only ones, in place of those asked for
    options: dict = field(default_factory=dict)  # of the comparison


SHARES = (0.02, 0.05, 0.1, 0.2, 0.32)  # of the perturbations that the graph knows
ONE_SHOT = (
    "random degree pagerank kcenter kmeans typiclust facility graphreach softreach maxspec variance"
)
LEARNERS = "ensemble bald batchbald bait acs-fw coreset badge lcmd kmeans typiclust iterpert"
STRATEGIES = [*ONE_SHOT.split(), *(f"active:{name}" for name in LEARNERS.split())]
# these look at names that they are told; the others pick alike at every level and run at one
AIM = {"facility", "graphreach", "softreach", "variance", "active:bait", "active:iterpert"}
WITH_PRIOR = ("random", "facility", "variance", "active:bait", "active:prior", "active:iterpert")
STARTED = ("random", *(s for s in STRATEGIES if s.startswith("active:")))
VARIANTS = {
    "start 10 %": Variant(("K562",), STARTED, start=0.1),
    "prior RPE1": Variant(("K562", "HepG2"), WITH_PRIOR, ("RPE1",)),
    "prior K562": Variant(("HepG2", "RPE1"), WITH_PRIOR, ("K562",)),
    "priors K562 and RPE1": Variant(("HepG2",), WITH_PRIOR, ("K562", "RPE1")),
    # is it the graph's knowledge? Those who pick see other genes' edges, the model the right ones
    "labels permuted": Variant(
        tuple(SCREENS),
        ("random", "graphreach", "softreach", "variance"),
        models=("gp",),
        options={"noise": (1.0,), "noise_kinds": ("permuted",), "noise_on": "selector", "seeds": 5},
    ),
    # single cells of screens and budgets need more splits than means
    "more splits": Variant(
        tuple(SCREENS), ("random", "variance"), models=("gp",), options={"seeds": 24}
    ),
    # what the paper plans by: Gene Ontology alone, one hop
    "Gene Ontology over one hop": Variant(
        ("K562",),
        ("random", "variance", "graphreach", "softreach"),
        graphs=HUMAN[1:],
        options={"params": {"hops": 1}, "model_params": {m: {"hops": 1} for m in ("gp", "gnn")}},
    ),
}
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
ORDER = ["screen", "model", "variant", "targets", "strategy", "seed", "split", "budget"]


def read_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
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
    told.add_argument("--levels", default="library,pool,heldout", help="what strategies are told")
    told.add_argument(
        "--model", default="gp:10,gnn:5", help="NAME or NAME:SPLITS, separated by commas"
    )
    told.add_argument("--variants", default="all", help="names of VARIANTS, all, or none")
    told.add_argument("--seeds", type=int, default=10, help="splits of a model without a number")
    told.add_argument("--random-draws", type=int, default=5)
    told.add_argument("--jobs", type=int, default=1)
    told.add_argument("--dask", help="address of a scheduler")
    told.add_argument(
        "--gather", type=Path, help="write the table of the page here, and run nothing"
    )
    return told.parse_args(arguments)


def budgets_of(screen, graph) -> list[int]:
    "The shares of the perturbations that the graph knows, in picks."
    n = len(gs.benchmark.make_bench(screen, graph).names)
    return sorted({max(2, round(share * n)) for share in SHARES})


def models_of(asked: argparse.Namespace) -> list[tuple[str, int]]:
    "Models and their numbers of splits."
    parts = [part.partition(":") for part in asked.model.split(",")]
    return [(name, int(splits or asked.seeds)) for name, _, splits in parts]


def aims(strategy: str) -> bool:
    "Whether a strategy, its start or its shortlist looks at the names that it is told."
    return bool(set(parse_strategy(strategy).parts) & AIM)


def graph_of(name: str, data: Path, variant: Variant | None = None):
    "The graphs of a screen, or of a variant, with what other screens say of its genes."
    paths = (variant and variant.graphs) or SCREENS[name][1]
    graphs = [gs.read_graph(data / g) for g in paths]
    priors = variant.priors if variant else ()
    known = [gs.graphs.read_prior(str(data / SCREENS[p][0])) for p in priors]
    return gs.combine(graphs, known)


def run_screen(name: str, model: str, seeds: int, asked: argparse.Namespace) -> None:
    "The comparisons of one screen and model, a folder for each level of telling and each variant."
    screen = gs.read_screen(asked.data / SCREENS[name][0])
    graph = graph_of(name, asked.data)
    budgets = budgets_of(screen, graph)
    rest = {"seeds": seeds, "models": model, "jobs": asked.jobs, "dask": asked.dask}
    rest |= {"random_draws": asked.random_draws, "standardize": True, "resume": True}
    strategies, levels = asked.strategies.split(","), asked.levels.split(",")
    for level in levels:
        out = asked.out / f"{name}-{level}-{model}"
        if strategies:
            gs.compare(screen, graph, strategies, budgets, out=out, targets=level, **rest)
        strategies = [s for s in strategies if aims(s)]
    for title, variant in wanted(name, model, asked).items():
        known = graph_of(name, asked.data, variant)
        size = budgets_of(screen, known)
        told = {"out": asked.out / f"{name}-{levels[0]}-{model}@{title}", "targets": levels[0]}
        told["initial"] = variant.start and max(2, round(variant.start * size[-1]))
        own = rest | told | options_of(variant, model)
        gs.compare(screen, known, list(variant.strategies), size, **own)


def options_of(variant: Variant, model: str) -> dict:
    "Those of the comparison, the parameters of this model alone."
    options = dict(variant.options)
    if "model_params" in options:
        options["model_params"] = {m: v for m, v in options["model_params"].items() if m == model}
    return options


def wanted(name: str, model: str, asked: argparse.Namespace) -> dict[str, Variant]:
    "The variants that a screen and a model take part in."
    titles = [t for t in VARIANTS if asked.variants == "all" or t in asked.variants.split(",")]
    found = {t: VARIANTS[t] for t in titles if name in VARIANTS[t].screens}
    return {t: v for t, v in found.items() if model in (v.models or (model,))}


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


def at_every_level(rows: pd.DataFrame) -> pd.DataFrame:
    "The rows of one screen and model; what does not look at names stands at every level of telling."
    parts = [rows]
    for level in sorted(set(rows["targets"])):
        there = set(rows.loc[rows["targets"] == level, "strategy"])
        blind = [s for s in set(rows["strategy"]) - there if not aims(s)]
        others = rows[rows["strategy"].isin(blind)]
        others = others[others["targets"] == others["targets"].min()]
        parts.append(others.assign(targets=level))
    return pd.concat(parts, ignore_index=True)


def about(name: str, data: Path) -> dict[str, float]:
    """What the graph could know about a screen: columns of the table, one number each.

    `agreement` is the cosine of a response with the mean of its neighbors' (of combinations: of the single
    perturbations among them), `hubs` the rank correlation of a gene's degree with the length of its response."""
    screen, graph = gs.read_screen(data / SCREENS[name][0]), graph_of(name, data)
    single = graph.subgraph([n for n in screen.obs_names if n in graph])
    Y = screen[list(single.genes)].to_df().to_numpy(float)
    spread = Y.std(axis=0)
    Y = Y / np.where(spread > 0, spread, 1)
    degree = pd.Series(graph.degree, index=graph.genes)[single.genes]
    return {
        "n_responses": screen.n_vars,
        "agreement": gs.graphs.neighbor_agreement(single, Y),
        "hubs": spearmanr(degree, (Y**2).sum(axis=1)).statistic,
    }


def gather(out: Path, data: Path) -> pd.DataFrame:
    "Every row of every comparison that ran to its end: errors and hashes, no measurement."
    parts = []
    for folder in sorted(out.iterdir()):
        if finished(folder):
            rows = gs.benchmark.read_results(folder)[KEPT]
            base, _, variant = folder.name.partition("@")
            parts.append(rows.assign(screen=base.rsplit("-", 2)[0], variant=variant))
        else:
            logging.warning("%s is not finished and is left out", folder.name)
    if not parts:
        sys.exit(f"no comparison in {out} has run to its end")
    found = pd.concat(parts, ignore_index=True)
    found = pd.concat([at_every_level(g) for _, g in found.groupby(ORDER[:3])])
    found = found.sort_values(ORDER, ignore_index=True)
    found["picks_sha1"] = found["picks_sha1"].str[:10]
    known = pd.DataFrame({s: about(s, data) for s in found["screen"].unique()}).T
    found = found.join(known, on="screen")
    found["n_responses"] = found["n_responses"].astype(int)
    for column in ("mse", "pearson_delta_centered", "agreement", "hubs"):
        found[column] = found[column].astype(np.float32)
    found.attrs["made by"] = makers(out)
    return found


def makers(out: Path) -> dict[str, list[str]]:
    "What the comparisons were made by: every value of run.json that says so, kept in the table's `attrs`."
    notes = [json.loads((f / "run.json").read_text()) for f in sorted(out.iterdir()) if finished(f)]
    kept = ("numpy", "scipy", "scikit-learn", "torch", "torch-geometric", "python")
    told = [
        {"graphsel": n["version"], "code": n.get("code", "")[:10]}
        | {k: n["machine"][k] for k in kept if k in n["machine"]}
        for n in notes
    ]
    return {k: sorted({n[k] for n in told if n.get(k)}) for k in ("graphsel", "code", *kept)}


def main(arguments: list[str] | None = None) -> int:
    "Run, or gather."
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    asked = read_arguments(arguments)
    if asked.gather is not None:
        gather(asked.out, asked.data).to_parquet(asked.gather, index=False, compression="zstd")
        return 0
    unknown = [n for n in asked.screens.split(",") if n not in SCREENS]
    if unknown:
        sys.exit(f"no screen called {unknown[0]}; there are {', '.join(SCREENS)}")
    for model, seeds in models_of(asked):
        for name in asked.screens.split(","):
            run_screen(name, model, seeds, asked)
    return 0


if __name__ == "__main__":
    sys.exit(main())
