"""Show a build's progress in a terminal: what, how many, how fast, how long still.

Holds: nothing is printed where the output is not a terminal, so logs stay clean.
"""

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Never

from index.build import Progress

if TYPE_CHECKING:
    from tqdm import tqdm

UNITS = {"reading": "article", "embedding": "passage"}


class Bar:
    """A ``Report`` for ``build`` that draws one bar a stage on standard error; use it with ``with``."""

    def __init__(self) -> None:
        self._bar: tqdm[Never] | None = None
        self._stage = ""

    def __call__(self, progress: Progress) -> None:
        from tqdm import tqdm

        if progress.stage != self._stage:
            self._close()
            self._stage = progress.stage
            unit = f" {UNITS[progress.stage]}s"
            self._bar = tqdm(
                desc=progress.stage.capitalize(), unit=unit, file=sys.stderr, disable=None, leave=False
            )
        if self._bar is not None:
            self._bar.total = progress.total if progress.stage == "embedding" else None
            self._bar.update(progress.done - self._bar.n)

    def __enter__(self) -> "Bar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
