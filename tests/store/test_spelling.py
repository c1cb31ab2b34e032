"""Spelling: what readers take for the same word is found, in the scripts that videos are subtitled in."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import apsw
import pytest

from agent_tools.home import STORE_FILE
from agent_tools.store import EntryIn, Store
from agent_tools.store.fts5 import AT_ONCE
from agent_tools.store.schema import MIGRATIONS
from agent_tools.store.spelling import fold, name_key, unhandled, words
from tests.store.conftest import WEEK

LINES = (
    "วันนี้เราจะพูดถึงการซ่อมปั๊มน้ำ",
    "ห้องประชุมอยู่ชั้นสอง",
    "ພວກເຮົາຈະປະຊຸມມື້ນີ້",
    "យើងនឹងជួសជុលស្នប់ទឹក",
    "ရေစုပ်စက် ပြင်ပြီးပြီ။",
    "İstanbul treni bugün gecikti.",
    "Işıklar söndü.",
    "Το τρένο άργησε σήμερα.",
    "Ο ΔΡΟΜΟΣ ΕΙΝΑΙ ΚΛΕΙΣΤΟΣ",
    "Der Fußweg ist gesperrt.",
    "كَتَبَ الطَّالِبُ الدَّرْسَ.",
    "والكتاب موجود على الطاولة.",
    "आज हम पानी के पंप की मरम्मत करेंगे।",
    "किताब मेज़ पर रखी है।",
    "בַּסֵּפֶר יֵשׁ דַּף",
    "Поезд ещё не пришёл.",
    "Máy bơm đã được sửa.",
    "오늘은 회의에서 예산을 이야기합니다.",
    "今日は会議で予算を話します。",
    "今天我们讨论预算。",
    "L'eau de l'étang est haute, œuvre de 2024.",
    "আজ আমরা পাম্প মেরামত করব।",
    "இன்று கூட்டம் உள்ளது.",
)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("ซ่อม", {0}), ("ประชุม", {1}), ("ปั๊ม", {0}), ("ຊຸມ", {2}), ("ស្នប់", {3}), ("စက်", {4}), ("ปลา", set()),
        ("ışıklar", {6}), ("IŞIKLAR", {6}), ("isiklar", {6}), ("istanbul", {5}), ("İSTANBUL", {5}),
        ("τρενο", {7}), ("ΤΡΈΝΟ", {7}), ("δρόμος", {8}), ("Fussweg", {9}), ("FUSSWEG", {9}), ("fußweg", {9}),
        ("كتب", {10}), ("طالب", {10}), ("كتاب", {11}), ("الكتاب", {11}), ("الطاولة", {11}), ("طاوله", {11}),
        ("किताब", {13}), ("पानी", {12}), ("मेज", {13}), ("मेज़", {13}), ("बैठक", set()),
        ("בספר", {14}), ("דף", {14}), ("еще", {15}), ("ПРИШЕЛ", {15}), ("duoc", {16}), ("được", {16}),
        ("회의", {17}), ("会議", {18}), ("预算", {19}), ("eau", {20}), ("etang", {20}), ("oeuvre", {20}),
        ("٢٠٢٤", {20}), ("পাম্প", {21}), ("কর", set()), ("கூட்டம்", {22}),
    ],
)  # fmt: skip
def test_a_word_is_found_in_its_line_alone(store: Store, word: str, expected: set[int]) -> None:
    store.add_entries(WEEK, "subtitles", "p", [EntryIn(n, n + 1, line) for n, line in enumerate(LINES)])
    for asked in (word, f'"{word}"', unicodedata.normalize("NFD", word)):
        assert {int(hit.entry.start_s) for hit in store.search_words(asked)} == expected, asked


@pytest.mark.parametrize("line", LINES)
def test_folding_twice_changes_nothing(line: str) -> None:
    assert fold(fold(line)) == fold(line)
    assert words(unicodedata.normalize("NFD", line)) == words(line)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Mitigation", ""), ("ซ่อม", ""), ("كتاب", ""), ("会議 KV", ""), ("2024", ""),
        ("💥", "no letters or digits"), ("...", "no letters or digits"), ("", "no letters or digits"),
        ("ᏣᎳᎩ", "Cherokee script"), ("𞤀𞤣", "Adlam script"), ("Bonn ᠮᠣᠩ", "Mongolian script"),
    ],
)  # fmt: skip
def test_words_that_could_be_missed_are_named_with_the_reason(text: str, why: str) -> None:
    assert why in unhandled(text)
    assert bool(why) == bool(unhandled(text))


def test_a_name_is_the_same_in_every_unicode_form_and_with_any_spaces() -> None:
    forms = ("Café  Réunion", "CAFÉ\u00a0RÉUNION", unicodedata.normalize("NFD", " café réunion "), "cafe reunion")
    assert len({name_key(form) for form in forms}) == 1


def test_a_video_is_found_by_its_name_however_it_is_typed(store: Store) -> None:
    store.add_source(WEEK, unicodedata.normalize("NFD", "/films/Räume  und Zeit.mp4"), 1, 1, 1)
    for name in ("Räume und Zeit", "raume und zeit.mp4", "RÄUME\tUND ZEIT", "Räume u"):
        assert [video.id for video in store.find_videos(name)] == [WEEK]


def test_the_index_of_an_older_home_is_made_again_when_it_is_opened(tmp_path: Path) -> None:
    count = 2 * AT_ONCE + 5
    with_words = Store.open(tmp_path)
    with_words.add_video(WEEK, "Week 3", 10)
    with_words.add_entries(WEEK, "speech", "p", [EntryIn(n, n + 1, f"การซ่อม {n}") for n in range(count)])
    with_words.close()
    old = apsw.Connection(str(tmp_path / STORE_FILE))  # as a program of the third version left it
    old.execute("DROP TABLE words")
    old.execute(
        "CREATE VIRTUAL TABLE words USING fts5(spaced, cjk, content='', contentless_delete=1, "
        "tokenize='porter unicode61 remove_diacritics 2')"
    )
    for later in ("tasks", "searches", "looks", "token_files", "token_parts", "workers", "packs"):
        old.execute(f"DROP TABLE {later}")
    old.execute("DROP INDEX memory_ends; ALTER TABLE jobs DROP COLUMN deaths; ALTER TABLE jobs DROP COLUMN died_at")
    old.execute("ALTER TABLE memories DROP COLUMN count")
    old.execute("PRAGMA user_version=3")
    old.close()
    opened = Store.open(tmp_path)
    try:
        assert len(opened.search_words("ซ่อม", limit=10_000)) == count
        assert [hit.entry.start_s for hit in opened.search_words(str(count - 1))] == [count - 1]
        with opened.db.read() as c:
            assert int(c.execute("PRAGMA user_version").get) == len(MIGRATIONS)
    finally:
        opened.close()
