"""What every test shares: one thread a process, no display, the folder of real data."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("MPLBACKEND", "agg")

import pytest  # noqa: E402  (the variables above count only if they are set before numpy is loaded)
from hypothesis import settings  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent

# The same examples every time, on machines of any speed; with HYPOTHESIS_PROFILE=random, others in every run:
# what derandomized examples never meet (float faults, above all) is met sooner or later. The seed is told, and
# `pytest --hypothesis-seed N` brings one back.
settings.register_profile("graphsel", deadline=None, derandomize=True, print_blob=True)
settings.register_profile(
    "random", settings.get_profile("graphsel"), derandomize=False, database=None
)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE") or "graphsel"
settings.load_profile(PROFILE)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    "A random run has a seed that can be told and given again; pytest-xdist hands it on to its workers."
    drawn = PROFILE == "random" and config.getoption("hypothesis_seed", None) is None
    if drawn:
        config.option.hypothesis_seed = str(secrets.randbits(32))


def pytest_report_header(config):
    "The profile and, where it is random, the seed that repeats the run."
    seed = config.getoption("hypothesis_seed", None)
    return f"property tests: profile {PROFILE}" + (
        f"; repeat with --hypothesis-seed={seed}" if seed is not None else ""
    )


def data_folder():
    "The folder of real data (`GRAPHSEL_DATA`, or shared/data beside the project), or None where there is none."
    folder = Path(os.environ.get("GRAPHSEL_DATA") or ROOT.parent / "shared" / "data")
    return folder.resolve() if folder.is_dir() else None


def printed_under(code, hash_seeds=("1", "4242")):
    "What a piece of Python prints, in processes that order their sets in different ways."
    return [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in hash_seeds
    ]


@pytest.fixture(scope="session")
def shared_data():
    "The folder of real data; a test that asks for it is skipped where it is absent."
    folder = data_folder()
    if folder is None:
        pytest.skip("no folder of real data: set GRAPHSEL_DATA, or put it at ../shared/data")
    return folder


@pytest.fixture(scope="session")
def root():
    "The project's root folder."
    return ROOT
