"""Values that are stored as JSON in one column: what is written is read, from the rows of older versions too."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.store import ChannelDetail, JobSettings, Store
from tests.store.conftest import WEEK

DETAILS = st.builds(
    ChannelDetail,
    done=st.none() | st.floats(0, 1),
    vectors=st.lists(st.text(max_size=8), max_size=3).map(tuple),
    no_model=st.booleans(),
    sidecars=st.none() | st.text(max_size=8),
    next_k=st.integers(0, 10**6),
    visual_tokens=st.none() | st.tuples(st.integers(0, 999), st.integers(0, 999)),
)
SETTINGS = st.builds(
    JobSettings,
    path=st.text(max_size=8),
    remake=st.lists(st.sampled_from(["frames", "text"]), max_size=2).map(tuple),
    models=st.none() | st.lists(st.text(max_size=8), max_size=2).map(tuple),
)


@given(value=DETAILS | SETTINGS)
def test_what_is_written_is_read(value: ChannelDetail | JobSettings) -> None:
    assert type(value).from_json(json.loads(json.dumps(value.to_json()))) == value


OLDER: dict[str, tuple[dict[str, Any], ChannelDetail]] = {
    "frames": (
        {"done": 0.5, "fps": 1.0, "judge": "dino@1", "next_k": 32, "rule": "eJw=", "threshold": 0.83},
        ChannelDetail(done=0.5, fps=1.0, judge="dino@1", next_k=32, rule="eJw="),
    ),
    "captions": (
        {"done": 1.0, "of": 4, "sent_to": "host", "spans": "ab", "vectors": ["m@1"], "visual_tokens": [64, 784]},
        ChannelDetail(done=1.0, of=4, sent_to="host", spans="ab", vectors=("m@1",), visual_tokens=(64, 784)),
    ),
    "absent": ({"no_model": True, "why": "not transcribed"}, ChannelDetail(no_model=True, why="not transcribed")),
    "subtitles": ({"sidecars": ""}, ChannelDetail(sidecars="")),
    "unknown key": ({"done": 1.0, "beam": 5}, ChannelDetail(done=1.0)),
    "empty": ({}, ChannelDetail()),
}


@pytest.mark.parametrize(("stored", "detail"), OLDER.values(), ids=OLDER)
def test_the_detail_of_an_older_versions_row_is_read(
    store: Store, stored: dict[str, Any], detail: ChannelDetail
) -> None:
    store.set_channel(WEEK, "speech", state="running")
    with store.db.write() as c:
        c.execute("UPDATE channels SET detail=?", (json.dumps(stored),))
    row = store.channel(WEEK, "speech")
    assert row is not None
    assert row.detail == detail


@pytest.mark.parametrize(
    ("stored", "settings"),
    [
        ({}, JobSettings()),
        (
            {"path": "/a.mp4", "sidecars": "", "models": [], "model_dirs": [], "device": "cpu", "remake": ["frames"]},
            JobSettings(path="/a.mp4", models=(), device="cpu", remake=("frames",)),
        ),
    ],
    ids=["empty", "reindex"],
)
def test_the_settings_of_an_older_versions_job_are_read(
    store: Store, stored: dict[str, Any], settings: JobSettings
) -> None:
    store.enqueue(WEEK, ("frames",), "lite")
    with store.db.write() as c:
        c.execute("UPDATE jobs SET settings=?", (json.dumps(stored),))
    job = store.job(WEEK)
    assert job is not None
    assert job.settings == settings
