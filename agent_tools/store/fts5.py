"""The word index in SQLite: an FTS5 table without contents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import apsw

from agent_tools.store.sql import Database, Statement, Where
from agent_tools.store.words import SPACED, Term, Tokenize, columns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TABLE = """CREATE VIRTUAL TABLE words USING fts5(
    spaced, unspaced, content='', contentless_delete=1,
    tokenize="porter unicode61 remove_diacritics 0 categories 'L* N* Co M*'")"""
TOKENIZER = ("porter", ["unicode61", "remove_diacritics", "0", "categories", "L* N* Co M*"])  # that of TABLE
INSTANCES = "CREATE VIRTUAL TABLE temp.word_instances USING fts5vocab('main', 'words', 'instance')"  # of a connection
AVERAGES = 1  # row of words_data: varints of the number of entries, and of the tokens in each column
LEFT = "entries whose words are left"  # name of the counter: the greatest id that the new index does not hold yet
AT_ONCE = 500  # entries of one transaction


class Fts5Lists:
    """See sql.WordLists."""

    def instances(self, c: apsw.Connection, term: Term) -> NDArray[np.int64] | None:
        import numpy as np

        if len(term.units) != 1 or term.phrases[0][0] != SPACED:
            return None
        text: Any = c.execute("SELECT group_concat(doc) FROM word_instances WHERE term=?", term.units).get
        return np.fromstring(text or "", np.int64, sep=",")

    def sizes(self, c: apsw.Connection, after: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        import numpy as np

        ids, packed = c.execute(
            """SELECT group_concat(id), group_concat(hex(sz), '')
               FROM (SELECT id, sz FROM words_docsize WHERE id > ? ORDER BY id)""",
            (after,),
        ).get
        numbers = np.fromstring(ids or "", np.int64, sep=",")
        data = np.frombuffer(bytes.fromhex(packed or ""), np.uint8)
        if len(data) > 2 * len(numbers):  # some sizes take more than a byte
            values = np.array(_varints(data.tobytes()), np.float64)
        else:
            values = data.astype(np.float64)
        return numbers, values.reshape(-1, 2).sum(axis=1)

    def totals(self, c: apsw.Connection) -> tuple[int, int]:
        count, *tokens = _varints(c.execute("SELECT block FROM words_data WHERE id=?", (AVERAGES,)).get) or [0]
        return count, sum(tokens)


class Fts5Words:
    """See sql.WordIndex."""

    lists = Fts5Lists()

    def put(self, c: apsw.Connection, texts: Sequence[tuple[int, str]]) -> None:
        rows = [(number, *columns(text)) for number, text in texts]
        c.executemany("INSERT OR REPLACE INTO words(rowid, spaced, unspaced) VALUES(?, ?, ?)", rows)

    def remove(self, c: apsw.Connection, numbers: Sequence[int]) -> None:
        c.executemany("DELETE FROM words WHERE rowid=?", [(number,) for number in numbers])

    def tokenizer(self, c: apsw.Connection) -> Tokenize:
        return tokenizer(c)

    def counting(self, term: Term, where: Where, ids: tuple[int, int]) -> Statement:
        if where == Where():
            return "SELECT count(*) FROM words WHERE words MATCH ?", (_match(term),)
        return (
            """SELECT count(*) FROM words CROSS JOIN entries e ON e.id = words.rowid
               WHERE words MATCH ?1 AND words.rowid BETWEEN ?4 AND ?5
               AND (?2 IS NULL OR e.video_id IN (SELECT value FROM json_each(?2)))
               AND (?3 IS NULL OR e.channel IN (SELECT value FROM json_each(?3)))""",
            (_match(term), where.videos, where.channels, *ids),
        )

    def find(
        self, c: apsw.Connection, terms: Sequence[Term], where: Where, ids: tuple[int, int], limit: int
    ) -> list[Any]:
        return c.execute(
            """SELECT e.id, e.video_id, e.channel, e.producer, e.start_s, e.end_s, e.text, e.extra, bm25(words)
               FROM words CROSS JOIN entries e ON e.id = words.rowid
               WHERE words MATCH ?1 AND words.rowid BETWEEN ?7 AND ?8
               AND (?2 IS NULL OR e.video_id IN (SELECT value FROM json_each(?2)))
               AND (?3 IS NULL OR e.channel IN (SELECT value FROM json_each(?3)))
               AND (?4 IS NULL OR e.end_s > ?4 OR e.start_s >= ?4) AND (?5 IS NULL OR e.start_s < ?5)
               ORDER BY rank LIMIT ?6""",
            (
                " OR ".join(map(_match, terms)),
                where.videos,
                where.channels,
                where.start_s,
                where.end_s,
                limit,
                *ids,
            ),
        ).fetchall()

    def postings(self, c: apsw.Connection, terms: Sequence[Term]) -> list[Sequence[tuple[int, float]]]:
        asked = "SELECT rowid, bm25(words) FROM words WHERE words MATCH ? ORDER BY rowid"
        found: list[Any] = [c.execute(asked, (_match(term),)).fetchall() for term in terms]
        return found


def _varints(data: bytes) -> list[int]:
    """Numbers as SQLite packs them, of less than 57 bits."""
    found, value = [], 0
    for byte in data:
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            found.append(value)
            value = 0
    return found


def tokenizer(c: apsw.Connection) -> Tokenize:
    """The tokenizer of the index, for texts that are compared in Python."""
    made = c.fts5_tokenizer(*TOKENIZER)

    def tokenize(data: bytes) -> Sequence[tuple[int, int, str]]:
        found: Any = made(data, apsw.FTS5_TOKENIZE_DOCUMENT, None)
        return list(found)

    return tokenize


def new_index(c: apsw.Connection) -> None:
    """Inside a transaction: an empty index in the place of the old one; `fill_index` fills it."""
    c.execute("DROP TABLE words")
    c.execute(TABLE)
    c.execute("INSERT INTO counters(name, value) SELECT ?, max(id) FROM entries HAVING max(id) IS NOT NULL", (LEFT,))


def fill_index(db: Database) -> None:
    """Index the entries of an older home by this program's rules, a few in each transaction, the newest first.

    Several processes may do it at once, and a killed one's work is not lost. Does nothing where all is indexed."""
    while True:
        with db.read() as c:
            if c.execute("SELECT 1 FROM counters WHERE name=?", (LEFT,)).fetchone() is None:
                return
        with db.write() as c:
            rows: list[Any] = c.execute(
                """SELECT id, text FROM entries WHERE id <= (SELECT value FROM counters WHERE name=?)
                   ORDER BY id DESC LIMIT ?""",
                (LEFT, AT_ONCE),
            ).fetchall()
            db.words.put(c, rows)
            if rows:
                c.execute("UPDATE counters SET value=? WHERE name=?", (rows[-1][0] - 1, LEFT))
            else:
                c.execute("DELETE FROM counters WHERE name=?", (LEFT,))


def _match(term: Term) -> str:
    """The term as FTS5 must be asked: no character of a question is one of its operators."""
    phrases = [f'{column} : "{text}"' for column, text in term.phrases]
    return phrases[0] if len(phrases) == 1 else f"({' AND '.join(phrases)})"
