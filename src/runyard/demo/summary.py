"""What is on the server after a demo, for people and for machines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from runyard.demo import address
from runyard.demo.ledger import Ledger
from runyard.demo.steps import VERSION


@dataclass(frozen=True, slots=True)
class Best:
    """An experiment's best run."""

    metric: str
    value: float
    run_name: str
    run_id: str
    url: str


@dataclass(frozen=True, slots=True)
class ExperimentSummary:
    """One experiment: how many runs of the demo it holds, by status, and the best one."""

    name: str
    experiment_id: str
    url: str
    runs: int
    statuses: dict[str, int]
    best: Best | None


@dataclass(frozen=True, slots=True)
class Summary:
    """All experiments, and what this call did."""

    url: str
    version: str
    steps_trained: int
    steps_found: int
    runs_deleted: int
    seconds: float
    experiments: tuple[ExperimentSummary, ...]


def summarise(
    url: str,
    ledgers: tuple[Ledger, ...],
    *,
    steps_trained: int,
    steps_found: int,
    runs_deleted: int,
    seconds: float,
) -> Summary:
    """Reads from the server what is there now."""
    return Summary(
        url=url,
        version=VERSION,
        steps_trained=steps_trained,
        steps_found=steps_found,
        runs_deleted=runs_deleted,
        seconds=round(seconds, 1),
        experiments=tuple(_experiment(url, ledger) for ledger in ledgers),
    )


def show(summary: Summary, console: Console) -> None:
    """Prints the summary as a table and the addresses below it."""
    console.print(_headline(summary), highlight=False)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in ("experiment", "runs", "best", "value", "run"):
        table.add_column(column, justify="right" if column in {"runs", "value"} else "left", no_wrap=True)
    for experiment in summary.experiments:
        best = experiment.best
        table.add_row(
            experiment.name,
            str(experiment.runs),
            best.metric if best else "",
            f"{best.value:.4g}" if best else "",
            best.run_name if best else "",
        )
    console.print(table)
    console.print("\nLook at")
    links = [link for experiment in summary.experiments for link in _links(experiment)]
    width = max(len(what) for what, _ in links)
    for what, link in links:
        console.print(f"  {what:<{width}}  {link}", soft_wrap=True, highlight=False, markup=False)


def _links(experiment: ExperimentSummary) -> list[tuple[str, str]]:
    links = [(experiment.name, experiment.url)]
    if experiment.best:
        links.append((f"  best: {experiment.best.run_name}", experiment.best.url))
    return links


def _headline(summary: Summary) -> str:
    trained = "1 step" if summary.steps_trained == 1 else f"{summary.steps_trained} steps"
    text = f"Trained {trained} in {summary.seconds:.0f} s"
    if summary.steps_found:
        text += f"; {summary.steps_found} were done already"
    if summary.runs_deleted:
        text += f"; {summary.runs_deleted} old runs are in the trash"
    return text + "."


def _experiment(url: str, ledger: Ledger) -> ExperimentSummary:
    runs = ledger.runs()
    best = ledger.best()
    goal = ledger.topic.goal
    statuses: dict[str, Any] = Counter(run.info.status for run in runs)
    return ExperimentSummary(
        name=ledger.topic.experiment,
        experiment_id=ledger.experiment_id,
        url=address.experiment_link(url, ledger.experiment_id),
        runs=len(runs),
        statuses=dict(sorted(statuses.items())),
        best=Best(
            metric=goal.metric,
            value=best.data.metrics[goal.metric],
            run_name=best.info.run_name or best.info.run_id,
            run_id=best.info.run_id,
            url=address.run_link(url, ledger.experiment_id, best.info.run_id),
        )
        if best
        else None,
    )
