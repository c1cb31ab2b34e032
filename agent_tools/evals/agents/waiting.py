"""A line on stderr while a call runs: what the server does, how much is done, and the seconds left."""

from __future__ import annotations

import shutil
import sys
import time

LINE_EVERY_S = 15.0  # where stderr is no terminal
BAR = 20  # characters
_CLEAR = "\r\x1b[2K"


class WaitingLine:
    """Shows the progress of calls: on a terminal one line that is written again, else a line now and then.

    Its time left is that of the job: the share that was done since the first report took that long."""

    def __init__(self, on_terminal: bool | None = None) -> None:
        self._on_terminal = sys.stderr.isatty() if on_terminal is None else on_terminal
        self._begun: tuple[float, float] | None = None  # (clock, share) of the first report
        self._told_s = -LINE_EVERY_S
        self._shown = False

    def show(self, share: float, sentence: str) -> None:
        """Report that `share` (0..1) of the work is done."""
        now = time.monotonic()
        if self._begun is None or share < self._begun[1]:
            self._begun = (now, share)
        told = sentence + _left(now - self._begun[0], share - self._begun[1], 1.0 - share)
        if self._on_terminal:
            full = round(BAR * min(1.0, share))
            line = f"   [{'#' * full}{'.' * (BAR - full)}] {share:4.0%}  {told}"
            sys.stderr.write(_CLEAR + line[: shutil.get_terminal_size().columns - 1])
            self._shown = True
        elif now - self._told_s >= LINE_EVERY_S:
            self._told_s = now
            sys.stderr.write(f"   {share:.0%}  {told}\n")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away, so that another can be printed in its place."""
        if self._shown:
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()
            self._shown = False


def _left(spent_s: float, done: float, left: float) -> str:
    if spent_s < 2.0 or done <= 0.01:
        return ""
    return f", about {spent_s / done * left:.0f} s left"
