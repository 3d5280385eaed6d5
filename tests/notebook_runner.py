"""Runs notebooks, each in a fork of one process that has loaded the heavy libraries once.

A line of JSON on stdin is a job (`notebook`, `base`, `timeout`, `skip`, `cwd`, `env`, `log`); the answer is a line
with its exit code. A fork is as good as a process of its own: what one notebook defines is unknown to the next.
The package itself is not loaded here, so each notebook still imports it as a user would."""

import importlib
import json
import os
import sys

HEAVY = "IPython pandas scipy.stats sklearn.cluster matplotlib.pyplot torch anndata nbdev.test"


def load(names):
    "Import what is there; what is missing is missed by the notebook that needs it."
    for name in names.split():
        try:
            importlib.import_module(name)
        except ImportError:
            pass


def send_output_to(path):
    "Both streams of this process, and of its children, into one file."
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


def run(job):
    "Run the notebook by nbdev's own runner, which prints the traceback of the first cell that fails."
    from nbdev.test import test_nb

    send_output_to(job["log"])
    os.environ.clear()
    os.environ.update(job["env"])
    os.chdir(job["cwd"])
    sys.path[0] = ""  # as for a notebook, not the folder of this file
    done, _ = test_nb(
        job["notebook"],
        skip_flags=job["skip"],
        basepath=job["base"],
        cell_timeout=job["timeout"] or None,
    )
    return 0 if done else 1


def in_a_fork(job):
    "The exit code of a job that ran in a child of this process."
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = run(job)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def main():
    "Answer jobs until stdin ends."
    load(HEAVY)
    for line in sys.stdin:
        print(in_a_fork(json.loads(line)), flush=True)


if __name__ == "__main__":
    main()
