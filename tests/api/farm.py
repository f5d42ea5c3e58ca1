"""An experiment with runs that have what searches look for."""

from __future__ import annotations

from typing import Any

from tests.api.conftest import Api

LONG = "0123456789" * 30

# Runs with what is searched; later ones are newer.
RUNS: dict[str, dict[str, Any]] = {
    "ant": {
        "params": {"model": "CNN", "lr": "0.1"},
        "tags": {"team": "red"},
        "metrics": {"acc": [0.1, 0.9, 0.5]},
    },
    "bee": {"params": {"model": "CNN", "lr": "0.01"}, "tags": {"team": "Blue"}, "metrics": {"acc": [0.7]}},
    "cow": {"params": {"model": "tree", "my lr": "1"}, "metrics": {"acc": ["NaN"], "loss": ["Infinity"]}},
    "dog": {
        "params": {"model": "50%_x", "note": LONG},
        "tags": {"team": "blue"},
        "metrics": {"acc": [0.7, "NaN"]},
    },
    "eel": {"params": {"note": LONG + "x", "quote": "it's"}, "tags": {"ä b": "Ä"}},
}
START = 1_700_000_000_000
NEWEST_FIRST = ["eel", "dog", "cow", "bee", "ant"]
EVERY = set(NEWEST_FIRST)


class Farm:
    """The runs of the tests, searched by name."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.experiment = api.experiment("farm")
        self.ids = {name: self.add(name, i, facts) for i, (name, facts) in enumerate(RUNS.items())}
        self.ids["fox"] = self.add("fox", 9, {"params": {"model": "CNN"}, "metrics": {"acc": [0.8]}})
        api.post("runs/delete", {"run_id": self.ids["fox"]}).ok()
        for name, status in (("ant", "FINISHED"), ("bee", "FAILED")):
            ended = {"run_id": self.ids[name], "status": status, "end_time": START + 100}
            api.post("runs/update", ended).ok()
        train = {"dataset": {"name": "corpus", "digest": "d1", "source_type": "local", "source": "/"}}
        train["tags"] = [{"key": "mlflow.data.context", "value": "training"}]  # type: ignore[assignment]
        api.post("runs/log-inputs", {"run_id": self.ids["bee"], "datasets": [train]}).ok()

    def add(self, name: str, number: int, facts: dict[str, Any]) -> str:
        """A new run of the experiment."""
        user = "ada" if number < 3 else "Bob"
        run = self.api.run(self.experiment, run_name=name, start_time=START + number, user_id=user)
        entries = {
            kind: [{"key": k, "value": v} for k, v in facts.get(kind, {}).items()]
            for kind in ("params", "tags")
        }
        points = [
            {"key": key, "value": value, "timestamp": step, "step": step}
            for key, values in facts.get("metrics", {}).items()
            for step, value in enumerate(values)
        ]
        self.api.post("runs/log-batch", {"run_id": run, "metrics": points, **entries}).ok()
        return run

    def search(self, **search: Any) -> Any:
        """The answer to a search of the experiment."""
        return self.api.post("runs/search", {"experiment_ids": [self.experiment], **search}).ok()

    def find(self, **search: Any) -> list[str]:
        """The names that a search of the experiment finds."""
        answer = self.search(**search)
        assert "next_page_token" not in answer
        return names(answer)

    def pages(self, size: int, **search: Any) -> list[list[str]]:
        """The names on all pages of a search."""
        found, token = [], None
        while True:
            answer = self.search(max_results=size, page_token=token, **search)
            found.append(names(answer))
            token = answer.get("next_page_token")
            if token is None:
                return found


def names(answer: dict[str, Any]) -> list[str]:
    """The names of the runs in an answer."""
    return [run["info"]["run_name"] for run in answer.get("runs", [])]
