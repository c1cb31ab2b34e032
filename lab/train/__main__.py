"""Training in a drawn world: an encoder, films, then tables of what each stage and each kind of data adds.

    python -m lab.train FOLDER [--json lab/measured/training.json]

No real image-text weights are used: the encoder is a small SigLIP trained here, the films are drawn. The films are
ingested, searched and grounded by the product. FOLDER keeps encoder, films and home; a second run goes on from them."""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from agent_tools.service.library.library import Library
from agent_tools.settings import Settings
from agent_tools.training import recipes, report
from agent_tools.training.adapter import AdapterSettings
from agent_tools.training.library_pairs import LibraryRules, library_pairs
from agent_tools.training.loop import LoopSettings
from agent_tools.training.memaug import FORGOTTEN, REMEMBERED, MemaugSettings
from agent_tools.training.pairs import read_pairs
from lab.train.claims import claims, peaks, together
from lab.train.encoder import train_encoder
from lab.train.figures import HeldOut, apart, measured, pooled
from lab.train.films import draw_film, ingest, truth_of
from lab.train.served import TRAINED, WEIGHTLESS, served
from lab.train.served import together as of_servers
from lab.train.tables import markdown
from lab.train.verdicts import CURVES, PEAK
from lab.train.world import look_alike, paraphrases, random_scene

WHOLE = "all stages"
SHORT = "short clips alone (1-A), as many steps"
ROWS: dict[str, dict[str, Any]] = {
    WHOLE: {},
    "without 1-A (dense)": {"dense_steps": 0},
    "without 1-B (sparse)": {"sparse_steps": 0},
    "without 2 (hours)": {"hours_steps": 0},
    'without "not present"': {"not_present": 0.0},
    SHORT: {"sparse_steps": 0, "hours_steps": 0},
}

_spent_until = [0.0]  # process time up to which _spent has counted
MEMORIES = {
    "whole videos, with memory": MemaugSettings(0, 1),
    "whole videos, without memory": MemaugSettings(0, 1, memory=False),
    "short videos alone": MemaugSettings(1, 0),
    "short, then whole": MemaugSettings(1, 1),
}
UNTRAINED = {  # the rule that a memaug starts at
    "whole videos, with memory": "no training, with memory",
    "whole videos, without memory": "no training, without memory",
}


@dataclass(frozen=True)
class Size:
    """How much is drawn and trained; the default takes about 20 minutes of one core."""

    minutes: tuple[int, ...] = (*[10] * 8, 20, 20, 30, 60, 60, 60, 360)  # of the films, drawn in this order
    encoder_steps: int = 900
    steps: tuple[int, int, int] = (120, 40, 40)  # of the adapter's stages
    memory_steps: int = 60  # of a memaug, in one stage or in two
    memory_rate: float = 1e-3
    memory_queries: int = 40  # of one seed, forgotten and kept
    queries: int = 24  # present ones of one seed, half as many of each kind of absent ones
    seeds: int = 3
    first: int | None = None  # only so many rows of adapters, and nothing else
    loop: LoopSettings = field(default_factory=lambda: LoopSettings(batch=24, rate=2e-3))


def prepare(folder: Path, size: Size) -> None:
    """Encoder, films, home and pairs; what is there already is kept."""
    if not (folder / "encoder" / "config.json").is_file():
        train_encoder(folder / "encoder", steps=size.encoder_steps, on_line=say)
    films = folder / "films"
    films.mkdir(parents=True, exist_ok=True)
    for number, minutes in enumerate(size.minutes):
        path = films / f"film {number:02}.mp4"
        if not path.with_suffix(".json").is_file():
            draw_film(path, 60 * minutes, 1000 + number)
    home = folder / "home"
    if not (folder / "pairs.json").is_file():
        say(f"drew {sum(size.minutes) / 60:.1f} h of films")
        ingest(home, films, folder / "encoder", say)
        _spent(folder)
        library = Library(settings(folder), by_hand=True)
        try:
            library_pairs(library.store, LibraryRules(), channels=("subtitles",), on_step=say).write(
                folder / "pairs.json"
            )
        finally:
            library.close()


def settings(folder: Path, *models: str) -> Settings:
    return Settings.load({}, home=folder / "home", profile="lite", models=(f"frames={folder / 'encoder'}", *models))


def held_out_queries(folder: Path, seed: int, most: int) -> HeldOut:
    """Of each kind of absent ones half as many as of present ones."""
    rng, patterns = random.Random(seed), paraphrases()
    library = Library(settings(folder), by_hand=True)
    try:
        ids = {row.title: row.id for row in library.store.videos()}
    finally:
        library.close()
    apart = {pair.video for pair in read_pairs(folder / "pairs.json").of("held_out")}
    kinds: dict[str, list[list[report.Query]]] = {"present": [], "alike": [], "other": []}  # of each film
    for path in sorted((folder / "films").glob("*.mp4")):
        video = ids.get(path.stem) or ids[path.name]
        if video not in apart:
            continue
        events = truth_of(path)
        shown = {event.scene for event in events}
        present, alike, other = [], [], []
        for event in rng.sample(events, min(most, len(events))):
            said = event.scene.paraphrased(patterns, rng)
            present.append(report.Query(said, video, ((event.start_s, event.end_s),)))
            for scene, found in ((look_alike(event.scene, rng), alike), (random_scene(rng), other)):
                if scene not in shown:
                    found.append(report.Query(scene.paraphrased(patterns, rng), video, ()))
        for kind, own in zip(kinds.values(), (present, alike, other), strict=True):
            kind.append(own)
    return HeldOut(
        *(_in_turn(kinds[kind], count) for kind, count in zip(kinds, (most, most // 2, most // 2), strict=True))
    )


def _in_turn(films: Sequence[list[report.Query]], most: int) -> list[report.Query]:
    """One query of each film in turn, so that a long film does not hide the short ones."""
    turns = [one for turn in itertools.zip_longest(*films) for one in turn if one is not None]
    return turns[:most]


def asked(folder: Path, name: str, seed: int, queries: HeldOut, *models: str) -> list[report.Asked]:
    """The answers of one row and seed; kept in a file, so that an interrupted run goes on behind them."""
    kept = folder / "answers" / f"{_plain(name)}-{seed}.json"
    if kept.is_file():
        return [report.Asked(**one) for one in json.loads(kept.read_text(encoding="utf-8"))]
    library = Library(settings(folder, *models), by_hand=True)
    try:
        library.models.picture_words(600)
        found = peaks(library, queries.all) if name == PEAK else report.ask(library, queries.all)
    finally:
        library.close()
    _keep(kept, [asdict(one) for one in found])
    _spent(folder)
    return found


def tables(folder: Path, size: Size, on_seed: Callable[[dict[str, Any]], None]) -> None:
    """All rows of one seed after the other; after each seed, on_seed gets the tables so far."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in (CURVES, PEAK, *ROWS)}
    memories: dict[str, list[dict[str, Any]]] = {name: [] for name in (*UNTRAINED.values(), *MEMORIES)}
    searched: list[dict[str, Any]] = []
    tool: list[dict[str, Any]] = []
    for seed in range(size.seeds):
        queries = held_out_queries(folder, seed, size.queries)
        for name in (CURVES, PEAK):
            answers = asked(folder, name, seed, queries)
            if name == CURVES:  # heights over the noise: an order alone, which the server reads so
                answers = [replace(one, score=one.score / (1 + one.score)) for one in answers]
            found[name].append(measured(queries, answers))
        for name, changed in list(ROWS.items())[: size.first]:
            out = folder / "adapters" / f"{_plain(name)}-{seed}"
            if not (out / "report.json").is_file():
                steps = (sum(size.steps), 0, 0) if name == SHORT else size.steps
                recipe = replace(AdapterSettings(*steps, most_frames=32, most_judged=30), **changed)
                recipes.train_adapter(_job(folder, out, size, seed), recipe, say)
            found[name].append(measured(queries, asked(folder, name, seed, queries, f"adapter={out}")))
            say(f"seed {seed}, {name}: {json.dumps(pooled(found[name][-1:], scored=False))}")
        if not size.first:
            searched.append(_claims(folder, seed, queries))
            tool.append(_served(folder, seed, queries))
            say(f"seed {seed}, searches: {json.dumps(together(searched[-1:]))}")
        for name, kind in () if size.first else MEMORIES.items():
            out = folder / "memories" / f"{_plain(name)}-{seed}"
            if not (out / "report.json").is_file():
                steps = size.memory_steps // max(1, kind.short_steps + kind.long_steps)
                kind = replace(kind, short_steps=steps * kind.short_steps, long_steps=steps * kind.long_steps)
                job = replace(_job(folder, out, size, seed), queries=size.memory_queries)
                recipes.train_memaug(replace(job, loop=replace(job.loop, batch=8, rate=size.memory_rate)), kind, say)
            made = json.loads((out / "report.json").read_text(encoding="utf-8"))
            memories[name].append(made["after"])
            if untrained := UNTRAINED.get(name):
                memories[untrained].append(made["before"])
            say(f"seed {seed}, {name}: {json.dumps(memories[name][seed])}")
        on_seed(
            {
                "cpu_s": round(_spent(folder)),
                "films": len(size.minutes),
                "hours": round(sum(size.minutes) / 60, 1),
                "pairs": read_pairs(folder / "pairs.json").counts(),
                "seeds": seed + 1,
                "size": asdict(size),
                "asked": {
                    name: sum(len(own[name]) for own in found[CURVES]) for name in ("R@1 at 0.3", "named, alike")
                },
                "rows": {name: pooled(own, scored=name != PEAK) for name, own in found.items() if own},
                "apart": {name: apart(own, found[WHOLE]) for name, own in found.items() if own and name != WHOLE},
                "searches": together(searched) if searched else None,
                "served": of_servers(tool) if tool else None,
                "memories": {name: _together(own) for name, own in memories.items() if own},
            }
        )


def _claims(folder: Path, seed: int, queries: HeldOut) -> dict[str, Any]:
    kept = folder / "answers" / f"searches-{seed}.json"
    if not kept.is_file():
        library = Library(settings(folder, _trained(folder, seed)), by_hand=True)
        try:
            library.models.picture_words(600)
            _keep(kept, claims(library, queries.present))
        finally:
            library.close()
    made: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return made


def _served(folder: Path, seed: int, queries: HeldOut) -> dict[str, Any]:
    kept = folder / "answers" / f"served-{seed}.json"
    if not kept.is_file():
        frames = f"frames={folder / 'encoder'}"
        models = {WEIGHTLESS: (frames,), TRAINED: (frames, _trained(folder, seed))}
        _keep(kept, served(folder / "home", folder / "served" / str(seed), queries.present, models, say))
        _spent(folder)
    made: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return made


def _trained(folder: Path, seed: int) -> str:
    return f"adapter={folder / 'adapters' / f'{_plain(WHOLE)}-{seed}'}"


def _spent(folder: Path) -> float:
    """CPU seconds of all runs so far, but for what an interrupted one did behind its last kept answer."""
    kept = folder / "cpu_s.json"
    before = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else 0.0
    now = time.process_time()
    total = float(before) + now - _spent_until[0]
    _keep(kept, total)
    _spent_until[0] = now
    return total


def _keep(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(value), encoding="utf-8")
    new.replace(path)


def _job(folder: Path, out: Path, size: Size, seed: int) -> recipes.Job:
    return recipes.Job(settings(folder), folder / "pairs.json", out, replace(size.loop, seed=seed), queries=0)


def _plain(name: str) -> str:
    return "".join(char if char.isalnum() else "-" for char in name)


def _together(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The shares of all seeds together, and each seed's."""
    made: dict[str, Any] = {"queries": sum(one["queries"] for one in found)}
    for name in (FORGOTTEN, REMEMBERED):
        right = [round(one[name]["value"] * one["queries"]) for one in found]
        every = [True] * sum(right) + [False] * (made["queries"] - sum(right))
        made[name] = {**(report.share(every) or {}), "by_seed": [one[name]["value"] for one in found]}
    return made


def say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.train", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=Size.seeds)
    parser.add_argument("--minutes", help="lengths of the films, with commas")
    parser.add_argument("--encoder-steps", type=int, default=Size.encoder_steps)
    parser.add_argument("--steps", help="of the adapter's three stages, with commas")
    parser.add_argument("--memory-steps", type=int, default=Size.memory_steps)
    parser.add_argument("--queries", type=int, default=Size.queries)
    parser.add_argument("--first", type=int, help="only the first so many rows of adapters, and nothing else")
    parser.add_argument("--json", type=Path, help="write the figures here after each seed")
    given = parser.parse_args()
    size = Size(
        encoder_steps=given.encoder_steps,
        memory_steps=given.memory_steps,
        queries=given.queries,
        seeds=given.seeds,
        first=given.first,
    )
    if given.minutes:
        size = replace(size, minutes=tuple(map(int, given.minutes.split(","))))
    if given.steps:
        dense, sparse, hours = map(int, given.steps.split(","))
        size = replace(size, steps=(dense, sparse, hours))
    torch.set_num_threads(1)
    shown = [name for name in vars(given) if name not in ("folder", "json") and getattr(given, name) is not None]
    flags = [f"--{name.replace('_', '-')} {getattr(given, name)}" for name in shown]
    command = " ".join(["python -m lab.train FOLDER", *flags])

    def on_seed(made: dict[str, Any]) -> None:
        made |= {"date": time.strftime("%Y-%m-%d"), "command": command}
        if given.json:
            given.json.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
        sys.stdout.write(markdown(made) + "\n")
        sys.stdout.flush()

    prepare(given.folder, size)
    tables(given.folder, size, on_seed)


if __name__ == "__main__":
    main()
