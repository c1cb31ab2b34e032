"""An hour with seven voices in it, ingested by lite without subtitles, and asked about in four languages.

    python -m lab.bench.spoken_hour [--videos FOLDER] [--minutes 60]

Three real recordings and sentences by espeak-ng (Debian: espeak-ng) stand between silence, noise and a tune. The hour
is assembled: cuts are easier to hear than a natural hour's. Events that nobody speaks of must never be present."""

from __future__ import annotations

import argparse
import contextlib
import io
import resource
import subprocess
import tempfile
import time
import wave
from pathlib import Path
from unittest.mock import patch

import av
import numpy as np

from agent_tools.ingestion.worker import work
from agent_tools.media import audio, probe
from agent_tools.models.speech import RATE
from agent_tools.service.ground_event import ground_event
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.library.workers import Workers
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.settings import Settings
from lab.bench.inventions import SECONDS, drawn
from lab.bench.rows import emit
from lab.bench.speech import VIDEOS

LANGUAGES = ("en", "de", "ko", "es")
# What is said, and the same question in each of LANGUAGES; a file of VIDEOS, or a sentence with its espeak-ng voice.
SAID: tuple[tuple[str, str, tuple[str, str, str, str]], ...] = (
    (
        "edge/wc_jfk.wav",
        "",
        (
            "what can you do for your nation",
            "Was kannst du für dein Land tun?",
            "나라를 위해 무엇을 할 수 있는가",
            "¿Qué puedes hacer por tu país?",
        ),
    ),
    (
        "dev/nasa_webb_mirror.mp4",
        "",
        (
            "a clean room for a space telescope",
            "ein Reinraum für ein Weltraumteleskop",
            "우주 망원경을 위한 청정실",
            "una sala limpia para un telescopio espacial",
        ),
    ),
    (
        "dev/sonnet_speech.mp3",
        "",
        (
            "being an enemy to yourself",
            "sein eigener Feind sein",
            "자기 자신의 적이 되는 것",
            "ser tu propio enemigo",
        ),
    ),
    (
        "The committee will meet again on Tuesday to decide who pays for the new bridge.",
        "en-us",
        ("who pays for the bridge", "Wer bezahlt die Brücke?", "다리 비용은 누가 내나요?", "¿Quién paga el puente?"),
    ),
    (
        "The water in the cellar came from a broken pipe behind the kitchen.",
        "en-gb",
        (
            "why was the basement wet",
            "Warum war Wasser im Keller?",
            "지하실에 왜 물이 있었나요?",
            "¿Por qué había agua en el sótano?",
        ),
    ),
    (
        "Our train leaves at half past nine from platform four.",
        "en-us-nyc",
        (
            "when does the train depart",
            "Wann fährt der Zug ab?",
            "기차는 언제 출발하나요?",
            "¿Cuándo sale el tren?",
        ),
    ),
    (
        "The doctor told her to drink more water and to sleep for eight hours.",
        "en-gb-scotland",
        (
            "medical advice about sleep",
            "Was hat der Arzt ihr geraten?",
            "의사가 그녀에게 무엇을 권했나요?",
            "¿Qué le aconsejó el médico?",
        ),
    ),
)  # fmt: skip
NOT_SAID = (
    *("a dog bites a postman", "the price of gold falls", "a recipe for onion soup", "snow closes the mountain pass"),
    *("the captain of the ship is arrested", "a password is changed", "a violin at a wedding", "a tooth is pulled"),
    *("ein Hund beißt den Briefträger", "der Goldpreis fällt", "ein Rezept für Zwiebelsuppe", "Schnee sperrt den Pass"),
    *(
        "der Kapitän wird verhaftet",
        "ein Passwort wird geändert",
        "eine Geige auf der Hochzeit",
        "ein Zahn wird gezogen",
    ),
    *("개가 우체부를 물다", "금값이 떨어지다", "양파 수프 요리법", "눈이 산길을 막다"),
    *("선장이 체포되다", "비밀번호를 바꾸다", "결혼식의 바이올린", "이를 뽑다"),
    *(
        "un perro muerde al cartero",
        "el precio del oro baja",
        "una receta de sopa de cebolla",
        "la nieve cierra el paso",
    ),
    *("detienen al capitán del barco", "se cambia una contraseña", "un violín en una boda", "se saca una muela"),
)
QUOTED = (
    *("what your country can do for you", "my fellow Americans", "Space Telescope", "clean rooms", "fairest creatures"),
    *("who pays for the new bridge", "a broken pipe behind the kitchen", "half past nine", "drink more water"),
)
BETWEEN = ("silence", "brown noise", "a tune with drums", "faint white noise")


def sound(what: str, voice: str, videos: Path) -> np.ndarray:
    """Samples (n,) float32 at 16 kHz: of a file, or of a sentence that espeak-ng says."""
    if not voice:
        return np.concatenate([block.samples for block in audio(probe(videos / what))])
    spoken = subprocess.run(
        ["espeak-ng", "-v", voice, "-s", "150", "--stdout"], input=what.encode(), capture_output=True, check=True
    )
    with av.open(io.BytesIO(spoken.stdout)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        parts = []
        for frame in (*container.decode(audio=0), None):
            if frame is not None:
                frame.pts = None
            parts += [one.to_ndarray().reshape(-1) for one in resampler.resample(frame)]
    return np.concatenate(parts).astype(np.float32)


def assemble(path: Path, videos: Path, minutes: float) -> list[tuple[float, float]]:
    """Write the hour as a WAV file; the span in which each of SAID is said."""
    size = round(minutes * 60 * RATE)
    fillers = drawn()
    whole = np.zeros(size, np.float32)
    for number, begin in enumerate(range(0, size, SECONDS * RATE)):
        piece = fillers[BETWEEN[number % len(BETWEEN)]][: size - begin]
        whole[begin : begin + len(piece)] = piece
    spans = []
    for number, (what, voice, _) in enumerate(SAID):
        samples = sound(what, voice, videos)
        begin = round(size * (number + 0.5) / len(SAID))
        pause = RATE  # a second of silence around each voice
        whole[begin - pause : begin + len(samples) + pause] = 0.0
        whole[begin : begin + len(samples)] = samples
        spans.append((begin / RATE, (begin + len(samples)) / RATE))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((whole.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return spans


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--videos", type=Path, default=VIDEOS)
    parser.add_argument("--minutes", type=float, default=60.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        spans = assemble(path, asked.videos, asked.minutes)
        settings = Settings.load(
            {}, home=Path(folder) / "home", allow=(Path(folder),), profile="lite", models=("text=routed",)
        )
        with (
            contextlib.closing(Library(settings)) as library,
            patch.object(Workers, "ensure", lambda self, store: False),
        ):
            ingest_video(library, str(path), wait_s=0)
            begun = time.process_time()
            work(settings)
            cpu_s = time.process_time() - begun
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
            _report(library, spans, asked.minutes, cpu_s, peak_mb)


def _report(library: Library, spans: list[tuple[float, float]], minutes: float, cpu_s: float, peak_mb: float) -> None:
    assert library.models.text(120) is not None
    (video,) = library.store.videos()
    heard = library.store.entries(video.id, channels=("speech",))
    spoken_s = sum(end - start for start, end in spans)
    emit(
        f"{minutes:g} minutes with {len(SAID)} voices, {spoken_s:.0f} s of speech: an ingest by lite",
        ours=f"{cpu_s:.0f} CPU s, peak {peak_mb:.0f} MB, {len(heard)} entries",
        entries=[(e.start_s, e.end_s, e.text) for e in heard],
    )
    for place, language in enumerate(LANGUAGES):
        ranks = [_rank(library, said[2][place], span) for said, span in zip(SAID, spans, strict=True)]
        emit(
            f"{len(ranks)} questions in {language} about what is said",
            ours=f"first {sum(rank == 1 for rank in ranks)}, among five {sum(0 < rank <= 5 for rank in ranks)}",
            ranks=ranks,
        )
    quoted = [f"the speaker says '{words}'" for words in QUOTED]
    for what, events, goal in (
        ("events that nobody speaks of, by meaning", list(NOT_SAID), "0 present"),
        ("quotations that nobody says", [f"the speaker says '{words}'" for words in NOT_SAID], "0 present"),
        ("quotations that somebody says", quoted, "-"),
    ):
        verdicts = [ground_event(library, event=event, video_id=video.id) for event in events]
        counts = {name: sum(v.verdict == name for v in verdicts) for name in ("present", "absent", "uncertain")}
        emit(
            f"{len(events)} {what}",
            ours=", ".join(f"{count} {name}" for name, count in counts.items()),
            goal=goal,
            reached=None if goal == "-" else counts["present"] == 0,
            told=[
                (event, v.verdict, v.why, [s.model_dump() for s in v.spans or ()][:1])
                for event, v in zip(events, verdicts, strict=True)
            ],
        )


def _rank(library: Library, question: str, span: tuple[float, float]) -> int:
    """The place of the first hit that overlaps the span; 0 if there is none among ten."""
    hits = retrieve_memory(library, SearchRequest(query=question, limit=10, max_tokens=8000), wait_s=60).hits
    return next((hit.rank for hit in hits if hit.start_s < span[1] and hit.end_s > span[0]), 0)


if __name__ == "__main__":
    main()
