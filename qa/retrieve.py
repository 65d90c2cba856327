"""Find the passages that may answer a question: by meaning and by words, side by side.

First step of retrieve -> read -> aggregate -> answer.
Holds: hits are ordered by fused score, each passage once; of near-identical articles only one
passage with the same words is kept, the others are its ``copies``.
Does not read passages or judge answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from index.embed import Encoder
from index.snapshot import Snapshot
from index.types import Hit
from qa.terms import content_words, words
from qa.types import Query

# Reciprocal rank fusion's constant: Cormack, Clarke and Buettcher 2009.
RRF = 60
# Two passages of one story are the same words if this share of the shorter one's is in the other.
SAME_WORDS = 0.8


@dataclass(frozen=True, slots=True)
class Fusion:
    """How the two searches are mixed.

    ``depth``: hits taken from each. ``dense``, ``words``: weight of each search's reciprocal rank; 0
    leaves a search out. From the retrieval table in the CHANGELOG. ``favoured``: weight of a third ranking,
    of the hits in the articles that a conversation is about.
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
        if query.favoured:
            own = [hit for hit in fuse(searches) if hit.passage.article_id in query.favoured]
            searches.append((own, fusion.favoured))
        fused = fuse(searches)
        kept = fold_copies(fused, snapshot.stories(hit.passage.article_id for hit in fused), k)
        cosines = snapshot.cosines(vector, [hit.passage for hit in kept])
        results.append(
            [replace(hit, scores={**hit.scores, "cosine": c}) for hit, c in zip(kept, cosines, strict=True)]
        )
    return results


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
