"""Ways to choose what an agent sees of a long film for a question: samplers and memories behind one signature."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from agent_tools.budget import reply_tokens, token_cost
from agent_tools.compression import DurationSampler, QuerySampler, RedundancySampler, Sampler, UniformSampler
from agent_tools.evals.agents.agent import Reader, by_rank
from agent_tools.evals.compression.moments import WINDOW
from agent_tools.evals.retrieval.plain_searches import Lines
from agent_tools.ingestion.spaces import CHUNK, frame_space, memory_producer
from agent_tools.memory import Chunk, InMemoryMemoryStore, MemAug, Memory, MemoryStore, ScoredMemory, retrieve
from agent_tools.models.profiles import ModelSettings, frame_encoder
from agent_tools.store import Entry, SqliteMemory
from agent_tools.timeline import Span, clock

FRAME = token_cost(512, 288, "claude")  # of a picture that is big enough to read a slide
OPENED = 8  # chunks whose lines are compared, as the engine does where nothing else is said
EVERY = 10_000  # memories: all of them
CHANNELS = ("subtitles", "screen_text")
OURS = "retrieve_memory, through MCP"
ON = f"first stage on: {OPENED} chunks opened by memory tokens, then their lines"
OFF = "first stage off: every line compared"
WORDS = "no memory tokens: words alone (BM25)"
FRAMES = "frames at even distances"


@dataclass(frozen=True)
class Piece:
    """Something to show: a line, or a frame, which shows what is on screen and nothing of what is said."""

    span: Span
    tokens: int
    frame: bool = False


Choose = Callable[[str, int], Awaitable[Sequence[Piece]]]  # (query, budget) -> pieces, best first


@dataclass(frozen=True)
class ChunkLines:
    """A chunk of one channel: its memory, and its lines in time order."""

    memory: Memory
    lines: tuple[Entry, ...]


NO_MEMORY = (FRAMES, "frames by duration", "frames, redundancy-pruned", "lines at even distances", WORDS)


def without_memory(lines: Lines) -> dict[str, Choose]:
    """What is chosen from the film itself, whatever was asked; and what plain words find."""
    frames, times, features = _frames(lines)
    samplers: dict[str, Sampler] = {
        NO_MEMORY[0]: UniformSampler(),
        NO_MEMORY[1]: DurationSampler(),
        NO_MEMORY[2]: RedundancySampler(WINDOW, frame_encoder(ModelSettings(profile="lite")).threshold),
    }

    def sampled(sampler: Sampler) -> Choose:
        async def choose(_query: str, budget: int) -> Sequence[Piece]:
            chosen = sampler.select(features, times, max(1, budget // FRAME))
            return [Piece(Span(frames[i], frames[i] + 0.01), FRAME, frame=True) for i in chosen.tolist()]

        return choose

    async def evenly(_query: str, budget: int) -> Sequence[Piece]:
        pieces = [_line(entry) for entry in lines.entries.values()]
        number = max(1, len(pieces) * budget // max(budget, sum(piece.tokens for piece in pieces)))
        return [pieces[(2 * n + 1) * len(pieces) // (2 * number)] for n in range(number)]

    async def words(query: str, _budget: int) -> Sequence[Piece]:
        return [_line(lines.entries[id_]) for id_ in lines.by_words(query)]

    return {**{name: sampled(one) for name, one in samplers.items()}, NO_MEMORY[3]: evenly, WORDS: words}


def with_memory(lines: Lines) -> dict[str, Choose]:
    """Memories: whole chunks by their memory tokens, held and read in four ways; and chunks first, then lines."""
    chunks = chunks_of(lines)
    held = {(one.memory.producer, one.memory.start_s): one for one in chunks}
    kept = InMemoryMemoryStore()
    kept.write(lines.video_id, [one.memory for one in chunks])

    def pieces(found: Sequence[ScoredMemory]) -> list[Piece]:
        """The lines of the chunks that were found; chunks of other channels than the transcript's are left out."""
        keys = [(one.memory.producer, one.memory.start_s) for one in found if one.memory.kind == CHUNK]
        return [_line(entry) for key in keys if key in held for entry in held[key].lines]

    def stored(store: MemoryStore) -> Choose:
        async def choose(query: str, _budget: int) -> Sequence[Piece]:
            return pieces(store.retrieve(torch.from_numpy(lines.vector(query)), EVERY))

        return choose

    async def past(query: str, _budget: int) -> Sequence[Piece]:
        near = torch.from_numpy(lines.vector(query))
        found = kept.retrieve(near, EVERY)
        score = {id(one): float((F.normalize(_context(one), dim=1) @ near).max()) for one in found}
        return pieces(sorted(found, key=lambda one: -score[id(one)]))

    read = _conditioned(chunks, lines)

    async def conditioned(query: str, _budget: int) -> Sequence[Piece]:
        order = read(torch.from_numpy(lines.vector(query))).argsort(descending=True, stable=True).tolist()
        return [_line(entry) for place in order for entry in chunks[place].lines]

    def compared(opened: int) -> Choose:
        offered = _searchable(chunks, lines)
        row_of = {id_: row for row, id_ in enumerate(lines.ids)}
        ids = [entry.id for one in chunks for entry in one.lines if entry.id in row_of]

        async def choose(query: str, _budget: int) -> Sequence[Piece]:
            near = torch.from_numpy(lines.vector(query))
            found = retrieve(near, offered, top_chunks=opened, top_frames=len(ids))
            return [_line(lines.entries[id_]) for id_ in dict.fromkeys(ids[place] for place, _ in found)]

        return choose

    return {
        "lines by the query-aware sampler": _query_aware(lines),
        "chunks by memory tokens, held in memory": stored(kept),
        "chunks by memory tokens, held in SQLite": stored(SqliteMemory(lines.store)),
        "chunks by memory tokens in the light of the past": past,
        "chunks by a question-conditioned read (training-free)": conditioned,
        ON: compared(OPENED),
        OFF: compared(len(chunks)),
    }


def through_server(reader: Reader) -> Choose:
    async def choose(query: str, budget: int) -> Sequence[Piece]:
        reply = await reader.search(
            "retrieve_memory", query=query, video_ids=[reader.video_id], limit=20, max_tokens=budget
        )
        hits = list(by_rank(reply))
        cost = reader.session.calls[-1].tokens // max(1, len(hits))  # the reply's own count, in equal parts
        return [Piece(Span(hit["start_s"], hit["end_s"]), cost) for hit in hits]

    return choose


def _query_aware(lines: Lines) -> Choose:
    """Lines that the query-aware sampler chooses, the most similar to the query first."""
    rows = torch.from_numpy(lines.matrix)
    begins = torch.tensor([lines.entries[id_].start_s for id_ in lines.ids], dtype=torch.float64)
    in_time = begins.argsort(stable=True)
    usual = sum(_line(entry).tokens for entry in lines.entries.values()) / max(1, len(lines.entries))

    async def choose(query: str, budget: int) -> Sequence[Piece]:
        near, number = torch.from_numpy(lines.vector(query)), max(1, int(budget / usual))
        chosen = in_time[QuerySampler().select(rows[in_time], begins[in_time], number, near)].tolist()
        best = sorted(chosen, key=lambda place: -float(rows[place] @ near))
        return [_line(lines.entries[lines.ids[place]]) for place in best]

    return choose


def _conditioned(chunks: Sequence[ChunkLines], lines: Lines) -> Callable[[torch.Tensor], torch.Tensor]:
    """Scores of the chunks by what their tokens have become when they read all lines in the light of the question."""
    model = MemAug.training_free(lines.matrix.shape[1]).eval()
    repository = torch.from_numpy(lines.matrix)[None]  # (1, M, C)
    tokens = torch.cat([one.memory.vectors for one in chunks])  # (N, C)
    owner = torch.repeat_interleave(torch.arange(len(chunks)), torch.tensor([len(o.memory.vectors) for o in chunks]))

    def read(near: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            out = model(tokens[None], near[None, None], repository)[0]
        cosine = F.normalize(out, dim=1) @ near
        return torch.full((len(chunks),), -torch.inf).scatter_reduce(0, owner, cosine, "amax")

    return read


def chunks_of(lines: Lines) -> list[ChunkLines]:
    """Every chunk of every text channel with its lines; a line stands in the chunk in which it begins."""
    memory = SqliteMemory(lines.store)
    found = []
    for channel in CHANNELS:
        own = [entry for entry in lines.entries.values() if entry.channel == channel]
        for one in memory.read(lines.video_id, CHUNK, memory_producer(lines.producer, channel)):
            inside = tuple(entry for entry in own if one.start_s <= entry.start_s < one.end_s)
            found.append(ChunkLines(one, inside))
    return found


def _searchable(chunks: Sequence[ChunkLines], lines: Lines) -> list[Chunk]:
    """The chunks as the engine takes them: memory tokens, and a row for each line."""
    row_of = {id_: row for row, id_ in enumerate(lines.ids)}
    made, first = [], 0
    for one in chunks:
        rows = [row_of[entry.id] for entry in one.lines if entry.id in row_of]
        if rows:
            made.append(Chunk(one.memory.vectors, torch.from_numpy(lines.matrix[rows]), first))
            first += len(rows)
    return made


def _frames(lines: Lines) -> tuple[list[float], torch.Tensor, torch.Tensor]:
    """Times and vectors of the frames that were kept."""
    encoder = frame_encoder(ModelSettings(profile="lite"))
    ids, matrix = lines.store.vectors(frame_space(encoder.producer), lines.video_id)
    time_of = {row.k: row.time_s for row in lines.store.frames(lines.video_id, kept_only=True)}
    places = sorted((time_of[int(k)], row) for row, k in enumerate(ids) if int(k) in time_of)
    times = [time_s for time_s, _ in places]
    return times, torch.tensor(times, dtype=torch.float64), torch.from_numpy(matrix[[row for _, row in places]])


def _context(one: ScoredMemory) -> torch.Tensor:
    return one.memory.vectors if one.context is None else one.context


def _line(entry: Entry) -> Piece:
    span = Span(entry.start_s, max(entry.end_s, entry.start_s + 0.01))
    return Piece(span, reply_tokens(f"{clock(entry.start_s)} {entry.text}"))
