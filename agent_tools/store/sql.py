"""What the parts of the store ask of a database: transactions, a word index, and tables of vectors.

SQLite has it (database.py, fts5.py, vec0.py), and PostgreSQL (postgres/). The parts write the SQL that both read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.store.words import Term, Tokenize

Clock = Callable[[], float]
Values = Sequence[Any]
Statement = tuple[str, Values]


@dataclass(frozen=True)
class Held:
    """How long one transaction held the write lock."""

    wall_s: float
    cpu_s: float  # of this thread alone, so a busy machine does not make it longer


@dataclass(frozen=True)
class Where:
    """Which entries a word search looks at; None is no bound.

    Videos and channels are lists as `part.json_list` writes them."""

    videos: str | None = None
    channels: str | None = None
    start_s: float | None = None
    end_s: float | None = None


class Rows(Protocol):
    """What a statement found."""

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...

    @property
    def get(self) -> Any:
        """The one value of the first row, or the row where it has several; None where nothing was found."""


class Found:
    """See Rows: what was found, already fetched."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows, self._at = rows, 0

    def fetchone(self) -> Any:
        self._at += 1
        return self._rows[self._at - 1] if self._at <= len(self._rows) else None

    def fetchall(self) -> list[Any]:
        return list(self)

    def __iter__(self) -> Iterator[Any]:
        while (row := self.fetchone()) is not None:
            yield row

    @property
    def get(self) -> Any:
        row = self.fetchone()
        return row[0] if row is not None and len(row) == 1 else row


Ask = Callable[[str, Values], Rows]  # Database.ask, or Sql.execute of a transaction


class Sql(Protocol):
    """A connection inside a transaction. Values stand as `?` or as `?1`, `?2`; a truth value is 0 or 1."""

    def execute(self, statement: str, values: Values = (), /) -> Rows: ...

    def executemany(self, statement: str, rows: Sequence[Values], /) -> Any: ...

    def changes(self) -> int:
        """How many rows the last statement inserted, changed or removed."""


class WordIndex(Protocol):
    """The words of entries: an inverted index in the same transactions as the rows. words.py says what a word is.

    `c` is the connection that the engine's own `read()` or `write()` gave.

    Attributes:
        lists: None in an engine that has none."""

    @property
    def lists(self) -> WordLists | None: ...

    def put(self, c: Any, texts: Sequence[tuple[int, str]]) -> None:
        """Make the words of entries findable. Args: texts: (id, text)."""

    def remove(self, c: Any, numbers: Sequence[int]) -> None: ...

    def tokenizer(self, c: Any) -> Tokenize: ...

    def counting(self, term: Term, where: Where, ids: tuple[int, int]) -> Statement:
        """Counts the entries of these videos and channels that hold the term. Args: ids: as in `find`."""

    def find(self, c: Any, terms: Sequence[Term], where: Where, ids: tuple[int, int], limit: int) -> list[Any]:
        """The entries, by columns of `Entry`, that hold any of the terms, and last their BM25, negative: best first.

        Args:
            ids: the least and the greatest id to look at."""

    def postings(self, c: Any, terms: Sequence[Term]) -> list[Sequence[tuple[int, float]]]:
        """Of each term every entry that holds it and what the term adds to its BM25, negative, by id."""


class WordLists(Protocol):
    """What a word index knows of its entries without reading them; `c` as in WordIndex."""

    def instances(self, c: Any, term: Term) -> NDArray[np.int64] | None:
        """The ids of the entries that hold the term, increasing, as often as each holds it; None for a phrase."""

    def sizes(self, c: Any, after: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The ids beyond `after` of all entries in the index, increasing, and how many tokens each has."""

    def totals(self, c: Any) -> tuple[int, int]:
        """How many entries and tokens are in the index."""


class VectorTables(Protocol):
    """A table of float32 vectors for each space, whose rows are those of `vector_rows`. `c` as in WordIndex."""

    def load(self, c: Any) -> None:
        """Make the tables known to this connection. Raises: ModelMissing: the extension is not installed."""

    def make(self, c: Any, n: int, dim: int) -> None: ...

    def drop(self, c: Any, n: int) -> None: ...

    def insert(self, c: Any, n: int, rows: Sequence[tuple[int, str, bytes]]) -> None:
        """Rows as (row, video, D float32 numbers)."""

    def remove(self, c: Any, n: int, rows: Sequence[int]) -> None: ...

    def of_video(self, c: Any, n: int, video_id: str, after: int) -> list[Any]:
        """(row, id, vector) of a video's rows beyond `after`, by row."""

    def of_rows(self, c: Any, n: int, rows: Sequence[int]) -> list[Any]:
        """(row, id, vector, video) of these rows; those that are gone are left out."""

    def nearest(self, c: Any, n: int, query: bytes, limit: int, video_id: str) -> list[Any]:
        """(id, cosine distance) of a video's vectors nearest a query, compared exactly."""


class Database(Protocol):
    """Transactions of one store.

    Attributes:
        place: what names it in a message.
        shared: whether processes on other machines use it too.
        words, tables: the word index, and the tables of vectors.
        skip_held: ends a SELECT that takes one row of many, so that two who take at once get two rows.
        keep_held: ends a SELECT of a row that nobody may take until the transaction ends; others may change it.
        on_write: called after each write transaction with the time it held its locks; None calls nothing.
        fence: called at the start of each fenced write transaction; it may raise, and then nothing is written.
    """

    place: str
    shared: bool
    words: WordIndex
    tables: VectorTables
    skip_held: str
    keep_held: str
    on_write: Callable[[Held], None] | None
    fence: Callable[[Any], None] | None

    def read(self) -> AbstractContextManager[Sql]:
        """One consistent snapshot. Inside `write()` it is the same transaction."""

    def ask(self, statement: str, values: Values = (), /) -> Found:
        """What one statement finds that reads: a transaction of its own, in one round trip to a server. Inside `read()`
        or `write()` it is the same transaction."""

    def ask_all(self, statements: Sequence[Statement]) -> list[Found]:
        """What several statements find that read: as `ask`, in one snapshot."""

    def write(
        self, *, durable: bool = False, patience_s: float | None = None, fenced: bool = True
    ) -> AbstractContextManager[Sql]:
        """One transaction: all of it or nothing is kept; see database.SqliteDatabase.write."""

    def hold(self, c: Any, video_id: str) -> None:
        """Inside a transaction: no other writes this video's rows until it ends. Does nothing where one writes at a
        time."""

    def next_version(self, c: Any) -> int:
        """A number that no other transaction has got or will get."""

    def data_version(self) -> int:
        """Changes whenever any process or thread committed to a video's rows; comparable within this process only."""

    def changed_since(self, mark: Any) -> tuple[Any, Collection[str] | None]:
        """A mark of now, and the videos whose rows were committed since `mark`, which this method gave; None where it
        cannot tell which, or where `mark` is None."""

    def one_look(self, version: int | None = None) -> AbstractContextManager[None]:
        """Within it, `data_version` and `changed_since` tell this thread of what was committed until its beginning, and
        do not ask the server again; after a write of this thread they do.

        Args:
            version: that of another thread, which it shall see too; None looks now."""

    def wait_for_job(self, most_s: float) -> None:
        """Return as soon as a job was queued, or after so long; it may return for nothing."""

    def wipe(self) -> bool:
        """Remove the traces that deleted rows leave in files; False where a reader keeps some of them there."""

    def keeps_traces(self) -> bool:
        """Whether it is of an older program, which did not overwrite what it deleted."""

    def rewrite(self) -> None:
        """Write all again without traces of deleted rows. Others cannot write meanwhile. Raises: StoreError."""

    def size_bytes(self) -> int: ...

    def faults(self) -> list[str]:
        """What is wrong with the rows and files; empty where they are sound."""

    def backup(self, path: Path) -> None:
        """Copy all into a new SQLite file. Raises: InvalidArgument: this engine has its own tool. StoreError."""

    def close(self) -> None: ...
