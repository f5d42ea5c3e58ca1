"""Schemas refuse to be ambiguous."""

from __future__ import annotations

import pytest

from runyard.server.kernel.search import Attribute, Entity, Kind, Schema
from tests.unit.server.kernel.search.schemas import RUNS


def test_attribute_answers_to_its_aliases() -> None:
    found = RUNS.attribute(Entity.ATTRIBUTE, "Run Name")

    assert found is not None
    assert found.name == "run_name"
    assert RUNS.attribute(Entity.ATTRIBUTE, "run_Name") is None


def test_two_attributes_of_one_name_are_refused() -> None:
    attributes = (Attribute("a", Kind.STRING, ("b",)), Attribute("b", Kind.NUMBER))

    with pytest.raises(ValueError, match="things: two attributes answer to 'b'"):
        Schema("things", {Entity.ATTRIBUTE: attributes}, {})


def test_entity_is_named_or_keyed_but_not_both() -> None:
    with pytest.raises(ValueError, match=r"things: \['tags'\] are both named and keyed"):
        Schema("things", {Entity.TAG: ()}, {Entity.TAG: Kind.STRING})
