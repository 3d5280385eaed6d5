"""Small random graphs with priors and layers, and the named kernels as dense formulas."""

import numpy as np
import pandas as pd
from scipy.linalg import expm

from graphsel.graphs.build import from_edges
from graphsel.graphs.graph import combine
from graphsel.graphs.priors import make_prior


def gene_names(n):
    return [f"g{i:02}" for i in range(n)]


def random_layer(rng, n):
    "Directed or not, weighted or not, often in several parts, with isolated genes."
    names, p = gene_names(n), rng.choice([0.05, 0.15, 0.4])
    s, t = np.nonzero(rng.random((n, n)) < p)
    s, t = np.r_[0, s], np.r_[1, t]
    weight = rng.integers(1, 8, len(s)) / 4 if rng.integers(2) else None
    return from_edges(
        [names[i] for i in s], [names[i] for i in t], weight, directed=bool(rng.integers(2))
    ).align(names)[0]


def random_prior(rng, n):
    return make_prior(pd.DataFrame(rng.normal(size=(n - 2, 3)), index=gene_names(n)[2:]))


def random_graphs(rng, n=None):
    "One to three graphs, with up to two priors."
    n = int(rng.integers(5, 14)) if n is None else n
    return combine(
        [random_layer(rng, n) for _ in range(rng.integers(1, 4))],
        [random_prior(rng, n) for _ in range(rng.choice([0, 0, 1, 2]))],
    )


def gram(F):
    return (F @ F.T).toarray()


def unit(K):
    "The kernel divided by the roots of its diagonal; empty rows stay empty."
    d = np.sqrt(np.diag(K))
    d = np.where(d > 1e-9, d, np.inf)
    return K / np.outer(d, d)


def dense_step(layer, symmetric):
    A = layer.adjacency.toarray().astype(float)
    W = (A + A.T) / 2 if symmetric else A
    W = W + np.eye(len(W))
    d = W.sum(axis=1)
    return W / np.sqrt(np.outer(d, d))


def dense_band(layer, m):
    "Projection on the m smoothest patterns of the genes with edges, ties included."
    linked = np.flatnonzero(~layer.isolated)
    value, U = np.linalg.eigh(np.eye(len(linked)) - dense_step(layer, True)[np.ix_(linked, linked)])
    K = np.zeros((len(layer), len(layer)))
    keep = value <= np.sort(value)[:m].max(initial=-1) + 1e-8
    K[np.ix_(linked, linked)] = U[:, keep] @ U[:, keep].T
    return K


def dense_layer(layer, name, beta=4.0, alpha=0.1, m=100):
    L = np.eye(len(layer)) - dense_step(layer, True)
    return {
        "heat": lambda: expm(-beta * L),
        "laplacian": lambda: np.linalg.inv(L + alpha * np.eye(len(L))),
        "band": lambda: dense_band(layer, m),
    }[name]()


def dense_prior(p):
    return unit(p.features @ p.features.T)


def with_priors(K, graph):
    return (K + sum(dense_prior(p) for p in graph.priors)) / (1 + len(graph.priors))


def dense_named(graph, name, hops=2, normalize=True, **params):
    "The kernel by its definition."
    if name == "operator" and not normalize:
        P = np.mean(
            [np.linalg.matrix_power(dense_step(o, False), hops) for o in graph.graphs], axis=0
        )
        return P @ P.T
    layers = []
    for o in graph.graphs:
        if name in ("cosine", "operator"):
            powers = [
                np.linalg.matrix_power(dense_step(o, False), h)
                for h in (range(1, hops + 1) if name == "cosine" else [hops])
            ]
            layers.append(np.mean([unit(P @ P.T) for P in powers], axis=0))
        else:
            layers.append(
                unit(dense_layer(o, name, **params))
                if normalize
                else dense_layer(o, name, **params)
            )
    return with_priors(np.mean(layers, axis=0), graph)


def random_params(rng, name):
    return {
        "heat": {"beta": float(rng.uniform(0.1, 6))},
        "laplacian": {"alpha": float(rng.uniform(0.02, 2))},
        "band": {"m": int(rng.integers(1, 8))},
    }.get(name, {})
