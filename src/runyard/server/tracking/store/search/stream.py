"""A page of one stream: the runs of an experiment (or of several small ones) in one lifecycle.

Ways to find it, from the cheapest on:

1. Sort all runs of the stream, when it has few.
2. Sort the runs that an index gives for one condition, when these are few.
3. Walk an index in the order asked for and test the filter run by run, for a limited time.
4. Decide the filter for all runs at once (`sets`); then sort those that meet it, when these are few, else
   walk as before, where the test is now a look into the set.

A walk goes by the first term of the order alone. Runs that share its value are found by a search of their
own: with one more condition, which asks for this value, and one term less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from runyard.server.db import INDEXED_CHARACTERS, Query, Row
from runyard.server.db.search_forms import AllOf, AnyOf, Complement, Form, Leaf
from runyard.server.kernel.search import Comparison, Field, IsNan, IsNull, Node, Operator
from runyard.server.tracking import tables as t
from runyard.server.tracking.store.search.order import NAN, VALUE
from runyard.server.tracking.store.search.reading import Ordering, Reading
from runyard.server.tracking.store.search.statements import Filter, Source, Start
from runyard.server.tracking.types import Lifecycle

if TYPE_CHECKING:
    from runyard.server.tracking.store.search.sets import Set, Sets

FEW = 5_000
"""So many runs are sorted without trying a walk."""
MANY = 20_000
"""More runs are never sorted; what lies between is sorted when a walk takes too long."""
LARGE = 30_000
"""Of more runs not all are tested one by one."""
WALK = 50
"""Milliseconds that a walk along the listing may take, where there is another way."""
VALUE_WALK = 15
"""The same along values. They jump from run to run, which takes longer than the count of steps tells."""
COUNTED = 16
"""How many conditions are counted to find the one that matches least."""

_last_id = Query(select(func.max(t.run.c.id)))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs: those that meet all forms and are in a set (see `db.is_member`), if there is one."""

    forms: tuple[Form, ...]
    chosen: bytes | None = None

    @property
    def filter(self) -> Filter:
        """What of it decides the SQL."""
        return Filter(self.forms, self.chosen is not None)

    def and_(self, form: Form) -> Wanted:
        """Those that meet a further form."""
        return Wanted((*self.forms, form), self.chosen)


@dataclass(frozen=True, slots=True)
class _Start:
    """Conditions that an index gives `size` runs for, and what has to be tested on these."""

    size: int
    leaves: tuple[Leaf, ...]
    rest: tuple[Form, ...]


class Stream:
    """The runs of an experiment in one lifecycle.

    Args:
        reading: what to read with.
        experiments: one, or several that have few runs together.
        lifecycle: which of their runs.
        few: whether these are so few that sorting them all costs least.
    """

    def __init__(self, reading: Reading, experiments: Sequence[int], lifecycle: int, *, few: bool) -> None:
        self._reading = reading
        self._statements = reading.statements
        self._few = few
        self._here: dict[str, Any] = {
            "experiment": experiments[0],
            "experiments": list(experiments),
            "lifecycle": lifecycle,
        }
        self._sets: Sets | None = None

    def page(
        self, wanted: Wanted, ordering: Ordering, position: Sequence[Any] | None, limit: int
    ) -> list[Row]:
        """The sort keys of the first runs behind a position."""
        if any(_never(form) for form in wanted.forms):
            return []
        if self._few:
            return self._sorted("experiments", wanted, ordering, position, limit)
        start = self._narrowest(wanted.forms, FEW)
        if start is not None:
            return self._sorted_from(start, wanted, ordering, position, limit)
        patience = self._patience(wanted, ordering)
        found = None if patience == 0 else self._walk(wanted, ordering, position, limit, patience)
        if found is not None:
            return found
        start = self._narrowest(wanted.forms, MANY)
        if start is not None:
            return self._sorted_from(start, wanted, ordering, position, limit)
        return self._decided(wanted, ordering, position, limit)

    def _patience(self, wanted: Wanted, ordering: Ordering) -> int | None:
        """How many milliseconds a walk may take; None when nothing beats it, 0 when something does."""
        term = ordering.form.terms[0] if ordering.fields else None
        if not wanted.forms and (wanted.chosen is not None or term is None or term.name):
            return None
        if term is None:
            return WALK
        if not self._statements.is_ordered(term):
            return 0 if self._has_more_than(LARGE, self._here["lifecycle"]) else WALK
        return VALUE_WALK

    def _has_more_than(self, count: int, lifecycle: int) -> bool:
        sizes = self._reading.sizes([self._here["experiment"]], lifecycle, count + 1)
        return bool(sizes) and sizes[0][1] > count

    def _narrowest(self, forms: tuple[Form, ...], most: int) -> _Start | None:
        """The condition for which an index gives the fewest runs; None when each gives more than `most`."""
        best: _Start | None = None
        counted = 0
        for i, form in enumerate(forms):
            leaves = self._sources(form)
            counted += len(leaves)
            if not leaves or counted > COUNTED:
                continue
            size = self._count(leaves, most if best is None else best.size)
            if size is not None:
                best = _Start(size, leaves, forms[:i] + forms[i + _is_any_of(form, leaves) :])
        return best

    def _sources(self, form: Form) -> tuple[Leaf, ...]:
        """Conditions of which one is met by whatever meets the form; () where no index gives their runs."""
        match form:
            case Leaf():
                return (form,) if self._statements.is_source(form) else ()
            case AnyOf(terms=terms):
                each = [self._sources(term) for term in terms]
                return tuple([leaf for leaves in each for leaf in leaves]) if all(each) else ()
            case AllOf(terms=terms):
                return next((leaves for leaves in map(self._sources, terms) if leaves), ())
            case Complement():
                return ()

    def _count(self, leaves: tuple[Leaf, ...], most: int) -> int | None:
        """How many runs indexes give for conditions; None for more than `most`."""
        total = 0
        for leaf in leaves:
            total += self._reading.value(self._statements.count(leaf), limit=most + 1 - total, **self._here)
            if total > most:
                return None
        return total

    def _sorted_from(
        self, start: _Start, wanted: Wanted, ordering: Ordering, position: Sequence[Any] | None, limit: int
    ) -> list[Row]:
        return self._sorted(start.leaves, Wanted(start.rest, wanted.chosen), ordering, position, limit)

    def _sorted(
        self,
        source: Source,
        wanted: Wanted,
        ordering: Ordering,
        position: Sequence[Any] | None,
        limit: int,
        ids: list[int] | None = None,
    ) -> list[Row]:
        query = self._statements.page(source, wanted.filter, ordering.form, _given(position))
        found = self._reading.rows(
            query, ordering, position, limit=limit, chosen=wanted.chosen, ids=ids, **self._here
        )
        assert found is not None  # noqa: S101 - without a limit of time
        return found

    def _walk(
        self,
        wanted: Wanted,
        ordering: Ordering,
        position: Sequence[Any] | None,
        limit: int,
        within: int | None,
    ) -> list[Row] | None:
        """The page, along an index; None when that takes too long."""
        if not ordering.fields:
            query = self._statements.page("experiment", wanted.filter, ordering.form, _given(position))
            return self._reading.rows(
                query, ordering, position, within, limit=limit, chosen=wanted.chosen, **self._here
            )
        term = ordering.form.terms[0]
        rank = VALUE if position is None or not term.ranks else position[0]
        found: list[Row] = []
        for each in term.ranks or (VALUE,):
            if each < rank or len(found) >= limit:
                continue
            here = position if each == rank else None
            if each == VALUE:
                more = self._by_value(wanted, ordering, here, limit, within)
                if more is None:
                    return None
            else:
                more = self._same(wanted, ordering, (each, None), here, limit - len(found))
            found += more
        return found

    def _by_value(
        self,
        wanted: Wanted,
        ordering: Ordering,
        position: Sequence[Any] | None,
        limit: int,
        within: int | None,
    ) -> list[Row] | None:
        """The runs that have a value of the first term, from a position on that has one."""
        form = ordering.form
        head: tuple[Any, ...] = (VALUE,) if form.terms[0].ranks else ()
        at = len(head)
        start: Start = "all" if position is None else "at"
        value = None if position is None else position[at]
        found: list[Row] = []
        while True:
            # One more tells whether the last value's runs are all there; the position's own run comes again.
            asked = limit - len(found) + 1 + (start == "at")
            rows = self._first(wanted, ordering, start, value, asked, within)
            if rows is None:
                return None
            rows = [(*head, *row) for row in rows]
            all_there = len(rows) < asked
            value = rows[-1][at] if rows else None
            whole = rows if all_there else [row for row in rows if row[at] != value]
            found += [row for row in whole if position is None or form.compare(row, position) > 0]
            if all_there or len(found) >= limit:
                return found[:limit]
            here = position if position is not None and position[at] == value else None
            found += self._same(wanted, ordering, (*head, value), here, limit - len(found))
            if len(found) >= limit:
                return found
            start = "after"

    def _first(
        self, wanted: Wanted, ordering: Ordering, start: Start, value: Any, limit: int, within: int | None
    ) -> list[Row] | None:
        """The first runs by the value of the first term, from a value on."""
        form = ordering.form
        cut = form.terms[0].kind is str and self._statements.cuts_texts
        given = {"after": value, "limit": limit, "chosen": wanted.chosen, **self._here}
        query = self._statements.by_value(wanted.filter, form, start=start, exact=not cut)
        rows = self._reading.rows(query, ordering, None, within, **given)
        if cut and rows is not None and any(len(row[0]) >= INDEXED_CHARACTERS for row in rows):
            query = self._statements.by_value(wanted.filter, form, start=start, exact=True)
            rows = self._reading.rows(query, ordering, None, within, **given)
        return rows

    def _same(
        self,
        wanted: Wanted,
        ordering: Ordering,
        head: tuple[Any, ...],
        position: Sequence[Any] | None,
        limit: int,
    ) -> list[Row]:
        """The runs whose first sort keys are `head`."""
        form = self._reading.form(_asks_for(ordering.fields[0], head))
        rest = None if position is None else position[len(head) :]
        found = self.page(wanted.and_(form), ordering.tail, rest, limit)
        return [(*head, *row) for row in found]

    def _decided(
        self, wanted: Wanted, ordering: Ordering, position: Sequence[Any] | None, limit: int
    ) -> list[Row]:
        """The page, after the filter was decided for all runs at once."""
        from runyard.server.tracking.store.search import sets

        if self._sets is None:
            self._sets = sets.Sets(self._every(), self._ids)
        found = self._sets.every.copy() if wanted.chosen is None else sets.copy_of(wanted.chosen)
        rest = list(wanted.forms)
        while rest and sets.count(found) > MANY:
            found &= self._sets.of(rest.pop(0))
        if sets.count(found) <= MANY:
            here = Wanted(tuple(rest))
            return self._sorted("ids", here, ordering, position, limit, ids=sets.ids_in(found))
        walked = self._walk(Wanted((), found.tobytes()), ordering, position, limit, within=None)
        assert walked is not None  # noqa: S101 - without a limit of time
        return walked

    def _every(self) -> Set:
        """All runs of the stream; or all but the experiment's others, where these are few."""
        from runyard.server.tracking.store.search import sets

        size = self._reading.connection.value(_last_id) + 1
        others = [each for each in Lifecycle if each != self._here["lifecycle"]]
        if any(self._has_more_than(MANY, each) for each in others):
            return sets.only(self._ids(None), size)
        found = sets.all_but(None, size)
        for each in others:
            found &= sets.all_but(self._ids(None, lifecycle=each), size)
        return found

    def _ids(self, leaf: Leaf | None, **other: int) -> str | None:
        self._reading.connection.check_time()
        text: str | None = self._reading.value(self._statements.ids(leaf), **{**self._here, **other})
        return text


def _given(position: Sequence[Any] | None) -> tuple[bool, ...] | None:
    return None if position is None else tuple([value is not None for value in position])


def _is_any_of(form: Form, leaves: tuple[Leaf, ...]) -> bool:
    """Whether a form is met by just what meets one of the conditions."""
    return (form.terms if isinstance(form, AnyOf) else (form,)) == leaves


def _never(form: Form) -> bool:
    match form:
        case Leaf():
            return form.never
        case AllOf(terms=terms):
            return any(map(_never, terms))
        case AnyOf(terms=terms):
            return all(map(_never, terms))
        case Complement():
            return False


def _asks_for(field: Field, head: tuple[Any, ...]) -> Node:
    """The condition that a field's first sort keys are these."""
    *rank, value = head
    if value is not None:
        return Comparison(field, Operator.EQ, value)
    return IsNan(field) if rank == [NAN] else IsNull(field)
