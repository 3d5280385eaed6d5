"""What several tests share: small random graphs, dense formulas to compare with, instances of every criterion."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import scipy.sparse as sp

from graphsel.core.errors import GraphselError
from graphsel.criteria.coverage import GraphReach, SoftReach
from graphsel.criteria.design import MaxSpec, SupervisionVariance, TopEigenvalue
from graphsel.criteria.similarity import FacilityLocation, GraphCut
from graphsel.genes.perturbations import perturbed_genes
from graphsel.graphs.build import from_edges, keep_top
from graphsel.graphs.disturbance import disturb
from graphsel.graphs.graph import combine
from graphsel.graphs.operators import propagation
from graphsel.graphs.priors import make_prior
from graphsel.models.registry import MODELS, make_model
from graphsel.screens.screen import make_screen
from graphsel.selection.limits import make_limits

# --- graph ---


def gene_names(n):
    return [f"g{i:02}" for i in range(n)]


def random_edges(rng, names, p=0.25):
    "(source, target, weight) of a multigraph with repeats, reversals and self-loops; never without a real edge."
    s, t = np.nonzero(rng.random((len(names), len(names))) < p)
    s, t = np.r_[0, s, s[:3]], np.r_[1, t, t[:3]]
    return [names[i] for i in s], [names[i] for i in t], rng.integers(1, 8, len(s)) / 4


def random_graph(rng, n=8, directed=None, weighted=None):
    "A small graph: directed or not, weighted or not, often in several parts, with isolated genes."
    names = gene_names(n)
    source, target, weight = random_edges(rng, names, rng.choice([0.08, 0.2, 0.4]))
    directed = bool(rng.integers(2)) if directed is None else directed
    weighted = bool(rng.integers(2)) if weighted is None else weighted
    return from_edges(source, target, weight if weighted else None, directed=directed).align(names)[
        0
    ]


def random_graphs(rng, n=8):
    "One graph, or two or three, with a prior or without."
    layers = [random_graph(rng, n) for _ in range(rng.integers(1, 4))]
    priors = (
        [make_prior(pd.DataFrame(rng.normal(size=(n - 2, 3)), index=gene_names(n)[2:]))]
        if rng.integers(2)
        else []
    )
    return combine(layers, priors)


def dense_operator(graph, hops, norm="sym"):
    "P as the formula says: mean over the layers of (D^-1/2 (A + I) D^-1/2)^K, or of (D^-1 (A + I))^K."
    powers = []
    for layer in graph.graphs:
        W = layer.adjacency.toarray().astype(float) + np.eye(len(graph))
        d = W.sum(axis=1)
        step = W / np.sqrt(np.outer(d, d)) if norm == "sym" else W / d[:, None]
        powers.append(np.linalg.matrix_power(step, hops))
    return np.mean(powers, axis=0)


def dense_kernel(graph, hops):
    "Mean over layers and hops of the kernel of unit rows; each prior weighs as much as all graphs together."

    def cosine(M):
        length = np.linalg.norm(M, axis=1, keepdims=True)
        U = M / np.where(length > 0, length, 1)
        return U @ U.T

    kernels = [
        np.mean([cosine(dense_operator(layer, h)) for layer in graph.graphs for h in hops], axis=0)
    ]
    return np.mean(kernels + [cosine(p.features) for p in graph.priors], axis=0)


def write(folder, name, content):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / name


# --- criteria ---


def touched(graph, names):
    "Perturbations x genes, 0/1, dense."
    M = np.zeros((len(names), len(graph)))
    for i, n in enumerate(names):
        M[i, [list(graph.genes).index(g) for g in perturbed_genes(n)]] = 1
    return M


def random_lists(rng, graph):
    "Elements (genes, pairs, triples), targets, and a weight for each target."
    genes = list(graph.genes)
    pairs = sorted(
        {
            "+".join(sorted(rng.choice(genes, rng.integers(2, 4), replace=False)))
            for _ in range(rng.integers(0, 4))
        }
    )  # pairs and triples
    elements = sorted(
        set(rng.choice(genes, rng.integers(4, len(genes)), replace=False)) | set(pairs)
    )
    targets = (
        None
        if rng.integers(2)
        else sorted(rng.choice(genes + pairs, rng.integers(1, len(genes)), replace=False))
    )
    names = elements if targets is None else sorted(set(targets))
    weights = (
        None
        if rng.integers(2)
        else {
            n: float(w) for n, w in zip(genes + pairs, rng.integers(0, 5, len(genes + pairs)) / 2)
        }
    )
    return elements, targets, names, weights


def covered(names):
    return sorted({g for n in names for g in perturbed_genes(n)})


def weigh(weights, names):
    return np.array([1.0 if weights is None else weights.get(n, 1.0) for n in names])


def target_reach(*args, **params):
    "GraphReach that covers the targets: its values are plain numbers of genes."
    return GraphReach(*args, covers="targets", **params)


def turned(P, direction):
    "What a pick reaches: rows of P, of its transpose, of both, or of P P^T."
    return {"receptive": P, "influence": P.T, "both": P + P.T, "prediction": P @ P.T}[direction]


def reach_instance(rng, graph):
    elements, targets, names, weights = random_lists(rng, graph)
    hops = int(rng.integers(1, 4))
    direction = str(rng.choice(["receptive", "influence", "both", "prediction"]))
    given = dict(hops=hops, direction=direction, weights=weights)
    E, genes = touched(graph, elements), covered(names)
    a, at = weigh(weights, genes), graph.index(genes)
    if rng.integers(2):
        hit = [(E @ turned(dense_operator(graph, hops), direction))[:, at] > 0]
        worth = [a]
        c = target_reach(graph, elements, targets, **given)
    else:
        sources = int(rng.integers(1, 5))
        times = touched(graph, names)[:, at].sum(axis=0)  # in how many targets each gene is
        own = a * (times - 1) * sources * len(graph.graphs)  # its effect returns in the others
        hit, worth = [E[:, at] > 0], [own]
        for layer in graph.graphs:
            best = replace(layer, adjacency=keep_top(layer.adjacency, sources))
            P = dense_operator(best, hops, "row")
            lean = (a * times) @ (P[at] > 0)
            lean[at] -= a * times
            hit.append(E @ turned(P, direction) > 0)
            worth.append(lean)
        c = GraphReach(graph, elements, targets, sources=sources, **given)

    def value(S):
        return float(sum(w @ h[S].any(axis=0) for w, h in zip(worth, hit))) if len(S) else 0.0

    return c, value


def soft_instance(rng, graph):
    elements, targets, names, weights = random_lists(rng, graph)
    hops, norm, form, tau = (
        int(rng.integers(1, 3)),
        rng.choice(["sym", "row"]),
        rng.choice(["facility", "saturated", "noisyor"]),
        float(rng.choice([0.2, 0.5, 1])),
    )
    c = SoftReach(
        graph, elements, targets, hops=hops, norm=norm, form=form, tau=tau, weights=weights
    )
    genes = covered(names)
    Q = (touched(graph, elements) @ dense_operator(graph, hops, norm))[:, graph.index(genes)]
    rule = {
        "facility": lambda q: q.max(axis=0),
        "saturated": lambda q: np.minimum(1, q.sum(axis=0) / tau),
        "noisyor": lambda q: 1 - np.prod(1 - np.minimum(q, 1), axis=0),
    }[form]
    return c, lambda S: float(weigh(weights, genes) @ rule(Q[S])) if len(S) else 0.0


def foreign_similarity(rng, graph):
    "A similarity from elsewhere: not symmetric, some entries negative, some absent; an array or a sparse matrix."
    K = rng.normal(size=(len(graph),) * 2) * (rng.random((len(graph),) * 2) < 0.6)
    return sp.csr_matrix(K) if rng.integers(2) else K


def facility_instance(rng, graph):
    elements, targets, names, weights = random_lists(rng, graph)
    hops, kernel = (
        int(rng.integers(1, 4)),
        foreign_similarity(rng, graph) if rng.integers(2) else "cosine",
    )
    c = FacilityLocation(graph, elements, targets, hops=hops, kernel=kernel, weights=weights)
    dense = (
        dense_kernel(graph, range(1, hops + 1))
        if isinstance(kernel, str)
        else sp.csr_matrix(kernel).toarray()
    )
    K = np.maximum(touched(graph, elements) @ dense @ touched(graph, names).T, 0)
    return c, lambda S: float(weigh(weights, names) @ K[S].max(axis=0)) if len(S) else 0.0


def random_noise(rng, elements):
    "(what the user gives, one number per element)"
    if rng.integers(2):
        return (s := float(rng.choice([0.3, 1, 2]))), np.full(len(elements), s)
    values = {
        e: float(v) for e, v in zip(elements, rng.uniform(0.2, 3, len(elements))) if rng.integers(3)
    }
    return values, np.array([values.get(e, 1.0) for e in elements])


def maxspec_instance(rng, graph):
    elements, targets, _, _ = random_lists(rng, graph)
    hops, (given_noise, noise) = int(rng.integers(1, 3)), random_noise(rng, elements)
    c = MaxSpec(graph, elements, targets, hops=hops, noise=given_noise)
    X = touched(graph, elements) @ dense_operator(graph, hops)
    edges = sum(a.adjacency.toarray() + a.adjacency.toarray().T for a in graph.graphs).sum(axis=1)
    X[touched(graph, elements) @ (edges > 0) == 0] = (
        0  # a perturbation of isolated genes alone teaches nothing
    )
    return (
        c,
        lambda S: (
            float(
                np.linalg.slogdet(
                    np.eye(len(S)) + (X[S] @ X[S].T) / np.sqrt(np.outer(noise[S], noise[S]))
                )[1]
            )
            if len(S)
            else 0.0
        ),
    )


def removed(K_EE, K_TE, noise, a, S):
    "Variance of the targets that measuring S removes, by the formula."
    if not len(S):
        return 0.0
    A = np.linalg.solve(K_EE[np.ix_(S, S)] + np.diag(noise[S]), K_TE[:, S].T)
    return float(a @ np.einsum("ts,st->t", K_TE[:, S], A))


def dense_effects(graph, at):
    "Constant, and log degrees among the genes at hand and in the whole graph, standardized; by the formula."
    edges = [g for g in graph.graphs if g.source.get("kind") not in ("gene sets", "annotations")]
    A = sum(g.adjacency.toarray() for g in edges or graph.graphs)
    linked = (A + A.T) != 0
    X = np.log1p(np.column_stack([linked[np.ix_(at, at)].sum(axis=1), linked[at].sum(axis=1)]))
    known = linked[at].any(axis=1)
    X[~known] = X[known].mean(axis=0) if known.any() else 0
    X = X - X.mean(axis=0)
    return np.column_stack([np.ones(len(at)), X / np.maximum(X.std(axis=0), 1e-9)])


def dense_beliefs(graph, at, hops):
    "The four kernels of `variance` among the genes at these positions, N x N, by the formula."
    from graphsel.criteria.beliefs import BELIEFS

    def cosine(M):
        U = M / np.linalg.norm(M, axis=1, keepdims=True)
        return U @ U.T

    kinds = [g.source.get("kind") in ("gene sets", "annotations") for g in graph.graphs]
    X = np.zeros((len(graph), 3))
    X[at] = dense_effects(graph, at)
    found = []
    for e1, e2, s1, s2, constant, degree in BELIEFS / BELIEFS.sum(axis=1, keepdims=True):
        if not any(kinds):
            e1, e2 = e1 + s1, e2 + s2
        if all(kinds):
            s1, s2 = e1 + s1, e2 + s2
        K = constant * np.outer(X[:, 0], X[:, 0]) + degree * X[:, 1:] @ X[:, 1:].T / 2
        share = 1 / (1 + len(graph.priors))
        for layer, is_sets in zip(graph.graphs, kinds):
            near, far = (s1, s2) if is_sets else (e1, e2)
            by_hop = [near + far] if hops == 1 else [near] + [far / (hops - 1)] * (hops - 1)
            for h, w in enumerate(by_hop, 1):
                K += share * w / kinds.count(is_sets) * cosine(dense_operator(layer, h))
        for prior in graph.priors:
            F = prior.factor.toarray()
            K += share * (1 - constant - degree) * F @ F.T
        found.append(K)
    return found


def variance_instance(rng, graph):
    elements, targets, names, weights = random_lists(rng, graph)
    hops, (given_noise, noise) = int(rng.integers(1, 4)), random_noise(rng, elements)
    kernel = str(rng.choice(["beliefs", "cosine"]))
    given = dict(hops=hops, noise=given_noise, weights=weights, kernel=kernel)
    c = SupervisionVariance(graph, elements, targets, **given)
    E, T = touched(graph, elements), touched(graph, names)
    if kernel == "cosine":
        kernels = [dense_kernel(graph, range(1, hops + 1))]
    else:
        kernels = dense_beliefs(graph, np.flatnonzero(E.any(axis=0) | T.any(axis=0)), hops)
    a = weigh(weights, names)
    totals = [float(a @ np.diag(T @ K @ T.T)) for K in kernels]

    def value(S):
        parts = [removed(E @ K @ E.T, T @ K @ E.T, noise, a, S) for K in kernels]
        shares = [p / t if t else 0.0 for p, t in zip(parts, totals)]
        return float(np.mean(totals) * np.mean(shares))

    return c, value


def spectrum_instance(rng, graph):
    elements, targets, _, _ = random_lists(rng, graph)
    hops = int(rng.integers(1, 3))
    c = TopEigenvalue(graph, elements, targets, hops=hops)
    X = touched(graph, elements) @ dense_operator(graph, hops)
    edges = sum(a.adjacency.toarray() + a.adjacency.toarray().T for a in graph.graphs).sum(axis=1)
    X[touched(graph, elements) @ (edges > 0) == 0] = 0
    return c, lambda S: float(np.linalg.eigvalsh(X[S] @ X[S].T)[-1]) if len(S) else 0.0


def cut_instance(rng, graph):
    elements, targets, names, weights = random_lists(rng, graph)
    hops, lam, kernel = int(rng.integers(1, 3)), float(rng.choice([0, 0.5, 2, 3])), "cosine"
    if rng.integers(2):
        kernel = rng.random((len(graph),) * 2)
        kernel = kernel + kernel.T
    c = GraphCut(graph, elements, targets, hops=hops, kernel=kernel, lam=lam, weights=weights)
    K = dense_kernel(graph, range(1, hops + 1)) if isinstance(kernel, str) else kernel
    E, T, a = touched(graph, elements), touched(graph, names), weigh(weights, names)
    return (
        c,
        lambda S: (
            float(lam * (E @ K @ T.T @ a)[S].sum() - (E @ K @ E.T)[np.ix_(S, S)].sum())
            if len(S)
            else 0.0
        ),
    )


INSTANCES = {
    "graphreach": reach_instance,
    "softreach": soft_instance,
    "facility": facility_instance,
    "maxspec": maxspec_instance,
    "topeig": spectrum_instance,
    "variance": variance_instance,
    "graphcut": cut_instance,
}


def instance(name, seed):
    rng = np.random.default_rng(seed)
    return (rng, *INSTANCES[name](rng, random_graphs(rng)))


# --- optimize ---


def random_limits(rng, c, size=99, kinds=("measured", "exclude", "must", "costs", "caps")):
    "A budget and limits that can be met; at most `size` candidates beside the must-haves."
    while True:
        names, limits = rng.permutation(c.elements).tolist(), {}
        for kind in ("measured", "must"):
            k = int(rng.integers(0, 3)) if kind in kinds else 0
            limits[kind], names = names[:k], names[k:]
        k = int(rng.integers(0, 2)) if "exclude" in kinds else 0
        limits["exclude"], names = (
            names[min(size, len(names) - k) :]
            if len(names) - k > size
            else names[len(names) - k :],
            names[: min(size, len(names) - k)],
        )
        budget, free = (
            len(limits["must"]) + int(rng.integers(0, len(names) + 1)),
            limits["must"] + names,
        )
        if "costs" in kinds and rng.integers(2):
            limits["costs"] = {
                e: float(rng.choice([0.1, 0.5, 1, 2, 3.7])) for e in c.elements if rng.integers(4)
            }
            price = [limits["costs"].get(e, 1.0) for e in free]
            budget = sum(price[: len(limits["must"])]) + float(rng.uniform(0, sum(price)))
        if "caps" in kinds and rng.integers(2):
            limits["groups"] = {
                e: f"plate {rng.integers(3)}" for e in c.elements if rng.integers(5)
            }
            limits["caps"] = (
                int(rng.integers(1, 4))
                if rng.integers(2)
                else {p: int(rng.integers(0, 4)) for p in set(limits["groups"].values())}
            )
        try:
            make_limits(c, budget, **limits)
        except GraphselError:
            continue
        return budget, limits


def optimum(c, budget, limits):
    "The best value of any feasible set, by trying all."
    must, measured, costs, groups = (
        list(limits.get("must", ())),
        list(limits.get("measured", ())),
        limits.get("costs"),
        limits.get("groups", {}),
    )
    rest = [n for n in c.elements if n not in {*must, *measured, *limits.get("exclude", ())}]
    caps = (
        limits.get("caps", {})
        if isinstance(limits.get("caps", {}), dict)
        else dict.fromkeys(groups.values(), limits["caps"])
    )
    best = -np.inf
    for S in product(*([False, True],) * len(rest)):
        S = must + [n for n, chosen in zip(rest, S) if chosen]
        if (len(S) if costs is None else sum(costs.get(n, 1.0) for n in S)) > budget + 1e-12:
            continue
        if any(sum(groups.get(n) == p for n in S) > cap for p, cap in caps.items()):
            continue
        best = max(best, c.value([*measured, *S]))
    return best


# --- models ---


GENES = [f"g{i:02}" for i in range(40)]


NAMES = sorted(MODELS)


def toy(seed=0, columns=3, directed=False):
    rng = np.random.default_rng(seed)
    links = [
        (i, j)
        for i in range(40)
        for j in range(i + 1, 40)
        if i // 8 == j // 8 and (j == i + 1 or rng.random() < 0.3)
    ]
    a = from_edges(
        [GENES[i] for i, _ in links],
        [GENES[j] for _, j in links],
        rng.random(len(links)) + 0.1,
        genes=GENES,
        directed=directed,
        name="a",
    )
    graph = combine([a, disturb(a, 0.5, random_state=1)])
    Y = propagation(a.adjacency, 2) @ rng.normal(size=(40, columns)) + 0.1 * rng.normal(
        size=(40, columns)
    )
    screen = make_screen(
        pd.DataFrame(Y, index=GENES, columns=[f"r{i}" for i in range(columns)]),
        control_mean=np.arange(columns),
    )
    return screen, graph


SCREEN, GRAPH = toy()


PICKS, REST = GENES[::2], GENES[1::2]


OTHER = make_prior(
    pd.DataFrame(SCREEN.X + np.random.default_rng(8).normal(size=SCREEN.shape), index=GENES).iloc[
        :30
    ],
    "other cells",
)


NEEDS = {"transfer": {"prior": OTHER}}  # parameters without which a model cannot be


def fitted(name, screen=SCREEN, graph=GRAPH, picks=PICKS, seed=0, **params):
    return make_model(name, **(NEEDS.get(name, {}) | params)).fit(
        screen, graph, perturbations=picks, random_state=seed
    )
