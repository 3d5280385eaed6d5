"Where a user may write nowhere but the temporary folder: no home, a package that belongs to somebody else."

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest
from conftest import ROOT

from graphsel.core import compiling as compiling_room
from graphsel.core import files as files_room

ROOT_USER = hasattr(os, "getuid") and os.getuid() == 0
AS_NOBODY = {"user": "nobody", "group": "nogroup", "extra_groups": []} if ROOT_USER else {}
pytestmark = pytest.mark.skipif(
    not hasattr(os, "getuid"), reason="users and their rights as on Unix"
)

LOOP = """
import logging
logging.basicConfig(format="%(message)s", level="INFO")
from graphsel.criteria.loops import soft_part
print(soft_part(0, 3.0, 1.0))
"""


def close(folder):
    "Nobody may write into a folder."
    for o in (folder, *folder.rglob("*")):
        o.chmod(o.stat().st_mode & ~0o222 | 0o444 | (0o111 if o.is_dir() else 0))


@pytest.fixture(scope="module")
def place():
    "A folder all may enter, with the package in a part that none may write and a temporary folder of its own."
    folder = Path(tempfile.mkdtemp(prefix="graphsel-test-"))
    folder.chmod(0o755)
    shutil.copytree(
        ROOT / "graphsel",
        folder / "site" / "graphsel",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    close(folder / "site")
    for name in ("tmp", "out"):
        (folder / name).mkdir()
        (folder / name).chmod(0o1777)
    yield folder
    for o in (folder / "site").rglob("*"):
        o.chmod(0o755)
    (folder / "site").chmod(0o755)
    shutil.rmtree(folder)


def run(place, *args, python=None, temporary="tmp", check=True):
    "The result of Python with `args`: as nobody where we are root, without a home in any case."
    kept = {
        k: v
        for k, v in os.environ.items()
        if k in ("PATH", "LANG", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE")
    }
    paths = [str(place / "site"), sysconfig.get_path("purelib")]
    env = kept | {
        "HOME": "/nonexistent",
        "TMPDIR": str(place / temporary),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    python = python or (place / "python").read_text()
    r = subprocess.run(
        [python, *map(str, args)],
        cwd=place / "out",
        env=env,
        capture_output=True,
        text=True,
        **AS_NOBODY,
    )
    if check:
        assert r.returncode == 0, r.stderr
    return r


@pytest.fixture(scope="module")
def homeless(place):
    """The same, with a Python that nobody can start: this one, or the system's of the same version, whose
    extensions fit."""
    for python in (
        sys.executable,
        f"/usr/bin/python3.{sys.version_info.minor}",
        f"/usr/local/bin/python3.{sys.version_info.minor}",
    ):
        try:
            r = run(place, "-c", "import numba, graphsel", python=python, check=False)
        except (OSError, LookupError, ValueError):
            continue  # not there, or in a folder of root's
        if r.returncode == 0:
            (place / "python").write_text(python)
            return place
    pytest.skip("another user can start no Python of this version, or cannot read the libraries")


def test_loops_are_compiled_once(homeless):
    "In a folder of the user's own; the first run says why it takes long, the second has nothing to say."
    first, second = run(homeless, "-c", LOOP), run(homeless, "-c", LOOP)
    assert first.stdout == second.stdout == "2.0\n"
    assert "compiling the inner loops" in first.stderr and "compiling" not in second.stderr
    (folder,) = (homeless / "tmp").glob("graphsel-numba-*")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700 and list(folder.rglob("*.nbc"))


def test_nowhere_to_keep_them(homeless):
    "No temporary folder of one's own either: the loops still run, and how to keep them is said."
    taken = homeless / "foreign"
    taken.mkdir(exist_ok=True)
    taken.chmod(0o1777)
    (
        taken
        / f"graphsel-numba-{run(homeless, '-c', 'import os; print(os.getuid())').stdout.strip()}"
    ).write_text("")
    r = run(homeless, "-c", LOOP, temporary="foreign")
    assert "NUMBA_CACHE_DIR" in r.stderr and r.stdout == "2.0\n"


CRITERIA = ("graphreach", "softreach", "maxspec", "variance", "facility")
INPUT = ["--screen", "demo/data/screen.h5ad", "--graph", "demo/data/edges.tsv"]
COMMANDS = {
    "demo/picks.csv": ["demo", "--out", "demo"],
    **{
        f"{c}.csv": ["select", *INPUT[2:], "--budget", "5", "--criterion", c, "--out", f"{c}.csv"]
        for c in CRITERIA
    },
    "fit/ranked.csv": ["fit", *INPUT, "--out", "fit"],
    "compared/summary.csv": [
        "compare",
        *INPUT,
        "--strategies",
        "random,variance,active:bald",
        "--budgets",
        "5,10",
        "--seeds",
        "2",
        "--model",
        "gp",
        "--jobs",
        "2",
        "--out",
        "compared",
    ],
}
NOISE = ("matplotlib", "fontconfig", "warning", "traceback", "nonexistent", "not writable")


@pytest.mark.slow
def test_commands_without_a_home(homeless):
    "They work, and standard error holds nothing but what the command says."
    for made, args in COMMANDS.items():
        r = run(homeless, "-c", "from graphsel.cli.main import main; main()", *args)
        assert (homeless / "out" / made).exists(), (args, r.stderr)
        strange = [line for line in r.stderr.splitlines() if any(o in line.lower() for o in NOISE)]
        assert not strange, strange


@pytest.mark.parametrize("spoil", ["mode", "link", "file"])
def test_a_folder_that_others_can_change_is_not_used(spoil, tmp_path, monkeypatch):
    "What lies in it would be run."
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = files_room.private_folder("x")
    assert (
        folder.parent == tmp_path
        and stat.S_IMODE(folder.stat().st_mode) == 0o700
        and files_room.private_folder("x") == folder
    )
    folder.rmdir()
    if spoil == "mode":
        folder.mkdir()
        folder.chmod(0o777)
    elif spoil == "link":
        (tmp_path / "other").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "other")
    else:
        folder.write_text("")
    assert files_room.private_folder("x") is None


@pytest.mark.skipif(not ROOT_USER, reason="only root can make folders of others")
def test_a_folder_of_another_user_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    os.chown(files_room.private_folder("x"), 65534, -1)
    assert files_room.private_folder("x") is None


def test_a_full_or_damaged_disk_costs_time_only(caplog):
    "What cannot be loaded is compiled, what cannot be saved is said; the result is there."

    class Store:
        cache_path = "/full"

        def load_overload(self, signature, context):
            raise EOFError("cut short")

        def save_overload(self, signature, code):
            raise OSError(28, "No space left on device")

    compiling_room._say.cache_clear()
    loop = compiling_room.njit(lambda x: x + 1)
    loop._cache = compiling_room.CompiledCode(Store())
    with caplog.at_level("INFO", logger="graphsel"):
        assert loop(1) == 2
    assert (
        "compiling the inner loops" in caplog.text
        and "cannot keep the compiled loops in /full: No space left on device" in caplog.text
    )
