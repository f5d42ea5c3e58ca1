"""The demo's figures. No pyplot: a figure belongs to nobody but its caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

Array = np.ndarray[Any, np.dtype[Any]]


def residuals(title: str, predicted: Array, actual: Array) -> Figure:
    """Prediction against error, one point per row."""
    figure, axes = _canvas(title)
    axes.scatter(predicted, actual - predicted, s=12, alpha=0.6)
    axes.axhline(0.0, color="black", linewidth=0.8)
    axes.set(xlabel="predicted progression", ylabel="actual - predicted")
    return figure


def bars(title: str, names: Sequence[str], values: Sequence[float], label: str) -> Figure:
    """One bar per name, the least value on top."""
    figure, axes = _canvas(title, height=1.2 + 0.22 * len(names))
    order = np.argsort(values)[::-1]
    axes.barh([names[i] for i in order], [values[i] for i in order])
    axes.set(xlabel=label, xlim=(0.9 * min(values), None))
    return figure


def roc_curve(title: str, false_positive: Array, true_positive: Array, area: float) -> Figure:
    """True against false positive rate."""
    figure, axes = _canvas(title)
    axes.plot(false_positive, true_positive, label=f"area {area:.4f}")
    axes.plot([0, 1], [0, 1], linestyle="--", color="grey", linewidth=0.8, label="by chance")
    axes.set(xlabel="false positive rate", ylabel="true positive rate")
    axes.legend(loc="lower right")
    return figure


def confusion_matrix(title: str, counts: Array, labels: Sequence[str]) -> Figure:
    """Counts by actual class (rows) and predicted class (columns)."""
    figure, axes = _canvas(title)
    axes.imshow(counts, cmap="Blues")
    ticks = range(len(labels))
    axes.set(xlabel="predicted", ylabel="actual", xticks=ticks, yticks=ticks)
    axes.set_xticklabels(labels)
    axes.set_yticklabels(labels)
    middle = counts.max() / 2
    for (row, column), count in np.ndenumerate(counts):
        axes.text(
            column, row, str(count), ha="center", va="center", color="white" if count > middle else "black"
        )
    return figure


def _canvas(title: str, height: float = 4.0) -> tuple[Figure, Any]:
    figure = Figure(figsize=(6.0, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    return figure, axes
