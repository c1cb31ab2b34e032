"""Closer looks: pictures of few seconds shown to a language model, at the places that a coarser search points at.

Where texts or pictures by words point anywhere, their curves choose the places; else the model itself is shown the
whole span first, one kept frame for each stretch of it. This file chooses the pictures and limits the number of looks.
The looker opens the file; if the file is gone, kept frames are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from agent_tools import background
from agent_tools.errors import EngineError
from agent_tools.progress import OnStep
from agent_tools.service.frames.kept_frames import standing_pictures
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.timeline import Span

if TYPE_CHECKING:
    from agent_tools.grounding import Evidence, Grounding, Level, LevelReport, Proposal, RelevanceCurveLocalizer
    from agent_tools.models.video_llm.questions import Shots, VideoLocalizer

LookFn = Callable[[float, float, float], "Evidence"]
PICTURES = 32  # of one look
LONG_SIDE = 448  # px
DENSE_S, DENSE_STRIDE_S = 32.0, 24.0  # of a close look, at a picture a second
SPARSE_S, SEGMENTS, MOST_SPARSE = 600.0, 30, 12  # of a look at one picture per stretch; longer for longer videos
FINE_S, FINE_FPS = 2.0, 8.0  # around each bound of what was found: to an eighth of a second
MOST_AFTER = 4  # looks that follow a span to one side, where it reaches the edge of what was shown
WAIT_S = 0.5  # between two questions whether the call was cancelled


@dataclass(frozen=True)
class LookSettings:
    """How much one search may show to the model."""

    places: int = 4  # that are looked at closely: the best of what points there
    most_looks: int = 64  # of one search, before the second looks at what it found


@dataclass(frozen=True)
class Pointer:
    """A coarser search that says where to look: its look, its localizer, and the height from which it counts."""

    look: LookFn
    curves: RelevanceCurveLocalizer
    edge: float


class CloseLook:
    """Localizer and look of one call; `ground` searches. Each step of the call may raise to stop it."""

    def __init__(
        self,
        library: Library,
        scope: VideoSpan,
        event: str,
        pointers: Sequence[Pointer],
        on_step: OnStep,
        *,
        sighted: bool,
        settings: LookSettings = LookSettings(),
    ) -> None:
        """
        Args:
            sighted: the pointers compare pictures with the event: what they do not point at need not be seen."""
        self.library, self.scope, self.event = library, scope, event
        self.on_step, self.sighted, self.settings = on_step, sighted, settings
        self.pointers = [replace(one, curves=_from(one.curves, one.edge)) for one in pointers]
        self.looks = self.pictures = 0
        self.left_out = 0  # windows that settings.most_looks left no look for
        self.tokens = (0, 0)  # visual tokens that a model which runs here read, and of how many
        self.kept_only = False  # the file is gone: kept frames were shown
        self._producer = ""
        self._bounded = False  # while it searches

    @property
    def producer(self) -> str:
        """Who looked; "" before the first look."""
        return self._producer

    def ground(self) -> Grounding:
        """Search the asked span, coarse to fine. Raises: EngineError: the model, or the looker, failed."""
        from agent_tools.grounding import Grounder, GrounderSettings

        reports: list[LevelReport] = []
        self._bounded = True
        for levels in self._plans():
            grounder = Grounder(levels, self, settings=GrounderSettings(descend="spans"))
            bound = min(self.settings.most_looks, grounder.looks_bound(self.scope.span.length_s))
            self.on_step(0.3, f"looking closer, at most {bound} looks")

            def on_look(done: int, total: int) -> None:
                share = min(1.0, done / max(1, total))
                self.on_step(0.3 + 0.5 * share, f"look {self.looks} of at most {self.settings.most_looks}")

            found = grounder.ground(self.event, self.scope.span.start_s, self.scope.span.end_s, self.look, on_look)
            reports += found.levels
            if levels[0].detail == 0:  # what it refused was pointed at, with a height that is no model's score
                found = replace(found, best_rejected=None)
            if found.proposals:
                break
        self._bounded = False
        return replace(found, levels=tuple(reports))

    def second_look(self, proposal: Proposal) -> tuple[Proposal, str]:
        """A span looked at again, widened by half on both sides; followed where it goes on beyond what was shown; then
        each of its bounds alone. And what changed."""
        from agent_tools.grounding import changes, refine, verify

        whole_s = self.scope.video.duration_s or proposal.end_s
        second = verify(self.event, proposal, self, self.look, whole_s, fps=PICTURES)
        if second.after is None:
            return proposal, second.text
        start_s, end_s = second.after.start_s, second.after.end_s
        if start_s <= proposal.start_s - second.pad_s:
            start_s = self._followed(start_s, -1, whole_s)
        if end_s >= proposal.end_s + second.pad_s:
            end_s = self._followed(end_s, +1, whole_s)
        held = replace(proposal, start_s=start_s, end_s=end_s)
        fine = refine(self.event, held, self, self.look, whole_s, reach_s=FINE_S, fps=FINE_FPS)
        pad, _, _ = second.text.partition(":")
        return fine, f"{pad}, then each bound at {FINE_FPS:g} pictures a second: {changes(proposal, fine)}"

    def _followed(self, edge_s: float, side: int, whole_s: float) -> float:
        """Where an event that fills what was shown up to edge_s ends on that side, as far as MOST_AFTER looks show."""
        for _ in range(MOST_AFTER):
            far_s = min(whole_s, max(0.0, edge_s + side * (DENSE_S - FINE_S)))
            window = sorted((edge_s - side * FINE_S, far_s))
            if window[1] - window[0] <= FINE_S:
                break
            found = self.localize(self.event, self.look(window[0], window[1], 1.0))
            going_on = [one for one in found if one.start_s <= edge_s <= one.end_s]
            if not going_on:
                break
            reached_s = going_on[0].end_s if side > 0 else going_on[0].start_s
            if (reached_s - edge_s) * side <= 0:
                break
            edge_s = reached_s
            if abs(far_s - reached_s) > FINE_S:
                break
        return edge_s

    def described(self) -> str:
        """What was looked at, by whom, and where the pictures went; for coverage."""
        from agent_tools.models.hub.catalogue import receiver

        name = self._producer.split("@")[0] or "the video LLM"
        host = receiver(self.library.models.profile)
        shown = [f"{self.pictures} pictures", *(["kept ones"] if self.kept_only else [])]
        if self.tokens[1]:
            shown.append("{} of {} visual tokens read".format(*self.tokens))
        parts = [f"{self.looks} looks by {name} ({', '.join(shown)})"]
        if self.left_out:
            parts.append(f"{self.left_out} windows more would have been looked at")
        return ", ".join(parts + ([f"pictures went to {host}"] if host else []))

    def look(self, start_s: float, end_s: float, fps: float) -> Evidence:
        """What [start_s, end_s) shows: at fps 0 nothing but the place, at a picture per many seconds kept frames, else
        decoded ones; at most PICTURES."""
        from agent_tools.grounding import Evidence
        from agent_tools.models.video_llm.questions import Shots

        if fps == 0:
            return Evidence(start_s, end_s)
        if self._bounded and self.looks >= self.settings.most_looks:
            self.left_out += 1
            return Evidence(start_s, end_s, payload=Shots((), ()))
        count = max(2, min(PICTURES, round((end_s - start_s) * fps)))
        shots = self._shots(start_s, end_s, count, sparse=fps < 1)
        self.pictures += len(shots.pictures)
        return Evidence(start_s, end_s, frames=len(shots.pictures), payload=shots)

    def localize(self, event: str, evidence: Evidence) -> list[Proposal]:
        """By the pointers where nothing is shown, else by the model."""
        if evidence.payload is None:
            return [
                found
                for one in self.pointers
                for found in one.curves.localize(event, one.look(evidence.start_s, evidence.end_s, 0.0))
            ]
        if not cast("Shots", evidence.payload).pictures:
            return []
        answered: Future[tuple[VideoLocalizer, list[Proposal]]] = Future()
        background.start(self._ask, evidence, answered, name="closer")
        while True:
            try:
                model, found = answered.result(timeout=WAIT_S)
                break
            except TimeoutError:
                try:
                    self.on_step(0.3, "waiting for the model")
                except BaseException:
                    answered.cancel()
                    raise
        self._producer = model.producer
        self.looks += 1
        return [replace(one, evidence=f"{one.channel} seen by {model.producer}") for one in found]

    def _ask(self, evidence: Evidence, answered: Future[tuple[VideoLocalizer, list[Proposal]]]) -> None:
        """Show the pictures to the model, one call after the other. In a thread of its own: the call that waits for it
        can be cancelled, and tells meanwhile that it waits."""
        with self.library.models.closer_lock:
            if not answered.set_running_or_notify_cancel():
                return
            try:
                model = self.library.models.closer()
                found = model.localize(self.event, evidence)
                if (report := model.token_report) is not None:
                    self.tokens = (self.tokens[0] + report.read, self.tokens[1] + report.given)
                answered.set_result((model, found))
            except EngineError as error:
                answered.set_exception(error)
            finally:
                if not answered.done():
                    answered.set_exception(EngineError("the model ended without an answer; the server's log says why."))

    def _plans(self) -> list[list[Level]]:
        """Levels to try one after the other, until something is found."""
        from agent_tools.grounding import Level

        length_s = self.scope.span.length_s
        dense = Level(DENSE_S, DENSE_STRIDE_S, 1.0)
        if length_s <= 2 * DENSE_S:
            return [[dense]]
        chosen = [Level(180.0, 120.0, 0.0, self.settings.places), dense]
        window_s = max(SPARSE_S, length_s / MOST_SPARSE)
        sparse = [Level(window_s, window_s, SEGMENTS / window_s, self.settings.places), dense]
        if self.sighted:
            return [chosen]
        span = self.scope.span
        points = any(one.curves.localize(self.event, one.look(span.start_s, span.end_s, 0.0)) for one in self.pointers)
        return [chosen, sparse] if points else [sparse]

    def _shots(self, start_s: float, end_s: float, count: int, *, sparse: bool) -> Shots:
        from agent_tools.models.video_llm.questions import Shots

        step_s = (end_s - start_s) / count
        spans = [(start_s + i * step_s, start_s + (i + 1) * step_s) for i in range(count)]
        times = [(low + high) / 2 for low, high in spans]
        paths = [] if sparse else self.library.sources(self.scope.video.id)
        if paths:
            opened = self.library.looker.pictures(
                paths[0], times, long_side=LONG_SIDE, check=lambda: self.on_step(0.3, "decoding")
            )
            files = [None if shot is None else shot.jpeg for shot in opened]
        else:
            self.kept_only = self.kept_only or not sparse
            files = standing_pictures(self.library, self.scope.video.id, times, Span(start_s, end_s))
        from agent_tools.media.picture_files import pixels_of  # Pillow is slow to import

        seen = [(span, pixels_of(data)) for span, data in zip(spans, files, strict=True) if data is not None]
        return Shots(tuple(span for span, _ in seen), tuple(pixels for _, pixels in seen), sparse)


def _from(curves: RelevanceCurveLocalizer, edge: float) -> RelevanceCurveLocalizer:
    from agent_tools.grounding import RelevanceCurveLocalizer

    return RelevanceCurveLocalizer(replace(curves.settings, edge=edge))
