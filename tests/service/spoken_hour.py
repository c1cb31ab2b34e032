"""An hour of talk in English, Korean and Chinese: 33,000 tokens each, written into a store without any video."""

from __future__ import annotations

import io
import random
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from agent_tools.budget.reply import text_tokens
from agent_tools.ingestion.text_index import index_entries, write_chunks
from agent_tools.store import EntryIn, Episode, FrameRow, Store

HOUR_S = 3600.0
TOKENS = 33_000
CUES = 950
NEEDLE_AT = 411  # the cue that holds what nobody says elsewhere


@dataclass(frozen=True)
class Talk:
    """One language's hour."""

    video_id: str
    title: str
    words: Sequence[str]
    joint: str  # between words
    needle: str


ENGLISH = Talk(
    "e00000000001",
    "A talk in English",
    "memory window letter garden market river engine copper winter bridge lamp question answer measure station "
    "teacher harvest weather ticket orchard because although between without several sometimes together".split(),
    " ",
    "the kingfisher sat on the drainpipe",
)
KOREAN = Talk(
    "c00000000002",
    "한국어 강연",
    "기억은 창문을 편지가 정원에서 시장으로 강물이 엔진을 구리로 겨울에는 다리를 등불이 질문을 대답하고 측정한다 "
    "역에서 선생님께서 수확은 날씨가 표를 과수원의 때문에 하지만 사이에 없이 여러 가끔 함께".split(),
    " ",
    "물총새가 홈통 위에 앉았다",
)
CHINESE = Talk(
    "a00000000003",
    "中文讲座",
    "记忆 窗户 信件 花园 市场 河流 发动机 铜 冬天 桥梁 灯 问题 回答 测量 "
    "车站 老师 收获 天气 车票 果园 因为 虽然 之间 没有 几个 有时 一起".split(),
    "",
    "翠鸟停在排水管上",
)
TALKS = (ENGLISH, KOREAN, CHINESE)


class ToyEncoder:
    """Words as directions, drawn from their letters; it knows English only, as lite's encoder does."""

    producer, dim, languages = "toy@1/1", 512, "English"

    def encode(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        rows = np.full((len(texts), self.dim), 1e-3, np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall("[a-z]+", text.lower()):
                row[zlib.crc32(word.encode()) % self.dim] += 1.0
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def spoken(talk: Talk) -> list[EntryIn]:
    """The hour's cues, all different, TOKENS of them together."""
    rng = random.Random(talk.video_id)
    cues = []
    for number in range(CUES):
        text = f"{number}"
        while text_tokens(text) < TOKENS / CUES:
            text += talk.joint + rng.choice(talk.words)
        if number == NEEDLE_AT:
            text += talk.joint + talk.needle
        start_s = number * HOUR_S / CUES
        cues.append(EntryIn(start_s, start_s + 3.5, text))
    return cues


def fill(store: Store) -> None:
    """The three hours: one done, one being read, one that failed; with gaps, episodes and kept frames."""
    encoder = ToyEncoder()
    for talk in TALKS:
        video_id = talk.video_id
        store.add_video(video_id, talk.title, 1)
        store.update_video(video_id, duration_s=HOUR_S, width=640, height=360, fps=25.0, has_audio=True, audio_s=HOUR_S)
        cues = spoken(talk)
        store.set_channel(video_id, "speech", state="running", producer="speech/1")
        store.add_entries(video_id, "speech", "speech/1", cues)
        index_entries(store, video_id, encoder, lambda _done: None)
        write_chunks(store, video_id, "speech", encoder.producer, HOUR_S, HOUR_S)
        store.set_channel(video_id, "speech", state="done", producer="speech/1", done_to_s=HOUR_S, entries=CUES)
        store.set_channel(video_id, "frames", state="done", producer="pixels/1", done_to_s=HOUR_S, entries=60)
        store.set_channel(video_id, "screen_text", state="running", producer="ocr/1", done_to_s=1800.0)
        for number in range(120):
            store.add_gap(video_id, "frames", 30.0 * number, 30.0 * number + 2.0, "decode error")
        for level, length_s in (("chunk", 60.0), ("scene", 180.0), ("chapter", 600.0)):
            starts = [length_s * i for i in range(int(HOUR_S / length_s))]
            rows = [
                Episode(i, video_id, level, at, at + length_s, cues[int(at * CUES / HOUR_S)].text[:80], "speech", at)
                for i, at in enumerate(starts)
            ]
            store.replace_episodes(video_id, level, rows)
        rows = [FrameRow(video_id, 60 * i, 60.0 * i, 60 * i, True) for i in range(60)]
        store.add_frames(video_id, rows, {row.k: _jpeg(row.k) for row in rows})
    store.enqueue(CHINESE.video_id, ("screen_text",), "lite")
    failed = store.claim("worker", 1)
    assert failed is not None
    store.finish(failed.id, "worker", "failed", "the disk was full")
    store.enqueue(KOREAN.video_id, ("screen_text",), "lite")
    going = store.claim("worker", 1, lease_s=1e9)
    assert going is not None
    store.beat(going.id, "worker", progress=0.5, lease_s=1e9)


def _jpeg(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (384, 216), (shade % 256, 90, 40)).save(file, "JPEG")
    return file.getvalue()
