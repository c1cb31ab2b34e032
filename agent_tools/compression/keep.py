"""Which frames an ingest keeps: still pictures once, each scene of 2 s, moving pictures at even distances.

Works on feature vectors and times, frame by frame. Which encoder made the vectors is the caller's business; the numbers
of KeepRule must fit it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from agent_tools.errors import InvalidArgument, ShapeError

if TYPE_CHECKING:
    from agent_tools.compression.vectors import TensorLike

ROUNDING = 1e-9  # likeness that equals a bound counts as reaching it, whatever the last bits say
EARLY_S = 0.05  # a frame this much before its turn is in time: containers round times to milliseconds and worse

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class KeepRule:
    """The numbers of the rule, fitted for the pixel descriptor (lab/bench/keep.py) and for no other encoder yet."""

    same: float = 0.975  # cosine from which two frames show the same picture
    cut: float = 0.3  # a frame less like both the one before it and the last kept one begins a new scene
    gap_s: float = 2.0  # seconds between two kept frames of a moving picture, at least
    long_gap_s: float = 4.0  # the same in an old scene that goes on as usual
    young_s: float = 5.0  # age of a scene from which the distance grows, evenly
    old_s: float = 45.0  # age at which it has become long_gap_s
    surprise: float = 1.5  # times the usual step: a larger one says that something new happens
    usual_s: float = 16.0  # over how long the usual step of a scene is averaged, in seconds
    change_s: float = 0.1  # (1 - cosine) times the seconds since the last kept frame, at least: small changes wait
    moved: float = 0.0015  # squared distance of a part of two unit vectors from which that part has moved
    memory_s: float = 24.0  # over how long a part's restlessness is averaged, in seconds
    restless: float = 0.15  # share of that time in motion from which a part is restless
    corner: float = 0.1  # share of the parts that may be restless and left out; where more are, the picture moves
    corner_gap_s: float = 40.0  # seconds between two kept frames that differ in restless parts only

    def due_s(self, age_s: float) -> float:
        """Seconds between two kept frames of a scene of this age that moves as usual."""
        grown = (age_s - self.young_s) / (self.old_s - self.young_s)
        return self.gap_s + (self.long_gap_s - self.gap_s) * min(1.0, max(0.0, grown))


@dataclass
class _Scene:
    """What is known of the scene that is going on."""

    start_s: float = 0.0
    usual: float = -1.0  # its mean step: 1 - cosine of a frame to the one before it; below 0 before the second frame
    surprised: bool = False  # a step was unusually large since the last kept frame
    cut: bool = False  # the last kept frame was kept as a cut

    def saw(self, step: float, seconds: float, rule: KeepRule) -> None:
        """Compare a step with the usual one, then let it count for the usual one."""
        if self.usual < 0:
            self.usual = step
            return
        if step > max(rule.surprise * self.usual, 1 - rule.same):
            self.surprised = True
        self.usual += (step - self.usual) * min(1.0, seconds / rule.usual_s)


class FrameKeeper:
    """Decides frame by frame, in time order, what is kept; the decision never depends on later frames.

    A frame is dropped while it is like the last KEPT frame. The reference is not its neighbour, so a slow fade, a
    scroll or drifting clouds are caught as soon as they have come far enough. A frame unlike the last kept one is kept

    - at once where it is like the frame before it: a new picture that stands still;
    - at once where it is a cut; but of cuts that follow each other faster than gap_s, only each that is due;
    - else, in motion, when gap_s have passed since something unusual happened, or due_s without that. A step is
      unusual beside the mean step of its scene, so a ride and a swaying tree have their own measure. The longer a scene
      goes on as usual, the less its frames say. Small changes wait longer (change_s).

    With `parts`, a small part of the picture that never rests (a talking head in a corner of a slide) is left out where
    pictures are asked to be the same, so the slide beside it still counts as still.

    Source: the idea is LongVU's (Sec. 3.1: of adjacent frames that look alike, drop one); the rule is ours. LongVU's
    own rule, `prune_frames`, compares a frame with the mean of a fixed window: it keeps a window with a cut whole.
    """

    def __init__(self, rule: KeepRule | None = None, parts: Sequence[int] | None = None) -> None:
        """Args: parts: for each of D components the number of its part of the picture, -1 for those of no part.
        Without it the picture has no parts."""
        self.rule = rule or KeepRule()
        self._parts = None if parts is None else np.asarray(parts, dtype=np.int64)
        self._count = 0 if self._parts is None or not len(self._parts) else int(self._parts.max()) + 1
        self._activity: Vector = np.zeros(self._count)
        self._kept: Vector | None = None
        self._before: Vector | None = None
        self._kept_s = self._before_s = 0.0
        self._scene = _Scene()

    def keep(self, features: TensorLike, times_s: TensorLike) -> NDArray[np.bool_]:
        """Return a mask (T,): True for the frames that are kept. The first frame of all is always kept.

        Call it again for the frames that follow; how frames are divided over calls changes nothing.
        Args:
            features: (T, D), any real dtype; their scale does not matter. A row of zeros is a picture without features.
            times_s: (T,), seconds of presentation time, rising.
        Raises: ShapeError: the shapes do not belong together, or to earlier frames. InvalidArgument: a number is not
            finite, or a time does not rise.
        """
        from agent_tools.compression.vectors import checked, unit_rows  # torch: KeepRule alone does without it

        rows = unit_rows(checked(features, "T D", "features").cpu()).numpy().astype(np.float64)
        times = checked(times_s, "T", "times_s").cpu().numpy().astype(np.float64)
        if len(rows) != len(times):
            raise ShapeError(f"times_s holds {len(times)} times for {len(rows)} frames.")
        width = rows.shape[1] - 1  # unit_rows adds a component for rows of zeros
        if len(rows) and self._parts is not None and len(self._parts) != width:
            raise ShapeError(f"parts names {len(self._parts)} components, a frame has {width}.")
        if len(rows) and self._kept is not None and len(self._kept) != rows.shape[1]:
            raise ShapeError(f"these frames have {width} components, the earlier ones {len(self._kept) - 1}.")
        earlier = times[:1] if self._before is None else [self._before_s]
        if bool((np.diff(np.concatenate((earlier, times[self._before is None :]))) <= 0).any()):
            raise InvalidArgument("times_s does not rise; frames must be given in time order.")
        return np.array([self._step(row, float(time_s)) for row, time_s in zip(rows, times, strict=True)], dtype=bool)

    def saved(self) -> bytes:
        """The state after the frames seen so far. `restored` goes on from it with equal decisions, to the last bit."""
        held = io.BytesIO()
        empty = np.zeros(0)
        np.savez(
            held,
            kept=empty if self._kept is None else self._kept,
            before=empty if self._before is None else self._before,
            activity=self._activity,
            times=np.array([self._kept_s, self._before_s]),
            scene=np.array(astuple(self._scene)),
        )
        return held.getvalue()

    @classmethod
    def restored(cls, saved: bytes, rule: KeepRule | None = None, parts: Sequence[int] | None = None) -> FrameKeeper:
        """The keeper that `saved` came from. Raises: InvalidArgument: not such a state, or one of other parts."""
        keeper = cls(rule, parts)
        try:
            with np.load(io.BytesIO(saved), allow_pickle=False) as held:
                kept, before, activity = held["kept"], held["before"], held["activity"]
                keeper._kept_s, keeper._before_s = held["times"].tolist()
                start_s, usual, surprised, cut = held["scene"].tolist()
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise InvalidArgument(f"This is no saved state of a frame keeper: {error}") from error
        if len(activity) != keeper._count:
            raise InvalidArgument(f"The saved state has {len(activity)} parts, the picture {keeper._count}.")
        keeper._kept, keeper._before = (row if len(row) else None for row in (kept, before))
        keeper._activity, keeper._scene = activity, _Scene(start_s, usual, bool(surprised), bool(cut))
        return keeper

    def _step(self, row: Vector, time_s: float) -> bool:
        if self._kept is None or self._before is None:
            kept, self._scene.start_s = True, time_s
        else:
            kept = self._differs(self._kept, self._before, row, time_s)
        if kept:
            self._kept, self._kept_s, self._scene.surprised = row, time_s, False
        self._before, self._before_s = row, time_s
        return kept

    def _differs(self, last: Vector, before: Vector, row: Vector, time_s: float) -> bool:
        rule, scene, gap_s, seconds = self.rule, self._scene, time_s - self._kept_s + EARLY_S, time_s - self._before_s
        from_last, from_before = (row - last) ** 2, (row - before) ** 2
        resting = self._resting(from_before, seconds)
        whole, step = 1 - from_last.sum() / 2, 1 - from_before.sum() / 2  # cosines: the rows have length 1
        like, still = 1 - from_last[resting].sum() / 2, 1 - from_before[resting].sum() / 2
        scene.saw(1 - step, seconds, rule)
        if step < rule.cut:
            scene.start_s, scene.usual = time_s, -1.0
        kept = cut = False
        if like >= rule.same - ROUNDING:
            kept = whole < rule.same - ROUNDING and gap_s >= rule.corner_gap_s
        elif still >= rule.same - ROUNDING:
            kept = True
        elif whole < rule.cut and step < rule.cut and not (scene.cut and gap_s < rule.gap_s):
            kept = cut = True
        else:
            due_s = rule.gap_s if scene.surprised else rule.due_s(time_s - scene.start_s)
            kept = gap_s >= due_s and gap_s * (1 - whole) >= rule.change_s
        if kept:
            scene.cut = cut
        return bool(kept)

    def _resting(self, from_before: Vector, seconds: float) -> Any:
        """Which components count: all, but those of a few restless parts."""
        if self._parts is None:
            return slice(None)
        inside = self._parts >= 0
        moved = np.bincount(self._parts[inside], from_before[:-1][inside], self._count) > self.rule.moved
        self._activity = self._activity + (moved - self._activity) * min(1.0, seconds / self.rule.memory_s)
        restless = self._activity > self.rule.restless
        if not restless.any() or restless.mean() > self.rule.corner:
            return slice(None)
        return np.append(~(inside & restless[self._parts]), True)


def keep_frames(
    features: TensorLike, times_s: TensorLike, rule: KeepRule | None = None, parts: Sequence[int] | None = None
) -> NDArray[np.int64]:
    """Return the increasing indices (K,) of the frames that FrameKeeper keeps of a whole video.

    Raises: ShapeError, InvalidArgument (see FrameKeeper.keep).
    """
    return np.flatnonzero(FrameKeeper(rule, parts).keep(features, times_s))


def stand_ins(kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return (T,) indices: for each frame the last kept one up to it, which stands for it.

    Args:
        kept: mask (T,) out of FrameKeeper.keep; -1 stands for a frame of an earlier call.
    """
    places = np.where(kept, np.arange(len(kept)), -1)
    return np.maximum.accumulate(places) if len(places) else places
