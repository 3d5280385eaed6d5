"""Figures: Axes in, Axes out; one style per strategy; legible on light and dark, and without all colors."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import graphsel.active.loop  # noqa: F401 - the learners register themselves
from graphsel.benchmark.statistics import summarize
from graphsel.core.errors import GraphselError
from graphsel.plotting import curves as plot
from graphsel.plotting import style as style_room
from graphsel.selection.strategies import STRATEGIES

LEVELS = {"random": 1.0, "variance": 0.8, "degree": 1.3, "active:bald": 0.95}


def made_up(**columns):
    rng = np.random.default_rng(0)
    rows = [
        dict(
            strategy=s,
            kind="active" if "active" in s else "baseline",
            model="gp",
            graph="g",
            noise=0.0,
            noise_kind="none",
            targets="all",
            seed=k + 6 * r,
            split=k,
            round=i if "active" in s else 0,
            budget=b,
            mse=level * b**-0.3 * (1 + 0.2 * k) + 0.01 * rng.normal(),
            pearson_delta=0.3 - 0.1 * level,
            picks=" ".join(map(str, rng.permutation(20)[:5])),
            status="ok",
        )
        for s, level in LEVELS.items()
        for k in range(6)
        for r in range(2 if s in ("random", "active:bald") else 1)
        for i, b in enumerate((10, 20, 40))
    ]
    return pd.DataFrame(rows).assign(**columns)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def noisy():
    return pd.concat([made_up()] + [made_up(noise=n, noise_kind="rewired") for n in (0.1, 0.3)])


# ---- style ----


def rgb(color):
    return np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def linear(c):
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def luminance(color):
    return float(linear(rgb(color)) @ [0.2126, 0.7152, 0.0722])


def lab(c):
    "CIELAB of linear RGB."
    xyz = (
        np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
        @ c
        / [0.9505, 1, 1.089]
    )
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


# Machado, Oliveira & Fernandes 2009, severity 1, on linear RGB
BLINDNESS = {
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("color", [*style_room.PALETTE, *style_room.SECOND, style_room.GREY])
def test_every_color_is_legible_on_light_and_dark(color):
    "A contrast of 3 to 1, what WCAG 2.1 asks of graphics, against white and against a dark page."
    on_white, on_dark = (
        1.05 / (luminance(color) + 0.05),
        (luminance(color) + 0.05) / (luminance("#121212") + 0.05),
    )
    assert on_white >= 3 and on_dark >= 3, (on_white, on_dark)


@pytest.mark.parametrize("kind", BLINDNESS)
def test_no_two_strategies_look_alike_to_the_color_blind(kind):
    "Either the colors stay apart (CIELAB distance of 10), or line or marker differ."
    looks = {n: style_room.style(n) for n in ["random", *STRATEGIES]}
    seen = {
        n: lab(np.clip(np.array(BLINDNESS[kind]) @ linear(rgb(o["color"])), 0, 1))
        for n, o in looks.items()
    }
    alike = [
        (a, b)
        for i, a in enumerate(looks)
        for b in list(looks)[:i]
        if np.linalg.norm(seen[a] - seen[b]) < 10
        and (looks[a]["linestyle"], looks[a]["marker"])
        == (looks[b]["linestyle"], looks[b]["marker"])
    ]
    assert not alike


def test_strategies_of_one_family_differ_in_color_or_marker():
    looks = [tuple(map(str, style_room.style(n).values())) for n in STRATEGIES]
    assert len(set(looks)) == len(looks)


def test_style_is_the_same_in_every_figure(noisy):
    axes = [
        plot.learning_curves(made_up()),
        plot.error_against_time(made_up()),
        plot.noise_curves(noisy),
    ]
    for ax in axes:
        for line in ax.get_lines():
            if line.get_label() in LEVELS:
                assert line.get_color() == style_room.style(line.get_label())["color"]
    assert style_room.style("variance+active:bald")["color"] == style_room.style("active:bald")[
        "color"
    ] and style_room.style("mine") == style_room.style("mine")


# ---- figures ----

DRAW = {
    "learning_curves": plot.learning_curves,
    "paired_differences": plot.paired_differences,
    "error_against_time": plot.error_against_time,
    "pick_map": plot.pick_map,
    "noise_curves": plot.noise_curves,
}


@pytest.mark.parametrize("name", DRAW)
def test_axes_in_axes_out(name, noisy):
    table = noisy if name == "noise_curves" else made_up()
    own = plt.subplots()[1]
    assert DRAW[name](table, ax=own) is own and DRAW[name](table).figure is not own.figure
    assert own.get_xlabel()
    before = table.copy()
    DRAW[name](table)
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize("name", DRAW)
def test_on_a_dark_page_nothing_is_black(name, noisy):
    with plt.style.context("dark_background"):
        ax = DRAW[name](noisy if name == "noise_curves" else made_up())
        ax.figure.canvas.draw()
        labels = [ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels()]
        assert all(t.get_color() == "white" for t in labels if t.get_text()) and not any(
            line.get_color() in ("black", "#000000", "k") for line in ax.get_lines()
        )


def bands(ax):
    "(lower, upper) of each filled band, in the order drawn."
    paths = [c.get_paths()[0].vertices for c in ax.collections]
    return [
        np.array([[v[v[:, 0] == x, 1].min(), v[v[:, 0] == x, 1].max()] for x in np.unique(v[:, 0])])
        for v in paths
    ]


@pytest.mark.parametrize("lost", [False, True])
def test_curves_and_bands_are_those_of_the_summary(lost):
    "Also where a strategy failed in a split."
    table = made_up()
    if lost:
        table = table[~((table["strategy"] == "variance") & (table["split"] == 2))]
    table = table.replace({"strategy": {"random": "pagerank"}})
    ax = plot.learning_curves(table)
    told = summarize(table, ["mse"]).query("metric == 'mse'").set_index(["strategy", "budget"])
    lines = [o for o in ax.get_lines() if o.get_label() in {*LEVELS, "pagerank"}]
    assert len(lines) == 4
    for line, band in zip(lines, bands(ax)):
        np.testing.assert_allclose(line.get_ydata(), told.loc[line.get_label(), "mean"])
        np.testing.assert_allclose(band, told.loc[line.get_label(), ["ci_low", "ci_high"]])
    assert ax.get_legend().get_title().get_text() == "band: 95 % interval of the mean"


def test_bands_beside_random_are_those_of_the_paired_difference():
    "A part of the error that a split gives to everybody widens no band; random itself has none."
    table = made_up()
    harder = table.assign(mse=table["mse"] + table["split"])
    for line, a, b in zip(
        plot.learning_curves(table).get_lines(), *map(bands, _drawn(table, harder))
    ):
        width = np.diff(a, axis=1)
        np.testing.assert_allclose(width, np.diff(b, axis=1), atol=1e-12)
        assert (width == 0).all() == (line.get_label() == "random")


def _drawn(*tables):
    return [plot.learning_curves(t) for t in tables]


@pytest.mark.parametrize("width", [2.5, 4, 9])
@pytest.mark.parametrize("first", [10, 50])  # a logarithmic axis, a linear one
def test_labels_of_budgets_do_not_touch(width, first):
    "However wide the axes are in the end: what is beside them is added after the labels."
    budgets = [b for b in (10, 25, 50, 100, 200, 300, 400) if b >= first]
    table = made_up()
    parts = [table[table["budget"] == table["budget"].min()].assign(budget=b) for b in budgets]
    ax = plot.learning_curves(pd.concat(parts))
    ax.figure.set_size_inches(width, 3)
    ax.figure.canvas.draw()
    boxes = [t.get_window_extent() for t in ax.get_xticklabels() if t.get_text()]
    assert len(boxes) >= 2 and ax.get_xticklabels()[-1].get_text() == "400"
    assert all(a.x1 < b.x0 for a, b in zip(boxes, boxes[1:]))


@pytest.mark.parametrize("draw", [plot.learning_curves, plot.error_against_time])
@pytest.mark.parametrize(
    "n, says", [(1, "1 split: no intervals"), (3, "95 % interval from only 3 splits")]
)
def test_few_splits_are_said_in_the_legend(draw, n, says):
    assert says in draw(made_up().query("split < @n")).get_legend().get_title().get_text()


@pytest.mark.parametrize("budget", [None, 20])
@pytest.mark.parametrize("n", [3, 6])
def test_differences_show_the_statistic_of_the_summary(budget, n):
    "Marker, line and mean of the dots; with few splits the figure says so."
    table = made_up().query("split < @n")
    ax = plot.paired_differences(table, budget=budget)
    columns = (
        ["mean_ratio", "mean_ratio_low", "mean_ratio_high"]
        if budget is None
        else ["ratio_to_random", "ratio_low", "ratio_high"]
    )
    told = (
        summarize(table, ["mse"])
        .query("metric == 'mse' and budget == @budget" if budget else "metric == 'mse'")
        .groupby("strategy")[columns]
        .first()
    )
    told = 100 * (told.loc[[t.get_text() for t in ax.get_yticklabels()]].to_numpy() - 1)
    np.testing.assert_allclose(
        [m.get_xdata()[0] for m in ax.get_lines() if m.get_marker() not in ("None", "", None)],
        told[:, 0],
    )
    np.testing.assert_allclose([c.get_offsets()[:, 0].mean() for c in ax.collections], told[:, 0])
    lines = np.array(
        [
            m.get_xdata()
            for m in ax.get_lines()
            if len(m.get_xdata()) == 2
            and m.get_marker() in ("None", "", None)
            and m.get_xdata()[0] != m.get_xdata()[1]
        ]
    )
    np.testing.assert_allclose(lines, told[:, 1:])
    assert ("from only 3 splits" in ax.get_xlabel()) == (n == 3)
    assert ("mean over 3 budgets" if budget is None else "20 perturbations") in ax.get_xlabel()


@pytest.mark.parametrize("n", [2, 8])
def test_wide_intervals_of_few_splits_do_not_set_the_scale(n):
    "All splits are in the picture; where they are few, the ends of their intervals need not be."
    table = made_up().query("split < @n")
    values = table.groupby(["split", "strategy", "budget"])["mse"].mean()
    ax, told = plot.learning_curves(table), summarize(table, ["mse"]).query("metric == 'mse'")
    low, high = ax.get_ylim()
    assert n > 2 or (low <= values.min() and values.max() <= high)
    assert (
        (high - low < 1.3 * (values.max() - values.min()))
        if n == 2
        else (low <= told["mean"].min() and told["mean"].max() <= high)
    )
    assert plot.paired_differences(table).get_xlim()[1] < 200


@pytest.mark.parametrize(
    "draw",
    [plot.learning_curves, plot.error_against_time, plot.noise_curves, plot.paired_differences],
)
def test_figures_have_the_intervals_of_splits_that_overlap(draw, noisy):
    "Narrower where the table says that splits share less."
    table = noisy if draw is plot.noise_curves else made_up()

    def widths(part):
        ax = draw(part)
        if draw is not plot.paired_differences:
            wide = np.concatenate([b[:, 1] - b[:, 0] for b in bands(ax)])
            return wide[wide > 0]  # random has no difference from itself
        return np.array(
            [
                np.ptp(m.get_xdata())
                for m in ax.get_lines()
                if len(m.get_xdata()) == 2
                and m.get_linestyle() == "-"
                and np.ptp(m.get_xdata()) > 0
            ]
        )

    n = table["split"].nunique()
    np.testing.assert_allclose(
        widths(table) / widths(table.assign(n_test=0, n_pool=1)),
        np.sqrt(1 + n / 4),
        rtol=0.1 if draw is plot.paired_differences else 1e-9,
    )  # that of a ratio is not linear


def test_one_shot_plans_stand_at_one_month():
    ax = plot.error_against_time(made_up())
    marks = {o.get_label(): o.get_xdata() for o in ax.get_lines() if o.get_label() in LEVELS}
    assert (
        len({float(marks[n][0]) for n in ("random", "variance", "degree")}) == 1
        and len(marks["active:bald"]) == 3
    )


def test_the_map_says_what_its_diagonal_is():
    ax = plot.pick_map(made_up())
    assert (
        "diagonal: two runs of one strategy in one split (–: run once)" in ax.get_xlabel()
        and len(ax.figure.axes) == 2
    )  # a color bar
    assert (
        "run once"
        not in plot.pick_map(made_up().query("strategy in ('random', 'active:bald')")).get_xlabel()
    )


def test_one_split_has_no_bands_and_one_budget_no_area():
    one = made_up().query("split == 0")
    assert len(plot.learning_curves(one).get_lines()) == 4
    with pytest.raises(GraphselError, match="nothing to compare"):
        plot.paired_differences(one, budget=33)
    assert "40 perturbations" in plot.paired_differences(made_up(), budget=40).get_xlabel()


def test_a_filled_marker_is_significant():
    rng = np.random.default_rng(1)
    table = pd.DataFrame(
        [
            dict(strategy=s, seed=k, split=k, budget=10, mse=level + 0.01 * rng.normal(), picks="")
            for s, level in [("random", 1.0), ("variance", 0.5), ("degree", 1.0)]
            for k in range(10)
        ]
    )
    ax = plot.paired_differences(table)
    marks = [o for o in ax.get_lines() if o.get_marker() not in ("None", "", None)]
    filled = {
        t.get_text(): m.get_markerfacecolor() == m.get_color()
        for t, m in zip(ax.get_yticklabels(), marks)
    }
    assert filled == {"variance": True, "degree": False}


def test_what_cannot_be_drawn_is_said(noisy):
    mixed = noisy.assign(noise_kind=np.where(noisy["noise"] > 0.2, "added", noisy["noise_kind"]))
    for draw, table, message in [
        (plot.learning_curves, made_up().assign(mse=np.nan), "is empty"),
        (plot.learning_curves, noisy, "several values of 'noise"),
        (plot.noise_curves, mixed, "several kinds of noise"),
        (plot.paired_differences, made_up().query("strategy != 'random'"), "no 'random'"),
        (lambda t: plot.pick_map(t, budget=11), made_up(), "budget 11"),
        (lambda t: plot.learning_curves(t, "mze"), made_up(), "unknown metric"),
    ]:
        with pytest.raises(GraphselError, match=message):
            draw(table)


def test_files_are_those_the_table_has_data_for(tmp_path, noisy):
    assert {f.name for f in plot.save_figures(noisy, tmp_path / "a")} == {
        "learning_curves.png",
        "differences.png",
        "laboratory_time.png",
        "overlap.png",
        "noise.png",
    }
    plain = made_up().query("strategy == 'variance'")
    assert {f.name for f in plot.save_figures(plain, tmp_path / "b")} == {"learning_curves.png"}
    several = pd.concat([made_up(), made_up(model="gnn")])
    assert (
        plt.imread(plot.save_learning_curves(several, tmp_path / "c.png")).shape[1]
        > 1.5 * plt.imread(tmp_path / "a" / "learning_curves.png").shape[1]
    )
    assert not plt.get_fignums()  # files need no window system


def test_many_strategies_have_their_legend_beside_the_picture():
    table = pd.concat(
        [
            made_up()
            .query("strategy == 'variance'")
            .assign(strategy=n, mse=lambda t, i=i: t["mse"] + i)
            for i, n in enumerate(list(STRATEGIES)[:14])
        ]
    )
    ax = plot.learning_curves(table)
    ax.figure.canvas.draw()
    assert ax.get_legend().get_window_extent().x0 >= ax.get_window_extent().x1 - 1


def test_bands_against_time_are_those_of_the_difference_from_random():
    "What is hard for everybody in a split widens no band; random has none beside itself."
    table = made_up()
    harder = table.assign(mse=table["mse"] + 5.0 * table["split"])
    for a, b in zip(*(bands(plot.error_against_time(t)) for t in (table, harder))):
        np.testing.assert_allclose(np.ptp(a[:, :2], axis=1), np.ptp(b[:, :2], axis=1), atol=1e-9)
    alone = table[table["strategy"] != "random"]
    assert "of the mean" in plot.error_against_time(alone).get_legend().get_title().get_text()
    text = plot.error_against_time(table).get_legend().get_title().get_text()
    assert "the difference from random" in text
