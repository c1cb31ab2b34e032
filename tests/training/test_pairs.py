"""Pairs: near-duplicates, the file, and pairs out of a memory that hold what its rules promise."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent_tools.cli import app
from agent_tools.errors import EngineError, InvalidArgument
from agent_tools.store import EntryIn, Store
from agent_tools.training.library_pairs import LibraryRules, held_out_videos, library_pairs
from agent_tools.training.likeness import SAME, near_duplicates, telling_words, word_pairs
from agent_tools.training.pairs import Pair, Pairs, read_pairs

NOUNS = "barn canal delta engine ferry garden harbour island jetty kettle lantern mirror needle orchard pillar".split()
VERBS = "opens closes moves paints lifts turns hides breaks mends sells".split()


def sentence(rng: random.Random) -> str:
    return f"the {rng.choice(NOUNS)} {rng.choice(VERBS)} the {rng.choice(NOUNS)} near the {rng.choice(NOUNS)}"


def test_near_duplicates_equal_a_comparison_of_all_pairs() -> None:
    rng = random.Random(3)
    texts = [sentence(rng) for _ in range(300)]
    texts += [text.upper() + "!" for text in texts[::7]]
    texts += [" ".join(text.split() + ["today", "again"][: rng.randint(0, 2)]) for text in texts[::5]]
    sets = [word_pairs(text) for text in texts]
    slow: list[int] = []
    for place, own in enumerate(sets):
        heads = (one for one in range(place) if slow[one] == one)
        slow.append(next((h for h in heads if len(own & sets[h]) >= SAME * len(own | sets[h])), place))
    assert near_duplicates(texts) == slow
    assert len(set(slow)) < len(texts) - 50


def test_the_order_of_words_is_part_of_what_a_sentence_says() -> None:
    assert near_duplicates(
        ["a red disc above a blue box", "a blue box above a red disc", "A red disc above a blue box."]
    ) == [0, 1, 0]
    assert telling_words("the cat is on the mat") == {"cat", "mat"}


def test_a_file_of_pairs_is_read_as_it_was_written(tmp_path: Path) -> None:
    pairs = Pairs(
        (
            Pair("v1", "a dog runs", ((1.0, 2.5), (9.0, 10.0)), "train", "speech", "whisper@1", "CC BY 4.0", ("v2",)),
            Pair("v2", "a cat sits", (), "held_out"),
        ),
        "this memory: 2 videos",
        "2026-01-01",
        {"seed": 0},
    )
    pairs.write(tmp_path / "deep" / "pairs.json")
    read = read_pairs(tmp_path / "deep" / "pairs.json")
    assert read.pairs == pairs.pairs
    assert read.counts()["licences"] == {"CC BY 4.0": 1, "not known": 1}
    assert read.counts()["held_out"] == {"pairs": 1, "videos": 1}


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "pairs.json"
    target.mkdir()  # nobody can put a file over a folder
    with pytest.raises(EngineError, match="cannot be written"):
        Pairs((), "nothing").write(target)
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.json"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            '{"form": "agent-tools pairs 1", "pairs": [{"video": "a", "sentence": "b c", "spans": [[2, 1]]}]}',
            "item 0: key 'spans'",
        ),
        (
            '{"form": "agent-tools pairs 1", "pairs": [{"video": "a", "sentence": "b", "spans": [], "split": "dev"}]}',
            "must be train or held_out",
        ),
        ("not json", "line 1: not JSON"),
        ('[{"video": "a", "event": 3}]', "item 0"),
    ],
)
def test_a_wrong_file_is_told_with_its_place(tmp_path: Path, text: str, error: str) -> None:
    path = tmp_path / "pairs.json"
    path.write_text(text)
    with pytest.raises(InvalidArgument, match=error):
        read_pairs(path)


def test_a_file_that_is_not_there_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"gone\.json"):
        read_pairs(tmp_path / "gone.json")


def test_every_known_truth_file_gives_pairs(tmp_path: Path) -> None:
    path = tmp_path / "mad.json"
    row = {
        "movie": "10",
        "sentence": "She waves.",
        "timestamps": [5, 7],
        "ext_timestamps": [4, 8],
        "movie_duration": 99,
    }
    path.write_text(json.dumps({"1": row}))
    assert [(pair.video, pair.spans, pair.channel) for pair in read_pairs(path).pairs] == [("10", ((4.0, 8.0),), "mad")]
    path.write_text(
        '{"qid": 1, "query": "Intro", "vid": "abcdefghijk", "duration": 90, "relevant_windows": [[0, 9]]}\n'
    )
    assert read_pairs(path).pairs[0].video == "abcdefghijk"


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Store]:
    """Twelve videos: fifteen cues each, a formula in all, a slide, a repeated cue, and one sentence in two videos."""
    store, rng = Store.open(tmp_path / "home"), random.Random(0)
    for number in range(12):
        video = f"{number:012x}"
        store.add_video(video, f"film {number}", 1000)
        store.update_video(video, duration_s=600.0, metadata={"license": "CC0"} if number == 3 else {})
        cues = [EntryIn(20.0 * i, 20.0 * i + 5, sentence(rng)) for i in range(15)]
        cues += [EntryIn(590.0, 594.0, "thank you for watching this film"), EntryIn(400.0, 403.0, cues[2].text + "!")]
        if number < 2 or number == 7:
            cues.append(EntryIn(500.0, 504.0, "a comet crosses the western sky"))
        store.add_entries(video, "subtitles", "film.srt", cues)
        slide = EntryIn(100.0, 160.0, f"Harvest plan {number}\nok\nsowing wheat in rows")
        store.add_entries(video, "screen_text", "ocr@1", [slide, EntryIn(0.0, 550.0, "channel name here")])
    yield store
    store.close()


def test_pairs_of_a_memory_hold_their_rules(memory: Store) -> None:
    pairs = library_pairs(memory, LibraryRules(licence="my own"), made="2026-01-01")
    videos = {split: {pair.video for pair in pairs.of(split)} for split in ("train", "held_out")}
    assert (len(videos["train"]), len(videos["held_out"])) == (8, 4)
    assert not videos["train"] & videos["held_out"]
    assert not [pair for pair in pairs.pairs if "thank you" in pair.sentence or "channel name" in pair.sentence]
    assert pairs.left_out["said in 4 videos or more"] >= 12
    twice = [pair for pair in pairs.pairs if (400.0, 403.0) in pair.spans]
    assert len(twice) >= 10
    assert all((40.0, 45.0) in pair.spans for pair in twice)
    trained = [pair.sentence for pair in pairs.of("train")]
    both = near_duplicates(trained + [pair.sentence for pair in pairs.of("held_out")])
    assert all(first >= len(trained) for first in both[len(trained) :])
    assert {pair.licence for pair in pairs.pairs} == {"CC0", "my own"}
    assert {pair.channel for pair in pairs.pairs} == {"subtitles", "screen_text"}
    assert {pair.sentence for pair in pairs.pairs if pair.channel == "screen_text"} >= {"Harvest plan 5"}


def test_no_named_video_has_the_words_of_the_sentence(memory: Store) -> None:
    pairs = library_pairs(memory)
    texts = {row.id: [entry.text for entry in memory.entries(row.id)] for row in memory.videos()}
    checked = 0
    for pair in pairs.pairs:
        words = telling_words(pair.sentence)
        for video in pair.not_in:
            assert video != pair.video
            assert max(len(words & telling_words(text)) for text in texts[video]) < 0.75 * len(words)
            checked += 1
    assert checked > 100
    assert all(pair.not_in == () or len(pair.not_in) <= 4 for pair in pairs.pairs)


def test_the_same_seed_holds_the_same_videos_out_and_another_holds_others() -> None:
    videos = [f"{number:012x}" for number in range(30)]
    assert held_out_videos(videos, 1 / 3, 0) == held_out_videos(videos[::-1], 1 / 3, 0)
    assert held_out_videos(videos, 1 / 3, 0) != held_out_videos(videos, 1 / 3, 1)
    assert len(held_out_videos(videos[:2], 0.01, 0)) == 1
    assert len(held_out_videos(videos[:2], 0.99, 0)) == 1


def test_a_memory_of_one_video_is_too_little(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "home")
    store.add_video("a" * 12, "only", 10)
    store.add_entries("a" * 12, "subtitles", "s", [EntryIn(0, 2, "a dog runs home")])
    with pytest.raises(InvalidArgument, match="at least 2 are needed"):
        library_pairs(store)
    with pytest.raises(InvalidArgument, match="'frames' holds no sentences"):
        library_pairs(store, channels=["frames"])
    store.close()


def test_the_command_writes_the_pairs_of_a_memory_and_says_what_it_left_out(memory: Store, tmp_path: Path) -> None:
    memory.close()
    runner, out = CliRunner(), tmp_path / "pairs.json"
    given = ["train", "data", "--from-library", "--home", str(tmp_path / "home"), "--out", str(out)]
    done = runner.invoke(app, [*given, "--licence", "mine"])
    assert done.exit_code == 0, done.output
    read = read_pairs(out)
    assert f"held_out: {len(read.of('held_out'))} pairs of 4 videos" in done.output
    assert "said in 4 videos or more" in done.output
    assert json.loads(out.read_text())["rules"]["seed"] == 0
    marathon = tmp_path / "videomarathon.json"
    turns = [{"from": "human", "value": "What is there from 0:01 to 0:09?"}, {"from": "gpt", "value": "A dog runs."}]
    items = [{"video": f"{n}.mp4", "data_source": "ego4d", "conversations": turns} for n in range(3)]
    marathon.write_text(json.dumps(items))
    done = runner.invoke(app, ["train", "data", str(marathon), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert [pair.spans for pair in read_pairs(out).of("held_out")] == [((1.0, 9.0),)]
    done = runner.invoke(app, ["train", "data", "--out", str(out)])
    assert isinstance(done.exception, InvalidArgument)
