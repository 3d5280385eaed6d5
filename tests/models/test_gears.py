"""GEARS against formulas, all pairs of cells and the published order; leaks, seeds, tiny screens, killed fits."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.base import clone

from graphsel.core.identity import layer_names
from graphsel.core.errors import GraphselError
from graphsel.core.randomness import child_rng
from graphsel.datasets.simulate import simulated_screen
from graphsel.graphs.build import from_edges
from graphsel.graphs.graph import combine
from graphsel.graphs.operators import propagation
from graphsel.graphs.readers.coexpression import from_coexpression
from graphsel.models.gears import model as gears
from graphsel.models.gears import moments
from graphsel.models.gears import network as gearsnet
from graphsel.models.gears import training as training_room
from graphsel.models.gears.model import GEARS, PUBLISHED
from graphsel.models.gears.moments import (
    central_moments,
    expected_loss,
    gene_losses,
    nonzero_genes,
    nonzero_in_cells,
    picked_moments,
    read_cells,
)
from graphsel.models.gears.network import GearsNet, load_gears_state, place_edges, positions
from graphsel.models.gears.training import CellBatches, MomentBatches, Run, rate, train
from graphsel.models.gnn_networks import edge_tensors
from graphsel.models.registry import load_model, make_model
from graphsel.screens.from_cells import screen_from_cells
from graphsel.screens.screen import check_screen, make_screen

SIM = simulated_screen(24, 30, cells_per_perturbation=8, n_control=60, pairs=4, random_state=2)
SCREEN, GRAPH = SIM.screen, SIM.graph
NAMES = sorted(SCREEN.obs_names)
PICKS, REST = NAMES[::2], NAMES[1::2]


def fitted(screen=SCREEN, graph=GRAPH, picks=PICKS, seed=0, **params):
    return GEARS(**{"hidden": 8, "steps": 12, "look": 4, **params}).fit(
        screen, graph, perturbations=picks, random_state=seed
    )


def same(a, b):
    return all(
        np.array_equal(x[k], y[k]) for x, y in zip(a.members_, b.members_, strict=True) for k in x
    )


def new_net(n_genes=7, n_nodes=6, hidden=5, seed=0, n_graphs=1, directed=True):
    rng = np.random.default_rng(seed)
    nodes = [f"n{i}" for i in range(n_nodes)]

    def random_graph(names):
        i, j = rng.integers(len(names), size=(2, 3 * len(names)))
        keep = i != j
        return from_edges(
            [names[a] for a in i[keep]],
            [names[a] for a in j[keep]],
            rng.random(keep.sum()),
            genes=names,
            directed=directed,
        )

    graphs, places = (
        [random_graph(nodes) for _ in range(n_graphs)],
        random_graph([f"g{i}" for i in range(n_genes)]),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = GearsNet(
            n_genes, n_nodes, [edge_tensors(g)[0] for g in graphs], edge_tensors(places)[0], hidden
        )
        for m in net.modules():  # as after training: no statistic at its start
            if isinstance(m, torch.nn.BatchNorm1d):
                for t in (m.weight.data, m.bias.data, m.running_mean):
                    t.normal_()
                m.running_var.uniform_(0.5, 2)
    return net.eval(), graphs, places


# ---- losses ----


@pytest.mark.parametrize("power", [2, 4])
def test_loss_equals_all_pairs_of_cells(power):
    rng = np.random.default_rng(0)
    for _ in range(20):
        y, x = (
            rng.gamma(1, 2, size=(rng.integers(1, 30), 5)),
            rng.gamma(2, 1, size=(rng.integers(1, 30), 5)),
        )
        D, delta = y[:, None] - x[None], rng.normal(size=5) * 3
        m = [(D**k).mean((0, 1)) for k in (1, 2, 3, 4)]
        truth = ((delta - D) ** power).mean((0, 1))
        np.testing.assert_allclose(expected_loss(delta, *m, power=power), truth, rtol=1e-8)
        c = central_moments(*m)
        ours = gene_losses(delta - m[0], c) if power == 4 else gene_losses(delta - m[0]) + c[0]
        np.testing.assert_allclose(ours, truth, rtol=1e-7)


def test_loss_from_the_screen_equals_all_pairs_with_the_mask():
    cells, m = read_cells(SIM.cells), picked_moments(SCREEN, NAMES)
    control = cells.X[cells.code == cells.names.index("control")].astype(np.float64)
    delta = np.random.default_rng(0).normal(size=SCREEN.shape)
    ours = (m.weight * gene_losses(delta - m.mean, m.central)).sum(axis=1)
    assert not nonzero_genes(SCREEN).all()
    for i, n in enumerate(NAMES):
        Y = cells.X[cells.code == cells.names.index(n)].astype(np.float64)
        kept = (Y != 0).any(axis=0)
        assert ours[i] == pytest.approx(
            ((delta[i] - (Y[:, None] - control[None])) ** 4).mean((0, 1))[kept].mean(), rel=1e-5
        )


def test_mask():
    exact = nonzero_in_cells(read_cells(SIM.cells), SCREEN.obs_names)
    assert np.array_equal(nonzero_genes(SCREEN), exact)
    kept = SCREEN.copy()
    kept.layers["nonzero"] = ~exact
    assert np.array_equal(nonzero_genes(kept), ~exact)
    batches = SIM.cells.copy()
    batches.obs["batch"] = np.where(np.arange(batches.n_obs) % 2, "a", "b")
    assert nonzero_genes(
        screen_from_cells(batches, covariate="batch", unmatched="drop")
    ).all()  # cannot be told: all count
    assert nonzero_genes(make_screen(SCREEN.to_df())).all()
    never = SCREEN.copy()
    never.layers["nonzero"] = np.zeros(SCREEN.shape, bool)
    np.testing.assert_allclose(picked_moments(never, NAMES).weight, 1 / 30)


def test_de_weights():
    w = moments.de_weights(np.array([[0.0, -2, 4], [1, 1, 1], [np.inf, 0, 2], [0, 0, 0]]))
    np.testing.assert_allclose(w, [[0, 0.25, 1], [1, 1, 1], [1, 0, 1], [1, 1, 1]])
    assert np.allclose(picked_moments(SCREEN, NAMES, "de").weight.sum(1), 1)


def test_a_gene_that_does_not_count_has_no_gradient():
    d = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    w = torch.tensor([[0.5, 0, 0.5], [0, 1, 0]])
    c = [torch.ones(2, 3, dtype=torch.float64)] * 3
    (w * gene_losses(d, c)).sum().backward()
    assert torch.equal(d.grad != 0, w != 0)


# ---- the network ----


def batch_norm(x, p, k):
    return (x - p[f"{k}.running_mean"]) / np.sqrt(p[f"{k}.running_var"] + 1e-5) * p[
        f"{k}.weight"
    ] + p[f"{k}.bias"]


def dense(x, p, k):
    return x @ p[f"{k}.weight"].T + p[f"{k}.bias"]


def mlp(x, p, k):
    return batch_norm(
        dense(np.maximum(batch_norm(dense(x, p, f"{k}.0"), p, f"{k}.1"), 0), p, f"{k}.3"),
        p,
        f"{k}.4",
    )


def short(E):
    return E * np.minimum(1, 1 / np.maximum(np.linalg.norm(E, axis=1, keepdims=True), 1e-12))


@pytest.mark.parametrize("n_graphs", [1, 2])
def test_network_is_the_published_formula(n_graphs):
    net, graphs, places = new_net(n_graphs=n_graphs)
    p = {k: v.numpy().astype(np.float64) for k, v in net.state_dict().items()}
    asked = [(0,), (1, 4), (2, 3, 5), ()]
    found = net(torch.tensor([[0, -1, -1], [1, 4, -1], [2, 3, 5], [-1, -1, -1]])).detach().numpy()
    place = propagation(places.adjacency) @ short(p["genes.place.weight"])
    h = mlp(
        np.maximum(batch_norm(short(p["genes.own.weight"]), p, "genes.norm"), 0)
        + 0.2 * dense(place, p, "genes.conv.lin"),
        p,
        "genes.mlp",
    )
    E = short(p["perturbations.own.weight"])
    z = np.mean(
        [
            dense(propagation(g.adjacency) @ E, p, f"perturbations.convs.{i}.lin")
            for i, g in enumerate(graphs)
        ],
        axis=0,
    )
    for row, genes in zip(found, asked, strict=True):
        u = mlp(sum(z[g] for g in genes)[None], p, "perturbations.fuse") if genes else 0
        r = mlp(np.maximum(batch_norm(h + u, p, "decoder.norm"), 0), p, "decoder.recover")
        o = (r * p["decoder.w1"][:, :, 0]).sum(axis=1) + p["decoder.b1"][:, 0]
        s = mlp(o[None], p, "decoder.state")[0]
        last = np.c_[o, np.tile(s, (7, 1))]
        np.testing.assert_allclose(
            row, (last * p["decoder.w2"][0]).sum(axis=1) + p["decoder.b2"][0], atol=1e-5
        )


def test_computing_the_gene_side_once_is_what_repeating_it_for_each_cell_gives():
    net, _, _ = new_net()
    net.train()
    asked = torch.tensor([[0, -1], [1, 4], [-1, -1]])
    ours = net(asked)
    side, repeated = net.genes, []
    place = side.conv(side.place.weight, side.index, side.weight)
    own, place = side.own.weight.repeat(3, 1), place.repeat(3, 1)
    h = side.mlp(torch.relu(side.norm(own)) + 0.2 * place).reshape(
        3, 7, -1
    )  # batch norms over 3 x 7 rows, as published
    x = torch.relu(net.decoder.norm((h + net.perturbations(asked)[:, None]).reshape(21, -1)))
    o = (net.decoder.recover(x).reshape(3, 7, -1, 1) * net.decoder.w1).sum(dim=2) + net.decoder.b1
    s = net.decoder.state(o.squeeze(2))
    repeated = (torch.cat([o, s.repeat(1, 7).reshape(3, 7, -1)], dim=2) * net.decoder.w2).sum(
        dim=2
    ) + net.decoder.b2
    torch.testing.assert_close(ours, repeated, atol=1e-5, rtol=1e-4)


def test_a_row_alone_is_the_row_in_company():
    net, _, _ = new_net()
    asked = torch.tensor([[0, 3], [1, -1], [-1, -1]])
    together = net(asked)
    for i in range(3):
        torch.testing.assert_close(net(asked[[i]]), together[[i]], atol=1e-5, rtol=1e-4)
    net.train()
    assert (
        torch.isfinite(net(asked[:1].repeat(2, 1))).all()
        and torch.isfinite(net(torch.tensor([[0, -1], [-1, -1]]))).all()
    )


def test_weights_of_the_original_package_in_another_order():
    net, _, _ = new_net()
    asked, wanted = torch.tensor([[0, 2], [5, -1]]), None
    wanted = net(asked)
    theirs, rng = {}, np.random.default_rng(0)
    genes, nodes = rng.permutation(7), rng.permutation(6)  # ours -> theirs
    back_g, back_n = np.argsort(genes), np.argsort(nodes)
    for k, v in net.state_dict().items():
        old = next(t + k[len(o) :] for t, o in gearsnet._NAMES.items() if k.startswith(o))
        if old in ("gene_emb.weight", "emb_pos.weight", "indv_w1", "indv_b1"):
            v = v[back_g]
        if old in ("indv_w2", "indv_b2", "cross_gene_state.network.0.weight"):
            v = v[:, back_g]
        theirs[old] = v[back_n] if old == "pert_emb.weight" else v
    theirs |= {"pert_w.weight": torch.zeros(5, 1), "bn_pert_base_trans.weight": torch.zeros(5)}
    other, _, _ = new_net(seed=0)
    with torch.no_grad():
        [p.zero_() for p in other.parameters()]
    torch.testing.assert_close(load_gears_state(other, theirs, genes, nodes)(asked), wanted)
    with pytest.raises(GraphselError, match="do not fit"):
        load_gears_state(new_net(hidden=4)[0], theirs)


def test_positions():
    assert positions(["A+C", "B", "X", "A+B+C"], ["A", "B", "C"]).tolist() == [
        [0, 2, -1],
        [1, -1, -1],
        [-1, -1, -1],
        [0, 1, 2],
    ]
    assert positions(["X"], []).tolist() == [[-1]]


# ---- batches ----


def test_one_control_cell_makes_both_roads_one():
    labels = SIM.cells.obs["condition"].astype(str).to_numpy()
    keep = (labels != "ctrl") | (np.arange(len(labels)) == np.flatnonzero(labels == "ctrl")[0])
    cells = SIM.cells[keep].copy()
    screen, table = screen_from_cells(cells), read_cells(cells)
    m, asked, net = (
        picked_moments(screen, NAMES, "quartic"),
        positions(NAMES, GRAPH.genes),
        new_net(30, len(GRAPH))[0],
    )
    by_moments = MomentBatches(asked, m, np.zeros(30), 1000, 0, "cpu").loss(net, 0)
    by_cells = CellBatches(
        table, NAMES, asked, m.weight, np.zeros(30), 10**6, seed=0, device="cpu"
    ).loss(net, 0)
    assert by_cells.item() == pytest.approx(by_moments.item(), rel=1e-5)
    a, b = (
        torch.autograd.grad(o, list(net.parameters()), retain_graph=True)
        for o in (by_moments, by_cells)
    )
    for x, y in zip(a, b, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-3, atol=1e-4 * max(1.0, float(x.abs().max())))


def test_cell_batches_are_the_published_ones():
    cells, asked = read_cells(SIM.cells), positions(PICKS, GRAPH.genes)
    b = CellBatches(
        cells,
        PICKS,
        asked,
        np.full((len(PICKS), 30), 1 / 30),
        np.zeros(30),
        16,
        seed=0,
        device="cpu",
    )
    control = b.group == len(PICKS)
    assert (
        control.sum() == 60 and (b.difference[torch.as_tensor(control)] == 0).all()
    )  # a control cell is its own partner
    net, total = new_net(30, len(GRAPH))[0], 0
    order = child_rng(0, "epoch", 0).permutation(len(b.group))
    at = np.array_split(order, b.epoch)[1]
    groups = np.unique(b.group[at])
    for g in groups:
        mine = at[b.group[at] == g]
        rows = asked[[g]] if g < len(PICKS) else torch.full((1, asked.shape[1]), -1)
        total += ((net(rows).double() - b.difference[mine]) ** 4).mean().item() / len(groups)
    assert b.loss(net, 1).item() == pytest.approx(total, rel=1e-5)
    again = CellBatches(
        cells, PICKS, asked, b.weight[:-1].numpy(), np.zeros(30), 16, seed=0, device="cpu"
    )
    assert torch.equal(again.difference, b.difference)


def test_moment_batches_see_everyone_once_an_epoch():
    m = picked_moments(SCREEN, NAMES)
    b = MomentBatches(positions(NAMES, GRAPH.genes), m, np.zeros(30), 9, 3, "cpu")
    assert b.epoch == 4
    for e in (0, 1):
        assert np.array_equal(
            np.sort(np.concatenate([b.rows(4 * e + i)[:-1] for i in range(4)])), np.arange(28)
        )
    assert not np.array_equal(b.rows(0), b.rows(4)) and all(b.rows(i)[-1] == 28 for i in range(4))


def test_settle_sets_the_statistics_of_the_training_batches():
    m, net = picked_moments(SCREEN, NAMES), new_net(30, len(GRAPH))[0]
    b = MomentBatches(positions(NAMES, GRAPH.genes), m, np.zeros(30), 1000, 0, "cpu")
    with torch.no_grad():
        before = net.eval()(b.asked)
        b.settle(net)
        trained = net.train()(b.asked)
        after = net.eval()(b.asked)  # differs by the biased against the unbiased variance only
    assert (after - trained).abs().mean() < 0.1 * (before - trained).abs().mean()
    assert all(o.momentum == 0.1 for o in net.modules() if isinstance(o, torch.nn.BatchNorm1d))


def test_schedules():
    assert rate("constant", 5, 10, 2) == 1 and rate("halving", 5, 10, 2) == 0.25
    r = [rate("cosine", s, 100, 1) for s in range(100)]
    assert max(r) == 1 and r[0] < 1 and r[-1] < 0.01 and np.all(np.diff(r[5:]) < 0)
    assert rate("cosine", 0, 1, 1) <= 1
    with pytest.raises(GraphselError, match="did you mean 'cosine'"):
        rate("cosin", 0, 1, 1)


def test_weights_kept_and_patience():
    net, steps, seen = new_net()[0], [], []
    errors = iter([[3.0, 3, 4], [1, 1, 2], [1.1, 0.9, 2.2], [2, 2, 3], [2, 2, 3.1], [0, 0, 0]])

    class Flat:
        epoch = 1

        def loss(self, net, step):
            steps.append(step)
            return sum((p**2).sum() for p in net.parameters())

        def settle(self, net):
            pass

    run = Run(net, torch.optim.Adam(net.parameters()))
    train(
        run,
        Flat(),
        lambda: seen.append(net.decoder.b2.detach().clone()) or next(errors),
        steps=100,
        look=2,
        patience=2,
        learning_rate=0.1,
    )
    assert [h["kept"] for h in run.history] == [
        True,
        True,
        True,
        False,
        False,
    ]  # the third is worse, but not clearly
    assert steps == list(range(8)) and run.best == [1, 1, 2]
    assert torch.equal(run.kept["decoder.b2"], seen[2])


def test_without_validation_the_last_weights_are_kept():
    for errors in ([], [5.0]):
        run = Run(new_net()[0], None)
        for e in (errors, [2 * o for o in errors]):
            run.look(e, 0.0)
        assert run.worse == 0 and run.history[-1]["kept"]


# ---- the model ----


def test_prediction_is_a_screen_and_the_registry_knows_it():
    p = check_screen(fitted().predict(REST))
    assert list(p.obs_names) == REST and p.X.dtype == np.float32 and np.isfinite(p.X).all()
    assert p.uns["graphsel"] == {"kind": "prediction", "model": "gears"} and not layer_names(p)
    q = fitted(n_members=2).predict(REST)
    assert (q.layers["variance"] > 0).any() and q.layers["variance"].shape == q.shape
    assert isinstance(make_model("gears", hidden=8), GEARS)
    m = make_model("gears")
    assert clone(m).get_params() == m.get_params() and not [a for a in vars(m) if a.endswith("_")]


def test_order_does_not_matter_and_unpicked_rows_cannot_leak():
    p = fitted(coexpression="picks").predict(NAMES).X
    order = np.random.default_rng(1).permutation(28)
    assert np.array_equal(
        p,
        fitted(coexpression="picks", screen=SCREEN[order].copy(), picks=PICKS[::-1])
        .predict(NAMES)
        .X,
    )
    np.testing.assert_allclose(
        fitted(coexpression="picks").predict(NAMES[::-1]).X[::-1], p, atol=1e-5
    )
    spoiled = SCREEN.copy()
    rows = spoiled.obs_names.isin(REST)
    spoiled.X[rows] = 1e4
    for k in ("m2", "m3", "m4", "de_score"):
        spoiled.layers[k][rows] = 1e9
    assert np.array_equal(p, fitted(coexpression="picks", screen=spoiled).predict(NAMES).X)
    assert np.array_equal(
        p, fitted(coexpression="picks", screen=SCREEN[PICKS].copy(), picks=None).predict(NAMES).X
    )


def test_same_seed_same_bytes_and_global_generators_untouched():
    torch.manual_seed(3)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    a = fitted(seed=7, n_members=2)
    a.predict(REST)
    assert torch.equal(before, torch.get_rng_state()) and torch.get_num_threads() == threads
    torch.manual_seed(99)
    assert same(a, fitted(seed=7, n_members=2)) and not same(a, fitted(seed=8, n_members=2))
    c = [
        GEARS(hidden=8).fit_cells(SIM.cells, GRAPH, perturbations=PICKS, epochs=1, random_state=5)
        for _ in range(2)
    ]
    assert same(*c)


def test_save_and_load(tmp_path):
    m = fitted(n_members=2)
    again = load_model(m.save(tmp_path / "m.joblib"))
    assert np.array_equal(m.predict(NAMES).X, again.predict(NAMES).X) and np.array_equal(
        m.features(NAMES), again.features(NAMES)
    )


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("columns", [1, 30])
def test_tiny_screens(n, columns):
    tiny = SCREEN[NAMES[:n], SCREEN.var_names[:columns]].copy()
    m = fitted(tiny, picks=None, coexpression="picks", start="published")
    p = m.predict([*NAMES, "nobody"])
    assert p.shape == (29, columns) and np.isfinite(p.X).all()
    assert (len({h["validation"] for h in m.history_ if not np.isnan(h["validation"])}) > 0) == (
        n >= 4
    )
    np.testing.assert_allclose(p.X[-1], tiny.X.mean(axis=0), atol=1e-5)
    assert np.isfinite(m.features(["nobody", NAMES[0]])).all()


def test_tables_sparse_matrices_and_constant_columns():
    table = make_screen(SCREEN.to_df().assign(flat=3.0))
    p = fitted(table).predict(REST)
    assert np.isfinite(p.X).all() and np.allclose(p.X[:, -1], 3.0)
    with pytest.raises(GraphselError, match="needs layers m2, m3, m4"):
        fitted(table, loss="quartic")
    with pytest.raises(GraphselError, match="needs layers de_score"):
        fitted(table, loss="de")
    s = SCREEN.copy()
    s.X = sparse.csr_matrix(s.X)
    assert same(fitted(s), fitted())


def test_unknown_genes_and_combinations():
    Y = SCREEN.to_df()
    Y.loc["mystery"] = 2.0
    Y.loc["mystery+" + PICKS[0].split("+")[0]] = 1.0
    s = make_screen(Y)
    m = fitted(s, picks=[*PICKS, "mystery", s.obs_names[-1]], n_members=2)
    one = PICKS[0].split("+")[0]
    singles = [g for g in GRAPH.genes[:4] if g != one]
    p = m.predict([one, f"{one}+other", "other", "mystery", "+".join(sorted([one, *singles]))])
    np.testing.assert_allclose(p.X[0], p.X[1], atol=1e-5)
    np.testing.assert_allclose(p.X[2], m.picked_mean_, atol=1e-5)
    np.testing.assert_allclose(p.layers["variance"][2], m.picked_variance_, atol=1e-5)
    assert not np.allclose(p.X[3], p.X[2], atol=1e-4)  # it was measured: remembered
    assert "mystery" in m.nodes_ and "mystery" not in GRAPH
    published = fitted(s, picks=PICKS, start="published")
    np.testing.assert_allclose(published.predict(["other"]).X[0], published.picked_mean_, atol=1e-5)


def test_it_learns_what_it_is_shown():
    m = fitted(
        loss="squared",
        hidden=32,
        steps=200,
        look=20,
        validation=0.01,
        patience=50,
        hide_own=0.0,
        learning_rate=3e-3,
    )
    wanted = SCREEN[PICKS].X
    assert np.mean((m.predict(PICKS).X - wanted) ** 2) < 0.5 * np.mean(
        (wanted - wanted.mean(0)) ** 2
    )


def test_features_are_the_inputs_of_the_last_layer():
    m = fitted()
    Z = m.features(NAMES[:5])
    net = gears.new_gears_net(m, m.members_[0]).eval()
    with torch.no_grad():
        o, s = (t.numpy() for t in net.inputs(positions(NAMES[:5], GRAPH.genes)))
    full = np.concatenate([o[:, :, None], np.repeat(s[:, None], 30, axis=1)], axis=2).reshape(5, -1)
    np.testing.assert_allclose(Z @ Z.T, full @ full.T, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(m.features(NAMES[3:5]), Z[3:], atol=1e-5)


def test_coexpression_graphs():
    control = from_coexpression(SIM.cells, threshold=0.1)
    a, b, c = (fitted(coexpression=g) for g in (control, "picks", None))
    assert a.places_[0].shape[1] > 0 and b.places_[0].shape[1] > 0 and c.places_[0].shape[1] == 0
    flipped = SCREEN[:, ::-1].copy()
    index, weight = place_edges(control, list(flipped.var_names), None)
    i, j = (flipped.var_names[int(index[k, 0])] for k in (1, 0))
    assert control.adjacency[control.index([i])[0], control.index([j])[0]] == pytest.approx(
        float(weight[0])
    )
    several = combine([GRAPH.layers[0]])
    assert np.isfinite(fitted(graph=several).predict(REST).X).all()


def test_cells_road():
    m = GEARS(hidden=8, **PUBLISHED).fit_cells(
        SIM.cells, GRAPH, perturbations=PICKS, epochs=2, random_state=0
    )
    assert np.isfinite(m.predict(REST).X).all() and len(m.history_) == 3
    labels = SIM.cells.obs["condition"].astype(str).str.replace("+ctrl", "", regex=False)
    spoiled = SIM.cells.copy()
    spoiled.X = spoiled.X.toarray() if sparse.issparse(spoiled.X) else spoiled.X
    spoiled.X[labels.isin(REST).to_numpy()] = 99
    again = GEARS(hidden=8, **PUBLISHED).fit_cells(
        spoiled, GRAPH, perturbations=PICKS, epochs=2, random_state=0
    )
    assert same(m, again)


def test_errors():
    with pytest.raises(GraphselError, match="not in the screen: nope"):
        fitted(picks=["nope"])
    with pytest.raises(GraphselError, match="did you mean 'quartic'"):
        fitted(loss="quartik")
    with pytest.raises(GraphselError, match="validation is 1"):
        fitted(validation=1)
    with pytest.raises(GraphselError, match="hidden is 0"):
        fitted(hidden=0)
    with pytest.raises(GraphselError, match="unknown select"):
        fitted(select="best")
    with pytest.raises(GraphselError, match="unknown start"):
        fitted(start="middle")
    with pytest.raises(GraphselError, match="coexpression is 3"):
        fitted(coexpression=3)
    with pytest.raises(GraphselError, match="no device 'abacus'"):
        fitted(device="abacus")
    with pytest.raises(GraphselError, match="learning_rate must be positive"):
        fitted(learning_rate=0)
    with pytest.raises(GraphselError, match="call fit first"):
        GEARS().predict(REST)


# ---- killed and resumed ----


@pytest.mark.parametrize("looks", [1, 3, 5, 6])
def test_stopped_and_resumed_gives_the_same_weights(looks, tmp_path, monkeypatch):
    whole, path = fitted(n_members=2), tmp_path / "run.pt"
    write, count = training_room.write_checkpoint, []

    def stop(*args):
        write(*args)
        count.append(1)
        if len(count) == looks:
            raise KeyboardInterrupt

    monkeypatch.setattr(training_room, "write_checkpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        fitted(n_members=2, checkpoint=path)
    monkeypatch.undo()
    assert path.exists()
    with pytest.raises(GraphselError, match="belongs to another fit"):
        fitted(n_members=2, checkpoint=path, seed=1)
    with pytest.raises(GraphselError, match="belongs to another fit"):
        fitted(n_members=2, checkpoint=path, picks=REST)
    again = fitted(n_members=2, checkpoint=path)
    assert same(whole, again)
    pd.testing.assert_frame_equal(pd.DataFrame(whole.history_), pd.DataFrame(again.history_))
    assert not path.exists()
    path.write_text("rubbish")
    with pytest.raises(GraphselError, match="as a checkpoint"):
        fitted(checkpoint=path)


def test_killed_process_and_resumed(tmp_path):
    settings = {"hidden": 8, "steps": 240, "look": 20, "patience": 10**6, "schedule": "constant"}
    code = (
        "import sys\nfrom graphsel.models import GEARS\nfrom graphsel.datasets.simulate import simulated_screen\n"
        "s = simulated_screen(24, 30, cells_per_perturbation=8, n_control=60, pairs=4, random_state=2)\n"
        f"GEARS(**{settings}, checkpoint=sys.argv[1]).fit(s.screen, s.graph, random_state=0)"
    )
    path = tmp_path / "run.pt"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    try:
        end = time.monotonic() + 120
        while not path.exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    state = torch.load(path, weights_only=True)  # whole, however it died
    assert (
        state["run"]["step"] % 20 == 0
        and 0 <= state["run"]["step"] < settings["steps"]
        and state["run"]["looked"] == state["run"]["step"]
    )
    whole, resumed = (
        GEARS(**settings, checkpoint=p).fit(SCREEN, GRAPH, random_state=0) for p in (None, path)
    )
    assert same(whole, resumed) and not path.exists()


def test_hiding_takes_the_own_embedding_away():
    net, graphs, _ = new_net(n_graphs=2)
    asked, z = torch.tensor([[0, 3], [1, -1]]), net.perturbations
    for hide in (torch.tensor([[1.0, 0], [1, 0]]), torch.tensor([[1.0, 1], [0, 0]])):
        found = z.propagate(asked, hide)
        for i, j in ((0, 0), (0, 1), (1, 0)):
            kept = z.own.weight.detach().clone()
            with torch.no_grad():
                if hide[i, j]:
                    z.own.weight[asked[i, j]] = 0
                wanted = z.propagate(asked)[i, j]
                z.own.weight.copy_(kept)
            torch.testing.assert_close(found[i, j], wanted, atol=1e-6, rtol=1e-5)
    m, b = picked_moments(SCREEN, NAMES), []
    for hide_own in (0.0, 0.5, 1.0):
        b.append(
            MomentBatches(
                positions(NAMES, GRAPH.genes), m, np.zeros(30), 9, 3, "cpu", hide_own=hide_own
            )
        )
    assert b[0].inputs(0)[1][1] is None and b[2].inputs(1)[1][1].all()
    assert (
        torch.equal(b[1].inputs(5)[1][1], b[1].inputs(5)[1][1])
        and 0.2 < b[1].inputs(5)[1][1].mean() < 0.8
    )
    with pytest.raises(GraphselError, match="hide_own is 2"):
        fitted(hide_own=2)


def test_vectors_are_cut_back_as_embeddings_do():
    with torch.random.fork_rng():
        one = torch.nn.Embedding(5, 4, max_norm=1.0)
    two = torch.nn.Embedding.from_pretrained(one.weight.detach().clone())
    torch.testing.assert_close(gearsnet.bounded(two), one(torch.arange(5)).detach())
