"""Properties of the simulated screen that its notebook does not show: same bytes in every process, calibration,
round trips, odd sizes, errors."""

import hashlib
import os
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from conftest import printed_under

from graphsel.core.errors import GraphselError
from graphsel.core.randomness import as_rng
from graphsel.datasets.simulate import (
    draw_biology,
    draw_effects,
    draw_network,
    draw_partners,
    draw_pathways,
    in_order,
    log_normalize,
    noisy_edges,
    simulated_screen,
    swap_labels,
    true_sets,
)
from graphsel.genes.perturbations import perturbed_genes
from graphsel.graphs.graph import combine, neighbor_agreement
from graphsel.graphs.readers.read import read_graph
from graphsel.screens.from_cells import screen_from_cells
from graphsel.screens.read import read_screen

FINGERPRINT = """
import hashlib, numpy as np
from graphsel.datasets.simulate import simulated_screen
s = simulated_screen(60, 80, pairs=5, random_state=3)
parts = [s.cells.X.data, s.cells.X.indices, s.screen.X, s.screen.layers["m4"], s.truth.to_numpy()]
sets, pathways = list(s.gene_sets.items()), list(s.pathways.items())
text = [s.graph.fingerprint, sets, s.edges.to_csv(), list(s.screen.obs_names), pathways]
print(hashlib.sha1(b"".join(p.tobytes() for p in parts) + repr(text).encode()).hexdigest())
"""


def standardized(sim):
    "Graph over the perturbed genes it knows, and their standardized responses."
    Y = sim.screen.to_df()
    graph = sim.graph.align(Y.index, "drop")[0]
    Y = Y.loc[graph.genes].to_numpy()
    return graph, Y / np.maximum(Y.std(axis=0), 1e-12)


def relative_error(sim, n_train, repeats=4):
    """Squared error of a Gaussian process on the graph kernel, relative to predicting the mean; the last quarter
    is the test set."""
    graph, Y = standardized(sim)
    K, errors = graph.kernel((1, 2)), []
    for r in range(repeats):
        order = np.random.default_rng(r).permutation(len(Y))
        train, test = order[:n_train], order[-len(Y) // 4 :]
        m = Y[train].mean(axis=0)
        predicted = m + K[np.ix_(test, train)] @ np.linalg.solve(
            K[np.ix_(train, train)] + 0.3 * np.eye(n_train), Y[train] - m
        )
        errors.append(((predicted - Y[test]) ** 2).mean() / ((m - Y[test]) ** 2).mean())
    return np.mean(errors)


@pytest.fixture(scope="module")
def default():
    return [simulated_screen(random_state=s) for s in range(3)]


@pytest.fixture(scope="module")
def small():
    return simulated_screen(40, 60, pairs=6, n_control=100, random_state=1)


def test_same_bytes_in_every_process():
    assert len(set(printed_under(FINGERPRINT))) == 1


def test_random_state_kinds():
    def X(r):
        return simulated_screen(12, 20, n_control=20, random_state=r).screen.X

    assert np.array_equal(X(np.random.default_rng(5)), X(np.random.default_rng(5)))
    assert np.array_equal(X(5), X(np.random.default_rng(5))) and not np.array_equal(X(5), X(6))
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    X(None)
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_agreement_is_calibrated(default):
    values = [neighbor_agreement(*standardized(s)) for s in default]
    assert all(0.5 <= v <= 0.6 for v in values), values
    assert all(abs(neighbor_agreement(*standardized(s), random_state=0)) < 0.06 for s in default)


@pytest.mark.parametrize("n_perturbations, n_responses", [(300, 100), (800, 100)])
def test_agreement_holds_at_other_sizes(
    n_perturbations, n_responses
):  # on average: seeds differ by about 0.03 (standard deviation)
    sims = [
        simulated_screen(n_perturbations, n_responses, cells_per_perturbation=30, random_state=s)
        for s in range(3)
    ]
    assert 0.5 <= np.mean([neighbor_agreement(*standardized(s)) for s in sims]) <= 0.6


def test_screen_is_learnable(default):
    curve = np.mean([[relative_error(s, n) for n in (50, 100, 200)] for s in default], axis=0)
    assert (np.diff(curve) < -0.02).all()
    assert 0.6 < np.mean([relative_error(s, 150) for s in default]) < 0.8
    assert relative_error(simulated_screen(information=0), 150) > 0.98


def test_information_is_monotone_and_leaves_the_rest_alone():
    sims = [
        simulated_screen(300, 150, information=i, random_state=4) for i in (0, 0.25, 0.5, 0.75, 1)
    ]
    values = [neighbor_agreement(*standardized(s)) for s in sims]
    assert (np.diff(values) > 0).all() and abs(values[0]) < 0.06
    assert all(np.array_equal(s.screen.X, sims[0].screen.X) for s in sims)
    for s in sims:  # names move, the graph's shape does not
        assert [g.n_edges for g in s.graph.graphs] == [g.n_edges for g in sims[0].graph.graphs]
        degrees = [
            [np.sort(np.bincount(g.adjacency.indices, minlength=len(g))) for g in o.graph.graphs]
            for o in (s, sims[0])
        ]
        assert np.array_equal(
            degrees[0][0], degrees[1][0]
        )  # exact for edges; the top-k of gene sets breaks ties by name
        assert sorted(map(len, s.gene_sets.values())) == sorted(
            map(len, sims[0].gene_sets.values())
        )


@pytest.mark.parametrize("information", [0, 0.3, 1])
def test_swapped_labels_are_a_permutation(information):
    names = np.array([f"G{i}" for i in range(100)])
    label = swap_labels(names, information, np.random.default_rng(0))
    assert sorted(label) == sorted(names) and (label == names).sum() == round(100 * information)


def test_truth_and_screen_tell_the_same_story(default):
    sim = default[0]
    assert list(sim.truth.index) == list(sim.screen.obs_names) and list(sim.truth.columns) == list(
        sim.screen.var_names
    )
    assert np.corrcoef(sim.truth.to_numpy().ravel(), sim.screen.X.ravel())[0, 1] > 0.85
    deep = simulated_screen(30, 50, cells_per_perturbation=1500, n_control=3000)
    assert np.corrcoef(deep.truth.to_numpy().ravel(), deep.screen.X.ravel())[0, 1] > 0.97
    singles = [g for g in sim.screen.obs_names if g in sim.screen.var_names]
    assert len(singles) == 300 and np.mean([sim.screen[g, g].X[0, 0] < 0 for g in singles]) > 0.95


def test_effects_are_heavy_tailed_and_cells_vary(default):
    size = np.sqrt((default[0].truth ** 2).mean(axis=1))
    assert size.quantile(0.95) > 2 * size.median() and size.quantile(0.05) < size.median() / 2.5
    cells = default[0].cells
    assert cells.X.dtype == np.float32 and cells.X.format == "csr"
    counts = cells.obs["condition"].value_counts()
    assert (
        counts["ctrl"] == 600
        and 25 < counts.drop("ctrl").mean() < 35
        and counts.drop("ctrl").std() > 8
    )


def test_some_genes_are_missing_from_each_graph(default):
    for layer in default[0].graph.graphs:
        missing = [
            g
            for g in default[0].screen.obs_names
            if g not in layer or layer.isolated[layer.index([g])[0]]
        ]
        assert 0 < len(missing) < 40


def test_pairs(small):
    assert small.screen.n_obs == 46
    pairs = [perturbed_genes(n) for n in small.screen.obs_names if "+" in n]
    assert len(pairs) == 6 and all(
        len(p) == 2 and set(p) <= set(small.screen.obs_names) for p in pairs
    )
    assert {"ctrl", f"{pairs[0][0]}+ctrl", "+".join(pairs[0])} <= set(small.cells.obs["condition"])
    alone = simulated_screen(40, 60, n_control=100, random_state=1)
    assert (
        np.allclose(alone.truth, small.truth.loc[alone.truth.index])
        and alone.graph.fingerprint == small.graph.fingerprint
    )
    every = simulated_screen(4, 10, pairs=6, n_control=10)
    assert every.screen.n_obs == 10


def test_round_trip_through_files(small, tmp_path):
    files = small.write(tmp_path / "new" / "folder")
    assert sorted(os.listdir(tmp_path / "new" / "folder")) == [
        "cells.h5ad",
        "edges.tsv",
        "gene_sets.gmt",
        "library.txt",
        "screen.h5ad",
    ]
    back, from_cells = read_screen(files["screen"]), read_screen(files["cells"])
    for screen in (back, from_cells, screen_from_cells(small.cells)):
        assert list(screen.obs_names) == list(small.screen.obs_names)
        assert np.array_equal(screen.X, small.screen.X) and np.array_equal(
            screen.layers["m4"], small.screen.layers["m4"]
        )
    graph = combine([read_graph(files["edges"]), read_graph(files["gene_sets"])])
    assert graph.fingerprint == small.graph.fingerprint

    def digest(folder):
        return {
            k: hashlib.sha1(f.read_bytes()).hexdigest()
            for k, f in small.write(folder).items()
            if f.suffix != ".h5ad"
        }

    assert digest(tmp_path / "a") == digest(tmp_path / "b")


def test_cannot_write_is_one_clear_error(small, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(GraphselError, match="cannot write"):
        small.write(tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "a file"


@pytest.mark.parametrize(
    "kwargs",
    [
        dict(n_perturbations=4),
        dict(n_perturbations=5, n_responses=1),
        dict(n_perturbations=9, n_responses=3),
        dict(n_perturbations=20, n_pathways=1),
        dict(n_perturbations=20, n_pathways=100),
        dict(n_perturbations=20, n_genes=20),
        dict(n_perturbations=20, n_genes=500),
        dict(n_perturbations=10, cells_per_perturbation=1, n_control=1),
        dict(n_perturbations=4, information=0),
        dict(n_perturbations=1200, cells_per_perturbation=1),
    ],
)
def test_odd_sizes(kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sim = simulated_screen(
            **{"n_responses": 30, "n_control": 50, "cells_per_perturbation": 4, **kwargs}
        )
    assert sim.screen.n_obs == kwargs["n_perturbations"] and sim.screen.n_vars == kwargs.get(
        "n_responses", 30
    )
    assert np.isfinite(sim.screen.X).all() and np.isfinite(sim.truth.to_numpy()).all()
    assert sim.graph.n_edges > 0 and "perturbations" in repr(sim)
    assert list(sim.screen.obs_names) == sorted(sim.screen.obs_names)


def test_smallest_size_works_with_every_seed():
    for seed in range(40):
        assert (
            simulated_screen(
                4, 5, cells_per_perturbation=2, n_control=5, random_state=seed
            ).graph.n_edges
            > 0
        )


def test_every_gene_is_in_a_pathway():
    sets = true_sets(draw_biology(200, 20, 10, seed=0))
    assert set(np.concatenate([g for t, g in sets.items() if t.startswith("PATHWAY")])) == set(
        range(200)
    )


@pytest.mark.parametrize(
    "kwargs, says",
    [
        (dict(n_perturbations=3), "at least 4"),
        (dict(n_perturbations=0), "n_perturbations is 0"),
        (dict(n_perturbations=10.5), "n_perturbations"),
        (dict(n_perturbations=50, n_genes=49), "not enough"),
        (dict(n_responses=0), "n_responses is 0"),
        (dict(information=1.1), "information is 1.1"),
        (dict(information=-0.1), "information"),
        (dict(information=float("nan")), "information"),
        (dict(information="all"), "information"),
        (dict(n_perturbations=4, pairs=7), "0 to 6"),
        (dict(pairs=-1), "pairs"),
        (dict(cells_per_perturbation=0), "cells_per_perturbation"),
        (dict(n_control=0), "n_control"),
        (dict(n_pathways=0), "n_pathways"),
        (dict(random_state="x"), "random_state"),
    ],
)
def test_impossible_is_refused(kwargs, says):
    with pytest.raises(GraphselError, match=says):
        simulated_screen(**kwargs)


def test_rows_do_not_depend_on_how_scipy_builds_them():
    "Columns rise, repeats are added in the order they came, whatever the order of the entries."
    rng = np.random.default_rng(0)
    row, col, value = rng.integers(6, size=200), rng.integers(9, size=200), rng.normal(size=200)
    found = in_order(value, row, col, (7, 9))
    dense = np.zeros((7, 9))
    for r, c, v in zip(row, col, value):
        dense[r, c] += v
    assert (
        np.array_equal(found.toarray(), dense)
        and np.diff(found.indptr).tolist() == (dense != 0).sum(axis=1).tolist()
    )
    assert all((np.diff(found[[r]].indices) > 0).all() for r in range(7))
    pathways = draw_biology(400, 40, 10, seed=0)
    assert all(
        (np.diff(m.indices) > 0).sum() >= m.nnz - m.shape[0]
        for m in (pathways.member, pathways.network)
    )


def test_one_seed_is_one_screen():
    """What numpy 2.0 with scipy 1.13 and numpy 2.5 with scipy 1.18 gave alike; nothing here hangs on the last bits
    of a float."""
    sim = simulated_screen(60, 80, pairs=5, random_state=3)
    text = [
        sim.edges.to_csv(index=False),
        list(sim.gene_sets.items()),
        list(sim.screen.obs_names),
        list(sim.pathways.items()),
    ]
    assert [len(sim.edges), sim.cells.n_obs, sim.cells.X.nnz] == [559, 2605, 175633]
    assert (
        hashlib.sha1(repr(text).encode()).hexdigest() == "6a2d5792c1d33b7d5b8177044087960499b6ccec"
    )
    assert sim.truth.to_numpy().sum() == pytest.approx(
        -129.4708137
    ) and sim.screen.X.sum() == pytest.approx(-106.303, rel=1e-4)


def test_the_pieces_are_skewed_as_biology_is():
    "Sizes of pathways, targets of a regulator, effects and counts: many small ones, a few large."
    member, _ = draw_pathways(400, 40, as_rng(0))
    sizes = np.asarray(member.sum(axis=0)).ravel()
    assert sizes.max() > 3 * np.median(sizes)
    assert set(np.unique(np.asarray(member.sum(axis=1)))) == {1.0, 2.0}
    genes = np.repeat(np.arange(400), 10)
    partners = draw_partners(member, genes, 0.2, as_rng(0))
    shared = np.asarray(member[genes].multiply(member[partners]).sum(axis=1)).ravel() > 0
    assert 0.78 < shared.mean() < 0.88
    network = draw_network(member, as_rng(1))
    out = np.diff(network.indptr)
    assert out.max() > 10 * max(1, np.median(out)) and network.diagonal().sum() == 0
    assert 0 < (draw_effects(member, as_rng(3)).data < 0).mean() < 0.1
    bio = draw_biology(400, 40, 400, seed=0)
    everyone = bio.response(sp.diags(np.full(400, -1.6)).tocsr(), np.arange(400))
    size = np.sqrt((everyone**2).mean(axis=1))
    assert np.quantile(size, 0.95) > 3 * np.quantile(size, 0.05)
    a, b, w = noisy_edges(bio, as_rng(0))
    true = np.asarray(bio.member[a].multiply(bio.member[b]).sum(axis=1)).ravel() > 0
    assert w[true].mean() > w[~true].mean()


def test_depth_is_the_median_everywhere():
    counts = sp.csr_matrix(as_rng(0).poisson(2, (50, 20)).astype(float))
    depth = np.expm1(log_normalize(counts).toarray()).sum(axis=1)
    np.testing.assert_allclose(depth, np.median(np.asarray(counts.sum(axis=1))), rtol=1e-3)
