"""Recognise near-identical articles, so that syndicated copies count as one story.

Holds: the same text always gives the same sketch; ``similarity`` estimates the Jaccard overlap of
three-word shingles. Knows nothing of the store, which keeps the bands and asks for candidates.

Source: Broder 1997 (min-wise hashing); Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets",
section 3.4 (banding). The hashing is rensa's.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HASHES = 64
ROWS = 4  # of a band: 16 bands of 4 find a pair of overlap 0.7 with probability 0.98
SEED = 20180101
SHINGLE = 3  # words
# Two articles of at least this overlap are one story. On the news corpus pairs at 0.5 share whole
# paragraphs of one agency text; below 0.4 they are separate reports of an event.
COPY = 0.5


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is kept of an article to compare it: shape (HASHES,), uint32."""

    hashes: NDArray[np.uint32]

    @classmethod
    def of(cls, text: str) -> "Sketch":
        from rensa import RMinHash

        words = re.findall(r"\w+", text.lower())
        last = max(1, len(words) - SHINGLE + 1)
        minhash = RMinHash(num_perm=HASHES, seed=SEED)
        minhash.update([" ".join(words[at : at + SHINGLE]) for at in range(last)])
        return cls(np.array(minhash.digest(), dtype=np.uint32))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Sketch":
        return cls(np.frombuffer(data, dtype="<u4").astype(np.uint32))

    def to_bytes(self) -> bytes:
        return self.hashes.astype("<u4").tobytes()

    def bands(self) -> list[int]:
        """Keys of which two similar sketches share at least one: signed 64-bit integers."""
        rows = self.hashes.reshape(-1, ROWS).astype(np.uint64)
        key = np.arange(len(rows), dtype=np.uint64) + np.uint64(1)
        for column in rows.T:  # FNV-1a over the band's number and its four hashes
            key = (key ^ column) * np.uint64(0x100000001B3)
            key ^= key >> np.uint64(29)
        return [int(value) for value in key.astype(np.int64)]

    def similarity(self, other: "Sketch") -> float:
        """Estimate the Jaccard overlap, 0 to 1, with a standard error of 0.06 at most."""
        return float(np.mean(self.hashes == other.hashes))
