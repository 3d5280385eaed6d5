"""The base installation: what it does without the extras, and what it says where one is needed."""

import configparser
import json
import subprocess
import sys

import heavy
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


# what the shell answers to each command, and what Python ends with, one after the other in one process
ANSWERS = """
import json, sys
from click.testing import CliRunner
from graphsel.cli.main import main
import graphsel as gs

def shell(args):
    r = CliRunner().invoke(main, args)
    return {"code": r.exit_code, "out": r.stdout, "err": r.stderr}

def python(code):
    try:
        exec(code, {"gs": gs})
    except Exception as e:
        return f"{type(e).__name__}: {e}"

commands, codes = json.loads(sys.argv[1])
print(json.dumps([[*map(shell, commands)], [*map(python, codes)]]))
"""


def answers(commands, codes=(), cwd=None):
    "What a machine without the extras says to commands of the shell and to lines of Python."
    asked = json.dumps([[[str(o) for o in args] for args in commands], list(codes)])
    r = without(ANSWERS, asked, cwd=cwd)
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)


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
    screen = ["--screen", files / "cells.h5ad", *graph]
    plan = ["--budget", 5, "--criterion", "variance", "--page", "p.html"]
    how = ["--strategies", "random,variance,active:bald", "--budgets", 5, "--seeds", 2]
    how += ["--model", "gp,ridge,knn", "--jobs", 1]
    commands = [
        ["select", *graph, *plan],
        ["compare", *screen, *how, "--out", "c"],
        ["fit", *screen, "--model", "gp", "--out", "f"],
    ]
    for told in answers(commands, cwd=tmp_path)[0]:
        assert told["code"] == 0, told["err"]
    made = ["p.html", "c/learning_curves.png", "f/ranked.csv"]
    assert all((tmp_path / o).exists() for o in made)


FILES = ["--screen", "nothing.h5ad", "--graph", "nothing.tsv", "--out", "out"]
WITHOUT_TORCH = {
    "fit": (["fit", *FILES], "pip install 'graphsel[models]'"),
    "gears": (["fit", "--model", "gears", *FILES], "pip install 'graphsel[models]'"),
    "compare": (["compare", "--strategies", "random", "--budgets", 5, *FILES], "--model gp"),
    "select": (
        ["select", "--budget", 5, "--model", "gnn", *FILES[:4]],
        "pip install 'graphsel[models]'",
    ),
}
IN_PYTHON = {
    "gs.make_model('gnn')": "the model gnn needs torch",
    "gs.compare(None, None, ['random'], [5])": "the model gnn needs torch",
    "gs.models.GNN": "pip install 'graphsel[models]'",
    "gs.models.load_model('trained.model')": "trained.model needs torch",
    "from graphsel.graphs.convert import to_pyg; to_pyg(None)": "graphsel[models]",
    "gs.explore()": "the explorer needs ipywidgets",
}
OTHERS = {
    "explore": ["explore"],
    "models": ["list", "models"],
    "strategies": ["list", "strategies"],
}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    "The answers to all of these, by name; `left` is what they wrote."
    from graphsel.models.registry import make_model

    folder = tmp_path_factory.mktemp("nothing")
    model = make_model("mean")
    model.network_ = heavy.torch.zeros(1)
    model.save(folder / "trained.model")
    commands = {**{name: args for name, (args, _) in WITHOUT_TORCH.items()}, **OTHERS}
    shell, python = answers(commands.values(), IN_PYTHON, cwd=folder)
    return {
        **dict(zip(commands, shell)),
        **dict(zip(IN_PYTHON, python)),
        "left": [o.name for o in folder.iterdir() if o.name != "trained.model"],
    }


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_a_network_without_torch_is_one_line_before_any_file_is_read(told, name):
    r = told[name]
    assert (r["code"], r["out"], len(r["err"].splitlines())) == (1, "", 1), r
    assert WITHOUT_TORCH[name][1] in r["err"] and "torch" in r["err"] and not told["left"]


def test_the_explorer_without_voila_is_one_line(told):
    r = told["explore"]
    assert r["code"] == 1 and r["err"].splitlines() == [
        "graphsel: the explorer needs ipywidgets and voila: pip install 'graphsel[notebook]'"
    ]


@pytest.mark.parametrize("code", IN_PYTHON)
def test_python_says_the_same(told, code):
    assert told[code].startswith("GraphselError") and IN_PYTHON[code] in told[code]


def test_list_says_what_needs_what(told):
    r = told["models"]
    lines = {line.split()[0]: line for line in r["out"].splitlines()}
    for name in NEEDS:
        assert "pip install 'graphsel[models]'" in lines[name]
    assert "pip install" not in lines["gp"] and r["code"] == 0
    assert told["strategies"]["code"] == 0


def test_python_m_graphsel_is_the_command():
    "For those whose path does not hold the folder of scripts."
    command = [sys.executable, "-m", "graphsel", "--help"]
    r = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert r.returncode == 0 and r.stdout.startswith("Usage: python -m graphsel [OPTIONS] COMMAND")


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
