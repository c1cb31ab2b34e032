"""Finds the videos that a name means although it is written differently: case, spaces, a suffix, one wrong letter,
words around a title or in another order."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath

from agent_tools.store import Source, VideoRow, spelling

LEAST_LETTERS = 5  # of a name in which one letter may be wrong
LEAST_WORDS = 2  # of a name or title that the other holds
NO_NAMES = (
    *("ingest video", "list episodes", "retrieve memory", "zoom segment", "ground event", "remember"),
    *("video", "video id", "video ids", "title", "string"),
)
_BETWEEN = re.compile(r"[\W_]+")
_SUFFIX = re.compile(r"\.[a-z0-9]{2,4}$", re.IGNORECASE)


def similar_videos(name: str, videos: Iterable[VideoRow], sources: Iterable[Source]) -> list[VideoRow]:
    """The videos whose title or file name is the name but for case, separators and suffix; else but for one letter;
    else those whose title stands in the name ("the video friday_film") or holds all its words ("climate lecture")."""
    wanted = _plain(name)
    if not wanted:
        return []
    files: dict[str, set[str]] = {}
    for source in sources:
        files.setdefault(source.video_id, set()).add(_plain(PurePath(source.path).name))
    known: Mapping[str, tuple[VideoRow, set[str]]] = {
        row.id: (row, {_plain(row.title)} | files.get(row.id, set())) for row in videos
    }
    equal = [row for row, names in known.values() if wanted in names]
    if equal or len(wanted) < LEAST_LETTERS:
        return equal
    near = [row for row, names in known.values() if any(one_edit_apart(wanted, one) for one in names)]
    return near or [row for row, _ in known.values() if _share_words(wanted, _plain(row.title))]


def _share_words(name: str, title: str) -> bool:
    """Whether a name holds the whole title, or the title all words of the name; one word alone says too little."""
    asked, words = name.split(), title.split()
    if min(len(asked), len(words)) < LEAST_WORDS:
        return False
    return f" {title} " in f" {name} " or set(asked) <= set(words)


def one_edit_apart(a: str, b: str) -> bool:
    """Whether one letter added, left out or changed, or two neighbours swapped, makes one text of the other."""
    if abs(len(a) - len(b)) > 1:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    left, right = a[start:], b[start:]
    swapped = len(left) > 1 and len(right) > 1 and (left[0], left[1]) == (right[1], right[0]) and left[2:] == right[2:]
    return swapped or left[1:] == right[1:] or left[1:] == right or left == right[1:]


def _plain(name: str) -> str:
    return _BETWEEN.sub(" ", _SUFFIX.sub("", name.strip())).strip().casefold()


def says_nothing(name: str, words: str) -> bool:
    """Whether a name says nothing but words of a query, or is that of a tool or argument: a model that fills in every
    argument writes such names."""
    said = _plain(name)
    if any(said == one or (" " in one and one_edit_apart(said, one)) for one in NO_NAMES):
        return True
    return bool(said) and set(said.split()) <= set(_plain(words).split())


def is_pattern(text: str) -> bool:
    """Whether it means videos by a pattern. Brackets do not count: titles hold them more often than patterns do."""
    return "*" in text or "?" in text


def matching_videos(pattern: str, videos: Sequence[VideoRow], sources: Sequence[Source]) -> list[VideoRow]:
    """The videos whose id, title or file name, with or without suffix, the pattern matches; only those named exactly
    so, if there are any.

    Letter case, accents, the number of spaces and Unicode forms do not count."""
    wanted = spelling.name_key(pattern)
    names = {row.id: {row.id, spelling.name_key(row.title)} for row in videos}
    for source in sources:
        if source.video_id in names:
            path = PurePath(source.path)
            names[source.video_id] |= {spelling.name_key(path.name), spelling.name_key(path.stem)}
    exact = [row for row in videos if wanted in names[row.id]]
    if exact or not is_pattern(pattern):
        return exact
    literal = wanted.replace("[", "[[]")
    return [row for row in videos if any(fnmatch.fnmatchcase(name, literal) for name in names[row.id])]
