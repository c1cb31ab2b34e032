"""Entries: what a channel says of a span, one row per cue, on-screen state, speech segment, caption or note.

The word index changes in the same transaction as the entries."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from agent_tools.store.part import Part, json_list, milliseconds, storable, to_json
from agent_tools.store.sql import Database, Sql
from agent_tools.store.vectors import drop_vectors

AT_ONCE = 256  # entries of one transaction: some tens of milliseconds
NOTES = "notes"  # channel and producer of what agents wrote
UNSURE = "unsure"  # in `extra` of an entry that is probably no text: it has no vector, and only exact words find it


@dataclass(frozen=True)
class EntryIn:
    """An entry to store; its text is clean already (untrusted.clean)."""

    start_s: float
    end_s: float
    text: str
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start_s) and math.isfinite(self.end_s)) or self.end_s < self.start_s:
            raise ValueError(
                f"{self.start_s}-{self.end_s} is not a span: both ends finite, the end not before the start"
            )


@dataclass(frozen=True)
class Entry:
    id: int
    video_id: str
    channel: str
    producer: str
    start_s: float
    end_s: float
    text: str
    extra: dict[str, Any]

    @property
    def unsure(self) -> bool:
        """Whether it is probably no text; see UNSURE."""
        return bool(self.extra.get(UNSURE))


class Entries(Part):
    """Entries, as rows, with their words."""

    def add_entries(self, video_id: str, channel: str, producer: str, entries: Iterable[EntryIn]) -> list[int]:
        """Store entries and make their words findable; one that is there already is not added.

        Each transaction takes AT_ONCE of them, so that a track of 100,000 cues does not keep others from writing.
        Returns: their ids in input order. Raises: VideoNotFound."""
        numbers: list[int] = []
        waiting = iter(entries)
        while batch := list(islice(waiting, AT_ONCE)):
            with self.db.write() as c:
                self.db.hold(c, video_id)
                numbers += insert_entries(self.db, c, video_id, channel, producer, batch)
        return numbers

    def entries(
        self,
        video_id: str,
        *,
        channels: Collection[str] | None = None,
        start_s: float = 0.0,
        end_s: float = math.inf,
        unsure: bool = False,
    ) -> list[Entry]:
        """Those that overlap [start_s, end_s), in time order; an instant overlaps where it lies inside.

        Args:
            unsure: also those that are probably no text."""
        rows = self.db.ask(
            """SELECT e.id, e.video_id, e.channel, e.producer, e.start_s, e.end_s, e.text, e.extra FROM entries e
               WHERE e.video_id=?1 AND e.start_s < ?2 AND (e.end_s > ?3 OR e.start_s >= ?3)
               AND (?4 IS NULL OR e.channel IN (SELECT value FROM json_each(?4)))
               AND (?5=1 OR e.extra ->> 'unsure' IS NULL)
               ORDER BY e.start_s, e.end_s, e.id""",
            (video_id, end_s, start_s, None if channels is None else json_list(channels), unsure),
        )
        return [entry_of(row) for row in rows]

    def entries_in(self, spans: Sequence[tuple[str, float, float]]) -> list[list[Entry]]:
        """For each span (video, start, end) what `entries` gives of it, all in one statement."""
        found: list[list[Entry]] = [[] for _ in spans]
        if not spans:
            return found
        asked = ", ".join("(?, ?, ?, ?)" for _ in spans)
        rows = self.db.ask(
            f"""WITH asked(at, video_id, start_s, end_s) AS (VALUES {asked})
                SELECT e.id, e.video_id, e.channel, e.producer, e.start_s, e.end_s, e.text, e.extra, a.at
                FROM asked a CROSS JOIN entries e WHERE e.video_id=a.video_id
                AND e.start_s < a.end_s AND (e.end_s > a.start_s OR e.start_s >= a.start_s)
                AND e.extra ->> 'unsure' IS NULL ORDER BY a.at, e.start_s, e.end_s, e.id""",  # noqa: S608 - our marks
            [value for at, span in enumerate(spans) for value in (at, *span)],
        )
        for row in rows:
            found[row[8]].append(entry_of(row[:8]))
        return found

    def all_texts(self, video_ids: Sequence[str], channels: Collection[str]) -> list[tuple[str, str, str, int, str]]:
        """(video, channel, track, id, text) of all entries of some videos, unsure ones too; of each in time order."""
        rows: list[Any] = self.db.ask(
            """SELECT e.video_id, e.channel, coalesce(e.extra ->> 'track', ''), e.id, e.text FROM entries e
               WHERE e.video_id IN (SELECT value FROM json_each(?1))
               AND e.channel IN (SELECT value FROM json_each(?2))
               ORDER BY e.video_id, e.start_s, e.end_s, e.id""",
            (json_list(video_ids), json_list(channels)),
        ).fetchall()
        return rows

    def entries_by_id(self, ids: Iterable[int]) -> list[Entry]:
        """In the order of the ids; ids that are not in the store are left out."""
        ids = list(ids)
        rows = self.db.ask(
            """SELECT e.id, e.video_id, e.channel, e.producer, e.start_s, e.end_s, e.text, e.extra
               FROM entries e WHERE e.id IN (SELECT value FROM json_each(?))""",
            (json_list(ids),),
        )
        found = {row[0]: entry_of(row) for row in rows}
        return [found[number] for number in ids if number in found]

    def delete_entries(self, video_id: str, channel: str, producer: str | None = None) -> None:
        """Remove a channel's entries with their words and vectors: those of one producer, or all."""
        if channel == NOTES:
            raise ValueError("the entries of notes come and go with their notes: nothing may make a note unfindable")
        while True:
            with self.db.write() as c:
                rows: list[Any] = c.execute(
                    "SELECT id FROM entries WHERE video_id=?1 AND channel=?2 AND (?3 IS NULL OR producer=?3) LIMIT ?4",
                    (video_id, channel, producer, AT_ONCE),
                ).fetchall()
                if not rows:
                    return
                remove_entries(self.db, c, video_id, [row[0] for row in rows])

    def pending_text(
        self, video_id: str, space: str, limit: int = 256, apart: str = "", only: str = "", after: int = 0
    ) -> list[Entry]:
        """The first entries, by id, that have no vector in that space yet; unsure ones get none.

        Args:
            apart: a channel that is left out.
            only: the one channel that is asked for.
            after: the last id of the page before; a walk over all pages passes each entry once then."""
        rows = self.db.ask(
            """SELECT e.id, e.video_id, e.channel, e.producer, e.start_s, e.end_s, e.text, e.extra FROM entries e
               WHERE e.video_id=?1 AND e.id > ?6
               AND NOT EXISTS (SELECT 1 FROM vector_rows r WHERE r.video_id=?1 AND r.id=e.id
                   AND r.space=(SELECT n FROM spaces WHERE name=?2))
               AND e.extra ->> 'unsure' IS NULL
               AND e.channel <> ?4 AND ?5 IN ('', e.channel) ORDER BY e.id LIMIT ?3""",
            (video_id, space, limit, apart, only, after),
        )
        return [entry_of(row) for row in rows]


def remove_entries(db: Database, c: Sql, video_id: str, ids: list[int]) -> None:
    """Inside a transaction: remove entries, their words and their vectors."""
    drop_vectors(db, c, "text", video_id, ids)
    db.words.remove(c, ids)
    c.executemany("DELETE FROM entries WHERE id=?", [(number,) for number in ids])


def insert_entries(
    db: Database, c: Sql, video_id: str, channel: str, producer: str, entries: Sequence[EntryIn], apart: str = ""
) -> list[int]:
    """Inside a transaction: the ids of the entries in their order, new or there before.

    Args:
        apart: keeps texts two entries that are equal but for it."""
    texts = [storable(entry.text) for entry in entries]
    keys = [
        (
            milliseconds(entry.start_s),
            milliseconds(entry.end_s),
            hashlib.blake2b(f"{text}\0{apart}".encode(), digest_size=16).digest(),
        )
        for entry, text in zip(entries, texts, strict=True)
    ]
    there = c.execute(
        """SELECT id, start_ms, end_ms, digest FROM entries WHERE video_id=? AND channel=? AND producer=?
           AND start_ms IN (SELECT value FROM json_each(?))""",
        (video_id, channel, producer, json_list(sorted({key[0] for key in keys}))),
    )
    known = {(row[1], row[2], bytes(row[3])): int(row[0]) for row in there}
    first = {key: at for at, key in reversed(list(enumerate(keys)))}
    new = sorted(at for key, at in first.items() if key not in known)
    if new:
        marks = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"] * len(new))
        rows = c.execute(
            f"""INSERT INTO entries(video_id, channel, producer, start_ms, end_ms, digest, start_s, end_s, text, extra)
                VALUES {marks} RETURNING id, start_ms, end_ms, digest""",  # noqa: S608 - our marks
            [
                value
                for at in new
                for value in (
                    *(video_id, channel, producer, *keys[at]),
                    *(entries[at].start_s, entries[at].end_s, texts[at], to_json(entries[at].extra)),
                )
            ],
        ).fetchall()
        known |= {(row[1], row[2], bytes(row[3])): int(row[0]) for row in rows}
        db.words.put(c, [(known[keys[at]], texts[at]) for at in new])
    return [known[key] for key in keys]


def entry_of(row: tuple[Any, ...]) -> Entry:
    values = list(row)
    values[7] = json.loads(row[7]) if row[7] != "{}" else {}
    return Entry(*values)
