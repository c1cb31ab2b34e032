"""Training in a drawn world: an encoder, films, then tables of what each stage and each kind of data adds.

    python -m lab.train FOLDER [--seeds 3] [--json lab/measured/training.json]

No real image-text weights are used: the encoder is a small SigLIP trained here, the films are drawn. The films are
ingested, searched and grounded by the product. FOLDER keeps encoder, films and home; a second run goes on from them."""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agent_tools.service.library.library import Library
from agent_tools.settings import Settings
from agent_tools.training import recipes, report
from agent_tools.training.adapter import AdapterSettings
from agent_tools.training.library_pairs import LibraryRules, library_pairs
from agent_tools.training.loop import LoopSettings
from agent_tools.training.pairs import read_pairs
from lab.train.encoder import train_encoder
from lab.train.films import draw_film, ingest, truth_of
from lab.train.world import look_alike, paraphrases

MINUTES = (*[10] * 8, *[20] * 5, 60, 120)  # of the films, drawn in this order
QUERIES = 80  # present ones of a table, half as many absent
STEPS = AdapterSettings(dense_steps=600, sparse_steps=100, hours_steps=100)
LOOP = LoopSettings(batch=24, rate=2e-3)
ROWS = {
    "all stages": {},
    "without 1-A (dense)": {"dense_steps": 0},
    "without 1-B (sparse)": {"sparse_steps": 0},
    "without 2 (hours)": {"hours_steps": 0},
    'without "not present"': {"not_present": 0.0},
}


def prepare(folder: Path) -> Path:
    """Encoder, films, home and pairs; what is there already is kept. Gives the home."""
    if not (folder / "encoder" / "config.json").is_file():
        train_encoder(folder / "encoder", on_line=say)
    films = folder / "films"
    films.mkdir(parents=True, exist_ok=True)
    for number, minutes in enumerate(MINUTES):
        path = films / f"film {number:02}.mp4"
        if not path.with_suffix(".json").is_file():
            draw_film(path, 60 * minutes, 1000 + number)
    home = folder / "home"
    if not (folder / "pairs.json").is_file():
        say(f"drew {sum(MINUTES) / 60:.1f} h of films")
        ingest(home, films, folder / "encoder", say)
        library = Library(settings(folder), by_hand=True)
        try:
            library_pairs(library.store, LibraryRules(), channels=("subtitles",), on_step=say).write(
                folder / "pairs.json"
            )
        finally:
            library.close()
    return home


def settings(folder: Path, *models: str) -> Settings:
    return Settings.load({}, home=folder / "home", profile="lite", models=(f"frames={folder / 'encoder'}", *models))


def held_out_queries(folder: Path, seed: int) -> list[report.Query]:
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
    return rng.sample(present, min(QUERIES, len(present))) + rng.sample(absent, min(QUERIES // 2, len(absent)))


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


def tables(folder: Path, seeds: int) -> dict[str, Any]:
    queries = [held_out_queries(folder, seed) for seed in range(seeds)]
    plain = [asked(folder, own) for own in queries]
    rows = {"weightless pooling": pooled(queries, plain)}
    say(f"weightless pooling: {json.dumps(rows['weightless pooling'])}")
    for name, changed in ROWS.items():
        answers = []
        for seed in range(seeds):
            out = folder / "adapters" / f"{''.join(c if c.isalnum() else '-' for c in name)}-{seed}"
            if not (out / "report.json").is_file():
                job = recipes.Job(settings(folder), folder / "pairs.json", out, replace(LOOP, seed=seed), queries=0)
                recipes.train_adapter(job, replace(STEPS, **changed), say)
            answers.append(asked(folder, queries[seed], f"adapter={out}"))
        rows[name] = pooled(queries, answers)
        (folder / "rows.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
        say(f"{name}: {json.dumps(rows[name])}")
    return {
        "films": len(MINUTES),
        "hours": round(sum(MINUTES) / 60, 1),
        "pairs": read_pairs(folder / "pairs.json").counts(),
        "seeds": seeds,
        "steps": [STEPS.dense_steps, STEPS.sparse_steps, STEPS.hours_steps],
        "rows": rows,
    }


def markdown(made: dict[str, Any]) -> str:
    lines = [
        f"{made['films']} drawn films, {made['hours']} hours, {made['pairs']['train']['pairs']} pairs to train on; "
        f"{made['seeds']} seeds; held-out films, asked by paraphrases that people wrote. No real image-text weights: "
        f"the encoder is a small SigLIP trained on the drawn world. `python -m lab.train`, {made['date']}, "
        f"{made['cpu_s'] / 60:.0f} CPU minutes of one core.",
        "",
        "| | R@1 at IoU .3 | R@1 at IoU .5 | a span is named though the event is absent | R@1 at .3 by seed |",
        "|---|---|---|---|---|",
    ]
    for name, row in made["rows"].items():
        cells = [_cell(row[key]) for key in ("R1@0.3", "R1@0.5", "false_positives")]
        lines.append(f"| {name} | {' | '.join(cells)} | {', '.join(f'{one:.2f}' for one in row['R1@0.3 by seed'])} |")
    return "\n".join(lines)


def _cell(value: dict[str, float] | None) -> str:
    return "-" if value is None else f"{value['value']:.2f} ({value['low']:.2f} to {value['high']:.2f})"


def say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.train", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = parser.parse_args()
    torch.set_num_threads(1)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    np.seterr(all="raise", under="ignore")
    begun = time.process_time()
    prepare(given.folder)
    made = tables(given.folder, given.seeds) | {"date": time.strftime("%Y-%m-%d")}
    made["cpu_s"] = round(time.process_time() - begun)
    if given.json:
        given.json.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(markdown(made) + "\n")


if __name__ == "__main__":
    main()
