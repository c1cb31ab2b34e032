"""The store: one SQLite file per home, or one PostgreSQL database, shared by every server, worker and command; and the
token file.

The only place with SQL. Knows rows, words, vectors and leases. Knows nothing of media, models, ranking or MCP.
Importing it loads neither NumPy nor torch nor sqlite-vec: they come with the first vector."""

from agent_tools.store import function_words, privacy, speakers, spelling, timed_words, words
from agent_tools.store.backup import restore
from agent_tools.store.channel_detail import ChannelDetail
from agent_tools.store.channel_swap import keep_text_vectors, switch_channel
from agent_tools.store.codes import IndexSettings
from agent_tools.store.entries import UNSURE, Entry, EntryIn
from agent_tools.store.episodes import Episode
from agent_tools.store.frames import FrameRow
from agent_tools.store.jobs import Job, JobSettings
from agent_tools.store.memory import SqliteMemory
from agent_tools.store.notes import Note
from agent_tools.store.objects import Objects
from agent_tools.store.overview import Status
from agent_tools.store.publish import publish
from agent_tools.store.search import WordHit
from agent_tools.store.shown_lines import ShownLine, line_id, line_with, shown_lines
from agent_tools.store.store import Store, open_store
from agent_tools.store.tokenfile import TokenFile
from agent_tools.store.vectors import TOKEN_BITS as LINE_BITS
from agent_tools.store.videos import ChannelRow, Gap, Source, VideoRow, titles

__all__ = [
    "LINE_BITS",
    "UNSURE",
    "ChannelDetail",
    "ChannelRow",
    "Entry",
    "EntryIn",
    "Episode",
    "FrameRow",
    "Gap",
    "IndexSettings",
    "Job",
    "JobSettings",
    "Note",
    "Objects",
    "ShownLine",
    "Source",
    "SqliteMemory",
    "Status",
    "Store",
    "TokenFile",
    "VideoRow",
    "WordHit",
    "function_words",
    "keep_text_vectors",
    "line_id",
    "line_with",
    "open_store",
    "privacy",
    "publish",
    "restore",
    "shown_lines",
    "speakers",
    "spelling",
    "switch_channel",
    "timed_words",
    "titles",
    "words",
]
