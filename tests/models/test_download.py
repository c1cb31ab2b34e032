"""Against a local fake of the hub: its own client library does the talking."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agent_tools.errors import EngineError, ModelMissing
from agent_tools.models.hub.catalogue import LITE, STANDARD, Model, Profile, listing, missing
from agent_tools.models.hub.download import plan, pull
from agent_tools.models.hub.folders import Reference, locate

COMMIT = "c" * 40
WEIGHTS = bytes(range(256)) * 2000


@pytest.fixture(autouse=True)
def _no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the loopback is connected to, unlike in the other tests of this folder."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


class Hub:
    """One repository org/tiny with files; answers what the client asks, or a fault."""

    def __init__(self) -> None:
        self.files = {
            "config.json": b"{}",
            "tokenizer.json": b'{"a": 1}',
            "model.safetensors": WEIGHTS,
            "pytorch_model.bin": b"pickle",
            "onnx/model.onnx": b"onnx",
            "modeling_tiny.py": b"print('never')",
            "README.md": b"# tiny",
        }
        self.sent: dict[str, bytes] = {}  # what is really sent, where it differs
        self.fault: tuple[int, dict[str, str]] | None = None
        self.asked: list[tuple[str, str, str]] = []
        self.stop_after: int | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                outer.asked.append((self.command, path, self.headers.get("range", "")))
                if outer.fault:
                    return self.reply(outer.fault[0], b"{}", outer.fault[1])
                if path.startswith("/api/models/org/tiny"):
                    return self.reply(200, json.dumps(outer.described()).encode(), {"content-type": "application/json"})
                name = path.partition(f"/org/tiny/resolve/{COMMIT}/")[2]
                if name in outer.files:
                    return self.send_file(name)
                return self.reply(404, b"{}", {"x-error-code": "RepoNotFound"})

            def send_file(self, name: str) -> None:
                announced, data = outer.files[name], outer.sent.get(name, outer.files[name])
                digest = hashlib.sha256(announced).hexdigest()
                headers = {"etag": f'"{digest}"', "x-repo-commit": COMMIT, "accept-ranges": "bytes"}
                headers["x-linked-size"] = str(len(data))
                status, start = 200, 0
                if self.headers.get("range"):
                    start = int(self.headers["range"].removeprefix("bytes=").partition("-")[0])
                    status = 206
                    headers["content-range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
                self.reply(status, data[start:], headers, name)

            def reply(self, status: int, body: bytes, headers: dict[str, str], name: str = "") -> None:
                self.send_response(status)
                for key, value in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(key, value)
                self.end_headers()
                if self.command == "HEAD":
                    return
                if outer.stop_after is not None and name == "model.safetensors":
                    body, self.close_connection = body[: outer.stop_after], True
                    outer.stop_after = None
                with contextlib.suppress(OSError):  # the client has given up
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def described(self) -> dict[str, Any]:
        files = []
        for name, data in self.files.items():
            one: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": "b" * 40}
            if name.endswith((".safetensors", ".bin")):
                one["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            files.append(one)
        return {"id": "org/tiny", "modelId": "org/tiny", "sha": COMMIT, "private": False, "siblings": files, "tags": []}

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    yield made
    made.close()


TINY = Model("text", "org/tiny", 500_000, "MIT")
PROFILE = Profile("tiny", (TINY, *LITE.models))


def quiet(*_: object) -> None: ...


def test_sizes_are_said_before_anything_is_downloaded(hub: Hub, tmp_path: Path) -> None:
    (one,) = plan(PROFILE, tmp_path, hub.url)
    assert [file.name for file in one.files] == ["config.json", "tokenizer.json", "model.safetensors"]
    assert one.to_get_bytes == one.size_bytes == len(WEIGHTS) + 10
    assert one.described == "org/tiny@cccccccc: 1 MB to download in 3 files, MIT"
    assert not any("/resolve/" in path for _, path, _ in hub.asked)


def test_a_pull_ends_in_a_model_that_is_found_under_its_commit(hub: Hub, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    assert listing(PROFILE, [tmp_path])[0] == (TINY, "not here")
    (folder,) = pull(plan(PROFILE, tmp_path, hub.url), tmp_path, lambda *seen: told.append(seen), hub.url)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    found = locate(Reference.of("org/tiny"), [tmp_path], "")
    assert (found.folder, found.commit) == (folder, COMMIT)
    assert told[-1] == ("org/tiny", len(WEIGHTS) + 10, len(WEIGHTS) + 10)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert listing(PROFILE, [tmp_path])[0] == (TINY, "on this machine")
    assert plan(PROFILE, tmp_path, hub.url) == []


def test_the_commit_of_a_pull_is_recorded_and_another_programs_main_left_alone(hub: Hub, tmp_path: Path) -> None:
    refs = tmp_path / "models--org--tiny" / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text("0" * 40)
    pull(plan(PROFILE, tmp_path, hub.url), tmp_path, quiet, hub.url)
    assert (refs / "agent-tools").read_text() == COMMIT
    assert (refs / "main").read_text() == "0" * 40


def test_pickles_and_code_are_never_taken(hub: Hub, tmp_path: Path) -> None:
    (folder,) = pull(plan(PROFILE, tmp_path, hub.url), tmp_path, quiet, hub.url)
    assert sorted(path.name for path in folder.rglob("*")) == ["config.json", "model.safetensors", "tokenizer.json"]
    del hub.files["model.safetensors"]
    with pytest.raises(ModelMissing, match="no safetensors at the hub: pickles are never loaded"):
        plan(PROFILE, tmp_path / "other", hub.url)


def test_a_connection_that_breaks_goes_on_where_it_stopped(hub: Hub, tmp_path: Path) -> None:
    hub.files["model.safetensors"] = WEIGHTS * 25  # the client writes pieces of 10 MiB
    hub.stop_after = 12_000_000
    (folder,) = pull(plan(PROFILE, tmp_path, hub.url), tmp_path, quiet, hub.url)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS * 25
    ranges = [asked for command, path, asked in hub.asked if command == "GET" and path.endswith("model.safetensors")]
    assert ranges == ["", "bytes=10485760-"]


def test_a_pull_that_was_stopped_keeps_the_files_it_had(hub: Hub, tmp_path: Path) -> None:
    class Stop(Exception): ...

    def stop(_: str, done: int, __: int) -> None:
        if done > 100:
            raise Stop

    with pytest.raises(Stop):
        pull(plan(PROFILE, tmp_path, hub.url), tmp_path, stop, hub.url)
    assert missing(PROFILE, [tmp_path]) == [TINY]
    again = plan(PROFILE, tmp_path, hub.url)
    assert [file.here for file in again[0].files] == [True, True, False]
    assert again[0].to_get_bytes == len(WEIGHTS)
    hub.asked.clear()
    pull(again, tmp_path, quiet, hub.url)
    assert {path.rpartition("/")[2] for _, path, _ in hub.asked} == {"model.safetensors"}
    assert missing(PROFILE, [tmp_path]) == []


def test_other_bytes_than_announced_are_deleted(hub: Hub, tmp_path: Path) -> None:
    hub.sent["model.safetensors"] = WEIGHTS[:-1] + b"\0"
    with pytest.raises(ModelMissing, match=r"model\.safetensors of org/tiny came as .* deleted\. Pull it again"):
        pull(plan(PROFILE, tmp_path, hub.url), tmp_path, quiet, hub.url)
    assert missing(PROFILE, [tmp_path]) == [TINY]
    hub.sent.clear()
    pull(plan(PROFILE, tmp_path, hub.url), tmp_path, quiet, hub.url)
    assert missing(PROFILE, [tmp_path]) == []


def test_a_revision_that_is_pinned_is_recorded_under_its_name(hub: Hub, tmp_path: Path) -> None:
    pinned = Profile("tiny", (replace(TINY, revision="v1"),))
    pull(plan(pinned, tmp_path, hub.url), tmp_path, quiet, hub.url)
    assert locate(Reference.of("org/tiny@v1"), [tmp_path], "").commit == COMMIT
    assert any(path == "/api/models/org/tiny/revision/v1" for _, path, _ in hub.asked)


def test_too_small_a_disk_is_said_before_the_download(hub: Hub, tmp_path: Path) -> None:
    plans = plan(PROFILE, tmp_path, hub.url)
    with pytest.raises(EngineError, match=r"are to be downloaded to .*, where .* are free"):
        pull(plans, tmp_path / "not" / "yet", quiet, hub.url, spare_bytes=10**18)


FAULTS = [
    ((404, {"x-error-code": "RepoNotFound"}), "The hub has no org/tiny"),
    ((404, {"x-error-code": "RevisionNotFound"}), "The hub has no org/tiny"),
    ((403, {"x-error-code": "GatedRepo"}), "Accept it at https://huggingface.co/org/tiny, log in with: hf auth login"),
    ((500, {}), r"did not answer for org/tiny \(HfHubHTTPError\)"),
]


@pytest.mark.parametrize(("fault", "told"), FAULTS)
def test_the_hubs_faults_say_what_to_do(
    hub: Hub, tmp_path: Path, fault: tuple[int, dict[str, str]], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.fault = fault
    with pytest.raises(ModelMissing, match=told):
        plan(PROFILE, tmp_path, hub.url)


def test_no_network_is_told_with_the_way_around(hub: Hub, tmp_path: Path) -> None:
    hub.close()
    with pytest.raises(ModelMissing, match=r"did not answer for org/tiny .* copy the model's folder here"):
        plan(PROFILE, tmp_path, hub.url)
    hub.server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)  # closed again by the fixture
    hub.thread = threading.Thread(target=hub.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    hub.thread.start()


def test_the_offline_switch_is_respected(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelMissing, match="switched off by HF_HUB_OFFLINE"):
        plan(PROFILE, tmp_path, hub.url)
    assert hub.asked == []


def test_what_no_hub_carries_is_not_pulled(hub: Hub, tmp_path: Path) -> None:
    local = Profile(
        "tiny", (Model("text", str(tmp_path), 0, ""), Model("captions", "http://h/v1#m", 0, "", package=""))
    )
    assert plan(local, tmp_path, hub.url) == []
    assert plan(LITE, tmp_path, hub.url) == []
    assert listing(local, [tmp_path]) == [(local.models[0], "not here"), (local.models[1], "at an endpoint")]


def test_speech_takes_the_weights_of_ctranslate2(hub: Hub, tmp_path: Path) -> None:
    del hub.files["model.safetensors"]
    hub.files["model.bin"] = WEIGHTS
    speech = Profile("tiny", (replace(TINY, role="speech", needs="no_such_package"),))
    (folder,) = pull(plan(speech, tmp_path, hub.url), tmp_path, quiet, hub.url)
    assert (folder / "model.bin").read_bytes() == WEIGHTS
    assert listing(speech, [tmp_path])[0][1] == "needs no-such-package"
    assert missing(speech, [tmp_path]) == list(speech.models)


def test_standard_asks_for_every_model_it_lacks() -> None:
    assert [model.role for model in missing(STANDARD, [])] == ["frames", "redundancy", "text", "speech"]


def test_what_lies_in_another_folder_is_not_downloaded_again(hub: Hub, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    pull(plan(PROFILE, elsewhere, hub.url), elsewhere, quiet, hub.url)
    asked = len(hub.asked)
    assert plan(PROFILE, tmp_path / "cache", hub.url, [elsewhere]) == []
    assert len(hub.asked) == asked
