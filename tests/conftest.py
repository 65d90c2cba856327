"""What several tests share: a fake encoder and measure, and settings that keep everything offline."""

import hashlib
import os
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    DO_NOT_TRACK="1",
    GRADIO_ANALYTICS_ENABLED="False",
    TOKENIZERS_PARALLELISM="false",
)
# No deadline: timings are for benchmarks. Derandomized: a commit that passed passes again; to look for
# new failures, run with --hypothesis-profile=explore.
settings.register_profile("citewire", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, print_blob=True, max_examples=2000)
settings.load_profile("citewire")


class FakeEncoder:
    """The same text always has the same random unit vector; ``texts`` lists all that were embedded."""

    def __init__(self, dim: int = 32) -> None:
        self.fingerprint = "fake@1"
        self.dim = dim
        self.texts: list[str] = []

    def encode(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for at, text in enumerate(texts):
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
            row = np.random.default_rng(seed).normal(size=self.dim)
            rows[at] = row / np.linalg.norm(row)
            if progress:
                progress(1)
        self.texts += texts
        return rows


def measure(texts: Sequence[str]) -> list[int]:
    """Count words, as a reader would count tokens."""
    return [len(text.split()) for text in texts]


@pytest.fixture
def encoder() -> FakeEncoder:
    return FakeEncoder()
