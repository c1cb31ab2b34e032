"""From the table of channels to the classes that make them."""

from __future__ import annotations

from importlib import import_module

from agent_tools.channels import made_rows
from agent_tools.ingestion.channels.base import ChannelMaker


def makers() -> dict[str, type[ChannelMaker]]:
    """Channel name -> its maker, in the order in which an ingest makes them.

    Raises: TypeError: a row of the table names no ChannelMaker, or one of another channel."""
    return {row.name: _maker(row.name, row.maker) for row in made_rows()}


def _maker(channel: str, place: str) -> type[ChannelMaker]:
    module, _, name = place.partition(":")
    maker = getattr(import_module(module), name)
    if not (isinstance(maker, type) and issubclass(maker, ChannelMaker)) or maker.name != channel:
        raise TypeError(f"{place} does not make channel {channel!r}: a ChannelMaker of that name is needed")
    return maker
