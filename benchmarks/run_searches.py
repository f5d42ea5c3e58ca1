"""The searches of the runs suite: filters and orders over what `run_data` makes.

They ask for the first page; `half` begins in the middle of the list of all runs. `$recent` stands for the
time since which 500 runs have started.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Search:
    """A search. `where` is the large experiment, or it and the small ones."""

    name: str
    filter: str = ""
    order_by: tuple[str, ...] = ()
    view: Literal["ACTIVE_ONLY", "DELETED_ONLY", "ALL"] = "ACTIVE_ONLY"
    where: Literal["one", "all"] = "one"
    half: bool = False


_RARE, _COMMON = "params.optimizer = 'lion'", "params.optimizer = 'adam'"
_APART = "metrics.acc > 0.7 AND metrics.loss > 0.3001"  # half of the runs each, hardly one both

SEARCHES = (
    Search("newest first"),
    Search("newest first, from the middle on", half=True),
    Search("by start time, ascending", order_by=("start_time",)),
    Search("by a metric, descending", order_by=("metrics.acc DESC",)),
    Search("by a metric, ascending", order_by=("metrics.acc",)),
    Search("by a metric that is always the same", order_by=("metrics.epoch DESC",)),
    Search("by a metric that is often NaN", order_by=("metrics.grad_norm",)),
    Search("by a param, continuous", order_by=("params.lr",)),
    Search("by a param with four values", order_by=("params.optimizer DESC",)),
    Search("by a param with four values, then a metric", order_by=("params.optimizer", "metrics.acc DESC")),
    Search("by a tag", order_by=("tags.team",)),
    Search("by run name", order_by=("run_name",)),
    Search("by end time", order_by=("end_time DESC",)),
    Search("by status", order_by=("status",)),
    Search("by user", order_by=("user_id",)),
    Search("by max() of a metric", order_by=("max(metrics.acc) DESC",)),
    Search("by mean() of a metric", order_by=("mean(metrics.acc)",)),
    Search("metric above, none", "metrics.acc > 1.5"),
    Search("metric above, half", "metrics.acc > 0.75"),
    Search("metric in a range, by another", "metrics.f1 > 0.9 AND metrics.f1 < 0.95", ("metrics.acc DESC",)),
    Search("metric IN", "metrics.gpu_mem IN (1, 2)", ("metrics.f1",)),
    Search("metric is NaN", "metrics.grad_norm = nan"),
    Search("metric only old runs have", "metrics.drift < 0.1"),
    Search("max() of a metric, none", "max(metrics.acc) > 1.5"),
    Search("max() of a metric, half", "max(metrics.acc) > 0.75"),
    Search("mean() of a metric, few", "mean(metrics.acc) < 0.15", ("metrics.acc",)),
    Search("param equal, one run", "params.seed = '4711'"),
    Search("param equal, rare", _RARE),
    Search("param equal, common", _COMMON),
    Search("param equal, rare, by a metric", _RARE, ("metrics.acc DESC",)),
    Search("param equal, common, by a metric", _COMMON, ("metrics.acc DESC",)),
    Search("param equal, common, by max()", _COMMON, ("max(metrics.acc) DESC",)),
    Search("param equal, only old runs have it", "params.data_version = 'v0'"),
    Search("param not equal, none", "params.epochs != '10'"),
    Search("param IN, six values", "params.seed IN ('1', '2', '3', '4', '5', '6')"),
    Search("param LIKE, a beginning", "params.commit LIKE 'abc%'"),
    Search("param LIKE, within, rare", "params.commit LIKE '%abcde%'"),
    Search("param LIKE, within, common", "params.commit LIKE '%a%'"),
    Search("param ILIKE, within, rare, by a metric", "params.commit ILIKE '%ABCDE%'", ("metrics.acc",)),
    Search("param IS NULL, no run", "params.optimizer IS NULL"),
    Search("tag equal, rare", "tags.team = 'lab'"),
    Search("tag equal, common", "tags.team = 'vision'"),
    Search("status, rare", "status = 'RUNNING'"),
    Search("status, rare, by a metric", "status = 'RUNNING'", ("metrics.acc DESC",)),
    Search("status, common", "status = 'FAILED'"),
    Search("run name equal", "run_name = 'train-7'"),
    Search("run name LIKE, none", "run_name LIKE '%zzz%'"),
    Search("start time, the newest few, by a metric", "start_time > $recent", ("metrics.acc",)),
    Search("OR of rare ones", f"{_RARE} OR tags.team = 'lab'"),
    Search("OR of common ones", f"{_COMMON} OR metrics.acc > 0.9"),
    Search("NOT of a rare one", f"NOT {_RARE}"),
    Search("NOT of common ones", f"NOT ({_COMMON} OR params.optimizer IN ('sgd', 'rmsprop'))"),
    Search("two common ones that exclude each other", _APART),
    Search("two that exclude each other, by a metric", _APART, ("metrics.f1",)),
    Search(
        "four common ones that exclude each other, by a metric",
        f"{_APART} AND metrics.f1 > 0.5 AND metrics.drift < 0.5",
        ("metrics.seconds DESC",),
    ),
    Search("dataset", "datasets.name = 'data-3'"),
    Search("dataset, by a metric", "datasets.name = 'data-3' AND datasets.digest = 'd1'", ("metrics.acc",)),
    Search("deleted", view="DELETED_ONLY"),
    Search("deleted, by a metric", order_by=("metrics.acc",), view="DELETED_ONLY"),
    Search("active and deleted, by a metric", order_by=("metrics.acc",), view="ALL"),
    Search("several experiments", where="all"),
    Search("several experiments, by a metric", order_by=("metrics.acc DESC",), where="all"),
    Search("several experiments, param equal, rare", _RARE, ("metrics.acc",), where="all"),
)
