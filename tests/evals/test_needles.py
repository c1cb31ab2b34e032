"""Multi-hop needles: the file's form, the drawn haystack, and the agent against a test double and the real server."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from mcp import Client
from PIL import Image
from typer.testing import CliRunner

from agent_tools.errors import InvalidArgument
from agent_tools.evals.commands import eval_app
from agent_tools.evals.films.demo_story import Scene, tell
from agent_tools.evals.films.needle_video import APART_S, NEEDLE_S, needle_card, places, write_haystack
from agent_tools.evals.needles.items import (
    Item,
    constant_letters,
    draw_needles,
    options,
    read_items,
    shuffled,
    write_items,
)
from agent_tools.evals.needles.needles import (
    MOST_CALLS,
    MOST_TOKENS,
    PUBLISHED,
    HiddenChain,
    ask,
    guessing,
    markdown,
    run_needles,
    splice,
)
from agent_tools.media import probe, read_subtitles, sample
from tests.evals.fake_server import FakeLibrary, build

QUESTION = (
    "Find the frame of two cats on a wall{stop} Locate the final frame based on the instructions in the image, and "
    "choose the captions that best describe the frame: \nOptions: (A) A plate with (some) food \n(B) a horse.\n"
    "(C) a boat, and a pier\n(D) two men\nOnly give the best option. Best option: ("
)


def in_the_original_form(answer1: str = "B", answer2: str = "D", stop: str = ".") -> dict[str, Any]:
    """Six images: two clue frames, the final one, a wrong path of three; names as in the file."""
    return {
        "images": [
            "multi/niah_70_5_COCO_val2014_000000220871.jpg",
            "multi/niah_70_4_COCO_val2014_000000350505.jpg",
            "multi/COCO_val2014_000000037814.jpg",
            "multi/niah_70_6_COCO_val2014_000000037988.jpg",
            "multi/niah_70_2_COCO_val2014_000000350505.jpg",
            "multi/niah_70_1_COCO_val2014_000000198775.jpg",
        ],
        "question1": QUESTION.format(stop=stop),
        "answer1": answer1,
        "question2": QUESTION.format(stop=stop),
        "answer2": answer2,
    }


def file_of(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(rows))
    return path


# -- the file's form


@pytest.mark.parametrize("stop", [".", "", "?"])
def test_original_file_is_read_as_it_is(tmp_path: Path, stop: str) -> None:
    (item,) = read_items(file_of(tmp_path / "multi.json", [in_the_original_form(stop=stop)]))
    assert item.hops == 2
    assert [name.split("_")[2] if "niah" in name else "final" for name in item.chain] == ["1", "2", "final"]
    assert item.described.startswith("two cats on a wall")
    assert options(item.question1) == {
        "A": "A plate with (some) food",
        "B": "a horse.",
        "C": "a boat, and a pier",
        "D": "two men",
    }


@pytest.mark.parametrize(
    "broken",
    [
        {"answer1": "E"},
        {"answer2": "(B)"},
        {"question1": "Find it."},
        {"images": ["multi/COCO_val2014_000000037814.jpg", "multi/niah_7_3_x.jpg"]},
        {"images": "multi/niah_7_3_x.jpg"},
        {"question2": None},
    ],
)
def test_file_that_does_not_hold_together_is_refused_by_name(tmp_path: Path, broken: dict[str, Any]) -> None:
    path = file_of(tmp_path / "multi.json", [in_the_original_form() | broken])
    with pytest.raises(InvalidArgument, match=r"multi\.json, item 0"):
        read_items(path)


def test_items_are_written_as_they_are_read(tmp_path: Path) -> None:
    items = [needle.item for needle in draw_needles(3, 3, random.Random(0))]
    write_items(tmp_path / "drawn.json", items)
    assert read_items(tmp_path / "drawn.json") == items


def test_shuffling_moves_the_letter_and_not_the_answer(tmp_path: Path) -> None:
    (item,) = read_items(file_of(tmp_path / "multi.json", [in_the_original_form()]))
    letters = set()
    for seed in range(20):
        mixed = shuffled(item, random.Random(seed))
        assert options(mixed.question1)[mixed.answer1] == "a horse."
        assert options(mixed.question2)[mixed.answer2] == "two men"
        assert mixed.described == item.described
        letters.add(mixed.answer1)
    assert letters == set("ABCD")


def test_constant_letters_are_the_best_single_letter_and_the_best_pair() -> None:
    def item(one: str, two: str) -> Item:
        return Item((), "", one, "", two)

    items = [item("B", "A"), item("B", "D"), item("B", "D"), item("A", "A"), item("C", "A")]
    assert constant_letters(items) == {"cap": 0.6, "qa": 0.6, "both": 0.4}


def test_guessing_names_the_published_figures_beside_the_files(tmp_path: Path) -> None:
    path = file_of(tmp_path / "multi.json", [in_the_original_form(), in_the_original_form("B", "A")])
    told = guessing(read_items(path), [0, 1])
    assert "2 items: 2 with 2 hops" in told
    assert "| as in the file | 100% | 50% | 50% |" in told
    assert PUBLISHED in told
    shown = CliRunner().invoke(eval_app, ["needles", "--items", str(path), "--seeds", "0,1"])
    assert shown.exit_code == 0
    assert shown.stdout.strip() == told.strip()


# -- drawn needles


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_drawn_chain_leads_to_the_final_card_and_the_wrong_path_elsewhere(hops: int) -> None:
    for needle in draw_needles(4, hops, random.Random(hops)):
        assert tuple(card.image for card in needle.chain) == needle.item.chain
        assert len(needle.item.images) == hops + 4
        by_name = {card.name: card for card in needle.cards}
        card = next(card for card in needle.cards if card.caption == needle.item.described)
        for _ in range(hops):
            card = by_name[card.follows]
        assert not card.follows
        assert options(needle.item.question1)[needle.item.answer1] == card.caption
        assert options(needle.item.question2)[needle.item.answer2] == card.number


def test_needles_share_no_name_and_no_caption_with_those_before() -> None:
    first = draw_needles(3, 3, random.Random(0))
    both = first + draw_needles(3, 3, random.Random(1), before=first)
    cards = [card for needle in both for card in needle.cards]
    assert len({card.name for card in cards}) == len({card.caption for card in cards}) == len(cards)
    assert len({card.image for card in cards}) == len(cards)


@pytest.mark.parametrize(("depths", "frames"), [([0.1, 0.5, 0.9], 1000), ([0.0, 1.0], 200), ([0.5] * 5, 300)])
def test_needles_lie_apart_within_the_video_and_the_last_of_a_chain_at_its_depth(
    depths: list[float], frames: int
) -> None:
    chains = [[f"{chain}-{n}" for n in range(7)] for chain in range(len(depths))]
    placed = places(chains, depths, frames, random.Random(0))
    spans = {one.image: one.span for one in placed}
    assert len(spans) == 7 * len(depths)
    ordered = sorted(spans.values())
    assert ordered[0].start_s >= 0
    assert ordered[-1].end_s <= frames
    assert all(span.length_s == NEEDLE_S for span in ordered)
    assert all(b.start_s - a.end_s >= APART_S for a, b in pairwise(ordered))
    for chain, depth in enumerate(depths):
        assert abs(spans[f"{chain}-6"].start_s - depth * (frames - NEEDLE_S)) <= frames * 0.15


def test_needles_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="do not fit"):
        places([[str(n) for n in range(20)]], [0.5], 100, random.Random(0))


def test_haystack_shows_each_needle_in_its_place_and_keeps_its_subtitles(tmp_path: Path) -> None:
    path = tmp_path / "hay.mp4"
    pictures = {name: needle_card((f"Card {name}",)) for name in ("one", "two", "three")}
    placed = places([["one", "two", "three"]], [0.5], 64, random.Random(0))
    write_haystack(path, 64, pictures, placed, seed=3)
    opened = probe(path)
    seen = {shown.k: shown.picture.rgb(640, 360).astype(int) for shown in sample(opened, fps=1.0)}
    assert len(seen) == 64
    for second, picture in seen.items():
        here = [one.image for one in placed if one.span.start_s <= second < one.span.end_s]
        alike = [name for name, card in pictures.items() if np.abs(picture - card).mean() < 6]
        assert (here[0] in alike) if here else not alike
    assert read_subtitles(opened)[0].kind == "sidecar"


def test_a_files_own_pictures_go_into_a_haystack_of_the_users_own(tmp_path: Path) -> None:
    row = in_the_original_form()
    (tmp_path / "multi").mkdir()
    for number, name in enumerate(row["images"]):
        Image.new("RGB", (50 + number, 80), (40 * number, 0, 200)).save(tmp_path / name)
    own = tmp_path / "own.mp4"
    write_haystack(own, 60, {}, [], seed=1)
    out = tmp_path / "spliced.mp4"
    found = splice(read_items(file_of(tmp_path / "f.json", [row])), tmp_path, out, 90, haystack=own)
    assert {needle["image"] for needle in found["needles"]} == set(row["images"])
    assert sum(1 for _ in sample(probe(out), fps=1.0)) == 90
    with pytest.raises(InvalidArgument, match="not a readable picture"):
        splice(read_items(tmp_path / "f.json"), tmp_path / "nowhere", out, 90)


# -- the agent


def asked_of_a_double(seed: int, hops: int = 3, without: int | None = None) -> tuple[dict[str, Any], HiddenChain]:
    """A chain among two others in a story of ten minutes, against the test double; `without` leaves a card out."""
    needles = draw_needles(3, hops, random.Random(seed))
    chains = [[card.image for card in needle.cards if card is not needle.chain[-1]] for needle in needles]
    for chain, needle in zip(chains, needles, strict=True):
        chain.append(needle.chain[-1].image)
    placed = {one.image: one.span for one in places(chains, [0.1, 0.5, 0.9], 600, random.Random(seed))}
    cards = {card.image: card for needle in needles for card in needle.cards}
    lost = needles[0].chain[without].image if without is not None else ""
    story = tell(seed, 600.0)
    scenes = [
        Scene(span.start_s, span.end_s, "item", cards[image].lines, "light", 0)
        for image, span in placed.items()
        if image != lost
    ]
    library = FakeLibrary(replace(story, scenes=(*story.scenes, *scenes)), polls=0)
    one = HiddenChain(needles[0], shuffled(needles[0].item, random.Random(seed)), 0.1, seed, placed)

    async def run() -> dict[str, Any]:
        async with Client(build(library)) as client:
            return await ask(client, Path("hay.mp4"), one)

    return anyio.run(run), one


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("hops", [1, 3])
def test_agent_follows_the_chain_and_answers_both_questions(seed: int, hops: int) -> None:
    found, _ = asked_of_a_double(seed, hops)
    assert found["hops"] == 1.0
    assert found["cap"]
    assert found["qa"]
    assert found["calls"] <= MOST_CALLS


@pytest.mark.parametrize(("without", "share"), [(0, 0.0), (2, 0.5), (3, 0.75)])
def test_agent_without_a_card_has_no_letters_and_only_the_hops_before(without: int, share: float) -> None:
    found, _ = asked_of_a_double(1, without=without)
    assert found["hops"] == share
    assert not found["cap"]
    assert not found["qa"]


def test_table_shows_each_depth_and_the_constant_letters() -> None:
    chain = {"depth": 0.5, "seed": 0, "hops": 1.0, "cap": True, "qa": False, "calls": 6, "tokens": 2824, "seconds": 0.4}
    length = {"frames": 1000, "ingest_s": 60.0, "chains": [chain], "constant": {"cap": 0.3, "qa": 0.3, "both": 0.1}}
    table = markdown({"hops": 3, "depths": [0.5], "seeds": [0], "lengths": [length]})
    assert "| 1,000 | 0.5 | 1 | 100% | 100% | 0% | 0% | 6 | 2,824 | 0.4 |" in table
    assert "| 1,000 | best constant letters | 1 | - | 30% | 30% | 10% | 0 | 0 | - |" in table
    assert PUBLISHED in table


@pytest.mark.slow
def test_chain_is_followed_through_the_real_server_within_its_calls_and_tokens() -> None:
    report = run_needles(lengths=(120,), depths=(0.5,), seeds=(0,))
    (chain,) = report["lengths"][0]["chains"]
    assert chain["hops"] == 1.0
    assert chain["cap"]
    assert chain["qa"]
    assert chain["calls"] <= MOST_CALLS
    assert chain["tokens"] <= MOST_TOKENS
