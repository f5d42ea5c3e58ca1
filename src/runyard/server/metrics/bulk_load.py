"""Writing whole scopes at once, as folds would have left them: for imports and benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from runyard.server.db import Transaction
from runyard.server.metrics.chunk import NewChunk, cut, insert_chunks
from runyard.server.metrics.columns import Columns, sort_unique_columns, starts_of
from runyard.server.metrics.distribution import DEFAULT_LIMITS, Limits, to_spill
from runyard.server.metrics.pack import encode_pack, write_pack
from runyard.server.metrics.summary_bulk import summarize_columns
from runyard.server.metrics.types import SeriesId, Summary, key_of, series_id

_NOWHERE = 0


@dataclass(frozen=True, slots=True)
class Image:
    """The encoded points of a scope, whichever it will be.

    Attributes:
        chunks: the chunks of the long series.
        pack: the pack of the others, with its number of points.
        summaries: per key, in ascending order.
    """

    chunks: list[NewChunk]
    pack: tuple[int, bytes]
    summaries: list[tuple[int, Summary]]


def encode_image(columns: Columns, limits: Limits = DEFAULT_LIMITS) -> Image:
    """Encode the points of a scope, in any order; exact duplicates collapse."""
    points = sort_unique_columns(columns)
    starts = starts_of(points.keys) if len(points) else np.empty(0, np.int64)
    ends = np.append(starts[1:], len(points)) if len(points) else starts
    kept = np.ones(len(points), np.bool_)
    chunks: list[NewChunk] = []
    for at in sorted(to_spill((ends - starts).tolist(), limits)):
        own = slice(int(starts[at]), int(ends[at]))
        series = series_id(_NOWHERE, int(points.keys[own.start]))
        chunks += cut(series, points.points(own), limits.chunk)
        kept[own] = False
    packed = points.take(kept)
    summaries = summarize_columns(_NOWHERE, points) if len(points) else []
    return Image(
        chunks,
        (len(packed), encode_pack(packed)),
        [(key_of(series), summary) for series, summary in summaries],
    )


def write_image(tx: Transaction, image: Image, scopes: Sequence[int]) -> list[tuple[SeriesId, Summary]]:
    """Give each of some empty scopes the points of an image; returns the summaries to be stored."""
    n, pack = image.pack
    for scope in scopes:
        write_pack(tx, scope, None, n, pack)
        insert_chunks(
            tx, [chunk._replace(series=series_id(scope, key_of(chunk.series))) for chunk in image.chunks]
        )
    return [(series_id(scope, key), summary) for scope in scopes for key, summary in image.summaries]
