"""What a slice tells the parser about its searchable fields, and how names resolve against it."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as member

from runyard.server.kernel.search.syntax import Entity, MetricFunction

ENTITY_WORDS: Mapping[str, Entity] = {
    "attribute": Entity.ATTRIBUTE,
    "attributes": Entity.ATTRIBUTE,
    "attr": Entity.ATTRIBUTE,
    "run": Entity.ATTRIBUTE,
    "metric": Entity.METRIC,
    "metrics": Entity.METRIC,
    "parameter": Entity.PARAM,
    "parameters": Entity.PARAM,
    "param": Entity.PARAM,
    "params": Entity.PARAM,
    "tag": Entity.TAG,
    "tags": Entity.TAG,
    "dataset": Entity.DATASET,
    "datasets": Entity.DATASET,
    "input": Entity.INPUT,
    "inputs": Entity.INPUT,
}
"""Every spelling of an entity before the dot, MLflow's and ours."""


class Kind(enum.Enum):
    """The type of a field's values; it decides the legal operators and constants."""

    STRING = "text"
    ID = "an id"  # text that is only compared for equality
    NUMBER = "a number"  # constants become float
    INTEGER = "a whole number"  # constants are int, or float with a fraction or beyond 64 bits
    TIMESTAMP = "a time in milliseconds since 1970"  # as INTEGER

    @property
    def is_text(self) -> bool:
        """Whether constants are quoted texts."""
        return self is Kind.STRING or self is Kind.ID


@dataclass(frozen=True, slots=True)
class Attribute:
    """A field with a fixed name: its canonical name, its kind, and the other names it answers to."""

    name: str
    kind: Kind
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """The fields that one kind of thing can be searched and ordered by.

    Attributes:
        noun: the things, in the plural, for messages: `runs`.
        named: entities whose fields have fixed names (attributes, datasets, inputs).
        keyed: entities whose fields are any key (metrics, params, tags) and the kind of all their values.
        functions: which functions of a metric's history are legal.
        sortable: entities that order_by accepts.
        bare_values: take an unquoted word or number for a text, and an empty IN list, as MLflow's search
            of logged models does.
    """

    noun: str
    named: Mapping[Entity, tuple[Attribute, ...]]
    keyed: Mapping[Entity, Kind]
    functions: frozenset[MetricFunction] = frozenset()
    sortable: frozenset[Entity] = frozenset({Entity.ATTRIBUTE, Entity.METRIC, Entity.PARAM, Entity.TAG})
    bare_values: bool = False
    _lookup: Mapping[Entity, Mapping[str, Attribute]] = member(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if both := self.named.keys() & self.keyed.keys():
            raise ValueError(f"{self.noun}: {sorted(e.value for e in both)} are both named and keyed")
        lookup = {entity: _by_name(self.noun, attributes) for entity, attributes in self.named.items()}
        object.__setattr__(self, "_lookup", lookup)

    def attribute(self, entity: Entity, name: str) -> Attribute | None:
        """The field of a named entity that answers to this name."""
        return self._lookup[entity].get(name)

    def has(self, entity: Entity) -> bool:
        """Whether such fields exist here."""
        return entity in self.named or entity in self.keyed

    def names(self, entity: Entity) -> list[str]:
        """The canonical names of a named entity's fields."""
        return [attribute.name for attribute in self.named[entity]]

    def suggest_name(self, entity: Entity, name: str) -> str:
        """` Did you mean ...?` when a field of a named entity is spelled much like this, else nothing."""
        return did_you_mean(name, self._lookup[entity])

    def suggest_entity(self, word: str) -> str:
        """` Did you mean ...?` when an entity of this schema is spelled much like this, else nothing."""
        return did_you_mean(word, (w for w, entity in ENTITY_WORDS.items() if self.has(entity)))


def did_you_mean(word: str, legal: Iterable[str]) -> str:
    """` Did you mean ...?` with the nearest legal word, or nothing when none is near."""
    if len(word) > 64:
        return ""
    choices = {choice.lower(): choice for choice in legal}
    near = difflib.get_close_matches(word.lower(), choices, n=1, cutoff=0.7)
    return f" Did you mean `{choices[near[0]]}`?" if near else ""


def _by_name(noun: str, attributes: Iterable[Attribute]) -> dict[str, Attribute]:
    lookup: dict[str, Attribute] = {}
    for attribute in attributes:
        for name in (attribute.name, *attribute.aliases):
            if name in lookup:
                raise ValueError(f"{noun}: two attributes answer to {name!r}")
            lookup[name] = attribute
    return lookup
