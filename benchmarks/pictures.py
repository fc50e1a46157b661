"""Draws the pictures of docs/performance.md: equal figures give equal bytes, legible on light and dark pages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

mpl.use("svg")

INK = "#7d8590"
"""Has enough contrast on white and on black."""
COLOURS = ("#2f81f7", "#db6d28", "#8957e5", "#3fb950")
STYLE: Any = {
    "svg.hashsalt": "online-mart",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.25,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
}
Series = Mapping[str, Any]
"""The series of all cases, by `case.name`."""


@dataclass(frozen=True)
class Picture:
    """A file in docs/pictures. It is drawn if at least one of its series was measured."""

    file: str
    caption: str
    series: Mapping[str, str]
    """The names of its series, with their labels in the legend."""
    draw: Callable[[Axes, Mapping[str, Any]], None]


def draw(series: Series, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for picture in drawable(series):
        shown = {label: series[name] for name, label in picture.series.items() if name in series}
        with mpl.rc_context(STYLE):
            figure = Figure(figsize=(7, 3.6), layout="constrained")
            picture.draw(figure.add_subplot(), shown)
            figure.savefig(directory / picture.file, transparent=True, metadata={"Date": None, "Creator": None})


def drawable(series: Series) -> list[Picture]:
    return [picture for picture in PICTURES if any(name in series for name in picture.series)]


def _throughput(axes: Axes, shown: Mapping[str, Any]) -> None:
    for label, measured in shown.items():
        for name, values in measured.items():
            if name != "x":
                axes.plot(measured["x"], values, marker="o", label=label if name == "y" else name)
    connections = next(iter(shown.values()))["x"]
    axes.set_xscale("log", base=2)
    axes.set_xticks(connections, [str(number) for number in connections])
    axes.set_ylim(bottom=0)
    axes.set(xlabel="requests at once", ylabel="orders per second")
    axes.grid()
    axes.legend(frameon=False)


def _latencies(axes: Axes, shown: Mapping[str, Any]) -> None:
    """The cumulative distribution in percent."""
    for label, samples in shown.items():
        axes.plot(samples, [100 * (number + 1) / len(samples) for number in range(len(samples))], label=label)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="milliseconds", ylabel="% took at most", ylim=(0, 101))
    axes.grid()
    axes.legend(frameon=False, loc="lower right")


def _growth(axes: Axes, shown: Mapping[str, Any]) -> None:
    [measured] = shown.values()
    places = range(len(measured["names"]))
    bars = axes.barh(places, measured["ratios"], height=0.6)
    axes.bar_label(bars, fmt="%.2f", padding=4)
    axes.set_yticks(places, measured["names"])
    axes.invert_yaxis()
    axes.axvline(1.0, color=INK, linewidth=1)
    axes.axvline(1.2, color=INK, linewidth=1, linestyle="--")
    axes.set(xlabel="cost against an empty database; dashed: at most 1.2")


PICTURES = (
    Picture(
        "throughput.svg",
        "Orders placed per second by one worker, by how many requests there are at once",
        {"place_order.place_order_by_connections": "placed over HTTP"},
        _throughput,
    ),
    Picture(
        "latency.svg",
        "How long placing an order takes, and how long from a commit to the event's effect in the next service",
        {
            "place_order.place_order_latency_ms": "place an order",
            "event_latency.commit_to_consumed_ms": "commit to consumed",
        },
        _latencies,
    ),
    Picture(
        "growth.svg",
        "What the same work costs a shop with many orders, against one with none",
        {"growth.growth": "growth"},
        _growth,
    ),
)
