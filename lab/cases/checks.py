"""The right value of each case, as its expect.md says it: a function per case, which raises Wrong."""

from __future__ import annotations

import importlib.util
import json
import stat
from collections.abc import Callable

from agent_tools.server import read_arguments
from agent_tools.service.ingest_video import ingest_video
from agent_tools.store import EntryIn
from lab.cases.processes import frozen_worker, replaced_file, thirty_hours, two_agents
from lab.cases.trial import Trial, Wrong, equal, holds, near

NOTHING = "none in the file or beside it"
ALL = ()  # the channels of the profile
SEEN = ("frames", "screen_text", "subtitles")
SPOKEN = "1\n00:00:00,500 --> 00:00:03,000\nThe kettle on the shelf is blue.\n"


def hard_of_hearing(trial: Trial) -> None:
    """An English track for the hard of hearing (.en.hi.srt) is English."""
    trial.ingest("documentary.mp4")
    equal("language", {entry.extra["language"] for entry in trial.entries("documentary")}, {"en"})
    reply = trial.ground("documentary", "somebody says that a machine got too hot")
    equal("verdict", reply.verdict, "present")
    near("start", (reply.spans or [])[0].start_s, 1.0)


def speakers(trial: Trial) -> None:
    """WebVTT's voice tags name who speaks."""
    trial.ingest("standup.mp4")
    cues = trial.entries("standup")
    names = ["Mara Quist", "Ole Brandt", "Priya Nair", "Mara Quist"]
    equal("speakers", [entry.extra.get("speaker") for entry in cues], names)
    starts = {round(hit.start_s) for hit in trial.hits("Mara Quist", "standup") if "Mara Quist" in str(hit.subtitles)}
    holds(f"hits at {sorted(starts)}, right are 1 and 31 s", {1, 31} <= starts)
    holds(
        "a name that stands in the file is absent", trial.ground("standup", '"Mara Quist" is said').verdict != "absent"
    )


def wall_clock(trial: Trial) -> None:
    """Cues that count the time of the day are moved into the film, or told."""
    trial.ingest("stream-clip.mp4")
    cues, said = trial.entries("stream-clip"), trial.said_of("stream-clip")
    holds(f"said of it: {said}", NOTHING not in said and "stream-clip.srt" in said)
    if cues:
        holds(f"first cue at {cues[0].start_s}", 0 <= cues[0].start_s < 60)


def srt_digits(trial: Trial) -> None:
    """SubRip with other digits, arrows, frames or without milliseconds is read."""
    for name in ("two-digits", "one-digit", "arrow", "no-ms", "frames"):
        trial.ingest(f"{name}.mp4")
        equal(f"cues of {name}", len(trial.entries(name)), 8)
    first = trial.entries("no-ms")[0]
    equal("first cue of no-ms", (first.start_s, first.end_s), (1.0, 4.0))


def two_english(trial: Trial) -> None:
    """Two English tracks of yt-dlp with the same words are one."""
    name = "Pump Repair [q1w2e3r4t5y]"
    trial.ingest(f"{name}.mp4")
    cues = trial.entries(name)
    equal("tracks", len({entry.extra["track"] for entry in cues}), 1)
    equal("lines", len(cues), 8)
    near("start of the first", cues[0].start_s, 0.5)
    near("end of the first", cues[0].end_s, 5.5)


def other_formats(trial: Trial) -> None:
    """TTML, SBV, LRC and Whisper's JSON are read, or named as not read."""
    beside = {"council": ".ttml", "upload": ".sbv", "podcast": ".lrc", "whisper": ".json", "mislabelled": ".srt"}
    for name, ending in beside.items():
        trial.ingest(f"{name}.mp4")
        if len(trial.entries(name)) != 8:
            holds(f"{name}: {trial.said_of(name)}", ending in trial.said_of(name))


def typeset(trial: Trial) -> None:
    """A sign that is drawn again for each picture is one entry."""
    trial.ingest("episode.mp4")
    cues = trial.entries("episode")
    equal("entries", len(cues), 10)
    for sign in ("Harbour Office", "Closed on Sundays"):
        equal(sign, [(round(e.start_s), round(e.end_s)) for e in cues if sign in e.text], [(5, 25)])


def looped(trial: Trial) -> None:
    """A line that a speech model repeats does not fill the hits."""
    trial.ingest("seminar.mp4")
    trial.ingest("seminar-gaps.mp4")
    equal("entries of seminar", len(trial.entries("seminar")), 15)
    for query in ("please subscribe", "lorries on the bridge"):
        texts = [str(hit.subtitles) for hit in trial.hits(query, "seminar-gaps")]
        most = max((texts.count(text) for text in texts), default=0)
        holds(f"{query!r}: one text fills {most} of {len(texts)} hits", most <= 2)
    found = any("lorries" in str(hit.subtitles) for hit in trial.hits("bridge lorries", "seminar-gaps"))
    holds("the line on lorries is not found", found)


def same_times(trial: Trial) -> None:
    """Cues that share one span are all kept."""
    trial.ingest("vlog.mp4")
    equal("cues", len(trial.entries("vlog")), 7)


def subs_folder(trial: Trial) -> None:
    """A folder Subs beside the film is read, or named."""
    trial.ingest("Harbour.2025.1080p.mp4")
    if not trial.entries("Harbour.2025.1080p"):
        holds("Subs/ is not named", "Subs" in trial.said_of("Harbour.2025.1080p"))


def many_scripts(trial: Trial) -> None:
    """Words of scripts without spaces, with accents and prefixes are never called absent."""
    trial.ingest("")
    spoken = {
        "news-th": (("ซ่อม", 2.0), ("ประชุม", 22.0)),
        "news-tr": (("ışıklar", 22.0),),
        "news-ar": (("كتاب", 22.0),),
        "news-zh": (("预算", None),),
        "news-ja": (("会議", None),),
        "news-ko": (("회의", None),),
        "news-el": (("τρενο", None),),
        "strasse": (("Fussweg", None),),
    }
    for video, asked in spoken.items():
        for word, start_s in asked:
            reply = trial.ground(video, f'"{word}" is said')
            holds(f"{word} is {reply.verdict}: {reply.why}", reply.verdict != "absent")
            if reply.verdict == "present" and start_s is not None:
                near(word, (reply.spans or [])[0].start_s, start_s, 1.0)
    for query, video in (("τρενο", "news-el"), ("كتب", "koran-class")):
        holds(f"{query} is not found", bool(trial.hits(f'"{query}"', video)))
    equal("lines with किताब", len({hit.start_s for hit in trial.hits('"किताब"', "news-hi")}), 1)


def small_letters(trial: Trial) -> None:
    """Letters of 20 px on 2160p are never called absent, and coverage says why."""
    video = trial.ingest("desktop-4k.mp4", SEEN).video_id or ""
    reply = trial.ground(video, '"reconcile_ledger" is shown on screen')
    holds(f"{reply.verdict}: {reply.why}", reply.verdict != "absent")
    said = trial.said_of(video, "screen_text")
    holds(f"said of it: {said}", "px were not readable" in said)


def captions_in_pictures(trial: Trial) -> None:
    """Captions inside the pictures (CEA-608) are read, or named."""
    for name in ("broadcast.ts", "broadcast.mp4"):
        video = trial.ingest(name).video_id or ""
        cues = trial.entries(video)
        if not cues:
            holds(f"said of it: {trial.said_of(video)}", "CEA" in trial.said_of(video))
            continue
        equal("captions", len(cues), 3)
        for cue, (start_s, end_s) in zip(cues, ((1.6, 5.5), (6.6, 10.5), (11.6, 16.0)), strict=True):
            near("start", cue.start_s, start_s, 0.2)
            near("end", cue.end_s, end_s, 0.2)


def sparse_recording(trial: Trial) -> None:
    """Pictures behind the length that the header claims are read."""
    video = trial.ingest("recording.mp4", SEEN).video_id or ""
    near("length", trial.length_s(video), 240.0, 1.0)
    holds("not found at 170 s", any(abs(h.start_s - 170) < 3 for h in trial.hits("All tests passed", video)))
    other = trial.ingest("recording.mkv", SEEN).video_id or ""
    spans = [(h.start_s, h.end_s) for h in trial.hits("BUILD FAILED", other)]
    holds(f"BUILD FAILED at {spans}", any(abs(start - 43) < 3 for start, _ in spans))


def watermark(trial: Trial) -> None:
    """A logo and a running clock hide no heading."""
    video = trial.ingest("channel.mp4", SEEN).video_id or ""
    headings = ("Budget hearing", "Flood barrier plans", "School roof repair", "Ferry timetable", "Library opening")
    for number, heading in enumerate((*headings, "Tram line nine")):
        best = trial.hits(heading, video)[:1]
        holds(f"{heading} is not found", bool(best) and heading in str(best[0].screen_text))
        holds(f"{heading} at {best[0].start_s}", 30 * number - 1 <= best[0].start_s < 30 * number + 30)
    logo = [hit for hit in trial.hits("KANAL SIEBEN", video, limit=20) if "KANAL SIEBEN" in str(hit.screen_text)]
    holds(f"the logo fills {len(logo)} hits", 1 <= len(logo) <= 8)


def goes_on(trial: Trial) -> None:
    """Chapters of a GoPro are one recording, with its time."""
    trial.ingest("", SEEN)
    videos = trial.list().videos or []
    shown = {video.title: video.model_dump(exclude_none=True) for video in videos}
    for number in (1, 2, 3):
        row = shown.get(f"GX0{number}0417", {})
        holds(f"GX0{number}0417: {row}", f"part {number} of 3" in str(row.get("part_of", "")))
    holds("GX010418 is another recording", "part_of" not in shown["GX010418"])
    at = str(shown["GX010417"].get("recorded_at", ""))
    holds(f"recorded at {at!r}", at.startswith("2026-11-03T14:30:00"))


def joined_stream(trial: Trial) -> None:
    """Two recordings in one stream, whose clock starts again, are read to the end."""
    video = trial.ingest("reset.ts", SEEN).video_id or ""
    if abs(trial.length_s(video) - 40.0) > 1.0:
        raise Wrong(f"length {trial.length_s(video):g} s, right is 40 s")
    reply = trial.ground(video, '"30" is shown on screen')
    holds(f"{reply.verdict}: {reply.why}", reply.verdict != "absent")
    other = trial.ingest("jump.ts", SEEN).video_id or ""
    near("length of jump.ts", trial.length_s(other), 3620.0, 1.0)
    holds("its gap is not reported", any("no picture" in gap.why for gap in trial.library.store.gaps(other)))


def telemetry(trial: Trial) -> None:
    """A drone's readings are not taken for speech, and the reply says so."""
    trial.ingest("DJI_0417.MP4")
    cues = trial.entries("DJI_0417")
    holds(f"{len(cues)} entries", len(cues) <= 60)
    reply = trial.list("DJI_0417")
    holds("a title is telemetry", not any("SrtCnt" in episode.title for episode in reply.episodes or []))
    holds(f"said of it: {trial.said_of('DJI_0417')}", "DJI_0417.SRT" in trial.said_of("DJI_0417"))


def typescript(trial: Trial) -> None:
    """A folder of TypeScript (.ts) makes no rows of failed videos."""
    trial.ingest("", SEEN)
    reply = trial.list()
    equal("videos", [video.title for video in reply.videos or []], ["demo"])
    holds("failed rows", not any(video.error for video in reply.videos or []))
    equal("files not ingested", reply.not_ingested.count if reply.not_ingested else 0, 0)


def still_lecture(trial: Trial) -> None:
    """A film of three pictures keeps its length and spans."""
    video = trial.ingest("lecture-vfr.mp4", SEEN).video_id or ""
    near("length", trial.length_s(video), 170.4, 0.5)
    shown = {entry.text: entry for entry in trial.entries(video, "screen_text")}
    spans = [(text, round(one.start_s), round(one.end_s)) for text, one in shown.items()]
    for words, start_s, end_s in (("Terminal", 0, 42.4), ("BUILD FAILED", 42.4, 170.2), ("All tests passed", 170.2, 0)):
        standing = [one for text, one in shown.items() if words in text]
        holds(f"{words} in {spans}", len(standing) == 1)
        near(f"start of {words}", standing[0].start_s, start_s, 1.0)
        near(f"end of {words}", standing[0].end_s, end_s or 170.4, 1.0)


def identifiers(trial: Trial) -> None:
    """Letters of 14 px on 1080p are found."""
    video = trial.ingest("pairing-1080p.mp4", SEEN).video_id or ""
    shown = {
        **dict.fromkeys(("value_buffer", "config_render", "PaymentGatewayTimeout", "88143"), 0.0),
        **dict.fromkeys(("import_handler", "rollover-invoice"), 40.0),
    }
    for word, start_s in shown.items():
        holds(f"{word} is not found", any(abs(hit.start_s - start_s) < 3 for hit in trial.hits(f'"{word}"', video)))
        reply = trial.ground(video, f'"{word}" is shown on screen')
        equal(f"{word} ({reply.why})", reply.verdict, "present")


def large_library(trial: Trial) -> None:
    """`ls` of 400 videos shows them all."""
    for number in range(400):
        trial.library.store.add_video(f"{number:016x}", f"clip {number:03}", 1)
    listed = trial.command("ls")
    equal("lines of ls", sum("clip " in line for line in listed.splitlines()), 400)


def forgotten(trial: Trial) -> None:
    """After `rm` no sentence of the video stands in the file."""
    store, sentence = trial.library.store, "quokkasentence that nobody else says"
    for video in ("0" * 16, "1" * 16):
        store.add_video(video, f"film {video[0]}", 1)
        said = f"{sentence} {{}}" if video[0] == "0" else "another text {}"
        store.add_entries(video, "subtitles", "file", [EntryIn(n, n + 1, said.format(n)) for n in range(2_000)])
    held = trial.memory_bytes()
    holds("the sentence is not in the file to begin with", b"quokkasentence" in held)
    trial.command("rm", "film 0")
    left = trial.memory_bytes()
    holds("the sentence stands in the file", b"quokkasentence" not in left)
    holds(f"the file has {len(left)} bytes, before {len(held)}", len(left) < len(held))


def private_home(trial: Trial) -> None:
    """The data folder is for its owner alone."""
    trial.library.store.add_video("0" * 16, "film", 1)
    home = trial.settings.home
    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in (home, *home.rglob("*"))}
    folders = {path.name for path in (home, *home.rglob("*")) if path.is_dir()}
    equal("modes", modes, {name: "0o700" if name in folders else "0o600" for name in modes})


def usual_arguments(trial: Trial) -> None:
    """Times, nulls and addresses as models write them are taken, or told what works."""
    read = [(tool, read_arguments(tool, raw), raw) for tool, raw, _ in json.loads(trial.text("calls1.json"))]
    holds("an argument has a fault", not any(given.faults for _, given, _ in read))
    zoomed = [given.values for tool, given, _ in read if tool == "zoom_segment"]
    equal("times of zoom_segment", [(one["start_s"], one["end_s"]) for one in zoomed], [(7, 20)] * 2)
    nulls = [given.values for _, given, raw in read if None in raw.values()]
    equal("a call with nulls", nulls, [{"query": "pump seal"}])
    for source in (given.values["source"] for tool, given, _ in read if tool == "ingest_video"):
        refused = trial.refused(source)
        holds(f"{source}: {refused}", "allow" in refused or "Download" in refused)
        reads_pages = importlib.util.find_spec("yt_dlp") is not None  # only then the switch helps with a page
        holds(f"{source}: {refused}", "youtube" not in source or ("--allow-urls" in refused) == reads_pages)


def renamed_folder(trial: Trial) -> None:
    """A folder that was renamed: kept frames, and the same video at its new path."""
    video = trial.drawn("harbour.mp4")
    (trial.films / "harbour.srt").write_text(SPOKEN, "utf-8")
    first = trial.ingest(video, SEEN).video_id or ""
    moved = trial.films.rename(trial.films.with_name("moved"))
    holds("its words are not found", bool(trial.hits("kettle on the shelf")))
    shown = trial.zoom(first)
    holds(f"zoom shows {len(shown.pictures)} pictures and says {shown.facts}", bool(shown.pictures))
    holds(f"zoom says {shown.facts}", "kept" in json.dumps(shown.facts))
    with trial.allowing(moved) as again:
        equal("the video at its new path", again.ingest(video, SEEN).video_id, first)
        equal("videos", len(again.list().videos or []), 1)
        again.zoom(first)


def linked_folder(trial: Trial) -> None:
    """An allowed folder that is a link."""
    trial.drawn("harbour.mp4")
    link = trial.films.with_name("link")
    link.symlink_to(trial.films)
    with trial.allowing(link) as through:
        listed = through.list().not_ingested
        equal("files listed", listed.first if listed else [], ["harbour.mp4"])
        by_path = through.ingest("harbour.mp4", ("frames",)).video_id
        equal("by its bare name", ingest_video(through.library, "harbour.mp4", wait_s=0).video_id, by_path)


CHECKS: dict[str, Callable[[Trial], None]] = {
    "01-sdh-hi": hard_of_hearing,
    "03-speakers": speakers,
    "04-wallclock-srt": wall_clock,
    "06-srt-digits": srt_digits,
    "07-ytdlp-two-en": two_english,
    "09-other-formats": other_formats,
    "12-ass-typeset": typeset,
    "13-whisper-loop": looped,
    "14-same-times": same_times,
    "15-subs-folder": subs_folder,
    "16-multilingual": many_scripts,
    "22-cea608": captions_in_pictures,
    "23-sparse-screen-recording": sparse_recording,
    "24-4k-small-text": small_letters,
    "25-watermark": watermark,
    "27-gopro-chapters": goes_on,
    "30-thirty-hours": thirty_hours,
    "31-joined-stream": joined_stream,
    "33-drone-telemetry": telemetry,
    "34-typescript-folder": typescript,
    "35-mpdecimate-vfr": still_lecture,
    "36-ide-1080p": identifiers,
    "38-library-400": large_library,
    "39-forget": forgotten,
    "40-home-permissions": private_home,
    "41-wsl-and-time-arguments": usual_arguments,
    "42-frozen-worker": frozen_worker,
    "43-two-agents": two_agents,
    "44-replaced-while-read": replaced_file,
    "45-renamed-folder": renamed_folder,
    "47-linked-folder": linked_folder,
}
