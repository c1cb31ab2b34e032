"""Tables of vectors in PostgreSQL: a pgvector column for each space, scanned exactly within videos.

Float32 and not halfvec, so that a vector is the same number for number in both engines. No HNSW: it lost half of the
true neighbours where an exact scan of the named videos takes milliseconds."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent_tools.store.postgres.transaction import Transaction

PLAIN_DIM = 1_900  # a row of so many numbers still fits into a page, and is read without a detour
COPY_HEAD, COPY_END = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0), struct.pack(">h", -1)


class PgvectorTables:
    """See sql.VectorTables."""

    def load(self, c: Transaction) -> None:
        """The extension is the server's; `migrate` asked for it."""

    def make(self, c: Transaction, n: int, dim: int) -> None:
        c.execute(f'CREATE TABLE vectors_{n}(n bigint PRIMARY KEY, video text COLLATE "C", vector vector({dim}))')
        if dim <= PLAIN_DIM:
            c.execute(f"ALTER TABLE vectors_{n} ALTER COLUMN vector SET STORAGE PLAIN")
        c.execute(f"CREATE INDEX ON vectors_{n}(video)")

    def drop(self, c: Transaction, n: int) -> None:
        c.execute(f"DROP TABLE vectors_{n}")

    def insert(self, c: Transaction, n: int, rows: Sequence[tuple[int, str, bytes]]) -> None:
        with c.raw.cursor() as cursor, cursor.copy(f"COPY vectors_{n} FROM STDIN (FORMAT BINARY)".encode()) as copy:
            copy.write(COPY_HEAD)
            for row, video_id, vector in rows:
                fields = (struct.pack(">q", row), video_id.encode(), _sent(vector))
                copy.write(struct.pack(">h", len(fields)) + b"".join(struct.pack(">i", len(f)) + f for f in fields))
            copy.write(COPY_END)

    def remove(self, c: Transaction, n: int, rows: Sequence[int]) -> None:
        c.raw.execute(f"DELETE FROM vectors_{n} WHERE n = ANY(%s)".encode(), (list(rows),))  # noqa: S608 - our integer

    def of_video(self, c: Transaction, n: int, video_id: str, after: int) -> list[Any]:
        found = c.execute(
            f"""SELECT r.n, r.id, vector_send(v.vector) FROM vector_rows r JOIN vectors_{n} v ON v.n=r.n
                WHERE r.space=? AND r.video_id=? AND r.n > ? ORDER BY r.n""",  # noqa: S608 - as above
            (n, video_id, after),
        )
        return [(row, number, _received(vector)) for row, number, vector in found]

    def of_rows(self, c: Transaction, n: int, rows: Sequence[int]) -> list[Any]:
        found = c.raw.execute(
            f"""SELECT r.n, r.id, vector_send(v.vector), r.video_id FROM unnest(%s::bigint[]) WITH ORDINALITY j(n, at)
                JOIN vector_rows r ON r.n=j.n JOIN vectors_{n} v ON v.n=r.n ORDER BY j.at""".encode(),  # noqa: S608 - ours
            (list(rows),),
        )
        return [(row, number, _received(vector), video) for row, number, vector, video in found]

    def nearest(self, c: Transaction, n: int, query: bytes, limit: int, video_id: str) -> list[Any]:
        import numpy as np

        numbers = ",".join(map(repr, np.frombuffer(query, np.float32).tolist()))
        return c.execute(
            f"""SELECT r.id, v.distance FROM
                    (SELECT n, vector <=> ?::vector AS distance FROM vectors_{n} WHERE video=? ORDER BY 2 LIMIT ?) v
                JOIN vector_rows r ON r.n=v.n ORDER BY v.distance""",  # noqa: S608 - as above
            (f"[{numbers}]", video_id, limit),
        ).fetchall()


def _sent(vector: bytes) -> bytes:
    """Float32 numbers of this machine as pgvector's binary form: dimensions, nothing, numbers in network order."""
    import numpy as np

    numbers = np.frombuffer(vector, np.float32)
    return struct.pack(">HH", len(numbers), 0) + numbers.astype(">f4").tobytes()


def _received(data: bytes) -> bytes:
    import numpy as np

    return np.frombuffer(data, ">f4", offset=4).astype(np.float32).tobytes()
