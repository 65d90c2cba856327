"""Find the passages that may answer a question: by meaning and by words, side by side.

First step of retrieve -> read -> aggregate -> answer.
Holds: hits are ordered by fused score, each passage once; of near-identical articles only one
passage with the same words is kept, the others are its ``copies``.
Does not read passages or judge answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from index.embed import Encoder
from index.snapshot import Snapshot
from index.types import Filters, Hit
from qa.terms import content_words, words
from qa.types import Query

# Reciprocal rank fusion's constant: Cormack, Clarke and Buettcher 2009.
RRF = 60
# Two passages of one story are the same words if this share of the shorter one's is in the other.
SAME_WORDS = 0.8
# Articles speak of a question if a passage of theirs is as near to it as SPEAK_OF (a cosine), and no other
# article's is nearer by more than CLEARLY. Of follow-ups without a name, like "What was the deal worth?", the
# least near was 0.33 and the farthest behind 0.15; of 600 new topics after other turns, 26 passed the
# first, nearly all on things of the same kind, as "Who is the prime minister?" after one on Lord Callaghan.
SPEAK_OF, CLEARLY = 0.3, 0.2


@dataclass(frozen=True, slots=True)
class Fusion:
    """How the two searches are mixed.

    ``depth``: hits taken from each. ``dense``, ``words``: weight of each search's reciprocal rank; 0
    leaves a search out. From the retrieval table in the CHANGELOG. ``favoured``: weight of a third ranking,
    of both searches within the articles that a conversation is about; 1 and 2 gave the same on 20 follow-ups.
    """

    depth: int = 50
    dense: float = 1.0
    words: float = 1.0
    favoured: float = 1.0

    def __post_init__(self) -> None:
        if self.depth < 1 or min(self.dense, self.words, self.favoured) < 0 or self.dense + self.words == 0:
            raise ValueError(f"expected depth >= 1 and a positive weight, got {self}")


def retrieve(
    snapshot: Snapshot,
    encoder: Encoder,
    queries: Sequence[Query],
    k: int,
    *,
    fusion: Fusion = Fusion(),
) -> list[list[Hit]]:
    """Find up to k passages for each question.

    :return: for each question hits, best first; their score is the fused reciprocal rank, and
        ``scores`` holds the "cosine" of each, and the "bm25" of those that their words found
    """
    vectors = encoder.encode([query.question for query in queries])
    dense: list[list[Hit]] = [[] for _ in queries]
    if fusion.dense:
        for filters in dict.fromkeys(query.filters for query in queries):
            alike = [at for at, query in enumerate(queries) if query.filters == filters]
            found = snapshot.search_vectors(vectors[alike], fusion.depth, filters)
            for at, hits in zip(alike, found, strict=True):
                dense[at] = hits
    results = []
    for query, vector, by_vector in zip(queries, vectors, dense, strict=True):
        by_words: list[Hit] = []
        if fusion.words:
            by_words = snapshot.search_words(content_words(query.question), fusion.depth, query.filters)
        searches = [(by_vector, fusion.dense), (by_words, fusion.words)]
        if query.favoured and fusion.favoured:
            searches.append((_within(snapshot, query, vector, fusion), fusion.favoured))
        fused = fuse(searches)
        kept = fold_copies(fused, snapshot.stories(hit.passage.article_id for hit in fused), k)
        cosines = snapshot.cosines(vector, [hit.passage for hit in kept])
        results.append(
            [replace(hit, scores={**hit.scores, "cosine": c}) for hit, c in zip(kept, cosines, strict=True)]
        )
    return results


def speak_of(
    snapshot: Snapshot, articles: Sequence[str], vector: NDArray[np.float32], filters: Filters = Filters()
) -> bool:
    """Tell whether some articles speak of a question, and no others clearly more.

    :param articles: their ids; of none is not spoken
    :param vector: the question's, shape (dim,), float32, of length 1
    """
    if not articles:
        return False
    own = replace(filters, articles=tuple(articles))
    nearest, best = (snapshot.search_vectors(vector[None], 1, kept)[0] for kept in (own, filters))
    return bool(nearest) and nearest[0].score >= max(SPEAK_OF, best[0].score - CLEARLY)


def _within(snapshot: Snapshot, query: Query, vector: NDArray[np.float32], fusion: Fusion) -> list[Hit]:
    """Search the articles that the query's conversation is about, however far down they would be."""
    filters = replace(query.filters, articles=query.favoured)
    searches: list[tuple[list[Hit], float]] = []
    if fusion.dense:
        searches.append((snapshot.search_vectors(vector[None], fusion.depth, filters)[0], fusion.dense))
    if fusion.words:
        words_found = snapshot.search_words(content_words(query.question), fusion.depth, filters)
        searches.append((words_found, fusion.words))
    return fuse(searches)


def fuse(searches: Sequence[tuple[Sequence[Hit], float]]) -> list[Hit]:
    """Mix ranked lists by weighted reciprocal rank.

    :param searches: each search's hits, best first, and its weight
    :return: each passage once, best first; equal scores in the order of passage ids

    Source: Cormack, Clarke and Buettcher 2009, "Reciprocal rank fusion outperforms Condorcet".
    """
    merged: dict[int, Hit] = {}
    for hits, weight in searches:
        for rank, hit in enumerate(hits, start=1):
            held = merged.get(hit.passage.id)
            score = weight / (RRF + rank)
            merged[hit.passage.id] = (
                replace(hit, score=score)
                if held is None
                else Hit(
                    hit.passage,
                    held.score + score,
                    ranks={**held.ranks, **hit.ranks},
                    scores={**held.scores, **hit.scores},
                )
            )
    return sorted(merged.values(), key=lambda hit: (-hit.score, hit.passage.id))


def fold_copies(hits: Sequence[Hit], stories: Mapping[str, int], k: int) -> list[Hit]:
    """Keep the best k hits, folding those that repeat a kept one's words in a copy of its article.

    :param stories: story number of each article among the hits
    """
    kept: list[Hit] = []
    for hit in hits:
        twin = next((number for number, other in enumerate(kept) if _is_copy(hit, other, stories)), None)
        if twin is not None:
            kept[twin] = replace(kept[twin], copies=(*kept[twin].copies, hit.passage))
        elif len(kept) < k:
            kept.append(hit)
    return kept


def _is_copy(hit: Hit, other: Hit, stories: Mapping[str, int]) -> bool:
    one, two = hit.passage, other.passage
    if one.article_id == two.article_id or stories[one.article_id] != stories[two.article_id]:
        return False
    first, second = set(words(one.text)), set(words(two.text))
    return len(first & second) >= SAME_WORDS * min(len(first), len(second))
