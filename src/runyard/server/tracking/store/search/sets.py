"""Filters decided for all runs of an experiment at once, as sets.

When conditions hold for many runs each and hardly ever together, or never where the order begins, going
through the runs one by one takes seconds. Reading each condition's index from end to end and combining
what it gives takes a tenth of a second for a million runs.

numpy comes with this module, so it is imported with the first search that needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runyard.server.db.search_forms import AllOf, AnyOf, Complement, Form, Leaf
from runyard.server.kernel.search import Entity

Set = NDArray[np.bool_]
"""At each run's id whether it is in the set."""


class Sets:
    """Sets of the runs of a stream, decided condition by condition.

    They are exact among the stream's own runs; what they say of others means nothing.

    Args:
        every: the set of all runs of the stream.
        read: the ids of the runs that meet a condition: a text with commas.
    """

    def __init__(self, every: Set, read: Callable[[Leaf], str | None]) -> None:
        self.every = every
        self._read = read

    def of(self, form: Form) -> Set:
        """The runs that meet a form."""
        match form:
            case AllOf(terms=terms):
                return self._combined(np.logical_and, terms)
            case AnyOf(terms=terms):
                return self._combined(np.logical_or, terms)
            case Complement(term=term):
                return self.every & ~self.of(term)
            case Leaf():
                return self._of_leaf(form)

    def _of_leaf(self, leaf: Leaf) -> Set:
        if leaf.keyed and not leaf.known:
            return self.every if leaf.missing else np.zeros_like(self.every)
        if leaf.missing and leaf.entity is not Entity.ATTRIBUTE:
            return self.every & ~self._with(replace(leaf, negated=True))
        return self._with(leaf)

    def _combined(self, combine: Any, terms: tuple[Form, ...]) -> Set:
        found = self.of(terms[0]).copy()
        for term in terms[1:]:
            combine(found, self.of(term), out=found)
        return found

    def _with(self, leaf: Leaf) -> Set:
        return only(self._read(leaf), len(self.every))


def only(ids: str | None, size: int) -> Set:
    """The set of these ids, of all below `size`."""
    found = np.zeros(size, np.bool_)
    if ids:
        found[np.fromstring(ids, np.int64, sep=",")] = True
    return found


def all_but(ids: str | None, size: int) -> Set:
    """The set of all others below `size`."""
    return ~only(ids, size)


def copy_of(members: bytes) -> Set:
    """The set that `tobytes` was called on."""
    return np.frombuffer(members, np.bool_).copy()


def ids_in(found: Set) -> list[int]:
    """The ids in a set, in ascending order."""
    ids: list[int] = np.flatnonzero(found).tolist()
    return ids


def count(found: Set) -> int:
    """How many runs a set has."""
    return int(np.count_nonzero(found))
