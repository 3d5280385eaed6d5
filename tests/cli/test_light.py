"""The base installation: what it does without the extras, and what it says where one is needed."""

import configparser
import json
import subprocess
import sys

import pytest
from conftest import ROOT

from graphsel.core.extras import EXTRAS, NEEDS

HEAVY = ("torch", "torch_geometric", "scanpy", "ipywidgets", "IPython", "voila", "dask")
# a machine on which some packages are not installed: nobody finds them
BLOCK = """
import importlib.metadata
import sys

def missing(finder):
    def find_spec(name, *args, **options):
        return None if name.partition(".")[0] in {blocked!r} else finder(name, *args, **options)
    return find_spec

def without_metadata(name, version=importlib.metadata.version):
    if name.replace("-", "_") in {blocked!r}:
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)

for finder in sys.meta_path:
    finder.find_spec = missing(finder.find_spec)
importlib.metadata.version = without_metadata
"""


def without(code, *args, blocked=HEAVY, cwd=None):
    "Run Python in a process of its own, as if these packages were not installed."
    whole = BLOCK.format(blocked=tuple(blocked)) + code
    command = [sys.executable, "-c", whole, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300)


MAIN = "from graphsel.cli.main import main; main()"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    from graphsel.datasets.simulate import simulated_screen

    folder = tmp_path_factory.mktemp("light")
    sim = simulated_screen(60, 30, cells_per_perturbation=6, n_control=60, random_state=3)
    sim.write(folder)
    return folder


def test_every_room_but_those_of_networks_and_widgets_loads():
    code = """
import importlib, pkgutil, graphsel
failed = {}
for found in pkgutil.walk_packages(graphsel.__path__, "graphsel."):
    try:
        importlib.import_module(found.name)
    except Exception as e:
        failed[found.name] = type(e).__name__
import json; print(json.dumps(failed))
"""
    r = without(code)
    assert r.returncode == 0, r.stderr
    failed = json.loads(r.stdout)
    networks = {name for name in failed if name.startswith("graphsel.models.g")}
    assert failed.keys() - networks == {
        f"graphsel.apps.{o}" for o in ("plan", "results", "widgets")
    }
    assert not any(name.startswith("graphsel.models.gp") for name in failed)


def test_planning_comparing_and_fitting(files, tmp_path):
    "The base does the whole way, figures included."
    graph = ["--graph", files / "edges.tsv", "--graph", files / "gene_sets.gmt"]
    r = without(
        MAIN,
        "select",
        *graph,
        "--budget",
        5,
        "--criterion",
        "variance",
        "--page",
        "p.html",
        cwd=tmp_path,
    )
    assert r.returncode == 0 and (tmp_path / "p.html").exists(), r.stderr
    screen = ["--screen", files / "cells.h5ad", *graph]
    how = ["--strategies", "random,variance,active:bald", "--budgets", "5,10", "--seeds", 2]
    r = without(
        MAIN,
        "compare",
        *screen,
        *how,
        "--model",
        "gp,ridge,knn",
        "--jobs",
        1,
        "--out",
        "c",
        cwd=tmp_path,
    )
    assert r.returncode == 0 and (tmp_path / "c" / "learning_curves.png").exists(), r.stderr
    r = without(MAIN, "fit", *screen, "--model", "gp", "--out", "f", cwd=tmp_path)
    assert r.returncode == 0 and (tmp_path / "f" / "ranked.csv").exists(), r.stderr


@pytest.mark.parametrize(
    "args, says",
    [
        (["fit"], "pip install 'graphsel[models]'"),
        (["fit", "--model", "gears"], "pip install 'graphsel[models]'"),
        (["compare", "--strategies", "random", "--budgets", "5"], "--model gp"),
    ],
)
def test_a_network_without_torch_is_one_line_before_any_file_is_read(args, says, tmp_path):
    files = ["--screen", "nothing.h5ad", "--graph", "nothing.tsv", "--out", "out"]
    r = without(MAIN, *args, *files, cwd=tmp_path)
    assert (r.returncode, r.stdout, len(r.stderr.splitlines())) == (1, "", 1), r.stderr
    assert says in r.stderr and "torch" in r.stderr and not list(tmp_path.iterdir())


def test_the_explorer_without_voila_is_one_line(tmp_path):
    r = without(MAIN, "explore", cwd=tmp_path)
    assert r.returncode == 1 and r.stderr.splitlines() == [
        "graphsel: the explorer needs ipywidgets and voila: pip install 'graphsel[notebook]'"
    ]
    r = without("import graphsel as gs; gs.explore()")
    assert "GraphselError: the explorer needs ipywidgets" in r.stderr


@pytest.mark.parametrize(
    "code, says",
    [
        ("gs.make_model('gnn')", "the model gnn needs torch"),
        ("gs.compare(None, None, ['random'], [5])", "the model gnn needs torch"),
        ("from graphsel.graphs.convert import to_pyg; to_pyg(None)", "graphsel[models]"),
    ],
)
def test_python_says_the_same(code, says):
    r = without(f"import graphsel as gs; {code}")
    last = r.stderr.strip().splitlines()[-1]
    assert last.startswith("graphsel.core.errors.GraphselError") and says in last, r.stderr


def test_list_says_what_needs_what():
    r = without(MAIN, "list", "models")
    lines = {line.split()[0]: line for line in r.stdout.splitlines()}
    for name in NEEDS:
        assert "pip install 'graphsel[models]'" in lines[name]
    assert "pip install" not in lines["gp"] and r.returncode == 0
    assert without(MAIN, "list", "strategies").returncode == 0


def test_extras_are_those_of_the_settings():
    parser = configparser.ConfigParser(delimiters=["="])
    parser.read(ROOT / "settings.ini", encoding="utf-8")
    cfg = parser["DEFAULT"]
    base = {package.partition(">")[0] for package in cfg["requirements"].split()}
    for extra, modules in EXTRAS.items():
        named = {
            o.partition(">")[0].replace("-", "_") for o in cfg[f"{extra}_requirements"].split()
        }
        assert set(modules) <= named and not named & base
    assert not {"torch", "torch-geometric", "scanpy", "ipywidgets", "jupyterlab"} & base
