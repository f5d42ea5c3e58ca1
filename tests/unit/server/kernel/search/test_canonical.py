"""Trees to text."""

from __future__ import annotations

import pytest

from runyard.server.kernel.search import canonical
from tests.unit.server.kernel.search.schemas import parsed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("created>5", "attributes.start_time > 5"),
        ('param."l r"="it\'s"', "params.`l r` = 'it''s'"),
        (
            "metric.a/b=1e3and(tag.x is null or not(status in(\"a\",'b')))",
            "metrics.a/b = 1000.0 AND (tags.x IS NULL OR NOT attributes.status IN ('a', 'b'))",
        ),
        ("not(metrics.a!=nan)", "NOT metrics.a != nan"),
        (
            "NOT(Max(metrics.a)not between -1 and inf or metrics.a is not null)",
            "NOT (max(metrics.a) NOT BETWEEN -1.0 AND inf OR metrics.a IS NOT NULL)",
        ),
    ],
)
def test_canonical_spelling(text: str, expected: str) -> None:
    assert canonical(parsed(text)) == expected
