"""The group-commit writer, on both databases."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence

import psycopg
import pytest
from sqlalchemy import bindparam, insert, select

from runyard.server.db import Connection, Query, Transaction
from runyard.server.db.database import Database, open_dialect
from runyard.server.db.migrate import upgrade
from runyard.server.kernel.errors import Conflict, InvalidArgument, RunyardError, Unavailable
from runyard.server.tracking.tables import key

_insert = Query(insert(key).values(id=bindparam("id"), name=bindparam("name")))
_names = Query(select(key.c.name).order_by(key.c.id))


def put(number: int, name: str) -> Callable[[Transaction], str]:
    def mutate(tx: Transaction) -> str:
        tx.execute(_insert, id=number, name=name)
        return name

    return mutate


def names(database: Database) -> list[str]:
    def read(connection: Connection) -> list[str]:
        return [row[0] for row in connection.rows(_names)]

    return database.read_here(read)


class Blocked:
    """Keeps the writer busy, so that what is sent meanwhile shares the next group."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._go = threading.Event()

    async def send(self, *mutations: Callable[[Transaction], str]) -> list[str | BaseException]:
        started = asyncio.Event()
        loop = asyncio.get_running_loop()

        def block(tx: Transaction) -> None:
            del tx
            loop.call_soon_threadsafe(started.set)
            assert self._go.wait(10)

        blocking = asyncio.ensure_future(self._database.write(block))
        await started.wait()
        waiting = [asyncio.ensure_future(self._database.write(m)) for m in mutations]
        await asyncio.sleep(0)
        self._go.set()
        await blocking
        return await asyncio.gather(*waiting, return_exceptions=True)


def test_a_group_is_committed_together(database: Database) -> None:
    outcomes = asyncio.run(Blocked(database).send(put(1, "a"), put(2, "b"), put(3, "c")))
    assert outcomes == ["a", "b", "c"]
    assert names(database) == ["a", "b", "c"]


def test_a_refusal_before_writing_touches_nobody_else(database: Database) -> None:
    def refuse(tx: Transaction) -> str:
        del tx
        raise InvalidArgument("no")

    first, second, third = asyncio.run(Blocked(database).send(put(1, "a"), refuse, put(2, "b")))
    assert (first, third) == ("a", "b")
    assert isinstance(second, InvalidArgument)
    assert names(database) == ["a", "b"]


@pytest.mark.parametrize("failure", [InvalidArgument("late"), ValueError("a bug")])
def test_what_fails_after_writing_is_undone_alone(database: Database, failure: Exception) -> None:
    def write_and_fail(tx: Transaction) -> str:
        tx.execute(_insert, id=9, name="half")
        raise failure

    first, second, third = asyncio.run(Blocked(database).send(put(1, "a"), write_and_fail, put(2, "b")))
    assert (first, third) == ("a", "b")
    assert second is failure
    assert names(database) == ["a", "b"]


def test_what_a_constraint_refuses_is_refused_alone(database: Database) -> None:
    first, second, third = asyncio.run(Blocked(database).send(put(1, "a"), put(1, "twice"), put(2, "b")))
    assert (first, third) == ("a", "b")
    assert isinstance(second, Conflict)
    assert names(database) == ["a", "b"]


class _PutAll:
    """A bulk that refuses odd numbers."""

    def __init__(self) -> None:
        self.groups: list[int] = []

    def run(self, tx: Transaction, items: Sequence[int]) -> list[int | RunyardError]:
        self.groups.append(len(items))
        tx.execute_many(_insert, [{"id": i, "name": str(i)} for i in items if i % 2 == 0])
        return [i if i % 2 == 0 else InvalidArgument(f"{i} is odd") for i in items]


def test_a_bulk_runs_once_for_all_that_wait(database: Database) -> None:
    bulk = _PutAll()

    async def send() -> list[int | BaseException]:
        return await asyncio.gather(
            *(database.write_bulk(bulk, i) for i in range(1, 41)), return_exceptions=True
        )

    outcomes = asyncio.run(send())
    assert [o for o in outcomes if isinstance(o, int)] == list(range(2, 41, 2))
    assert [str(o) for o in outcomes if isinstance(o, InvalidArgument)] == [
        f"{i} is odd" for i in range(1, 41, 2)
    ]
    assert sum(bulk.groups) == 40
    assert len(bulk.groups) < 40


def test_callbacks_run_after_the_commit_only(database: Database) -> None:
    seen: list[str] = []

    def learn(tx: Transaction) -> str:
        tx.execute(_insert, id=1, name="a")
        tx.after_commit(lambda: seen.append("learned"))
        return "a"

    def learn_and_fail(tx: Transaction) -> str:
        tx.execute(_insert, id=2, name="b")
        tx.after_commit(lambda: seen.append("wrong"))
        raise InvalidArgument("no")

    asyncio.run(Blocked(database).send(learn_and_fail))
    assert seen == []
    asyncio.run(Blocked(database).send(learn))
    assert seen == ["learned"]


def test_closing_commits_what_waits_and_refuses_the_rest(database_url: str) -> None:
    dialect = open_dialect(database_url)
    upgrade(dialect)
    database = Database(dialect)
    database.start()

    async def send_and_close() -> list[str]:
        waiting = [asyncio.ensure_future(database.write(put(i, f"k{i}"))) for i in range(20)]
        await asyncio.sleep(0)
        await asyncio.get_running_loop().run_in_executor(None, database.close)
        with pytest.raises(Unavailable):
            await database.write(put(99, "late"))
        return list(await asyncio.gather(*waiting))

    assert asyncio.run(send_and_close()) == [f"k{i}" for i in range(20)]


@pytest.fixture
def killable(postgresql_url: str) -> Iterator[Database]:
    dialect = open_dialect(postgresql_url)
    upgrade(dialect)
    database = Database(dialect)
    database.start()
    yield database
    database.close()


def test_a_lost_connection_is_replaced(killable: Database, postgresql_url: str) -> None:
    asyncio.run(killable.write(put(1, "a")))
    names(killable)
    # When every connection of the server is cut
    with psycopg.connect(postgresql_url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    # Then writes and reads go on
    asyncio.run(killable.write(put(2, "b")))
    assert names(killable) == ["a", "b"]


def test_two_writers_of_one_database_take_turns(database_url: str) -> None:
    dialect = open_dialect(database_url)
    upgrade(dialect)
    first, second = Database(dialect), Database(open_dialect(database_url))
    first.start()
    second.start()

    async def send() -> list[str | BaseException]:
        return await asyncio.gather(
            *((first if i % 2 else second).write(put(i, f"k{i}")) for i in range(100)), return_exceptions=True
        )

    try:
        assert asyncio.run(send()) == [f"k{i}" for i in range(100)]
        assert len(names(first)) == 100
    finally:
        first.close()
        second.close()
