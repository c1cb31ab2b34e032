"""The characters of a text file that does not say how they are encoded."""

from __future__ import annotations

import re

# The encodings of files that are not Unicode, by the language in their name; the likeliest first.
_OF_LANGUAGE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("pl", "cs", "sk", "hu", "hr", "sl", "ro", "sq"), ("cp1250",)),
    **dict.fromkeys(("ru", "uk", "bg", "mk", "sr", "kk"), ("cp1251", "koi8_r")),
    **dict.fromkeys(("ar", "fa"), ("cp1256",)),
    "el": ("cp1253",),
    "he": ("cp1255",),
    "ja": ("cp932", "euc_jp"),
    "ko": ("cp949",),
    "th": ("cp874",),
    "tr": ("cp1254",),
    "vi": ("cp1258",),
    "zh": ("gb18030", "big5"),
}
_NOT_LATIN = ("cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp874", "cp932", "euc_jp", "cp949", "gb18030", "big5")
_LATIN = "cp1252"
# Of the letters of a line; a line of Czech or Vietnamese has up to a third. A half of Japanese and Chinese is ASCII.
_BEYOND_ASCII = 0.45
_HIGH, _LETTER = re.compile(rb"[\x80-\xff]"), re.compile(rb"[\x80-\xffA-Za-z]")
_LOOKED_AT = 1 << 16  # bytes


def decode_text(data: bytes, language: str | None = None) -> str:
    """The characters of a text file.

    Tried in turn: its byte order mark, UTF-16, UTF-8, the language's old encodings; if no language is known and most
    letters are beyond ASCII, what its bytes are like; else cp1252."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    if (zeros := data[:2048].count(0)) > len(data[:2048]) // 5:
        even = data[:2048:2].count(0)
        return data.decode("utf-16-be" if even * 2 > zeros else "utf-16-le", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(_old_encoding(data, (language or "").split("-")[0]), "replace")


def _old_encoding(data: bytes, language: str) -> str:
    known = _OF_LANGUAGE.get(language, ())
    if len(known) == 1:
        return known[0]
    lines = b"\n".join(line for line in data.splitlines() if _HIGH.search(line))
    if not known and len(_HIGH.findall(lines)) < _BEYOND_ASCII * len(_LETTER.findall(lines)):
        return _LATIN  # a Latin alphabet with accents, and no way to tell which
    from charset_normalizer import from_bytes

    if len(lines) > _LOOKED_AT:
        lines = lines[:_LOOKED_AT].rpartition(b"\n")[0] or lines  # no letter is cut in two
    best = from_bytes(lines, cp_isolation=[*(known or _NOT_LATIN)]).best()
    return best.encoding if best is not None else (known or (_LATIN,))[0]
