"""Slice paths: attempts of a client, a folder or an address to reach what it must not.

The stage is an allowed folder with a blue film, a folder beside it with a red film that nobody may see, and a web
server on loopback that counts its visitors. No case may end with red in a picture, with words of the red film's
subtitles in a reply, or with a visitor."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from agent_tools.media import content_id
from agent_tools.store import Store
from lab.faults import addresses, doors, races
from lab.faults.servers import Server, serving
from lab.faults.slices import Outcome, Slice
from tests.drawing import draw, even_times

SECRET = "heron-lantern-quartz"  # stands in the red film's subtitles and nowhere else
LONGEST_S = 120.0  # of an ingest that ends in a refusal, on a machine that does much else
RED, BLUE = (220, 20, 20), (20, 20, 220)


@dataclass
class World:
    """Where the cases happen."""

    root: Path
    server: Server
    canary: str  # address of the counting web server
    visits: list[str] = field(default_factory=list)
    secret_id: str = ""
    looks: int = 60  # while a file is swapped

    @property
    def allowed(self) -> Path:
        return self.root / "allowed"

    @property
    def outside(self) -> Path:
        return self.root / "outside"

    @property
    def home(self) -> Path:
        return self.root / "home"

    def refused(self, source: str, **more: Any) -> str:
        """Why the source did not end as it must: as an error, with nothing of the red film known. "" if it did."""
        deadline = time.monotonic() + LONGEST_S
        while True:
            result = self.server.result("ingest_video", {"source": source, "wait_s": 20, **more})
            state = result.get("structuredContent", {}).get("state")
            if state not in ("queued", "running") or time.monotonic() > deadline:
                break
        return self.leak(str(result)) or ("" if result.get("isError") else f"{source!r} was taken: {result}"[:300])

    def harmless(self, source: str, **more: Any) -> str:
        """Why something came through with the source, which itself may be taken. "" if nothing did."""
        result = self.server.result("ingest_video", {"source": source, "wait_s": 20, **more})
        reply = str(self.server.result("retrieve_memory", {"query": SECRET}))
        return self.leak(str(result) + reply)

    def leak(self, replies: str) -> str:
        """What went wrong, by the replies, the memory and the requests that came in; "" if nothing did."""
        with contextlib.closing(Store.open(self.home)) as store:
            if store.video(self.secret_id) is not None:
                return "the film outside is in memory"
        for word in (SECRET, "root:x:", "daemon:"):
            if word in replies:
                return f"{word!r} reached a reply"
        if "InternalError" in replies:
            return f"an error that nobody had foreseen: {replies[:200]}"
        return f"visited: {self.visits}" if self.visits else ""


def plain(color: tuple[int, int, int]) -> Callable[[int, int, int], Any]:
    def picture(number: int, width: int, height: int) -> Any:
        rgb = np.full((height, width, 3), color, np.uint8)
        rgb[:, : 1 + number % width] //= 2  # something moves, so that frames differ
        return rgb

    return picture


def film(path: Path, color: tuple[int, int, int], seconds: int = 2) -> Path:
    return draw(path, even_times(10 * seconds, 10), size=(160, 90), picture=plain(color))


@contextlib.contextmanager
def counting(visits: list[str]) -> Iterator[str]:
    """A web server on loopback that should never be reached."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            visits.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def names(world: World) -> Outcome:
    """Sources as strings: out of the folder, encoded, special files, FFmpeg protocols."""
    outside, allowed, secret = world.outside, world.allowed, world.outside / "secret.mp4"
    depth = "../" * len(allowed.parts)
    tries = [
        "../outside/secret.mp4", "../outside", "..", "./../outside/secret.mp4", "film.mp4/../../outside/secret.mp4",
        f"{secret}", f"{outside}", f"{allowed}/../outside/secret.mp4", f"{allowed}/..", f"{allowed}//..//outside",
        f"{allowed}-too/secret.mp4", f"{depth}{secret}", f"file://{secret}", f"file://localhost{secret}",
        f"file://{allowed}/../outside/secret.mp4", f"file://{allowed}/%2e%2e/outside/secret.mp4",
        f"file://{allowed}/..%2foutside%2fsecret.mp4", f"file://{allowed}/%252e%252e/outside/secret.mp4",
        f"FILE://{secret}", f"file:{secret}", f"file:////{secret}", f"file://evil.example{secret}",
        "%2e%2e/outside/secret.mp4", "..%2foutside%2fsecret.mp4", "..\\outside\\secret.mp4", "\uff0e\uff0e/outside",
        "..\u2215outside\u2215secret.mp4", "\u2024\u2024/outside/secret.mp4", "..;/outside/secret.mp4",
        f"~/../..{secret}", "~root", "~nobody/x.mp4", "/", "//", "/etc/passwd", "/etc/shadow", "/proc/self/environ",
        "/proc/self/fd/0", "/proc/self/cwd", "/proc/self/mem", f"/proc/self/root{secret}", "/proc/1/root", "/dev/zero",
        "/dev/stdin", "/dev/fd/0", "/dev/tcp/127.0.0.1/80", "/sys/kernel", "film.mp4\x00.txt", f"{secret}\x00.mp4",
        f"file://{secret}%00.mp4", "film.mp4\n", " ", "x" * 5000, "a/" * 3000, f"{secret} ", f"\ufeff{secret}",
        f"concat:{allowed}/film.mp4|{secret}", f"subfile,,start,0,end,9999,,:{secret}", f"cache:{secret}",
        f"async:file:{secret}", f"crypto:{secret}", f"http://{world.canary}/x.mp4", f"hls+http://{world.canary}/x.m3u8",
        f"tcp://{world.canary}", f"udp://{world.canary}", f"rtmp://{world.canary}/x", f"ftp://{world.canary}/x.mp4",
        f"smb://{world.canary}/x.mp4", f"gopher://{world.canary}/x", "data:video/mp4;base64,AAAAGGZ0eXA=", "pipe:0",
        "fd:0", "lavfi:testsrc", f"tee:{secret}", f"unix:{secret}", f"jar:file:{secret}!/x",
        "file://[x", "foo://[::bad", "video://[x", "http://[x/film.mp4",
    ]  # fmt: skip
    found = Outcome.empty()
    for source in tries:
        why = world.refused(source) if source.strip() else world.leak("")
        found.count(f"{source[:60]!r}: {why}" if why else "")
    return found


def links(world: World) -> Outcome:
    """Links in the allowed folder: of files, folders, chains, sidecars, loops; and in a folder taken as a whole."""
    folder, secret = world.allowed / "links", world.outside / "secret.mp4"
    folder.mkdir()
    (folder / "link.mp4").symlink_to(secret)
    (folder / "relative.mp4").symlink_to("../../outside/secret.mp4")
    (folder / "chain.mp4").symlink_to(folder / "link.mp4")
    (folder / "way").symlink_to(world.outside)
    (folder / "loop.mp4").symlink_to(folder / "loop.mp4")
    (folder / "passwd.mp4").symlink_to("/etc/passwd")
    (folder / "environ.mp4").symlink_to("/proc/self/environ")
    (folder / "zero.mp4").symlink_to("/dev/zero")
    film(folder / "own.mp4", (20, 200, 20))
    (folder / "own.srt").symlink_to(world.outside / "secret.srt")
    (folder / "own.en.vtt").symlink_to(world.outside / "secret.srt")
    found = Outcome.empty()
    tries = ("link.mp4", "relative.mp4", "chain.mp4", "way", "way/secret.mp4", "loop.mp4")
    for name in (*tries, "passwd.mp4", "environ.mp4", "zero.mp4"):
        found.count(f"links/{name}: {why}" if (why := world.refused(f"links/{name}")) else "")
    for source in ("links/own.mp4", "links", ""):
        found.count(f"{source!r}: {why}" if (why := world.harmless(source)) else "")
    return found


def special(world: World) -> Outcome:
    """What is no plain file, under a video's name: pipe, socket, device, folder. None may be waited for."""
    folder = world.allowed / "special"
    folder.mkdir()
    os.mkfifo(folder / "pipe.mp4")
    (folder / "folder.mp4").mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket.mp4"))
    made = ["pipe.mp4", "socket.mp4"]
    with contextlib.suppress(PermissionError, NotImplementedError):  # only root may make one, and not everywhere
        os.mknod(folder / "device.mp4", 0o20666, os.makedev(1, 5))
        made.append("device.mp4")
    os.mkfifo(folder / "own.srt")
    film(folder / "own.mp4", (20, 200, 200))
    found = Outcome.empty()
    for name in made:
        began = time.monotonic()
        why = world.refused(f"special/{name}")
        found.count(why or ("" if time.monotonic() - began < 15 else f"{name} was waited for"))
    for source in ("special/own.mp4", "special", "special/folder.mp4"):
        found.count(f"{source!r}: {why}" if (why := world.harmless(source)) else "")
    listener.close()
    return found


def protocols(world: World) -> Outcome:
    """Files whose content makes FFmpeg open others: playlists and scripts under video names, over every protocol."""
    folder, secret = world.allowed / "protocols", world.outside / "secret.mp4"
    folder.mkdir()
    targets = [
        f"file://{secret}", f"{secret}", "../../outside/secret.mp4", f"http://{world.canary}/a.ts",
        f"concat:{secret}|{secret}", f"subfile,,start,0,end,0,,:{secret}", f"async:{secret}", f"tcp://{world.canary}",
        f"hls+http://{world.canary}/b.m3u8", "data:video/mp4;base64,AAAAGGZ0eXBtcDQy", "/dev/zero", "pipe:0",
        "/etc/passwd",
    ]  # fmt: skip
    forms = {
        "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{0}\n#EXT-X-ENDLIST\n",
        "key.m3u8": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{0}"\n#EXTINF:9,\nfilm.ts\n#EXT-X-ENDLIST\n',
        "map.m3u8": '#EXTM3U\n#EXT-X-MAP:URI="{0}"\n#EXTINF:9,\n{0}\n#EXT-X-ENDLIST\n',
        "ffconcat": "ffconcat version 1.0\nfile '{0}'\n",
        "mpd": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{0}</BaseURL></MPD>',
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nu={0}\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        "pls": "[playlist]\nFile1={0}\n",
        "asx": '<asx version="3.0"><entry><ref href="{0}"/></entry></asx>',
        "late.m3u8": "\n\n \ufeff#EXTM3U\n#EXTINF:9,\n{0}\n",
    }
    found = Outcome.empty()
    for form, text in forms.items():
        for number, target in enumerate(targets):
            ending = (".mp4", ".ts", ".mkv")[number % 3]
            name = f"{form.replace('.', '-')}-{number}{ending}"
            (folder / name).write_text(text.format(target), encoding="utf-8")
            why = world.refused(f"protocols/{name}", channels=["frames", "subtitles"])
            found.count(f"{form} to {target}: {why}" if why else "")
    return found


def uris(world: World) -> Outcome:
    """Resources: uris that climb, name files, or hold nothing that a video has."""
    video_id = world.server.call("ingest_video", source="film.mp4", wait_s=40)["video_id"]
    base = f"video://{video_id}"
    tries = [
        "file:///etc/passwd", f"file://{world.outside}/secret.srt", "video://../../etc/passwd", "video:///etc/passwd",
        f"{base}/../../../etc/passwd", f"{base}/%2e%2e/%2e%2e/etc/passwd", f"{base}/frame/../../secret.mp4",
        f"{base}/frame/{world.outside}/secret.mp4", f"{base}/clip/0-1;{world.outside}", f"{base}/note/../../1",
        f"{base}/transcript?start_s=../..", f"{base}/episodes/../../..", f"http://{world.canary}/x",
        f"{base}/frame/nan",
        f"{base}/frame/-1", f"{base}/frame/inf", f"{base}/frame/1e999", f"{base}/clip/0-1e9",
        f"{base}/note/\u0661", f"{base}/note/\u00b2",
        f"{base}/note/9{'9' * 400}", f"{base}#t=nan,inf", "video://" + "f" * 12, "video://%00", f"{base}/\x00",
        f"{base}/budget/../../../../proc/self/environ", "prompt://x", "ui://x", "", "video:", "//", "x" * 100_000,
    ]  # fmt: skip
    found = Outcome.empty()
    for uri in tries:
        answer = world.server.ask("resources/read", uri=uri)
        why = world.leak(str(answer))
        found.count(f"{uri[:60]!r}: {why or 'answered: ' + str(answer)[:200]}" if why or "error" not in answer else "")
    return found


CASES: dict[str, Callable[[World], Outcome]] = {
    "names": names,
    "links": links,
    "special files": special,
    "resource uris": uris,
    "hard link": races.hard_link,
    "swapped after ingest": races.swapped,
    "race at ingest": races.at_ingest,
    "race at zoom": races.at_zoom,
    "addresses": addresses.private,
    "redirects": addresses.redirects,
    "changing names": addresses.changing,
    "http door": doors.door,
    "http access tokens": doors.access_tokens,
    "http bodies": doors.bodies,
    "ffmpeg protocols": protocols,
}


def cases(_seed: int) -> Sequence[str]:
    return list(CASES)


@contextlib.contextmanager
def stage(_seed: int, folder: Path, looks: int = World.looks) -> Iterator[Callable[[str], Outcome]]:
    root = folder.resolve()
    for name in ("allowed", "outside", "allowed-too"):
        (root / name).mkdir()
    film(root / "allowed" / "film.mp4", BLUE)
    secret = film(root / "outside" / "secret.mp4", RED)
    (root / "allowed-too" / "secret.mp4").write_bytes(secret.read_bytes())
    (root / "outside" / "secret.srt").write_text(f"1\n00:00:00,000 --> 00:00:02,000\n{SECRET}\n", encoding="utf-8")
    visits: list[str] = []
    with counting(visits) as canary, serving(root / "home", root / "allowed", flags=["--allow-urls"]) as server:
        world = World(root, server, canary, visits, content_id(secret), looks)
        yield lambda case: CASES[case](world)


SLICE = Slice(
    "paths", "paths, links, protocols, addresses and requests that reach for what they must not", cases, stage
)
