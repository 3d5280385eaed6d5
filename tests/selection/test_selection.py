"""Plans: what they say of themselves, their certificate, and their way to the disk and back."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from helpers import target_reach

from graphsel.core.errors import GraphselError
from graphsel.criteria.design import MaxSpec, SupervisionVariance
from graphsel.criteria.registry import make_criterion
from graphsel.criteria.similarity import FacilityLocation
from graphsel.graphs.build import from_edges
from graphsel.selection.greedy import greedy
from graphsel.selection.plan import Selection, as_saved, describe, exhausted, productive_picks
from graphsel.selection.report import in_words

PATH10 = from_edges(list("000045558"), list("123456789"))


# ---- what a plan says ----


def test_certificates():
    plan = Selection(["A"], [3.0], [8.0], upper_bound=8.5, measured=["B"], measured_value=5.0)
    assert plan.certificate == pytest.approx(8 / 8.5) and plan.certificate_of_rest == pytest.approx(
        3 / 3.5
    )
    assert plan.certificate_of_rest <= plan.certificate, "what was known before flatters a plan"
    unknown = replace(plan, upper_bound=None)
    assert (
        unknown.certificate is None
        and unknown.certificate_of_rest is None
        and "best possible" not in repr(unknown)
    )
    assert replace(plan, upper_bound=8 - 1e-12).certificate == 1, (
        "the last digits of a sum make no plan better than the best"
    )
    nothing = Selection([], [], [], upper_bound=0.0)
    assert nothing.certificate == nothing.certificate_of_rest == 1 and nothing.value == 0
    full = replace(plan, genes=[], gains=[], values=[], upper_bound=5.0)
    assert full.value == 5 and full.certificate == full.certificate_of_rest == 1, (
        "nothing was left to win"
    )


def test_a_promise_is_rounded_down():
    assert "at least 99.9% of the best" in repr(
        Selection(["A"], [0.99999], [0.99999], "x", upper_bound=1.0)
    )
    assert "at least 100% of the best" in repr(Selection(["A"], [1.0], [1.0], "x", upper_bound=1.0))


def test_a_plan_in_one_sentence():
    s = greedy(target_reach(PATH10), 2, measured=["4"])
    text = repr(s)
    assert (
        text.startswith("2 of 9 candidates by graphreach: ")
        and f"value {s.value:g} over 10 targets" in text
        and "1 already measured (of what was left to win, at least" in text
    )
    assert "1 name left out (see report)" in repr(
        replace(s, report={"XIST": "not in the graph"})
    ) and "2 names left out" in repr(replace(s, report={"XIST": "", "YIST": ""}))
    assert "value" not in repr(Selection(["A"], [np.nan], [np.nan], "random")), (
        "a baseline has no objective"
    )
    mixed = replace(
        s,
        report={
            "XIST": "targets: not in the graph",
            "1": "excluded",
            "2": "excluded",
            "4": "already measured",
        },
    )
    assert (
        describe(mixed, "see x.csv").endswith("; 1 name left out, 2 excluded (see x.csv)")
        and repr(replace(s, report={"4": "already measured"})) == text
    )
    assert "; cost 3 of 3.50;" in repr(
        greedy(target_reach(PATH10), 3.5, costs={"0": 2.0}, measured=["4"])
    )
    html = s._repr_html_()
    assert all(f"<td>{g}</td>" in html for g in s.genes) and len(s) == 2


def test_a_plan_travels_without_its_criterion():
    s = greedy(target_reach(PATH10), 2)
    assert s.criterion.name == "graphreach" and s.criterion.current == s.value, (
        "in memory it is in its last state"
    )
    back = pickle.loads(pickle.dumps(s))
    assert (
        back.criterion is None and as_saved(back) == as_saved(s) and "criterion" not in as_saved(s)
    )


def test_what_a_plan_remembers():
    s = greedy(target_reach(PATH10), 3, measured=["4"], exclude=["5"], method="lazy", ties="index")
    assert (
        s.strategy,
        s.budget,
        s.n_candidates,
        s.n_targets,
        s.measured,
        s.params["method"],
        s.params["ties"],
    ) == ("graphreach", 3, 8, 10, ["4"], "lazy", "index")
    assert (
        s.graph == PATH10.fingerprint
        and s.seconds >= 0
        and s.evaluations > 0
        and s.values[0] == s.measured_value + s.gains[0]
    )


def test_what_is_used_up_is_said_and_what_decides_from_there():
    "From one function for the sentence of a plan, the explorer and the command line."
    soft = "soft reach, then the degree in the graph, then the name"
    s = greedy(target_reach(PATH10), 6)
    assert s.gains[:4] == [5, 4, 1, 0] and productive_picks(s) == 3
    assert (
        exhausted(s)
        == "after pick 3 nothing is left to gain: the other 3 picks are chosen by the targets they reach again "
        f"(level 2 of coverage), then {soft}"
    )
    for text in (repr(s), describe(s, "--out lists them"), in_words(s).replace("After", "after")):
        assert exhausted(s) in text
    assert exhausted(greedy(target_reach(PATH10), 10)).split("(")[1].startswith("levels 2 to ")
    assert (
        exhausted(greedy(target_reach(PATH10), 4, ties="index"))
        == "after pick 3 nothing is left to gain: the other 1 pick is chosen by the name"
    )
    known = greedy(target_reach(PATH10), 2, measured=["0", "5", "8"])
    assert exhausted(known).startswith(
        "beyond what is measured nothing is left to gain: the 2 picks are"
    ) and "100%" not in repr(known)
    assert exhausted(greedy(target_reach(PATH10), 5, costs={})).startswith(
        "after pick 3 nothing is left to gain within the limits"
    )
    for some in (
        greedy(target_reach(PATH10), 3),
        greedy(SupervisionVariance(PATH10), 6),
        replace(s, tie_rule=""),
        replace(s, gains=[float("nan")] * 6),
    ):
        assert exhausted(some) == ""


def test_pairs_that_reach_nothing_are_no_best_plan():
    g = PATH10.align([*PATH10.genes, *"XYZ"])[0]
    s = greedy(target_reach(g, ["X+Y", "X+Z", "Y+Z"], ["0"]), 2)
    assert s.certificate == 1 and productive_picks(s) == 0
    for text in (repr(s), in_words(s)):
        assert (
            "100%" not in text
            and "rom the first pick on nothing is left to gain: the 2 picks are chosen by soft reach, "
            "then the degree in the graph, then the name"
            in text
        )


def test_the_tie_rule_is_saved_and_is_that_of_the_criterion(tmp_path):
    s = greedy(FacilityLocation(PATH10), 3)
    assert s.tie_rule == "the degree in the graph, then the name" and greedy(
        make_criterion("1*graphreach+1*maxspec", PATH10), 2
    ).tie_rule.startswith("soft reach")
    assert Selection.load(s.save(tmp_path / "plan.json")).tie_rule == s.tie_rule


# ---- on disk ----


@pytest.mark.parametrize(
    "make",
    [
        lambda: greedy(target_reach(PATH10), 3, measured=["4"]),
        lambda: greedy(SupervisionVariance(PATH10), 3),
        lambda: greedy(MaxSpec(PATH10), 3.5, costs={"0": 2.0}),
        lambda: greedy(target_reach(PATH10), np.int64(3)),
        lambda: greedy(target_reach(PATH10), np.float64(3), costs={}),
        lambda: greedy(target_reach(PATH10), 2, measured=PATH10.genes[:2]),
    ],
    ids=["measured", "variance", "costs", "numpy budget", "numpy costs", "numpy names"],
)
def test_plans_survive_the_disk(make, tmp_path):
    s = make()
    back = Selection.load(s.save(tmp_path / "plan.json"))
    assert (
        as_saved(back) == as_saved(s)
        and back.certificate == s.certificate
        and repr(back) == repr(s)
    )
    frame = s.to_frame()
    assert (
        list(frame.columns[:4]) == ["rank", "gene", "gain", "value"]
        and frame["gene"].tolist() == s.genes
    )
    s.to_csv(tmp_path / "picks.csv")
    assert (tmp_path / "picks.csv").read_text().splitlines()[0].startswith("rank,gene,gain,value")


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "3", '"x"', "null", '{"a": 1}', '{"genes": ["A"]}']
)
def test_hostile_plans(text, tmp_path):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(GraphselError, match="plan.json"):
        Selection.load(tmp_path / "plan.json")


def test_plan_files_are_json_for_everyone(tmp_path):
    "NaN is no JSON: other languages refuse the file."
    s = replace(
        greedy(target_reach(PATH10), 2), gains=[float("nan")] * 2, values=[float("nan")] * 2
    )
    text = s.save(tmp_path / "plan.json").read_text()
    json.loads(text, parse_constant=lambda o: pytest.fail(f"{o} in the file"))
    assert np.isnan(Selection.load(tmp_path / "plan.json").gains).all()


def forged(path, **entries):
    "A plan file with other entries, and a checksum that fits."
    from graphsel.core.outputs import sealed, unsealed
    from graphsel.selection.plan import _SEAL

    plan = json.loads(unsealed(path, "a plan", *_SEAL) + b"\n}")
    body = json.dumps({**plan, **entries}, indent=1).encode().removesuffix(b"\n}")
    path.write_bytes(sealed(body, *_SEAL))
    return path


@pytest.mark.parametrize(
    "entries",
    [
        {"genes": "AB"},
        {"genes": [1, 2]},
        {"genes": ["A"]},
        {"gains": ["1", "2"]},
        {"gains": [True, 1]},
        {"values": {"0": 1}},
        {"values": [1]},
        {"strategy": None},
        {"budget": "2"},
        {"upper_bound": "9"},
        {"measured": [["B"]]},
        {"n_candidates": -1},
        {"n_targets": 2.5},
        {"report": {"XIST": 3}},
        {"report": []},
        {"params": [1]},
        {"columns": {"cost": [1]}},
        {"columns": {"cost": [[1], [2]]}},
        {"criterion": "x"},
        {"__class__": "x"},
        {"version": 1},
        {"seconds": "0"},
    ],
    ids=str,
)
def test_entries_of_the_wrong_kind(entries, tmp_path):
    path = forged(greedy(target_reach(PATH10), 2).save(tmp_path / "plan.json"), **entries)
    with pytest.raises(
        GraphselError, match="plan.json is not a saved plan: .*write it again with save"
    ):
        Selection.load(path)


def test_a_deep_plan_file(tmp_path):
    from graphsel.core.outputs import sealed
    from graphsel.selection.plan import _SEAL

    for body in (b'{"genes": ' + b"[" * 100_000, b"[1", b'{"genes": ' + b"1" * 5000, b"\xff"):
        (tmp_path / "plan.json").write_bytes(sealed(body, *_SEAL))
        with pytest.raises(GraphselError, match="plan.json is not a saved plan"):
            Selection.load(tmp_path / "plan.json")


def test_a_plan_without_checksum_is_refused(tmp_path):
    (tmp_path / "plan.json").write_text(
        json.dumps({"genes": ["A"], "gains": [1.0], "values": [1.0]})
    )
    with pytest.raises(GraphselError, match="no checksum"):
        Selection.load(tmp_path / "plan.json")
