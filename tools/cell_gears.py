"""The original GEARS package beside ours, in an environment of its own; used by nbs/benchmarks/gears.ipynb.

    python tools/cell_gears.py make ENV           create the environment (its pins conflict with ours)
    ENV/bin/python tools/cell_gears.py run FOLDER train it on what lies in FOLDER

FOLDER holds cells.h5ad (cells, log-normalized; obs: condition, cell_type; var: gene_name), graph.npz (source, target,
weight: edges between gene names) and task.json (seed, epochs, hidden, train, val, test; nodes of the graph; `ask`:
perturbations to predict, the last three also before training; `coexpress`: threshold of its co-expression graph,
0.4 if left out).
It gets start.pt, weights.pt, shifts.npz and figures.json. Nothing of graphsel is imported here.
"""

import json
import pickle
import subprocess
import sys
import time
import venv
from pathlib import Path

PINS = [
    "cell-gears==0.1.2",
    "numpy==1.26.4",
    "pandas==2.2.2",
    "scanpy==1.10.2",
    "scipy==1.14.1",
    "torch-geometric<2.7",
    "torch==2.13.0",
]


def make(env: Path):
    """An environment with the original package; nothing to do where it is there."""
    if (env / "made").exists():
        return
    venv.create(env, with_pip=True, clear=True)
    done = subprocess.run(
        [env / "bin" / "pip", "install", "-q", *PINS], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"cannot install {', '.join(PINS)}: {done.stderr[-2000:]}")
    (env / "made").write_text("\n".join(PINS))


def memory(key):
    """A figure of this process in MB: VmRSS now, VmHWM at most."""
    return next(
        int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith(key)
    )


def load(folder: Path, task: dict):
    """Its own data object, made from the cells as its manual says, with our split and our gene sets."""
    import numpy as np
    import scanpy as sc
    from gears import PertData

    np.random.seed(task["seed"])  # it pairs cells by numpy's global generator
    data = folder / "data"
    data.mkdir(exist_ok=True)
    cells = sc.read_h5ad(folder / "cells.h5ad")
    conditions = cells.obs["condition"].astype(str).unique()
    genes = {
        *cells.var["gene_name"],
        *(g for c in conditions for g in c.split("+") if g != "ctrl"),
        *task["nodes"],
    }
    (data / "gene2go_all.pkl").write_bytes(
        pickle.dumps({g: {f"only {g}"} for g in genes})
    )  # which genes it knows; the edges are given later
    (data / "nodes.pkl").write_bytes(pickle.dumps(sorted(task["nodes"])))
    pert_data = PertData(str(data), gene_set_path=str(data / "nodes.pkl"), default_pert_graph=False)
    pert_data.new_data_process("screen", adata=cells)
    pert_data.load(data_path=str(data / "screen"))
    (data / "split.pkl").write_bytes(pickle.dumps({k: task[k] for k in ("train", "val", "test")}))
    pert_data.prepare_split(
        split="custom", seed=task["seed"], split_dict_path=str(data / "split.pkl")
    )
    pert_data.get_dataloader(batch_size=32)
    return pert_data


def edges(folder: Path, position: dict):
    """The given graph in its own form."""
    import numpy as np
    import torch

    found = np.load(folder / "graph.npz")
    index = [[position[s] for s in found["source"]], [position[t] for t in found["target"]]]
    return torch.tensor(index, dtype=torch.long), torch.tensor(found["weight"], dtype=torch.float32)


def shifts(model, ask: list, nodes: list, n_genes: int):
    """What it adds to a cell: P x 2 x G. Row 0 is the first cell of a batch, row 1 any other."""
    import numpy as np
    import torch
    from torch_geometric.data import Batch, Data

    position, out = {g: i for i, g in enumerate(nodes)}, []
    model.eval()
    for name in ask:
        at = [position[g] for g in name.split("+")]
        batch = Batch.from_data_list(
            [Data(x=torch.zeros(n_genes, 1), pert_idx=at, pert=name) for _ in range(2)]
        )
        with torch.no_grad():
            out.append(model(batch).numpy())
    return np.stack(out)


def timed(f, spent: list):
    """The function, adding its CPU seconds to a list."""

    def g(*args, **kwargs):
        start = time.process_time()
        try:
            return f(*args, **kwargs)
        finally:
            spent.append(time.process_time() - start)

    return g


def run(folder: Path):
    """Train, as its manual says, and write what it cost and what it predicts."""
    import numpy as np
    import torch

    torch.set_num_threads(1)
    from gears import GEARS, gears

    task = json.loads((folder / "task.json").read_text())
    before = memory("VmRSS")
    start = time.process_time()
    pert_data = load(folder, task)
    prepared = time.process_time() - start
    torch.manual_seed(task["seed"])
    model = GEARS(pert_data, device="cpu")
    index, weight = edges(folder, {g: i for i, g in enumerate(model.pert_list)})
    model.model_initialize(
        hidden_size=task["hidden"],
        G_go=index,
        G_go_weight=weight,
        coexpress_threshold=task.get("coexpress", 0.4),
    )
    torch.save(model.model.state_dict(), folder / "start.pt")
    start_shifts = shifts(model.model, task["ask"][-3:], model.pert_list, model.num_genes)
    model.dataloader.pop("test_loader", None)  # its last test would count as training time
    evaluating = []
    gears.evaluate = timed(gears.evaluate, evaluating)
    loaded = memory("VmHWM")
    Path("/proc/self/clear_refs").write_text(
        "5"
    )  # from here on, the most that training itself holds
    start, wall = time.process_time(), time.perf_counter()
    model.train(epochs=task["epochs"])
    seconds, wall = time.process_time() - start, time.perf_counter() - wall
    peak = memory("VmHWM")
    best = model.best_model
    torch.save(best.state_dict(), folder / "weights.pt")
    place = model.config["G_coexpress"].numpy()
    np.savez(
        folder / "shifts.npz",
        shifts=shifts(best, task["ask"], model.pert_list, model.num_genes),
        start=start_shifts,
        genes=np.array(model.gene_list),
        nodes=np.array(model.pert_list),
        place=place,
        place_weight=model.config["G_coexpress_weight"].numpy(),
    )
    (folder / "figures.json").write_text(
        json.dumps(
            {
                "prepare": prepared,
                "train": seconds,
                "train_wall": wall,
                "evaluate": sum(evaluating),
                "before": before,
                "loaded": loaded - before,
                "peak": peak - before,
                "torch": torch.__version__,
                "numpy": np.__version__,
            }
        )
    )


if __name__ == "__main__":
    {"make": make, "run": run}[sys.argv[1]](Path(sys.argv[2]))
