"""Notes: what agents wrote about spans, with author and time. No note may ever be lost."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

from agent_tools.errors import NoteNotFound
from agent_tools.store.entries import NOTES, EntryIn, insert_entries, remove_entries
from agent_tools.store.part import Part, milliseconds, storable
from agent_tools.store.sql import Ask, Sql


@dataclass(frozen=True)
class Note:
    """A note; `number` counts from 1 in each video and is never given twice."""

    video_id: str
    number: int
    start_s: float
    end_s: float
    text: str
    author: str
    created_at: float
    looked_at: bool | None  # whether the author had looked at the span; None: not known
    replaced_by: int | None


_NOTE = """SELECT video_id, number, start_s, end_s, text, author, created_at, looked_at, replaced_by FROM notes"""


class Notes(Part):
    """Notes, as rows, each with the entry that makes it findable."""

    def add_note(
        self,
        video_id: str,
        start_s: float,
        end_s: float,
        text: str,
        author: str,
        looked_at: bool | None,
        replaces: int | None = None,
    ) -> tuple[Note, bool]:
        """Keep a note and make it findable; on the disk before this returns.

        The same author's same text on the same span is one note. The one it replaces is kept as history and no longer
        found.

        Returns: the note, and whether it was there before.
        Raises: NoteNotFound: the note to replace is not there. VideoNotFound."""
        text, author = storable(text), storable(author)
        with self.db.write(durable=True) as c:
            self.db.hold(c, video_id)
            old = None if replaces is None else _note(c.execute, video_id, replaces)
            if replaces is not None and old is None:
                raise NoteNotFound(f"Video {video_id} has no note {replaces}. Its notes stand in video://{video_id}.")
            for row in c.execute(
                _NOTE + " WHERE video_id=? AND author=? AND text=? AND replaced_by IS NULL", (video_id, author, text)
            ).fetchall():
                note = _of(row)
                if _span(note.start_s, note.end_s) == _span(start_s, end_s):
                    self._retire(c, old, note.number)
                    return note, True
            number = 1 + int(c.execute("SELECT coalesce(max(number), 0) FROM notes WHERE video_id=?", (video_id,)).get)
            made = EntryIn(start_s, end_s, text, {"note": number, "author": author})
            (entry,) = insert_entries(self.db, c, video_id, NOTES, NOTES, [made], apart=str(number))
            c.execute(
                """INSERT INTO notes(video_id, number, start_s, end_s, text, author, created_at, looked_at, entry)
                   VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                (video_id, number, start_s, end_s, text, author, self.now(), looked_at, entry),
            )
            self._retire(c, old, number)
            stored = _note(c.execute, video_id, number)
            assert stored is not None
            return stored, False

    def keep_note(self, note: Note) -> None:
        """Keep a note of another store as it is, number and time and all; does nothing where the number is taken."""
        with self.db.write(durable=True) as c:
            self.db.hold(c, note.video_id)
            if _note(c.execute, note.video_id, note.number) is not None:
                return
            entry = None
            if note.replaced_by is None:
                extra = {"note": note.number, "author": note.author}
                findable = EntryIn(note.start_s, note.end_s, note.text, extra)
                (entry,) = insert_entries(self.db, c, note.video_id, NOTES, NOTES, [findable], apart=str(note.number))
            c.execute(
                """INSERT INTO notes(video_id, number, start_s, end_s, text, author, created_at, looked_at,
                   replaced_by, entry) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                (*astuple(note), entry),
            )

    def note(self, video_id: str, number: int) -> Note | None:
        return _note(self.db.ask, video_id, number)

    def notes(self, video_id: str, current_only: bool = True) -> list[Note]:
        """In the order they were written; with current_only, without those that another replaced."""
        rows = self.db.ask(
            _NOTE + " WHERE video_id=? AND (replaced_by IS NULL OR ?=0) ORDER BY number",
            (video_id, int(current_only)),
        )
        return [_of(row) for row in rows]

    def count_notes(self, video_id: str) -> int:
        """All that are kept, replaced ones too."""
        return int(self.db.ask("SELECT count(*) FROM notes WHERE video_id=?", (video_id,)).get)

    def _retire(self, c: Sql, old: Note | None, by: int) -> None:
        if old is None or old.number == by:
            return
        (entry,) = c.execute(
            "SELECT entry FROM notes WHERE video_id=? AND number=?", (old.video_id, old.number)
        ).fetchall()[0]
        c.execute(
            "UPDATE notes SET replaced_by=?, entry=NULL WHERE video_id=? AND number=?", (by, old.video_id, old.number)
        )
        if entry is not None:
            remove_entries(self.db, c, old.video_id, [int(entry)])


def _span(start_s: float, end_s: float) -> tuple[int, int]:
    return milliseconds(start_s), milliseconds(end_s)


def _note(ask: Ask, video_id: str, number: int) -> Note | None:
    row = ask(_NOTE + " WHERE video_id=? AND number=?", (video_id, number)).fetchone()
    return None if row is None else _of(row)


def _of(row: tuple[Any, ...]) -> Note:
    values = list(row)
    values[7] = None if row[7] is None else bool(row[7])
    return Note(*values)
