"""The table beside the atlas page, and what README says of it: computed here once more, by other code."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time

import atlas
import numpy as np
import pandas as pd
import pytest
from graphsel.benchmark.store import code_sha1
from scipy import stats

MEGABYTES = 2
ROW = r"^\|(.+)\|\s*$"


@pytest.fixture(scope="module")
def table(root):
    path = root / "nbs" / "benchmarks" / "atlas.parquet"
    if not path.exists():
        pytest.skip("the table of the atlas is not there: tools/atlas.py --gather writes it")
    found = pd.read_parquet(path)
    plain = found["variant"] == "" if "variant" in found else True
    return found[(found["model"] == "gp") & plain]


def ratio_on(rows, strategy):
    "Mean over budgets of mean error / random's mean error; draws of a split are averaged first."
    error = rows.groupby(["strategy", "budget", "split"])["mse"].mean().groupby(level=[0, 1]).mean()
    return float((error[strategy] / error["random"]).mean())


def pooled(table, level, strategy):
    "Geometric mean over screens and its interval, and on how many screens the strategy was run."
    told = table[(table["targets"] == level) & (table["status"] == "ok")]
    screens = [g for _, g in told.groupby("screen") if strategy in set(g["strategy"])]
    logs = np.log([ratio_on(g, strategy) for g in screens])
    half = stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs))
    return np.exp([logs.mean(), logs.mean() - half, logs.mean() + half]), len(logs)


def tables_of(text):
    "Every table of a markdown text: header, rows, as lists of cells."
    found, block = [], []
    for line in [*text.splitlines(), ""]:
        if re.match(ROW, line):
            block.append([cell.strip() for cell in line.strip().strip("|").split("|")])
        elif block:
            found.append((block[0], block[2:]))
            block = []
    return found


def claims(text):
    "(strategy, told, ratio, [low, high], wins–ties–losses, screens) of the rows that speak of the atlas."
    for header, rows in tables_of(text):
        said = re.search(r"error / random's, (\d+) screens", " ".join(header))
        if not said or header[1] != "told":
            continue
        for strategy, told, ratio, interval, counts in rows:
            ends = [float(x) for x in re.findall(r"\d+\.\d+", interval)]
            counts = [int(x) for x in re.findall(r"\d+", counts)]
            yield strategy.strip("`*"), told, float(ratio), ends, counts, int(said.group(1))


def test_the_table_holds_errors_and_hashes_only(table, root):
    assert (root / "nbs" / "benchmarks" / "atlas.parquet").stat().st_size <= MEGABYTES * 2**20
    texts = {c for c in table if not pd.api.types.is_numeric_dtype(table[c])}
    known = {"strategy", "kind", "model", "targets", "judged", "picks_sha1", "status", "screen"}
    assert texts - {"variant"} == known
    assert "picks" not in table and table["picks_sha1"].str.len().max() <= 10


def test_every_screen_was_judged_alike(table):
    "Random is everywhere, every budget has every strategy, and learners measured what was asked."
    for (_, level, _), rows in table.groupby(["screen", "targets", "model"]):
        assert "random" in set(rows["strategy"]) and level in ("pool", "library", "heldout")
        assert (rows["status"] == "ok").mean() > 0.95
        budgets = rows.groupby("strategy")["budget"].apply(lambda b: tuple(sorted(set(b))))
        assert budgets.nunique() == 1
        done = rows[rows["status"] == "ok"]
        assert (done["n_measured"] == done["budget"]).all()


@pytest.fixture(scope="module")
def page(table):
    "What the page says of strategies that are told the library, by the package's own code."
    from graphsel.benchmark.across import pooled_ratios, screen_ratios

    told = table[(table["targets"] == "library") & (table["status"] == "ok")]
    told = told.assign(picks="", graph="", noise=0.0, noise_kind="none")
    return pooled_ratios(screen_ratios(dict(list(told.groupby("screen")))))


def test_the_pages_numbers_are_those_of_other_code(table, page):
    for row in page.itertuples():
        theirs, n = pooled(table, "library", row.strategy)
        assert n == row.screens
        np.testing.assert_allclose([row.ratio, row.low, row.high], theirs, rtol=2e-4)


def test_every_number_of_readme_is_in_the_table(table, page, root):
    found = list(claims((root / "README.md").read_text(encoding="utf-8")))
    if not found:
        pytest.skip("README shows no table of the atlas")
    strategies = {c[0] for c in found}
    learners = [s for s in page["strategy"] if s.startswith("active:")]
    assert {"random", *learners[:2]} <= strategies  # the best two are never left out
    assert len(found) <= 8
    counted = page.set_index("strategy")[["wins", "ties", "losses"]]
    for strategy, told, ratio, ends, counts, screens in found:
        if strategy == "random":
            assert ratio == 1
            continue
        numbers, n = pooled(table, told, strategy)
        assert n == screens, strategy
        np.testing.assert_allclose([ratio, *ends], numbers, atol=6e-4, err_msg=strategy)
        assert told != "library" or counts == counted.loc[strategy].tolist(), strategy
        assert sum(counts) == screens, strategy


def test_claims_are_found_in_markdown():
    text = """
| picks chosen by | told | error / random's, 11 screens | 95 % interval | wins–ties–losses |
|---|---|---|---|---|
| `variance` | library | 0.931 | 0.901–0.962 | 5–6–0 |

| something | else |
|---|---|
| 1 | 2 |
"""
    assert list(claims(text)) == [("variance", "library", 0.931, [0.901, 0.962], [5, 6, 0], 11)]


# ---- the command that makes the table ----


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    "A folder with files named as those of K562: 40 genes in eight families, neighbors respond alike."
    folder = tmp_path_factory.mktemp("data")
    path, (edges, sets) = atlas.SCREENS["K562"]
    rng = np.random.default_rng(0)
    genes = [f"G{i:02}" for i in range(40)]
    families = [genes[i : i + 5] for i in range(0, 40, 5)]
    Y = np.repeat(rng.normal(size=(8, 4)), 5, axis=0) + 0.2 * rng.normal(size=(40, 4))
    frame = pd.DataFrame(Y, genes, list("wxyz")).rename_axis("perturbation")
    frame.to_csv(folder / path, sep="\t")
    links = [(a, b, 900) for f in families for a in f[:-1] for b in f if a < b]
    links += [(f[0], g[0], 400) for f, g in zip(families, families[1:], strict=False)]
    links = pd.DataFrame(links, columns=["source", "target", "combined_score"])
    links.to_csv(folder / edges, sep="\t", index=False)
    lines = [f"family {i} (GO:{i:07}),{chr(9).join(f)}" for i, f in enumerate(families)]
    (folder / sets).write_text("\n".join(lines), encoding="utf-8")
    return folder


ASKED = ["--screens", "K562", "--strategies", "random,variance", "--random-draws", "1"]
ASKED += ["--levels", "library,pool", "--model", "gp:3"]


def gathered(data, out, table):
    assert atlas.main(["--data", str(data), "--out", str(out), "--gather", str(table)]) == 0
    return pd.read_parquet(table)


def killed(data, out, root):
    "Start the command and send SIGKILL, to its children as well, as soon as something is on disk."
    command = [sys.executable, str(root / "tools" / "atlas.py"), *ASKED, "--variants", "none"]
    command += ["--data", str(data), "--out", str(out)]
    env = {**os.environ, "PYTHONPATH": str(root)}
    process = subprocess.Popen(command, env=env, start_new_session=True, stderr=subprocess.DEVNULL)
    while len(list(out.rglob("tasks/*"))) < 2:
        assert process.poll() is None
        time.sleep(0.002)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_killed_and_resumed_gives_the_same_table(tiny, root, tmp_path, monkeypatch, caplog):
    few = atlas.Variant(("K562",), ("random", "active:bald"), start=0.1)
    monkeypatch.setattr(atlas, "VARIANTS", {"start 10 %": few})
    killed(tiny, tmp_path / "killed", root)
    assert not atlas.finished(tmp_path / "killed" / "K562-library-gp")
    tables = []
    for name in ("killed", "whole"):
        out = tmp_path / name
        assert atlas.main(["--data", str(tiny), "--out", str(out), *ASKED]) == 0
        tables.append(gathered(tiny, out, tmp_path / f"{name}.parquet"))
    pd.testing.assert_frame_equal(*tables)
    one = tables[0]
    assert one.attrs == tables[1].attrs
    assert one.attrs["made by"]["code"] == [code_sha1()[:10]]
    assert set(one["status"]) == {"ok"} and set(one["variant"]) == {"", "start 10 %"}
    plain = one[one["variant"] == ""].groupby("strategy")["targets"].agg(set)
    assert all(
        told == {"library", "pool"} for told in plain
    )  # what looks at no names stands at both
    assert one["agreement"].between(0.5, 1).all() and set(one["n_responses"]) == {4}
    (tmp_path / "whole" / "K562-pool-gp" / "results.parquet").unlink()
    rest = gathered(tiny, tmp_path / "whole", tmp_path / "rest.parquet")
    assert "K562-pool-gp is not finished" in caplog.text and set(rest["targets"]) == {"library"}


def test_what_cannot_be_done_is_said(tmp_path):
    with pytest.raises(SystemExit, match="no screen called Mars"):
        atlas.main(["--screens", "Mars"])
    with pytest.raises(SystemExit, match="no comparison in .* has run to its end"):
        atlas.main(["--out", str(tmp_path), "--gather", str(tmp_path / "table")])


def test_variants_go_to_their_screens_and_models():
    asked = atlas.read_arguments(["--variants", ",".join(atlas.VARIANTS)])  # no comma in a name
    assert "labels permuted" in atlas.wanted("fly", "gp", asked)
    assert "labels permuted" not in atlas.wanted("fly", "gnn", asked)
    alone = atlas.wanted("K562", "gnn", asked)["Gene Ontology over one hop"]
    assert atlas.options_of(alone, "gnn")["model_params"] == {"gnn": {"hops": 1}}
    assert atlas.options_of(alone, "ridge")["model_params"] == {}
