"""Storing a run's files, deleting them, and looking at what is left."""

from __future__ import annotations

from pathlib import Path
from typing import Self
from urllib.parse import quote

from tests.api.conftest import Api, Reply
from tests.api.trash_data import TRASH, item, trash, upload

FILES = "/api/2.0/mlflow-artifacts"
NATIVE = "/api/runyard/1"


class Files:
    """A run's artifacts."""

    def __init__(self, api: Api, root: str | None = None, *, experiment: str | None = None) -> None:
        self.api = api
        self.experiment, self.run = "", ""
        if root is None:
            self.experiment = experiment or api.experiment("/Shared/e")
            self.run = api.run(self.experiment)
            root = f"default/{self.experiment}/{self.run}/artifacts"
        self.root = root

    def put(self, name: str, content: bytes = b"hello") -> Self:
        """Upload a file."""
        upload(self.api, f"{self.root}/{name}", content).ok()
        return self

    def get(self, name: str) -> Reply:
        """Download a file."""
        return self.api.get(f"{FILES}/artifacts/{self.root}/{name}")

    def delete(self, name: str = "") -> str:
        """Delete as MLflow's clients do; returns the id in the trash of what was deleted last."""
        at = f"{self.root}/{name}" if name else self.root
        assert self.api.delete(f"{FILES}/artifacts/{at}").ok() == {}
        found = trash(self.api, kind="artifact", sizes="false")
        return str(found[0]["id"]) if found else ""

    def restore(self, *ids: str) -> Reply:
        """Restore from the trash."""
        return self.api.post(f"{TRASH}/restore", {"items": [item("artifact", one) for one in ids]})

    def listed(self) -> dict[str, bytes]:
        """All files with their content."""
        found: dict[str, bytes] = {}
        folders = [""]
        while folders:
            folder = folders.pop()
            asked = {"run_id": self.run, "path": folder}
            for one in self.api.get("artifacts/list", asked).ok().get("files", []):
                if one["is_dir"]:
                    folders.append(one["path"])
                else:
                    found[one["path"]] = self.get(quote(one["path"])).content
        return found


def stored(api: Api) -> dict[str, int]:
    """What the workspace's files take."""
    found: dict[str, int] = api.get(f"{NATIVE}/workspaces/default").ok()["storage"]
    return found


def on_disk(folder: Path) -> list[bytes]:
    """The contents of all files of the store."""
    return sorted(
        path.read_bytes() for path in (folder / "artifacts" / "default").rglob("*") if path.is_file()
    )
