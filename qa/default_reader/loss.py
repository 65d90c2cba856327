"""What the reader is trained to lower.

Holds: a span's score is its start plus end logit less those of CLS, as decoding computes it; "no
answer" scores 0. Knows tensors only: no tokenizer, file or text.
"""

import torch
from torch import Tensor

MASKED = -1e4  # far below any logit, and finite: the gradient of a masked place is 0, not NaN


def span_scores(start: Tensor, end: Tensor, is_context: Tensor, cls: Tensor, max_tokens: int) -> Tensor:
    """Score every span of every row.

    :param start: start logits, shape (rows, seq_len); ``end`` the same
    :param is_context: True on passage tokens, shape (rows, seq_len)
    :param cls: position of CLS in each row, shape (rows,)
    :return: margins, shape (rows, seq_len, max_tokens): ``[r, i, w]`` is the span of tokens i to i + w

    Source: Devlin et al. 2019, section 4.3 (arXiv:1810.04805).
    """
    here = torch.arange(len(cls), device=cls.device)
    none = (start[here, cls] + end[here, cls])[:, None, None]
    starts = start.masked_fill(~is_context, MASKED)
    ends = torch.nn.functional.pad(end.masked_fill(~is_context, MASKED), (0, max_tokens - 1), value=MASKED)
    return starts[:, :, None] + ends.unfold(1, max_tokens, 1) - none


def group_loss(scores: Tensor, gold: Tensor, group: Tensor, groups: int, *, alone: float) -> Tensor:
    """The negative log-likelihood of the right spans of each question, over all its passages at once.

    The spans of all passages of a question and one "no answer" share one normalisation, so that margins
    learn to be comparable across passages; several right spans count as their sum. ``alone`` weighs the
    same loss of each passage by itself, which keeps zero meaning "no answer here".

    :param scores: from ``span_scores``, shape (rows, seq_len, max_tokens)
    :param gold: True at right spans, same shape; none in a row: it does not answer
    :param group: number of each row's question, shape (rows,)
    :return: the mean over questions, a scalar

    Source: Clark and Gardner 2018, section 4.1 (arXiv:1710.10723), over spans as in Fajcik et al. 2021
    (arXiv:2008.12804).
    """
    every = scores.flatten(1).logsumexp(1)
    right = scores.masked_fill(~gold, 2 * MASKED).flatten(1).logsumexp(1)
    answers = gold.flatten(1).any(1)
    one = _loss(every, right, answers)
    member = group[None, :] == torch.arange(groups, device=group.device)[:, None]
    pooled = _loss(
        every.expand(groups, -1).masked_fill(~member, 2 * MASKED).logsumexp(1),
        right.expand(groups, -1).masked_fill(~member, 2 * MASKED).logsumexp(1),
        (member & answers).any(1),
    )
    mean_alone = one.new_zeros(groups).index_add(0, group, one) / member.sum(1)
    return (pooled + alone * mean_alone).mean()


def _loss(every: Tensor, right: Tensor, answers: Tensor) -> Tensor:
    return torch.logaddexp(every, torch.zeros_like(every)) - torch.where(answers, right, 0.0)


def separate_loss(start: Tensor, end: Tensor, is_context: Tensor, cls: Tensor, gold: Tensor) -> Tensor:
    """The usual loss of each passage alone: start and end apart, CLS standing for "no answer".

    :param gold: True at right spans, shape (rows, seq_len, max_tokens)

    Source: Devlin et al. 2019, section 4.3; several right spans count as their sum.
    """
    here = torch.arange(len(gold), device=cls.device)
    allowed = is_context.clone()
    allowed[here, cls] = True
    answers = gold.flatten(1).any(1)
    is_start = gold.any(2)
    is_end = torch.zeros_like(is_start)
    row, first, more = gold.nonzero(as_tuple=True)
    is_end[row, first + more] = True
    total = start.new_zeros(())
    for logits, right in ((start, is_start), (end, is_end)):
        right[here[~answers], cls[~answers]] = True
        every = logits.masked_fill(~allowed, MASKED).logsumexp(1)
        total = total + (every - logits.masked_fill(~right, 2 * MASKED).logsumexp(1)).mean()
    return total
