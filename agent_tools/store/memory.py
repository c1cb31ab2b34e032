"""SqliteMemory: agent_tools.memory's MemoryStore in the store.

Memories are rows; their vectors are in the space f"{producer}|memory" and nowhere else. What a chunk read of its past
is kept beside its row as int8 numbers with a scale for each vector: nothing is scored by it. Rows of stores before
version 11 held a copy of both in float32, and are read as they are. torch is imported by the first call."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from agent_tools.errors import ShapeError
from agent_tools.store.part import json_list, storable
from agent_tools.store.sql import Database, Sql
from agent_tools.store.vectors import TOKEN_BITS, drop_vectors, vectors_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from agent_tools.memory import Memory, ScoredMemory
    from agent_tools.store.store import Store

_COLUMNS = "id, video_id, kind, start_s, end_s, producer, text, dim, vectors, context, count"
AT_ONCE = 32  # memories of one transaction: some tens of milliseconds
TIE = 1e-5  # cosines nearer than this may change places when they are computed again in float64


class SqliteMemory:
    """A MemoryStore that outlives the process, exact in float32 but for what chunks read of their past, which is within
    half a 127th of each vector's greatest magnitude. Its videos must be in the store."""

    def __init__(self, store: Store) -> None:
        self._db, self._put_vectors, self._nearest = store.db, store.put_vectors, store.nearest

    def write(self, video_id: str, memories: Iterable[Memory]) -> int:
        """Keep those that are new; see agent_tools.memory.MemoryStore.write. Raises: VideoNotFound, ShapeError.

        Each transaction keeps a few, so that others can write meanwhile. Each memory is written whole or not at all."""
        from agent_tools.memory import in_writing_order

        batch = in_writing_order(memories)
        past = _Past(self._db, video_id)
        new = 0
        for first in range(0, len(batch), AT_ONCE):
            part = [(memory, past.read(memory)) for memory in batch[first : first + AT_ONCE]]
            with self._db.write() as c:
                self._db.hold(c, video_id)
                new += self._write(c, video_id, part)
        return new

    def take(self, made: SqliteMemory, video_id: str, read: str) -> int:
        """Copy a video's memories of what was read out of another store; see delete. Returns how many were new here.

        What a chunk read of its past is copied too, not computed again: there, too, it stands after its past."""
        with made._db.read() as c:
            numbers = [
                row[0]
                for row in c.execute(
                    """SELECT id FROM memories WHERE video_id=?1
                       AND substr(producer, length(producer) - length(?2)) = '|' || ?2 ORDER BY id""",
                    (video_id, read),
                )
            ]
        new = 0
        for first in range(0, len(numbers), AT_ONCE):
            with made._db.read() as c:
                rows: list[Any] = c.execute(
                    f"SELECT {_COLUMNS} FROM memories WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",  # noqa: S608 - our columns
                    (json_list(numbers[first : first + AT_ONCE]),),
                ).fetchall()
                found = _memories(made._db, c, rows)
            pasts = [_past(row) for row in rows]
            with self._db.write() as c:
                self._db.hold(c, video_id)
                new += self._write(c, video_id, list(zip(found, pasts, strict=True)))
        return new

    def _write(self, c: Sql, video_id: str, part: Sequence[tuple[Memory, Tensor | None]]) -> int:
        """Write memories with what they read of their past; how many were new."""
        import numpy as np

        new = 0
        tokens: dict[str, list[tuple[int, Memory]]] = {}  # by producer: the first vector's id, of what is new
        for memory, past in part:
            if (count := len(memory.vectors)) >> TOKEN_BITS:
                raise ShapeError(f"a memory of {count} vectors: at most {2**TOKEN_BITS - 1} are kept of one span")
            key = (video_id, memory.kind, memory.start_s, memory.end_s, storable(memory.producer))
            number = c.execute(
                """INSERT INTO memories(video_id, kind, start_s, end_s, producer, text, dim, vectors, context, count)
                   VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id""",
                (
                    *(*key, storable(memory.text), memory.vectors.shape[1], b""),
                    *(None if past is None else _coded(past), count),
                ),
            ).get
            if number is not None:
                new += 1
                if count:
                    tokens.setdefault(key[4], []).append((int(number) << TOKEN_BITS, memory))
        for producer, own in tokens.items():
            ids = [first + at for first, memory in own for at in range(len(memory.vectors))]
            matrix = np.concatenate([memory.vectors.numpy() for _, memory in own])
            self._put_vectors(f"{producer}|memory", video_id, ids, matrix)
        return new

    def spans(self, video_id: str, kind: str, producer: str) -> set[tuple[float, float]]:
        """The (start_s, end_s) of a video's memories of one kind and producer."""
        rows = self._db.ask(
            "SELECT start_s, end_s FROM memories WHERE video_id=? AND kind=? AND producer=?",
            (video_id, kind, storable(producer)),
        )
        return {(row[0], row[1]) for row in rows}

    def read(self, video_id: str, kind: str, producer: str) -> list[Memory]:
        """A video's memories of one kind and producer, in order of time."""
        found = self._found("video_id=? AND kind=? AND producer=?", (video_id, kind, storable(producer)))
        return [memory for memory, _ in found]

    def read_all(self, video_id: str, read: str) -> list[Memory]:
        """A video's memories of what was read, by any encoder; see delete."""
        found = self._found(
            "video_id=?1 AND substr(producer, length(producer) - length(?2)) = '|' || ?2", (video_id, read)
        )
        return [memory for memory, _ in found]

    def held(self, video_id: str) -> list[tuple[Memory, Tensor | None]]:
        """All of a video's memories, in the order of their keys, each with what it read of its past."""
        found = self._found("video_id=?", (video_id,))
        return sorted(found, key=lambda pair: pair[0].key)

    def _found(self, where: str, values: Sequence[Any]) -> list[tuple[Memory, Tensor | None]]:
        with self._db.read() as c:
            rows: list[Any] = c.execute(
                f"SELECT {_COLUMNS} FROM memories WHERE {where} ORDER BY start_s, end_s",  # noqa: S608 - our words
                values,
            ).fetchall()
            return list(zip(_memories(self._db, c, rows), map(_past, rows), strict=True))

    def delete(self, video_id: str, *, kind: str = "", read: str = "", made_by_others_than: str = "") -> int:
        """Take a video's memories away, to be written again: of one kind, and of what was read; returns how many.

        Each transaction takes a few, so that others can write meanwhile.
        Args:
            read: the channel in a producer's name, "model@revision|channel"; "" = any.
            made_by_others_than: the encoder whose memories stay; "" = none.
        """
        gone = 0
        while True:
            with self._db.write() as c:
                rows: list[Any] = c.execute(
                    """SELECT id, CASE WHEN count < 0 THEN length(vectors) / 4 / dim ELSE count END FROM memories
                       WHERE video_id=?1 AND (?2='' OR kind=?2)
                       AND (?3='' OR substr(producer, length(producer) - length(?3)) = '|' || ?3)
                       AND (?4='' OR substr(producer, 1, length(?4)+1) <> ?4 || '|') ORDER BY id LIMIT ?5""",
                    (video_id, kind, read, storable(made_by_others_than), AT_ONCE),
                ).fetchall()
                if not rows:
                    return gone
                tokens = [(number << TOKEN_BITS) + i for number, count in rows for i in range(count)]
                if tokens:
                    drop_vectors(self._db, c, "memory", video_id, tokens)
                c.executemany("DELETE FROM memories WHERE id=?", [(number,) for number, _ in rows])
                gone += len(rows)

    def retrieve(
        self, query: Tensor, k: int, *, producer: str = "", video_ids: Collection[str] | None = None
    ) -> list[ScoredMemory]:
        """The k memories nearest the query (D,), best first; see agent_tools.memory.MemoryStore.retrieve.

        Args:
            video_ids: only memories of these videos."""
        import torch

        from agent_tools.memory import ScoredMemory

        if query.ndim != 1 or k < 0:
            raise ShapeError(f"query {tuple(query.shape)}, k {k}: one vector (D,) and k of 0 or more are needed")
        near = torch.nn.functional.normalize(query.detach().double(), dim=0)
        hits = []
        with self._db.read() as c:
            rows = self._candidates(c, query, k, storable(producer), video_ids)
            for row, memory in zip(rows, _memories(self._db, c, rows), strict=True):
                score = float((torch.nn.functional.normalize(memory.vectors.double(), dim=1) @ near).max())
                hits.append(ScoredMemory(row[1], memory, score, _past(row)))
        return sorted(hits, key=lambda hit: (-hit.score, hit.video_id, hit.memory.start_s, hit.memory.key))[:k]

    def _candidates(self, c: Sql, query: Tensor, k: int, producer: str, video_ids: Collection[str] | None) -> list[Any]:
        """Rows of the k memories with the best vectors, and of all that tie with the k-th."""
        found: dict[int, float] = {}
        spaces: list[Any] = c.execute(
            """SELECT name, (SELECT coalesce(sum(count), 0) FROM vector_versions v WHERE v.space=s.n) FROM spaces s
               WHERE dim=?1 AND name LIKE '%|memory' AND (?2='' OR name=?2 || '|memory')""",
            (len(query), producer),
        ).fetchall()
        for space, count in spaces:
            limit = 4 * k + 16
            while k:
                nearest = self._nearest(space, query.numpy(), video_ids=video_ids, limit=limit)
                scores: dict[int, float] = {}
                for _, token, cosine in nearest:
                    scores.setdefault(token >> TOKEN_BITS, cosine)
                best = sorted(scores.values(), reverse=True)
                if limit >= count or len(nearest) < limit or (len(best) >= k and nearest[-1][2] < best[k - 1] - TIE):
                    break
                limit *= 4
            found |= scores if k else {}
        rows: list[Any] = c.execute(
            f"SELECT {_COLUMNS} FROM memories WHERE id IN (SELECT value FROM json_each(?))",  # noqa: S608 - as above
            (json_list(found),),
        ).fetchall()
        return rows


class _Past:
    """The latest chunks before a place in a video, of each producer. A write that goes on reads only what is new.

    It reads and computes before the transaction that writes, so the lock is not held meanwhile. Only the worker that
    holds the video's job writes its chunks, so nothing comes in between."""

    def __init__(self, db: Database, video_id: str) -> None:
        self._db, self._video_id = db, video_id
        self._read_to: dict[str, float] = {}  # by producer: the end of the latest chunk that was looked for
        self._held: dict[str, list[Memory]] = {}  # chunks that may be in a bank: read, or offered in this batch

    def read(self, memory: Memory) -> Tensor | None:
        """A chunk's vectors in the light of the chunks before it; None for other kinds. In order of their start."""
        from agent_tools.memory import BANK_CHUNKS, CHUNK, bank_before, contextualise, in_writing_order

        if memory.kind != CHUNK:
            return None
        held = self._held.setdefault(memory.producer, [])
        keys = {one.key for one in held}
        held += [one for one in self._stored(memory, BANK_CHUNKS) if one.key not in keys]
        context = contextualise(memory.vectors, bank_before(memory, held))
        ended = [one for one in in_writing_order(held) if one.end_s <= memory.start_s][-BANK_CHUNKS:]
        open_still = [one for one in held if one.end_s > memory.start_s]
        if memory.key not in keys:
            open_still.append(memory)
        self._held[memory.producer] = [*ended, *open_still]
        return context

    def _stored(self, memory: Memory, most: int) -> list[Memory]:
        after_s = self._read_to.get(memory.producer, -1.0)
        self._read_to[memory.producer] = memory.start_s
        key = (self._video_id, memory.kind, storable(memory.producer))
        if after_s < 0:  # the latest of all: backwards through the starts, as far as the bank goes
            ended, values = "start_s <= ?4 AND +end_s <= ?4", [memory.start_s]
        else:
            ended, values = "end_s > ?4 AND end_s <= ?5", [after_s, memory.start_s]
        with self._db.read() as c:
            rows: list[Any] = c.execute(
                f"""SELECT {_COLUMNS} FROM memories WHERE video_id=?1 AND kind=?2 AND producer=?3 AND {ended}
                    ORDER BY start_s DESC, end_s DESC LIMIT {most}""",  # noqa: S608 - our words and number
                (*key, *values),
            ).fetchall()
            return _memories(self._db, c, rows)


def _memories(db: Database, c: Sql, rows: Sequence[Any]) -> list[Memory]:
    """The memories of rows of _COLUMNS, with their vectors."""
    import numpy as np
    import torch

    from agent_tools.memory import Memory

    ids: dict[tuple[str, str], list[int]] = {}  # of vectors, by video and producer
    for row in rows:
        if row[10] > 0:
            ids.setdefault((row[1], row[5]), []).extend((row[0] << TOKEN_BITS) + at for at in range(row[10]))
    held: dict[int, NDArray[np.float32]] = {}
    for (video_id, producer), wanted in ids.items():
        held.update(vectors_of(db, c, f"{producer}|memory", video_id, wanted))
    found = []
    for row in rows:
        if row[10] < 0:
            vectors = torch.frombuffer(bytearray(row[8]), dtype=torch.float32) if row[8] else torch.empty(0)
        else:
            own = [held[number] for at in range(row[10]) if (number := (row[0] << TOKEN_BITS) + at) in held]
            vectors = torch.from_numpy(np.stack(own)) if own else torch.empty(0)
        found.append(Memory(row[2], row[3], row[4], row[6], vectors.reshape(-1, row[7]), row[5]))
    return found


def _past(row: Any) -> Tensor | None:
    """What a chunk, a row of _COLUMNS, read of its past."""
    import numpy as np
    import torch

    data, dim, count = row[9], row[7], row[10]
    if data is None:
        return None
    if count < 0:
        return torch.frombuffer(bytearray(data), dtype=torch.float32).reshape(-1, dim) if data else torch.empty(0, dim)
    scales = np.frombuffer(data, "<f4", count)
    codes = np.frombuffer(data, np.int8, count * dim, scales.nbytes).reshape(count, dim)
    return torch.from_numpy(codes * scales[:, None])


def _coded(vectors: Tensor) -> bytes:
    """As int8 numbers behind their scales."""
    from agent_tools.store.flat_index import encode

    codes, scales = encode(vectors.contiguous().numpy())
    return bytes(scales.astype("<f4").tobytes() + codes.tobytes())
