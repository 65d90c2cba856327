"""Choose answer spans from a reader's logits.

Holds: a span lies on context tokens only, first <= last, and is at most max_tokens long; the same
logits always give the same spans. NumPy only: knows no tokenizer, text or model.
"""

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]


def decode_spans(
    start: Logits,
    end: Logits,
    is_context: NDArray[np.bool_],
    cls: int = 0,
    *,
    max_tokens: int = 30,
    n_best: int = 5,
) -> list[tuple[int, int, float]]:
    """Choose the best answer spans of one passage window.

    A span's margin is its start plus end logit, less those of CLS: above zero the reader prefers it
    to "no answer". It is not a probability.

    :param start: start logits, shape (seq_len,), float32
    :param end: end logits, same shape
    :param is_context: True on passage tokens, shape (seq_len,), bool
    :param cls: position of the CLS token
    :param max_tokens: longest span, in tokens
    :param n_best: most spans to return
    :return: (first, last, margin) tuples, last inclusive, best first; fewer than n_best, or none.
        Of equal margins the earlier and then the shorter span comes first
    :raises ValueError: shapes differ, or a limit is below 1

    Source: Devlin et al. 2019, section 4.3 (arXiv:1810.04805).
    """
    if not start.shape == end.shape == is_context.shape or start.ndim != 1:
        raise ValueError(
            f"expected three equal 1-d shapes, got {start.shape}, {end.shape}, {is_context.shape}"
        )
    if max_tokens < 1 or n_best < 1:
        raise ValueError(f"expected max_tokens and n_best of at least 1, got {max_tokens} and {n_best}")
    context = np.flatnonzero(is_context)
    if not len(context):
        return []
    low, high = int(context[0]), int(context[-1]) + 1
    none = float(start[cls]) + float(end[cls])
    starts = np.where(is_context[low:high], start[low:high], -np.inf).astype(np.float64)
    ends = np.where(is_context[low:high], end[low:high], -np.inf).astype(np.float64)
    # Row i, column j is the span of tokens i to i + j: only spans that are short enough are ever built.
    width = min(max_tokens, high - low)
    padded = np.concatenate([ends, np.full(width - 1, -np.inf)])
    margins = starts[:, None] + np.lib.stride_tricks.sliding_window_view(padded, width) - none
    flat = margins.ravel()
    best = np.argsort(-flat, kind="stable")[:n_best]
    return [
        (low + int(i) // width, low + int(i) // width + int(i) % width, float(flat[i]))
        for i in best
        if np.isfinite(flat[i])
    ]
