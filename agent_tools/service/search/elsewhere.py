"""Where else a query is answered: a caller may have named the wrong video."""

from __future__ import annotations

from collections.abc import Collection

from agent_tools.progress import silent
from agent_tools.service.library.library import Library
from agent_tools.service.search.answer_kind import preferred
from agent_tools.service.search.moments import Moment, merge
from agent_tools.service.search.recall import recall


def best_elsewhere(
    library: Library, query: str, named: Collection[str], channels: tuple[str, ...] | None = None, wait_s: float = 0.0
) -> tuple[Moment, str] | None:
    """The best moment for a query in the videos that were not named, with the title of its video; None if it is weak.

    Args:
        named: ids of videos.
        wait_s: how long to wait for the sentence encoder if it still loads."""
    scopes = [one for one in library.everything() if one.video.id not in named]
    if not scopes:
        return None
    found = recall(library, scopes, query, channels, wait_s=wait_s, on_step=silent)
    best = next(iter(merge(preferred(query, found.found), scopes)), None)
    if best is None or best.strength == "weak":
        return None
    return best, next(one.video.title for one in scopes if one.video.id == best.video_id)
