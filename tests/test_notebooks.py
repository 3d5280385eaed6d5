"""Every notebook runs from top to bottom, each in a process of its own (a fork), and leaves no file behind."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT, data_folder

NBS = ROOT / "nbs"
NOTEBOOKS = [
    o
    for o in sorted(NBS.rglob("*.ipynb"))
    if not any(p.startswith((".", "_")) for p in o.relative_to(NBS).parts)
]
NAMES = [o.relative_to(NBS).as_posix() for o in NOTEBOOKS]
SLOW = [
    n
    for n, o in zip(NAMES, NOTEBOOKS, strict=True)
    if re.search(r'"#\| *slow\b', o.read_text(encoding="utf-8"))
]
FLAGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["nbdev"][
    "tst_flags"
].split()


def copy_of_tree(folder):
    "The project as a notebook sees it: `nbs` copied into `folder`, all else linked, so that the tree stays as it is."
    for o in ROOT.iterdir():
        if o.name not in ("nbs", ".git"):
            (folder / o.name).symlink_to(o)
    shutil.copytree(NBS, folder / "nbs", ignore=shutil.ignore_patterns(".*", "__pycache__"))
    return folder


def environment(folder):
    "The surroundings of a run: no IPython profile, this environment's scripts first, real data if there are any."
    env = {
        **os.environ,
        "IPYTHONDIR": str(folder / ".ipython"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    env.pop("MPLBACKEND", None)  # the notebook decides
    env.pop("GRAPHSEL_DATA", None)
    if (data := data_folder()) is not None:
        env["GRAPHSEL_DATA"] = str(data)
    return env


def files(folder):
    return {
        o.relative_to(folder).as_posix() for o in folder.rglob("*") if "__pycache__" not in o.parts
    }


class Runner:
    "The process that runs notebooks, one in a fork at a time (tests/notebook_runner.py)."

    def __init__(self):
        script = [sys.executable, str(ROOT / "tests" / "notebook_runner.py")]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(script, stdin=pipe, stdout=pipe, text=True)

    def run(self, **job):
        "The exit code of a job; an end of the runner itself is no success."
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline() or -1)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


@pytest.fixture(scope="module")
def runner():
    started = Runner()
    yield started
    started.close()


def run(runner, name, tmp_path, skip, timeout):
    "Run the notebook `name` without the cells flagged by `skip`."
    tree, log = tmp_path / "tree", tmp_path / "log"
    tree.mkdir()
    copy_of_tree(tree)
    before = files(tree / "nbs")
    code = runner.run(
        notebook=str(tree / "nbs" / name),
        base=str(tree),
        timeout=timeout,
        skip=skip,
        cwd=str(tree / "nbs"),
        env=environment(tree),
        log=str(log),
    )
    assert code == 0, f"{name} failed\n{log.read_text(errors='replace')[-10000:]}"
    left = sorted(files(tree / "nbs") - before)
    assert not left, f"{name} left behind {left}: write to a temporary folder"


@pytest.mark.parametrize("name", NAMES)
def test_notebook(runner, name, tmp_path):
    run(runner, name, tmp_path, FLAGS, timeout=300)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_slow_notebook(runner, name, tmp_path):
    run(runner, name, tmp_path, [o for o in FLAGS if o != "slow"], timeout=0)
