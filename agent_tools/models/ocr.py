"""Reads the text on a picture: RapidOCR with the PP-OCR models inside its package, on one thread.

Each model file is named by its path, so RapidOCR never looks for one on the network. Text upside down is not turned:
the direction classifier costs .27 s per picture."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agent_tools.errors import ModelMissing, ShapeError
from agent_tools.models.hub.weights import package_folder
from agent_tools.models.readable import LONG_SIDE
from agent_tools.models.seen_lines import SeenLine, SeenLines
from agent_tools.models.small_lines import Strip, small_lines
from agent_tools.untrusted import clean

if TYPE_CHECKING:
    from numpy.typing import NDArray

REMEDY = "Install it with its models (31 MB) with: pip install --force-reinstall 'rapidocr>=3.10,<4'"
DETECTED_SIDE = 960  # px: a picture up to this size is searched for text as it is; see lab/bench/ocr_speed.py
MIN_SIDE = 8  # px; a thinner picture holds no letter
MAX_ASPECT = 4  # long side over short side; a longer strip is padded
MIN_SCORE = 0.6  # of a line, 0..1; a lower score is mostly texture read as text
DOUBTFUL_SCORE = 0.35  # a line of DOUBTFUL_LETTERS with so much is kept: words that are looked for may stand there
DOUBTFUL_LETTERS = 5
MIN_SCORE_SHORT = 0.9  # of a line with one letter or digit: PP-OCR reads edges in photographs as letters (up to .86)
SAME_ROW = 0.5  # two boxes are in one row if they share this part of the lower one's height
WORD_GAP = 1.5  # in heights: with a smaller gap two boxes of a row are one line, with a larger gap two columns


@dataclass(frozen=True)
class OcrLine:
    """One line of text: cleaned text, confidence 0..1, box (x0, y0, x1, y1) in 0..1 of width and height."""

    text: str
    score: float
    box: tuple[float, float, float, float]


class RapidOcr:
    """PP-OCRv6 small, detection and recognition. Loads at the first picture. Not safe for two threads at once."""

    producer = "rapidocr-3-ppocrv6-small@bundled/3"

    def __init__(self, *, threads: int = 1) -> None:
        """Raises: ModelMissing: rapidocr or one of its model files is not installed."""
        package = package_folder("rapidocr")
        if package is None:
            raise ModelMissing(f"The package rapidocr is not installed. {REMEDY}")
        self._detector = _bundled(package / "models", "PP-OCRv6_det_small.onnx")
        self._recognizer = _bundled(package / "models", "PP-OCRv6_rec_small.onnx")
        self._threads = threads
        self._engine: Any = None

    def read(self, rgb: NDArray[np.uint8]) -> list[OcrLine]:
        """The lines of a picture (H, W, 3) in reading order: rows from the top, in a row from the left. Behind them
        stand those of a low score, which are probably misread.

        Raises: ShapeError: not (H, W, 3)."""
        if rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
            raise ShapeError(f"A picture is (height, width, 3), not {rgb.shape}.")
        import cv2

        height, width = rgb.shape[:2]
        if min(height, width) < MIN_SIDE:
            return []
        scale = LONG_SIDE / max(height, width)
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
            width, height = size
        if self._engine is None:
            self._engine = self._load()
        answer = self._engine(_padded(rgb[..., ::-1]), use_cls=False)
        found: list[tuple[NDArray[Any], str, float]] = []
        if getattr(answer, "boxes", None) is not None and getattr(answer, "txts", None) is not None:
            found = list(zip(answer.boxes, answer.txts, answer.scores, strict=True))
        found += self._small(rgb, [_strip(corners) for corners, _, _ in found])
        lines, doubtful = list[OcrLine](), list[OcrLine]()
        for corners, text, score in found:
            cleaned = clean(text)
            letters = sum(map(str.isalnum, cleaned))
            (x0, y0), (x1, y1) = corners.min(0), corners.max(0)
            box = (_share(x0, width), _share(y0, height), _share(x1, width), _share(y1, height))
            if letters and score >= (MIN_SCORE_SHORT if letters == 1 else MIN_SCORE):
                lines.append(OcrLine(cleaned, float(score), box))
            elif letters >= DOUBTFUL_LETTERS and score >= DOUBTFUL_SCORE:
                doubtful.append(OcrLine(cleaned, float(score), box))
        return [*reading_order(lines, width / height), *doubtful]

    def _small(self, rgb: NDArray[np.uint8], taken: Sequence[Strip]) -> list[tuple[NDArray[Any], str, float]]:
        """Corners, text and score of the lines in letters too small for the detector."""
        import cv2

        strips = small_lines(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False), taken)
        if not strips:
            return []
        crops = [np.ascontiguousarray(rgb[y0:y1, x0:x1, ::-1]) for x0, y0, x1, y1 in strips]
        answer = self._engine.recognize_txt(crops)
        return [
            (np.array([(x0, y0), (x1, y1)]), text, float(score))
            for (x0, y0, x1, y1), text, score in zip(strips, answer.txts, answer.scores, strict=True)
        ]

    def _load(self) -> Any:
        import cv2
        import onnxruntime
        from rapidocr import RapidOCR

        class Remembering(RapidOCR):
            """Recognises a crop only if none that looks the same was recognised before."""

            def recognize_txt(self, img: list[NDArray[np.uint8]]) -> Any:
                return _recognised(super().recognize_txt, img, seen)

        seen = SeenLines()
        cv2.setNumThreads(self._threads)
        onnxruntime.disable_telemetry_events()
        return Remembering(
            params={
                "Global.log_level": "critical",
                "Global.use_cls": False,
                "Global.text_score": DOUBTFUL_SCORE,
                "Det.model_path": str(self._detector),
                # Its default enlarges a picture until its shorter side has 736 px: 3.7 times the time, no word more.
                "Det.limit_type": "max",
                "Det.limit_side_len": DETECTED_SIDE,
                "Rec.model_path": str(self._recognizer),
                "EngineConfig.onnxruntime.intra_op_num_threads": self._threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": self._threads,
            }
        )


def _recognised(
    recognise: Callable[[list[NDArray[np.uint8]]], Any], crops: list[NDArray[np.uint8]], seen: SeenLines
) -> Any:
    """RapidOCR's result for the crops, of which it gets only those that were not seen before."""
    found = [seen.find(crop) for crop in crops]
    fresh = [place for place, line in enumerate(found) if line is None]
    if fresh:
        answer = recognise([crops[place] for place in fresh])
        for place, text, score in zip(fresh, answer.txts, answer.scores, strict=True):
            found[place] = SeenLine(text, float(score))
            seen.add(crops[place], SeenLine(text, float(score)))
    else:
        from rapidocr.ch_ppocr_rec.typings import TextRecOutput

        answer = TextRecOutput()
    lines = [line for line in found if line is not None]
    return replace(
        answer,
        imgs=crops,
        txts=tuple(line.text for line in lines),
        scores=tuple(line.score for line in lines),
        word_results=(None,) * len(lines),
    )


def reading_order(lines: Sequence[OcrLine], aspect: float) -> list[OcrLine]:
    """The lines in reading order: rows from the top, in a row from the left; close neighbours in a row become one line.

    Args:
        aspect: width / height of the picture, to measure both axes of the boxes in the same unit.
    """
    rows: list[list[OcrLine]] = []
    for line in sorted(lines, key=lambda part: (part.box[1] + part.box[3], part.box[0])):
        row = next((row for row in reversed(rows) if _shared_height(row[-1], line) >= SAME_ROW), None)
        if row is None:
            rows.append([line])
        else:
            row.append(line)
    ordered: list[OcrLine] = []
    for row in rows:
        row.sort(key=lambda part: part.box[0])
        run = [row[0]]
        for line in row[1:]:
            gap = (line.box[0] - run[-1].box[2]) * aspect
            if gap <= WORD_GAP * min(_height(line), _height(run[-1])):
                run.append(line)
            else:
                ordered.append(_joined(run))
                run = [line]
        ordered.append(_joined(run))
    return ordered


def _height(line: OcrLine) -> float:
    return line.box[3] - line.box[1]


def _shared_height(a: OcrLine, b: OcrLine) -> float:
    shared = min(a.box[3], b.box[3]) - max(a.box[1], b.box[1])
    return shared / max(min(_height(a), _height(b)), 1e-6)


def _joined(run: Sequence[OcrLine]) -> OcrLine:
    if len(run) == 1:
        return run[0]
    boxes = [line.box for line in run]
    box = (
        min(b[0] for b in boxes),
        min(b[1] for b in boxes),
        max(b[2] for b in boxes),
        max(b[3] for b in boxes),
    )
    return OcrLine(" ".join(line.text for line in run), statistics.fmean(line.score for line in run), box)


def _strip(corners: NDArray[Any]) -> Strip:
    (x0, y0), (x1, y1) = corners.min(0), corners.max(0)
    return int(x0), int(y0), int(x1) + 1, int(y1) + 1


def _share(pixels: float, of: int) -> float:
    return min(1.0, max(0.0, float(pixels) / of))


def _padded(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A strip with black added below or to the right: the detector takes no picture that is thinner than 16 px."""
    height, width = picture.shape[:2]
    below = max(0, width // MAX_ASPECT - height)
    right = max(0, height // MAX_ASPECT - width)
    return np.ascontiguousarray(np.pad(picture, ((0, below), (0, right), (0, 0))))


def _bundled(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise ModelMissing(f"{path} is not there. {REMEDY}")
    return path
