"""Which models an ingest and a search take, and where what was unpacked lies."""

from __future__ import annotations

import stat
from pathlib import Path

from agent_tools.home import CacheFolder
from agent_tools.ingestion.model_choice import model_settings
from agent_tools.models.profiles import text_encoder
from agent_tools.settings import Settings, worker_environment


def test_all_homes_share_what_is_unpacked_and_workers_find_it(tmp_path: Path) -> None:
    cache = CacheFolder(tmp_path / "cache")
    homes = [
        Settings.load({"AGENT_TOOLS_CACHE": str(cache.root)}, home=tmp_path / name, profile="lite")
        for name in ("one", "two")
    ]
    text_encoder(model_settings(homes[0]))
    files = [path for path in cache.root.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"made.json", "weights.safetensors"}
    before = {path: path.stat().st_mtime_ns for path in files}
    text_encoder(model_settings(homes[1]))
    assert {path: path.stat().st_mtime_ns for path in files} == before
    assert not (tmp_path / "one").exists()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (cache.root, *cache.root.rglob("*")) if path.is_dir()}
    assert (modes, {stat.S_IMODE(path.stat().st_mode) for path in files}) == ({0o700}, {0o600})
    assert worker_environment(homes[1])["AGENT_TOOLS_CACHE"] == str(cache.root)


def test_the_cache_is_the_users_own_unless_it_is_named(tmp_path: Path) -> None:
    settings = Settings.load({}, home=tmp_path)
    assert settings.cache.name == "agent-tools"
    assert tmp_path not in settings.cache.parents
