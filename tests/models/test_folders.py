from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent_tools.errors import InvalidArgument, ModelMissing
from agent_tools.models.hub import folders
from agent_tools.models.hub.folders import Reference, locate, why_unusable

OLD, NEW = "a" * 40, "b" * 40


def model(folder: Path, *files: str) -> Path:
    folder.mkdir(parents=True)
    for name in files or ("config.json", "model.safetensors"):
        (folder / name).write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("text", "name", "revision"),
    [("org/name", "org/name", None), ("org/name@v1.0", "org/name", "v1.0"), (f" o/n@{OLD} ", "o/n", OLD)],
)
def test_a_hub_id_may_carry_a_revision(text: str, name: str, revision: str | None) -> None:
    found = Reference.of(text)
    assert (found.name, found.revision, found.folder) == (name, revision, None)


def test_a_path_is_a_folder(tmp_path: Path) -> None:
    assert Reference.of(str(tmp_path)).folder == tmp_path
    assert Reference.of("./weights").folder == Path("weights")
    assert Reference.of("~/weights").folder == Path.home() / "weights"


@pytest.mark.parametrize(
    "text", ["", "siglip", "a/b/c", "https://host/org/name", "org/name@", "org/na me", "org/n@a b"]
)
def test_what_names_no_model_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"org/name@revision"):
        Reference.of(text)


def test_of_several_snapshots_the_one_that_main_points_at_is_taken(tmp_path: Path) -> None:
    cache = tmp_path / "models--org--name"
    for commit in (OLD, NEW):
        model(cache / "snapshots" / commit)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(NEW)
    assert locate(Reference.of("org/name"), [tmp_path], "").commit == NEW
    assert locate(Reference.of(f"org/name@{OLD}"), [tmp_path], "").commit == OLD
    assert locate(Reference.of(f"org/name@{OLD[:8]}"), [tmp_path], "").commit == OLD


def test_what_a_pull_recorded_is_used_whatever_main_points_at_later(tmp_path: Path) -> None:
    cache = tmp_path / "models--org--name"
    for commit in (OLD, NEW):
        model(cache / "snapshots" / commit)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(NEW)  # another program asked the hub again
    (cache / "refs" / folders.PULLED).write_text(OLD)
    assert locate(Reference.of("org/name"), [tmp_path], "").commit == OLD
    (cache / "refs" / folders.PULLED).write_text("c" * 40)  # what was pulled has been deleted since
    assert locate(Reference.of("org/name"), [tmp_path], "").commit == NEW


def test_a_pinned_revision_is_never_replaced_by_what_lies_there(tmp_path: Path) -> None:
    model(tmp_path / "models--org--name" / "snapshots" / OLD)
    model(tmp_path / "org--name")
    with pytest.raises(ModelMissing, match=rf"org/name@{NEW} is not on this machine .* Get it so\."):
        locate(Reference.of(f"org/name@{NEW}"), [tmp_path], "Get it so.")


def test_without_a_recorded_revision_any_snapshot_counts(tmp_path: Path) -> None:
    model(tmp_path / "models--org--name" / "snapshots" / OLD)
    assert locate(Reference.of("org/name"), [tmp_path], "").commit == OLD


def test_a_half_download_is_not_a_model(tmp_path: Path) -> None:
    folder = model(tmp_path / "m", "config.json", "model-00001-of-00002.safetensors")
    index = {"weight_map": {"x": "model-00001-of-00002.safetensors", "y": "model-00002-of-00002.safetensors"}}
    (folder / folders.INDEX).write_text(json.dumps(index))
    assert why_unusable(folder) == "lacks model-00002-of-00002.safetensors (1 of 2 shards are missing)"
    with pytest.raises(ModelMissing, match="1 of 2 shards"):
        locate(Reference.of(str(folder)), [], "")


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (("config.json", "model.safetensors"), None),
        (("config.json", "model.bin"), None),
        (("config.json", "pytorch_model.bin"), "pickles only"),
        (("config.json", "model.pt"), "pickles only"),
        (("config.json",), "no weights"),
        (("model.safetensors",), "no config.json"),
        (("config.json", folders.INDEX), "broken"),
    ],
)
def test_what_keeps_a_folder_from_being_loaded(tmp_path: Path, files: tuple[str, ...], why: str | None) -> None:
    told = why_unusable(model(tmp_path / "m", *files))
    assert told is None if why is None else why in str(told)


def test_a_named_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="is not a folder"):
        locate(Reference.of(str(tmp_path / "gone")), [], "")


def test_sharded_weights_are_told_apart_by_all_their_shards(tmp_path: Path) -> None:
    folder = model(tmp_path / "m", "config.json", "one.safetensors", "two.safetensors")
    (folder / folders.INDEX).write_text(json.dumps({"weight_map": {"x": "one.safetensors", "y": "two.safetensors"}}))
    before = folders.weights_digest(folder)
    (folder / "two.safetensors").write_text("other")
    assert folders.weights_digest(folder) != before
