"""Every notebook runs from top to bottom, each in a process of its own, and leaves no file behind."""

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

# nbdev's own runner; it prints the traceback of the first cell that fails on stderr.
RUN = """
import sys
from nbdev.test import test_nb
path, base, timeout, *skip = sys.argv[1:]
done, seconds = test_nb(path, skip_flags=skip, basepath=base, cell_timeout=int(timeout) or None)
sys.exit(0 if done else 1)
"""


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


def run(name, tmp_path, skip, timeout):
    "Run the notebook `name` without the cells flagged by `skip`."
    tree = copy_of_tree(tmp_path)
    before = files(tree / "nbs")
    cmd = [sys.executable, "-c", RUN, str(tree / "nbs" / name), str(tree), str(timeout), *skip]
    done = subprocess.run(
        cmd,
        cwd=tree / "nbs",
        env=environment(tree),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{name} failed\n{done.stdout[-2000:]}\n{done.stderr[-8000:]}"
    left = sorted(files(tree / "nbs") - before)
    assert not left, f"{name} left behind {left}: write to a temporary folder"


@pytest.mark.parametrize("name", NAMES)
def test_notebook(name, tmp_path):
    run(name, tmp_path, FLAGS, timeout=300)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_slow_notebook(name, tmp_path):
    run(name, tmp_path, [o for o in FLAGS if o != "slow"], timeout=0)
