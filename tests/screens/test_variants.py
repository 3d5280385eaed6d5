"Hundreds of spellings of the same cells: each is read rightly or refused, none wrongly and in silence."

import random

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from graphsel.core.errors import GraphselError
from graphsel.screens.from_cells import screen_from_cells

GENES = ["TP53", "MDM2", "KRAS", "BRAF", "EGFR", "MYC", "CDK4", "RB1"]
SINGLES = ["TP53", "KRAS", "MYC", "EGFR"]
PAIRS = [("TP53", "KRAS"), ("MYC", "EGFR")]
KEYS = ["perturbation", "condition", "gene", "target_gene"]
CONTROLS = [
    *("control", "ctrl", "non-targeting", "NT", "NTC", "Non-Targeting", "neg_ctrl", "DMSO", "mock"),
    *(
        "NegCtrl{}",
        "non-targeting_{:05d}",
        "NTC_{}",
        "safe-targeting-{}",
        "scrambled",
        "unperturbed",
    ),
    *(
        "sgNT-{}",
        "negative_control",
        "CTRL{}",
        "intergenic_{}",
        "AAVS1",
        "blank",
    ),  # the last are asked
]
SEPARATORS = ["+", "_", "|", "&", ";", ",", "-", "/", ":", " "]
GUIDES = ["{}", "{}_1", "{}_2", "sg{}-1", "sg{}", "{}-sg2", "{}_+_7590731.23-P1P2", "{}-guide1"]
COVARIATES = ["none", "batch", "cell_line", "dose", "time", "percent.mt", "leiden", "cell_type"]
LAYERS = ["X", "layer", "raw"]


def drawn(seed):
    "A spelling of the cells, by chance."
    rng = random.Random(seed)
    guide = rng.choice([GUIDES[0]] * 4 + GUIDES)
    return {
        "key": rng.choice(KEYS),
        "control": rng.choice(CONTROLS),
        "separator": rng.choice(SEPARATORS),
        "guide": guide,
        "inside": guide == "{}" and rng.random() < 0.3,  # controls inside pairs: KLF1_NegCtrl0
        "covariate": rng.choice(COVARIATES),
        "layer": rng.choice(LAYERS),
        "categories": rng.random() < 0.5,
        "seed": seed,
    }


def cells_of(how):
    "Cells, and the mean of each perturbation minus that of the controls."
    rng = np.random.default_rng(how["seed"])
    meant = (
        [()] * 12 + [(g,) for g in SINGLES for _ in range(5)] + [p for p in PAIRS for _ in range(5)]
    )
    labels = [spelled(genes, n, how) for n, genes in enumerate(meant)]
    X = rng.gamma(2.0, 0.5, size=(len(meant), len(GENES))).astype(np.float32)
    obs = pd.DataFrame({how["key"]: labels}, index=[f"cell{i}" for i in range(len(meant))])
    if how["covariate"] != "none":
        numbers = how["covariate"] == "percent.mt"
        obs[how["covariate"]] = (
            rng.random(len(meant)) if numbers else [f"v{i % 2}" for i in range(len(meant))]
        )
    if how["categories"]:
        obs[how["key"]] = obs[how["key"]].astype("category")
    cells = ad.AnnData(
        X if how["layer"] == "X" else np.zeros_like(X), obs, pd.DataFrame(index=GENES)
    )
    if how["layer"] == "layer":
        cells.layers["logged"] = X
    if how["layer"] == "raw":
        cells.raw = ad.AnnData(X, obs, pd.DataFrame(index=GENES))
        cells = cells[:, ::-1].copy()
    names = np.array(["+".join(sorted(o)) for o in meant])
    reference = X[names == ""].mean(axis=0)
    return cells, {n: X[names == n].mean(axis=0) - reference for n in set(names) - {""}}


def spelled(genes, n, how):
    control = how["control"].format(n % 3)
    named = [how["guide"].format(g) for g in genes]
    if not genes:
        return control
    if how["inside"] and len(genes) == 1:
        return how["separator"].join([*named, control])
    return how["separator"].join(named)


def read(cells, how, **more):
    if how["layer"] == "raw":
        more["use_raw"] = True
    if how["layer"] == "layer":
        more["layer"] = "logged"
    return screen_from_cells(cells, source="cells", **more)


def outcome(seed):
    "right, asked or wrong; what was seen."
    how = drawn(seed)
    cells, expected = cells_of(how)
    try:
        screen = read(cells, how)
    except GraphselError as e:
        return ("asked" if "\n" not in str(e) and len(str(e)) > 40 else "wrong"), how, str(e)
    same = set(screen.obs_names) == set(expected)
    if same:
        rows = np.array([expected[o] for o in screen.obs_names])
        at = [list(screen.var_names).index(g) for g in GENES]
        same = np.allclose(np.asarray(screen.X)[:, at], rows, atol=1e-5)
    return ("right" if same else "wrong"), how, list(screen.obs_names)


@pytest.mark.parametrize("first", [0, pytest.param(60, marks=pytest.mark.slow)])
def test_no_spelling_is_wrong_in_silence(first):
    many = 60 if first == 0 else 500
    seen = [outcome(seed) for seed in range(first, first + many)]
    wrong = [o[1:] for o in seen if o[0] == "wrong"]
    assert not wrong, f"{len(wrong)} of {many}: {wrong[:3]}"
    assert sum(o[0] == "right" for o in seen) > 0.1 * many
