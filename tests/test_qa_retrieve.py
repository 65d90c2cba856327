"""Retrieval: fusion against a hand-made sum, copies folded, searches and filters passed on."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import cast

import numpy as np
import pytest
from conftest import FakeEncoder
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from index.snapshot import Snapshot
from index.types import Filters, Hit, Passage
from qa.retrieve import Fusion, fold_copies, fuse, retrieve, speak_of
from qa.types import Query

FILTERS = Filters(("Harbour Ledger",), date(2026, 1, 1))


def passage(number: int, article: str = "", text: str = "") -> Passage:
    text = text or f"passage {number} alone"
    return Passage(number, article or f"article-{number}", 0, len(text), text)


def hits(name: str, *numbers: int) -> list[Hit]:
    return [
        Hit(passage(number), 1 / rank, ranks={name: rank}, scores={name: 1 / rank})
        for rank, number in enumerate(numbers, start=1)
    ]


def test_fusion_adds_weighted_reciprocal_ranks() -> None:
    fused = fuse([(hits("cosine", 1, 2, 3), 1.0), (hits("bm25", 3, 1, 4), 0.5)])

    expected = {1: 1 / 61 + 0.5 / 62, 2: 1 / 62, 3: 1 / 63 + 0.5 / 61, 4: 0.5 / 63}
    assert [hit.passage.id for hit in fused] == [1, 3, 2, 4]
    assert {hit.passage.id: hit.score for hit in fused} == pytest.approx(expected)
    assert fused[0].ranks == {"cosine": 1, "bm25": 2}
    assert fused[0].scores == {"cosine": 1.0, "bm25": 0.5}
    assert fused[3].ranks == {"bm25": 3}


def test_equal_fused_scores_are_in_the_order_of_passage_ids() -> None:
    assert [hit.passage.id for hit in fuse([(hits("cosine", 9, 2), 1.0), (hits("bm25", 2, 9), 1.0)])] == [
        2,
        9,
    ]


ORDER = st.lists(st.integers(1, 12), unique=True)


@given(ORDER, ORDER, st.floats(0.1, 3), st.floats(0.1, 3))
def test_fusion_gives_each_passage_once_by_the_sum_of_its_places(
    one: list[int], two: list[int], first: float, second: float
) -> None:
    fused = fuse([(hits("cosine", *one), first), (hits("bm25", *two), second)])

    def score(number: int) -> float:
        lists = ((one, first), (two, second))
        return sum(weight / (60 + 1 + found.index(number)) for found, weight in lists if number in found)

    assert sorted(hit.passage.id for hit in fused) == sorted({*one, *two})
    assert [hit.score for hit in fused] == pytest.approx([score(hit.passage.id) for hit in fused])
    assert [hit.score for hit in fused] == sorted((hit.score for hit in fused), reverse=True)


STORY = "The Marrow ran aground off the north mole on Monday night with nine crew aboard."
COPY = STORY.replace("Monday", "Tuesday")
OTHER = "A rail inquiry opened in Wexley, where signals failed for ten hours in March."


def one_hit(number: int, article: str, text: str) -> Hit:
    return Hit(passage(number, article, text), 1 / number)


def test_copies_of_a_story_are_folded_into_the_best_hit() -> None:
    found = [one_hit(1, "a", STORY), one_hit(2, "b", COPY), one_hit(3, "c", OTHER)]
    kept = fold_copies(found, {"a": 7, "b": 7, "c": 8}, k=5)

    assert [hit.passage.id for hit in kept] == [1, 3]
    assert [copy.id for copy in kept[0].copies] == [2]


def test_the_same_words_in_another_story_are_not_folded() -> None:
    found = [one_hit(1, "a", STORY), one_hit(2, "b", COPY)]
    assert [hit.passage.id for hit in fold_copies(found, {"a": 7, "b": 8}, k=5)] == [1, 2]


def test_other_passages_of_the_same_story_or_article_are_not_folded() -> None:
    found = [one_hit(1, "a", STORY), one_hit(2, "b", OTHER), one_hit(3, "a", COPY)]
    assert [hit.passage.id for hit in fold_copies(found, {"a": 7, "b": 7}, k=5)] == [1, 2, 3]


def test_a_shorter_passage_inside_a_copy_is_folded() -> None:
    found = [one_hit(1, "a", f"{STORY} {OTHER}"), one_hit(2, "b", STORY)]
    assert [len(hit.copies) for hit in fold_copies(found, {"a": 7, "b": 7}, k=5)] == [1]


def test_copies_beyond_the_best_k_are_still_folded_but_take_no_place() -> None:
    found = [one_hit(1, "a", STORY), one_hit(2, "c", OTHER), one_hit(3, "b", COPY), one_hit(4, "d", "else")]
    kept = fold_copies(found, {"a": 1, "b": 1, "c": 2, "d": 3}, k=2)
    assert [hit.passage.id for hit in kept] == [1, 2]
    assert [copy.id for copy in kept[0].copies] == [3]


class FakeSnapshot:
    """Two searches with fixed results, which note what they were asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    def search_vectors(self, queries: NDArray[np.float32], k: int, filters: Filters) -> list[list[Hit]]:
        self.asked.append(("vectors", queries.shape, k, filters))
        return [self.within(hits("cosine", 1, 2), filters) for _ in queries]

    def search_words(self, terms: Sequence[str], k: int, filters: Filters) -> list[Hit]:
        self.asked.append(("words", tuple(terms), k, filters))
        return self.within(hits("bm25", 2, 3), filters)

    def within(self, found: list[Hit], filters: Filters) -> list[Hit]:
        """Give what is in the articles asked for: there is also a passage 7, too deep for the others."""
        own = [*found, *hits("cosine", 7)] if filters.articles else found
        return [hit for hit in own if not filters.articles or hit.passage.article_id in filters.articles]

    def cosines(self, query: NDArray[np.float32], passages: Sequence[Passage]) -> list[float]:
        return [passage.id / 10 for passage in passages]

    def stories(self, article_ids: Iterable[str]) -> dict[str, int]:
        return {article_id: number for number, article_id in enumerate(sorted(set(article_ids)))}


def searched(fusion: Fusion, k: int = 5) -> tuple[FakeSnapshot, list[list[Hit]]]:
    fake = FakeSnapshot()
    queries = [Query(question, question, FILTERS) for question in ("Who ran aground?", "When?")]
    found = retrieve(cast(Snapshot, fake), FakeEncoder(), queries, k, fusion=fusion)
    return fake, found


def test_both_searches_get_the_filters_and_the_words_search_the_content_words() -> None:
    fake, found = searched(Fusion(depth=9))
    assert fake.asked == [
        ("vectors", (2, 32), 9, FILTERS),
        ("words", ("ran", "aground"), 9, FILTERS),
        ("words", ("when",), 9, FILTERS),
    ]
    assert [[hit.passage.id for hit in one] for one in found] == [[2, 1, 3]] * 2


def test_no_more_than_k_hits_are_given() -> None:
    assert [len(one) for one in searched(Fusion(), k=2)[1]] == [2, 2]


def test_a_search_of_weight_nought_is_not_run() -> None:
    fake, found = searched(Fusion(words=0))
    assert [asked[0] for asked in fake.asked] == ["vectors"]
    assert [set(hit.scores) for hit in found[0]] == [{"cosine"}] * 2

    fake, found = searched(Fusion(dense=0))
    assert [asked[0] for asked in fake.asked] == ["words", "words"]
    assert [hit.passage.id for hit in found[0]] == [2, 3]
    assert [hit.scores["cosine"] for hit in found[0]] == [0.2, 0.3]  # whatever search found them


@pytest.mark.parametrize(("depth", "dense", "words"), [(0, 1, 1), (5, 0, 0), (5, -1, 2)])
def test_a_fusion_that_finds_nothing_is_an_error(depth: int, dense: float, words: float) -> None:
    with pytest.raises(ValueError, match="expected depth >= 1 and a positive weight"):
        Fusion(depth, dense, words)


def test_each_query_keeps_to_its_own_filters() -> None:
    fake, other = FakeSnapshot(), Filters(sources=("The Ledger",))
    queries = [Query("Who ran aground?", "", FILTERS), Query("When?", "", other), Query("Why?", "", FILTERS)]
    retrieve(cast(Snapshot, fake), FakeEncoder(), queries, 5)
    by_vector = [asked for asked in fake.asked if asked[0] == "vectors"]
    assert [(shape, filters) for _, shape, _, filters in by_vector] == [((2, 32), FILTERS), ((1, 32), other)]
    assert [asked[3] for asked in fake.asked if asked[0] == "words"] == [FILTERS, other, FILTERS]


def test_articles_of_the_conversation_are_favoured() -> None:
    fake = FakeSnapshot()
    plain, favoured = retrieve(
        cast(Snapshot, fake),
        FakeEncoder(),
        [Query("Who ran aground?", ""), Query("Who ran aground?", "", favoured=(passage(1).article_id,))],
        5,
    )
    assert [hit.passage.id for hit in plain] == [2, 1, 3]
    assert [hit.passage.id for hit in favoured] == [1, 2, 3]
    assert fake.asked[-1] == ("words", ("ran", "aground"), 50, Filters(articles=("article-1",)))


def test_articles_of_the_conversation_are_searched_deeper_and_keep_to_the_filters() -> None:
    fake = FakeSnapshot()
    query = Query("Who ran aground?", "", FILTERS, favoured=("article-7",))
    (found,) = retrieve(cast(Snapshot, fake), FakeEncoder(), [query], 5)
    assert [hit.passage.id for hit in found] == [2, 1, 7, 3]
    assert fake.asked[-1][3] == replace(FILTERS, articles=("article-7",))
    (plain,) = retrieve(cast(Snapshot, fake), FakeEncoder(), [query], 5, fusion=Fusion(favoured=0))
    assert [hit.passage.id for hit in plain] == [2, 1, 3]


@pytest.mark.parametrize(
    ("nearest", "best", "speaks"),
    [(0.5, 0.5, True), (0.3, 0.45, True), (0.29, 0.3, False), (0.4, 0.7, False)],
)
def test_articles_speak_of_a_question_that_is_near_and_nearer_to_no_others(
    nearest: float, best: float, speaks: bool
) -> None:
    class Near(FakeSnapshot):
        def search_vectors(self, queries: NDArray[np.float32], k: int, filters: Filters) -> list[list[Hit]]:
            return [[Hit(passage(1), nearest if filters.articles else best)]]

    vector = np.ones(4, dtype=np.float32)
    assert speak_of(cast(Snapshot, Near()), ["article-1"], vector) is speaks
    assert not speak_of(cast(Snapshot, Near()), [], vector)
