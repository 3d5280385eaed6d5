"Bars, where somebody watches and where nobody does."

import sys

from graphsel.core.progress import progress


def test_a_program_without_a_console_has_no_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert list(progress(range(3), "counted")) == [0, 1, 2]
