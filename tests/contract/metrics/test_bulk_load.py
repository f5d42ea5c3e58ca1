"""Bulk-loaded scopes are as if their points had been logged and folded."""

from __future__ import annotations

import numpy as np

from runyard.server.metrics.bulk_load import encode_image, write_image
from runyard.server.metrics.columns import Columns, no_columns
from runyard.server.metrics.distribution import Limits
from runyard.server.metrics.types import PointBatch, series_id
from tests.contract.metrics.conftest import Store
from tests.contract.metrics.model import Model, same_points, same_summary

LIMITS = Limits(chunk=64, pack=50, pack_per_key=0)


def test_a_loaded_scope_is_as_if_logged(store: Store) -> None:
    # Given points of a long, a short and a repeated series
    keys = np.repeat([7, 3, 7, 9], [150, 10, 20, 30])
    steps = np.concatenate([np.arange(150), np.arange(10), np.arange(20), np.arange(30)])
    columns = Columns(keys, 1_000 + steps, steps, steps / 2)
    model = Model()
    for scope in (1, 2):
        index = [[7, 3, 9].index(key) for key in keys.tolist()]
        batch = PointBatch(
            scope, [7, 3, 9], index, steps.tolist(), (1_000 + steps).tolist(), (steps / 2).tolist()
        )
        model.append([batch])
    # When two scopes are loaded with them
    image = encode_image(columns, LIMITS)
    summaries = store.database.write_from_thread(lambda tx: write_image(tx, image, [1, 2]))
    # Then they read as the model
    assert [series for series, _ in summaries] == model.series()
    for series, summary in summaries:
        assert same_points(store.history(series, 40), model.history(series))
        assert same_summary(summary, model.summary(series))
    # And go on as any other
    late = PointBatch(1, [7], None, [200, 75], [5_000, 75], [1.0, 1.0])
    store.append(late)
    model.append([late])
    store.fold(1, LIMITS)
    assert same_points(store.history(series_id(1, 7)), model.history(series_id(1, 7)))


def test_nothing_loads_nothing(store: Store) -> None:
    assert store.database.write_from_thread(lambda tx: write_image(tx, encode_image(no_columns()), [1])) == []
    assert store.history(series_id(1, 1)) == []
