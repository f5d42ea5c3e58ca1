"""Use cases of what runs read and put out: datasets and logged models."""

from __future__ import annotations

from collections.abc import Sequence

from runyard.server.auth import Permission, Principal
from runyard.server.db import Connection, Database, Transaction
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.tracking import rules
from runyard.server.tracking.service.access import visible
from runyard.server.tracking.service.runs import must_be_active
from runyard.server.tracking.store import datasets as store
from runyard.server.tracking.store.keys import Keys
from runyard.server.tracking.types import DatasetInput, DatasetSummary, ModelOutput

MAX_EXPERIMENTS = 20
MAX_SUMMARIES = 1000


class RunInputs:
    """Notes what runs read and put out, and finds the datasets of experiments.

    Args:
        database: where it is kept.
        keys: the interned names.
    """

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    async def log_inputs(
        self, principal: Principal, run: str, datasets: Sequence[DatasetInput], models: Sequence[str]
    ) -> None:
        """Note datasets and logged models that an active run read; repeating it changes nothing.

        One dataset in two contexts counts as two inputs. The models needn't be known to this server.
        """
        rules.check_count(len(datasets), "datasets")
        rules.check_count(len(models), "models")
        for i, dataset in enumerate(datasets):
            rules.check_dataset(dataset, f"datasets[{i}]")
        for i, model in enumerate(models):
            rules.check_text(model, rules.MAX_MODEL_ID, f"models[{i}].model_id")

        def mutate(tx: Transaction) -> None:
            found = must_be_active(tx, self._keys, principal, run)
            store.link(tx, found.id, found.experiment_id, datasets)
            store.link_inputs(tx, found.id, models)

        await self._database.write(mutate)

    async def log_outputs(self, principal: Principal, run: str, models: Sequence[ModelOutput]) -> None:
        """Note logged models that an active run put out; repeating it changes nothing."""
        rules.check_count(len(models), "models")
        for i, model in enumerate(models):
            rules.check_text(model.model_id, rules.MAX_MODEL_ID, f"models[{i}].model_id")

        def mutate(tx: Transaction) -> None:
            store.link_outputs(tx, must_be_active(tx, self._keys, principal, run).id, models)

        await self._database.write(mutate)

    async def search(self, principal: Principal, experiments: Sequence[int]) -> list[DatasetSummary]:
        """The datasets that runs of 1 to 20 experiments read, once per context: the newest 1,000."""
        if not experiments:
            raise InvalidArgument(
                "SearchDatasets request must specify at least one experiment_id.", field="experiment_ids"
            )
        if len(experiments) > MAX_EXPERIMENTS:
            raise InvalidArgument(
                f"SearchDatasets request cannot specify more than {MAX_EXPERIMENTS} experiment_ids. "
                f"Received {len(experiments)} experiment_ids.",
                field="experiment_ids",
            )
        if principal.access.scope is not None:
            return []  # they are of runs that a token for one run doesn't reach

        def read(connection: Connection) -> list[DatasetSummary]:
            there = visible(connection, principal, experiments, Permission.RUN_READ)
            return store.summaries(connection, list(there), MAX_SUMMARIES)

        return await self._database.read(read)
