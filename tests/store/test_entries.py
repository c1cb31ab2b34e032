"""Entries: stored once, read in time order, findable by every kind of word."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_tools.store import EntryIn, Store
from tests.store.conftest import TALK, WEEK


def add(store: Store, *texts: str, video_id: str = WEEK, channel: str = "speech") -> list[int]:
    return store.add_entries(video_id, channel, "p", [EntryIn(n, n + 1, text) for n, text in enumerate(texts)])


def found(store: Store, query: str) -> set[str]:
    return {hit.entry.text for hit in store.search_words(query)}


def test_an_entry_is_stored_once_and_ids_come_in_input_order(store: Store) -> None:
    given = [EntryIn(1, 2, "b"), EntryIn(0, 1, "a"), EntryIn(1, 2, "b")]
    ids = store.add_entries(WEEK, "speech", "p", given)
    assert ids[0] == ids[2] != ids[1]
    assert store.add_entries(WEEK, "speech", "p", given) == ids
    assert store.add_entries(WEEK, "speech", "p", [EntryIn(1.0001, 2, "b")]) == ids[:1]  # the same millisecond
    assert len(store.entries(WEEK)) == 2
    for channel, producer, entry in (
        ("captions", "p", given[0]),
        ("speech", "q", given[0]),
        ("speech", "p", EntryIn(1, 2.5, "b")),
        ("speech", "p", EntryIn(1, 2, "B")),
    ):
        assert store.add_entries(WEEK, channel, producer, [entry])[0] not in ids
    assert len(store.entries(WEEK)) == 6


def test_what_is_put_is_read_back(store: Store) -> None:
    entry = EntryIn(12.345678, 13.5, "KV-Cache \ud800 für 한국어\x00!", {"box": [0.1, 0.2], "note": None})
    (number,) = store.add_entries(WEEK, "screen_text", "ocr@1/2", [entry])
    (read,) = store.entries_by_id([number])
    assert (read.start_s, read.end_s, read.extra) == (12.345678, 13.5, entry.extra)
    assert read.text == "KV-Cache ? für 한국어\ufffd!"
    assert (read.video_id, read.channel, read.producer) == (WEEK, "screen_text", "ocr@1/2")


def test_entries_are_those_that_overlap_in_time_order(store: Store) -> None:
    spans = [(10.0, 20.0), (0.0, 5.0), (5.0, 5.0), (15.0, 30.0)]
    store.add_entries(WEEK, "speech", "p", [EntryIn(a, b, f"{a}") for a, b in spans])
    store.add_entries(WEEK, "captions", "p", [EntryIn(0, 100, "long")])

    def starts(start_s: float, end_s: float) -> list[float]:
        return [entry.start_s for entry in store.entries(WEEK, channels=["speech"], start_s=start_s, end_s=end_s)]

    assert starts(0, math.inf) == [0, 5, 10, 15]
    assert starts(5, 10) == [5]
    assert starts(5.5, 10) == []
    assert starts(19.9, 20) == [10, 15]
    assert starts(20, 99) == [15]
    assert len(store.entries(WEEK)) == 5
    assert len(store.entries(WEEK, channels=["captions", "notes"])) == 1
    assert store.entries(WEEK, channels=[]) == []


def test_entries_by_id_come_as_asked_without_those_that_are_gone(store: Store) -> None:
    a, b = add(store, "a", "b")
    assert [entry.id for entry in store.entries_by_id([b, 999, a])] == [b, a]


@pytest.mark.parametrize("span", [(2.0, 1.0), (math.nan, 1.0), (0.0, math.inf)])
def test_a_span_that_is_none_is_refused(span: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="not a span"):
        EntryIn(*span, "x")


def test_deleted_entries_are_found_no_more(store: Store) -> None:
    ids = add(store, "one wolf", "two wolves")
    add(store, "three wolf cubs", channel="captions")
    store.put_vectors("m@1/1|text", WEEK, ids, [[1.0, 0.0]] * 2)  # type: ignore[arg-type]  # a list is read as rows
    store.delete_entries(WEEK, "speech", "another producer")
    assert len(store.entries(WEEK)) == 3
    store.delete_entries(WEEK, "speech")
    assert found(store, "wolf") == {"three wolf cubs"}
    assert store.nearest("m@1/1|text", [1.0, 0.0]) == []  # type: ignore[arg-type]  # as above
    assert store.integrity_check() == "ok"


def test_pending_text_is_what_has_no_vector_in_that_space(store: Store) -> None:
    ids = add(store, *"abcde")
    add(store, "other video", video_id=TALK)
    assert [entry.id for entry in store.pending_text(WEEK, "m@1/1|text", limit=3)] == ids[:3]
    store.put_vectors("m@1/1|text", WEEK, ids[:4], [[1.0, 0.0]] * 4)  # type: ignore[arg-type]  # a list is read as rows
    assert [entry.id for entry in store.pending_text(WEEK, "m@1/1|text")] == ids[4:]
    assert [entry.id for entry in store.pending_text(WEEK, "n@1/1|text")] == ids
    note, _ = store.add_note(WEEK, 0, 1, "a wolf", "claude", None)
    assert [entry.extra["note"] for entry in store.pending_text(WEEK, "n@1/1|text", limit=1, only="notes")] == [
        note.number
    ]
    assert [entry.id for entry in store.pending_text(WEEK, "n@1/1|text", apart="notes")] == ids


def test_stems_diacritics_and_letter_case_do_not_count(store: Store) -> None:
    add(store, "The connections were Naïve", "A connecting café", "nothing here")
    assert found(store, "connect") == {"The connections were Naïve", "A connecting café"}
    assert found(store, "NAIVE") == {"The connections were Naïve"}
    assert found(store, "cafe") == {"A connecting café"}
    assert found(store, "ｃａｆｅ") == {"A connecting café"}  # full width


def test_any_word_finds_and_the_rarer_word_ranks(store: Store) -> None:
    add(store, "the cat sat", "the dog sat", "the wolf sat", "the cat ran")
    hits = store.search_words("the wolf cat")
    assert [hit.entry.text for hit in hits[:1]] == ["the wolf sat"]
    assert len(hits) == 4
    assert all(a.bm25 >= b.bm25 > 0 for a, b in itertools.pairwise(hits))
    assert hits[0].terms == ("the", "wolf")


def test_idf_is_the_share_of_the_query_an_entry_answers(store: Store) -> None:
    add(store, *["the cat sat"] * 1, *[f"the dog {n}" for n in range(30)], "the wolf came")
    (whole,) = (hit for hit in store.search_words("the wolf") if "wolf" in hit.terms)
    assert whole.idf == pytest.approx(1.0)
    common = next(hit for hit in store.search_words("the wolf") if "wolf" not in hit.terms)
    assert common.idf < 0.05
    (half,) = store.search_words("wolf zebra")
    assert half.terms == ("wolf",)
    assert 0.3 < half.idf < 0.5  # the word nobody says weighs most


def test_idf_is_that_of_the_searched_videos(store: Store) -> None:
    add(store, *[f"attention {n}" for n in range(20)], "cache here", video_id=WEEK)
    add(store, *[f"other {n}" for n in range(200)], video_id=TALK)
    narrow = next(hit for hit in store.search_words("attention cache", video_ids=[WEEK]) if "cache" not in hit.terms)
    wide = next(hit for hit in store.search_words("attention cache") if "cache" not in hit.terms)
    assert narrow.idf < 0.1 < wide.idf


def test_quoted_words_count_as_a_phrase_only(store: Store) -> None:
    add(store, "the KV cache keeps keys", "a cache of KV pairs", "nothing")
    assert found(store, '"kv cache"') == {"the KV cache keeps keys"}
    assert found(store, "“KV cache”") == {"the KV cache keeps keys"}
    assert found(store, "kv cache") == {"the KV cache keeps keys", "a cache of KV pairs"}
    assert found(store, '"cache kv"') == set()
    hits = {hit.entry.text: hit.terms for hit in store.search_words('"kv cache" pairs')}
    assert hits == {"the KV cache keeps keys": ('"kv cache"',), "a cache of KV pairs": ("pairs",)}


def test_a_phrase_may_mix_scripts(store: Store) -> None:
    add(store, "이것은 KV 캐시 cache 입니다", "캐시 cache KV 입니다")
    assert found(store, '"kv 캐시 cache"') == {"이것은 KV 캐시 cache 입니다"}
    assert found(store, '"캐시 cache"') == {"이것은 KV 캐시 cache 입니다", "캐시 cache KV 입니다"}


def test_filters_narrow_the_search(store: Store) -> None:
    add(store, *["wolf"] * 1, *[f"wolf {n}" for n in range(1, 10)])
    add(store, "wolf elsewhere", video_id=TALK)
    add(store, "wolf on a slide", channel="screen_text")
    assert len(store.search_words("wolf")) == 12
    assert len(store.search_words("wolf", video_ids=[TALK])) == 1
    assert store.search_words("wolf", video_ids=[]) == []
    assert len(store.search_words("wolf", channels=["screen_text"])) == 1
    assert {hit.entry.start_s for hit in store.search_words("wolf", video_ids=[WEEK], start_s=3, end_s=5)} == {3, 4}
    assert len(store.search_words("wolf", limit=4)) == 4
    assert store.search_words("wolf", limit=0) == []


def test_words_of_most_entries_change_nothing_in_a_large_library(store: Store) -> None:
    store.add_entries(WEEK, "speech", "p", [EntryIn(n, n + 1, f"the thing number{n}") for n in range(1200)])
    hits = store.search_words("the number77", limit=10)
    assert [(hit.entry.text, hit.terms) for hit in hits] == [("the thing number77", ("the", "number77"))]
    assert len(store.search_words("the thing", limit=10)) == 10


CJK = {
    "ko": "오늘은 트랜스포머의 주의 집중과 기억 장치를 배웁니다",
    "zh": "今天我们学习机器学习中的记忆与注意力机制",
    "ja": "今日はキャッシュと長期記憶の仕組みを食べるように学びます",
    "mixed": "GPT模型의 메모리とメモリ",
}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        # one character
        ("주", {"ko"}), ("억", {"ko"}), ("学", {"zh", "ja"}), ("力", {"zh"}), ("食", {"ja"}), ("猫", set()),
        ("빵", set()), ("と", {"ja", "mixed"}), ("中", {"zh"}), ("의", {"ko", "mixed"}),
        # two
        ("기억", {"ko"}), ("집중", {"ko"}), ("장치", {"ko"}), ("억기", set()), ("중기", set()), ("记忆", {"zh"}),
        ("忆记", set()), ("学习", {"zh"}), ("記憶", {"ja"}), ("仕組", {"ja"}), ("모델", set()), ("模型", {"mixed"}),
        ("今天", {"zh"}), ("今日", {"ja"}), ("食べ", {"ja"}),
        # three
        ("메모리", {"mixed"}), ("メモリ", {"mixed"}), ("ﾒﾓﾘ", {"mixed"}), ("注意力", {"zh"}), ("力意注", set()),
        ("長期記", {"ja"}), ("트랜스", {"ko"}), ("트랜포", set()), ("机器学", {"zh"}), ("学器机", set()),
        ("억장치", set()), ("食べる", {"ja"}), ("べる食", set()),
        # more: pairs of a sentence without spaces count one by one, quoted ones as a whole
        ("트랜스포머", {"ko"}), ("长期记忆", {"zh"}), ('"注意力机制"', {"zh"}), ('"注意力机构"', set()),
        ('"기억 장치"', {"ko"}), ('"기억장치"', set()), ("キャッシュ", {"ja"}), ("GPT模型", {"mixed"}),
        ("gpt", {"mixed"}),
    ],
)  # fmt: skip
def test_korean_chinese_and_japanese_words_of_any_length_are_found(store: Store, word: str, expected: set[str]) -> None:
    add(store, *CJK.values())
    names = {text: name for name, text in CJK.items()}
    assert {names[text] for text in found(store, word)} == expected


HOSTILE = [
    '"', '""', '"""', "'", "''", "*", "a*", "^a", "a NEAR b", "NEAR(a b, 5)", "a AND", "AND", "OR OR OR", "NOT a",
    "NOT", "spaced:a", "cjk : b", "{spaced cjk}: a", "-a", "+", "a + b", "(", ")", "((a)", ";", "--", "/* */ a",
    "a\x00b", "\x00", "a" * 5000, "a " * 5000, '"a ' * 500, "(" * 500, "\ud800", "💥", "​", "\u202ea",
    "%s %d {} {0}", "'; DROP TABLE entries; --", '" OR 1=1 --', "机" * 3000, '"机" AND', "가" + "\u1100" * 50, "NULL",
    "rowid:1", "bm25(words)", "rank", "\t\n\r", "…", "ﬁ ½ ① Ⅷ", "É" * 300, "\U000e0041", "a" + "\u0301" * 500,
]  # fmt: skip


@pytest.mark.parametrize("query", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_queries_are_plain_text(store: Store, query: str) -> None:
    add(store, "a b c", "机器 가", "NEAR NOT and or", query)
    for hit in store.search_words(query):
        assert hit.terms
        assert 0 < hit.idf <= 1


def test_operators_are_words(store: Store) -> None:
    add(store, "near the end", "not here", "far away", "and so on")
    assert found(store, "NEAR") == {"near the end"}
    assert found(store, "far NOT away") == {"far away", "not here"}
    assert found(store, "spaced:far") == {"far away"}
    assert found(store, "f*") == set()


TEXT = st.text(st.characters() | st.sampled_from(list("\"*^():{}+-'ab 机器학습カナ")), max_size=60)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXT, TEXT)
def test_any_text_can_be_stored_and_any_text_can_be_asked(store: Store, text: str, query: str) -> None:
    (number,) = store.add_entries(WEEK, "speech", "p", [EntryIn(0, 1, text)])
    for hit in store.search_words(query):
        assert hit.terms
        assert 0 < hit.idf <= 1 + 1e-9
        assert hit.bm25 > 0
    own = store.search_words(text, limit=10_000)
    assert not own or number in {hit.entry.id for hit in own}  # what has words finds itself
