"""The models that questions go through: what does not load is told with the reason, and each is loaded once."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent_tools.models import profiles
from agent_tools.service.library.library import Library
from agent_tools.service.library.query_models import QueryModels
from agent_tools.service.search.comparable import words_only_because
from agent_tools.settings import Settings
from tests.waiting import PATIENCE_S


def test_an_encoder_that_breaks_while_it_loads_is_no_longer_loading(
    empty: Library, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def truncated(_settings: Any) -> Any:
        raise OSError("file ends\nat byte 7")

    monkeypatch.setattr(profiles, "text_encoder", truncated)
    with caplog.at_level(logging.ERROR, logger="agent_tools"):
        assert empty.models.text(20) is None
    why = words_only_because(empty, None, "kettle")
    assert "the sentence encoder does not load: OSError" in why
    assert "still loading" not in why
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert [line for line in told if "OSError" in line] == [why.removeprefix("words only: ")]


def test_two_calls_at_once_load_the_frame_encoder_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = QueryModels(Settings.load({}, home=tmp_path, profile="lite"))
    at_once, made = threading.Barrier(2), []

    def encoder(_settings: Any) -> Any:
        made.append(threading.get_ident())
        with pytest.raises(threading.BrokenBarrierError):
            at_once.wait(0.5)  # the other call comes in here, if it can
        return SimpleNamespace(producer="frames@1", dim=4)

    monkeypatch.setattr(profiles, "frame_encoder", encoder)
    told: list[str] = []
    threads = [threading.Thread(target=lambda: told.append(models.frame_producer)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert told == ["frames@1", "frames@1"]
    assert len(made) == 1
