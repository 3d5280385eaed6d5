"""The recipes of CONTRIBUTING.md do what they say, in Python and as a plugin of the command line."""

import json
import re
import subprocess
import sys

import pandas as pd
import pytest
from conftest import ROOT

from graphsel.datasets.simulate import simulated_screen

RECIPES = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.M | re.S
)
REGISTERED = [recipe for recipe in RECIPES if re.search(r"^@gs\.", recipe, re.M)]


def definition(recipe):
    "What a recipe registers, without what it tries afterwards."
    parts = recipe.split("\n\n\n")
    upto = next(i for i, part in enumerate(parts) if "@gs." in part)
    return "\n\n\n".join(parts[: upto + 1])


def run(*args, cwd):
    "Run Python in a process of its own; what it said on standard output."
    command = [sys.executable, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


SHELL = """
import json, sys
from graphsel.cli.main import main
for args in json.loads(sys.argv[1]):
    main(args, standalone_mode=False)
    print("----")
"""


def graphsel(*calls, cwd):
    "What the commands print, one after the other in one process."
    calls = [[str(o) for o in call] for call in calls]
    return run("-c", SHELL, json.dumps(calls), cwd=cwd).split("----\n")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    "A folder with the simulated screen, and the recipes as one plugin."
    folder = tmp_path_factory.mktemp("plugin")
    simulated_screen(80, 30, cells_per_perturbation=6, random_state=0).write(folder)
    own = "\n\n\n".join(map(definition, REGISTERED))
    (folder / "mine.py").write_text(f"import numpy as np\nimport graphsel as gs\n\n\n{own}\n")
    return folder


NAMES = re.findall(r"name = \"(\w+)\"|query\(\"([\w:]+)\"|strategy\(\"(\w+)\"", "".join(REGISTERED))
NAMES = ["".join(found) for found in NAMES]


def test_the_recipes_run_one_after_the_other(tmp_path):
    assert len(REGISTERED) >= 4, "a criterion, a model, a learner and a strategy"
    code = "import matplotlib\nmatplotlib.use('agg')\n" + "\n\n".join(RECIPES)
    run("-c", code, cwd=tmp_path)


def test_a_plugin_is_known_to_every_command(place, tmp_path):
    plugin, graph = ["--plugin", place / "mine.py"], ["--graph", place / "edges.tsv"]
    screen = ["--screen", place / "screen.h5ad", *graph, *plugin]
    strategies = ["--strategies", "random,rootreach,alphabet,active:longest", "--budgets", 10]
    how = [*strategies, "--model", "gp,relatives", "--seeds", 1, "--jobs", 2]
    strategies, models, told, *_ = graphsel(
        ["list", *plugin, "strategies"],
        ["list", *plugin, "models"],
        ["select", *graph, "--budget", 3, *plugin, "--criterion", "rootreach"],
        ["compare", *screen, *how, "--out", tmp_path / "out"],
        ["fit", *screen, "--model", "relatives", "--out", tmp_path / "fit"],
        cwd=place,
    )
    assert set(NAMES) <= {line.split()[0] for line in (strategies + models).splitlines()}
    assert len(told.splitlines()) == 4
    results = pd.read_csv(tmp_path / "out" / "results.csv")
    assert (results["status"] == "ok").all() and set(results["model"]) == {"gp", "relatives"}
    assert len(pd.read_csv(tmp_path / "fit" / "ranked.csv"))


@pytest.mark.parametrize(
    "name, text, says",
    [
        ("broken.py", "import graphsel as gs\ngs.nothing\n", "AttributeError"),
        ("broken.py", "def (", "SyntaxError"),
        ("json.py", "", "another module is called json"),
        ("mine.txt", "", "a file of Python"),
        ("my-own.py", "", "a plain name"),
        ("idle.py", "x = 1\n", "registers nothing; put @gs.criteria.register"),
    ],
)
def test_a_plugin_that_cannot_be_run_is_one_line(tmp_path, name, text, says):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / name).write_text(text)
    command = [sys.executable, "-c", "from graphsel.cli.main import main; main()", "list"]
    command += ["--plugin", f"own/{name}", "models"]
    r = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert r.returncode == 1 and len(r.stderr.splitlines()) == 1 and says in r.stderr, r.stderr
    assert r.stdout == "" and r.stderr.startswith(f"graphsel: own/{name}: ")
