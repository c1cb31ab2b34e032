"""Training in a drawn world: an encoder, films, then tables of what each stage and each kind of data adds.

    python -m lab.train FOLDER [--json lab/measured/training.json]

No real image-text weights are used: the encoder is a small SigLIP trained here, the films are drawn. The films are
ingested, searched and grounded by the product. FOLDER keeps encoder, films and home; a second run goes on from them."""

from __future__ import annotations

import argparse
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
from lab.train.claims import claims, together
from lab.train.encoder import train_encoder
from lab.train.films import draw_film, ingest, truth_of
from lab.train.world import look_alike, paraphrases

ROWS: dict[str, dict[str, Any]] = {
    "all stages": {},
    "without 1-A (dense)": {"dense_steps": 0},
    "without 1-B (sparse)": {"sparse_steps": 0},
    "without 2 (hours)": {"hours_steps": 0},
    'without "not present"': {"not_present": 0.0},
}


MEMORIES = {
    "whole videos, with memory": MemaugSettings(0, 1),
    "whole videos, without memory": MemaugSettings(0, 1, memory=False),
    "short videos alone": MemaugSettings(1, 0),
    "short, then whole": MemaugSettings(1, 1),
}


@dataclass(frozen=True)
class Size:
    """How much is drawn and trained; the default takes about 20 minutes of one core."""

    minutes: tuple[int, ...] = (*[10] * 8, *[20] * 5, 60, 120)  # of the films, drawn in this order
    encoder_steps: int = 1500
    steps: tuple[int, int, int] = (600, 100, 100)  # of the adapter's stages
    memory_steps: int = 300  # of a memaug, in one stage or in two
    queries: int = 80  # present ones of one seed, half as many absent
    seeds: int = 3
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
        library = Library(settings(folder), by_hand=True)
        try:
            library_pairs(library.store, LibraryRules(), channels=("subtitles",), on_step=say).write(
                folder / "pairs.json"
            )
        finally:
            library.close()


def settings(folder: Path, *models: str) -> Settings:
    return Settings.load({}, home=folder / "home", profile="lite", models=(f"frames={folder / 'encoder'}", *models))


def held_out_queries(folder: Path, seed: int, most: int) -> list[report.Query]:
    """Paraphrases that people wrote, about held-out films: half as many absent as present, most of them look-alikes."""
    rng, patterns = random.Random(seed), paraphrases()
    library = Library(settings(folder), by_hand=True)
    try:
        ids = {row.title: row.id for row in library.store.videos()}
    finally:
        library.close()
    apart = {pair.video for pair in read_pairs(folder / "pairs.json").of("held_out")}
    present, absent = [], []
    for path in sorted((folder / "films").glob("*.mp4")):
        video = ids.get(path.stem) or ids[path.name]
        if video not in apart:
            continue
        events = truth_of(path)
        shown = {event.scene for event in events}
        for event in events:
            said = event.scene.paraphrased(patterns, rng)
            present.append(report.Query(said, video, ((event.start_s, event.end_s),)))
            other = look_alike(event.scene, rng)
            if other not in shown:
                absent.append(report.Query(other.paraphrased(patterns, rng), video, ()))
    return rng.sample(present, min(most, len(present))) + rng.sample(absent, min(most // 2, len(absent)))


def asked(folder: Path, queries: Sequence[report.Query], *models: str) -> list[report.Asked]:
    library = Library(settings(folder, *models), by_hand=True)
    try:
        library.models.picture_words(600)
        return report.ask(library, queries)
    finally:
        library.close()


def pooled(queries: Sequence[Sequence[report.Query]], answers: Sequence[Sequence[report.Asked]]) -> dict[str, Any]:
    """The figures of all seeds together, their intervals over all queries, and R@1 of each seed."""
    flat = [query for own in queries for query in own], [answer for own in answers for answer in own]
    each = [report.measured(q, a)["R1@0.3"]["value"] for q, a in zip(queries, answers, strict=True)]
    return {**report.measured(*flat), "R1@0.3 by seed": each}


def tables(folder: Path, size: Size, on_seed: Callable[[dict[str, Any]], None]) -> None:
    """All rows of one seed after the other; after each seed, on_seed gets the tables so far."""
    queries: list[list[report.Query]] = []
    answers: dict[str, list[list[report.Asked]]] = {name: [] for name in ("weightless pooling", *ROWS)}
    memories: dict[str, list[dict[str, Any]]] = {name: [] for name in MEMORIES}
    searched: list[dict[str, Any]] = []
    for seed in range(size.seeds):
        queries.append(held_out_queries(folder, seed, size.queries))
        answers["weightless pooling"].append(asked(folder, queries[seed]))
        for name, changed in ROWS.items():
            out = folder / "adapters" / f"{_plain(name)}-{seed}"
            if not (out / "report.json").is_file():
                recipes.train_adapter(
                    _job(folder, out, size, seed), replace(AdapterSettings(*size.steps), **changed), say
                )
            answers[name].append(asked(folder, queries[seed], f"adapter={out}"))
            say(f"seed {seed}, {name}: {json.dumps(report.measured(queries[seed], answers[name][seed]))}")
        library = Library(
            settings(folder, f"adapter={folder / 'adapters' / _plain(next(iter(ROWS)))}-{seed}"), by_hand=True
        )
        try:
            library.models.picture_words(600)
            searched.append(claims(library, queries[seed]))
        finally:
            library.close()
        say(f"seed {seed}, searches: {json.dumps(together(searched[-1:]))}")
        for name, kind in MEMORIES.items():
            out = folder / "memories" / f"{_plain(name)}-{seed}"
            if not (out / "report.json").is_file():
                steps = size.memory_steps // max(1, kind.short_steps + kind.long_steps)
                kind = replace(kind, short_steps=steps * kind.short_steps, long_steps=steps * kind.long_steps)
                job = replace(_job(folder, out, size, seed), queries=size.queries)
                recipes.train_memaug(replace(job, loop=replace(job.loop, batch=8)), kind, say)
            memories[name].append(json.loads((out / "report.json").read_text(encoding="utf-8"))["after"])
            say(f"seed {seed}, {name}: {json.dumps(memories[name][seed])}")
        on_seed(
            {
                "films": len(size.minutes),
                "hours": round(sum(size.minutes) / 60, 1),
                "pairs": read_pairs(folder / "pairs.json").counts(),
                "seeds": seed + 1,
                "size": asdict(size),
                "rows": {name: pooled(queries, own) for name, own in answers.items()},
                "searches": together(searched),
                "memories": {name: _together(own) for name, own in memories.items()},
            }
        )


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


def markdown(made: dict[str, Any]) -> str:
    lines = [
        f"{made['films']} drawn films, {made['hours']} hours, {made['pairs']['train']['pairs']} pairs to train on; "
        f"{made['seeds']} seeds; held-out films, asked by paraphrases that people wrote. No real image-text weights: "
        f"the encoder is a small SigLIP trained on the drawn world. `{made['command']}`, {made['date']}, "
        f"{made['cpu_s'] / 60:.0f} CPU minutes of one core.",
        "",
        "| | R@1 at IoU .3 | R@1 at IoU .5 | a span is named though the event is absent | R@1 at .3 by seed |",
        "|---|---|---|---|---|",
    ]
    for name, row in made["rows"].items():
        cells = [_cell(row[key]) for key in ("R1@0.3", "R1@0.5", "false_positives")]
        lines.append(f"| {name} | {' | '.join(cells)} | {_each(row['R1@0.3 by seed'])} |")
    lines += ["", f"The recursion read {made['searches']['frames_read']:.0%} of the frames.", ""]
    lines += ["| search with the adapter of all stages | R@1 at IoU .3 |", "|---|---|"]
    lines += [f"| {name} | {_cell(one)} |" for name, one in made["searches"]["R1@0.3"].items()]
    lines += [
        "",
        f"A memaug is right if its likeliest token is within 8 s of the span; {made['size']['memory_steps']} steps.",
        "",
        "| trained on | right, span forgotten | right, span kept | forgotten, by seed |",
        "|---|---|---|---|",
    ]
    for name, row in made["memories"].items():
        cells = [_cell(row[key]) for key in (FORGOTTEN, REMEMBERED)]
        lines.append(f"| {name} | {' | '.join(cells)} | {_each(row[FORGOTTEN]['by_seed'])} |")
    return "\n".join(lines)


def _each(values: Sequence[float]) -> str:
    return ", ".join(f"{one:.2f}" for one in values)


def _cell(value: dict[str, float] | None) -> str:
    return "-" if value is None else f"{value['value']:.2f} ({value['low']:.2f} to {value['high']:.2f})"


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
    parser.add_argument("--json", type=Path, help="write the figures here after each seed")
    given = parser.parse_args()
    size = Size(
        encoder_steps=given.encoder_steps, memory_steps=given.memory_steps, queries=given.queries, seeds=given.seeds
    )
    if given.minutes:
        size = replace(size, minutes=tuple(map(int, given.minutes.split(","))))
    if given.steps:
        dense, sparse, hours = map(int, given.steps.split(","))
        size = replace(size, steps=(dense, sparse, hours))
    torch.set_num_threads(1)
    begun, command = time.process_time(), " ".join(["python -m lab.train", *sys.argv[1:]])

    def on_seed(made: dict[str, Any]) -> None:
        made |= {"date": time.strftime("%Y-%m-%d"), "cpu_s": round(time.process_time() - begun), "command": command}
        if given.json:
            given.json.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
        sys.stdout.write(markdown(made) + "\n")
        sys.stdout.flush()

    prepare(given.folder, size)
    tables(given.folder, size, on_seed)


if __name__ == "__main__":
    main()
