"""Training material: a question with the texts that a reader would be shown for it.

Holds: ``text[start:end]`` of each answer range is the answer as it was given; a text without a range
does not answer its question. Reads files and asks the retriever; knows no tensor.
"""

import json
import lzma
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from index.embed import Encoder
from index.errors import CitewireError
from index.snapshot import Snapshot
from index.types import Article, Passage
from qa.aggregate import reader_text
from qa.retrieve import retrieve
from qa.terms import words
from qa.types import Query

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Text:
    """What the reader is shown, with the ranges that answer, one for each annotator; or none."""

    text: str
    answers: tuple[Range, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """A question, texts that answer it (none: it can't be answered) and texts that don't, likeliest first.

    ``retrieved``: the wrong texts are those that answering would read.
    """

    question: str
    right: tuple[Text, ...]
    wrong: tuple[Text, ...]
    source: str = ""
    retrieved: bool = False


def load_contexts(path: Path) -> list[Group]:
    """Read questions that come with their context: SQuAD .json, or .jsonl (also .xz), one a line.

    A line has ``question``, ``context``, ``answers`` (a list of ``{start, text}``; none: unanswerable)
    and perhaps ``source``.

    :raises CitewireError: the file can't be read, or an answer is not where it is said to be
    """
    try:
        if path.suffix == ".json":
            return [_group(row, path.stem) for row in _squad(json.loads(path.read_text(encoding="utf-8")))]
        opened = lzma.open if path.suffix == ".xz" else open
        with opened(path, "rt", encoding="utf-8") as lines:
            return [_group(json.loads(line), path.stem) for line in lines if line.strip()]
    except (OSError, EOFError, ValueError, KeyError, TypeError, lzma.LZMAError) as error:
        raise CitewireError(
            f"cannot read questions from {path}: {error}; expected SQuAD or JSONL rows"
        ) from error


def _squad(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for article in document["data"]:
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                answers = [{"start": a["answer_start"], "text": a["text"]} for a in qa["answers"]]
                yield {"question": qa["question"], "context": paragraph["context"], "answers": answers}


def _group(row: dict[str, Any], name: str) -> Group:
    context, ranges = row["context"], []
    for answer in row["answers"]:
        start, end = answer["start"], answer["start"] + len(answer["text"])
        if start == end or context[start:end] != answer["text"]:
            raise ValueError(f"{answer['text']!r} is not at {start} of the context of {row['question']!r}")
        ranges.append((start, end))
    text = Text(context, tuple(dict.fromkeys(ranges)))
    right, wrong = ((text,), ()) if ranges else ((), (text,))
    return Group(row["question"], right, wrong, row.get("source", name))


def add_neighbours(groups: Sequence[Group], encoder: Encoder, most: int) -> list[Group]:
    """Give each answerable question of a source the nearest other contexts of that source.

    A context that has the answer's words is left out: it may answer too.
    """
    by_source: dict[str, list[int]] = defaultdict(list)
    for at, group in enumerate(groups):
        by_source[group.source].append(at)
    found = list(groups)
    for places in by_source.values():
        shown = (text for at in places for text in (*groups[at].right, *groups[at].wrong))
        contexts = list(dict.fromkeys(text.text for text in shown))
        rows, asked = encoder.encode(contexts), [at for at in places if groups[at].right]
        queries = encoder.encode([groups[at].question for at in asked])
        for first in range(0, len(asked), 1024):
            near = np.argsort(-(queries[first : first + 1024] @ rows.T), axis=1)[:, : 3 * most]
            for at, order in zip(asked[first : first + 1024], near, strict=True):
                group = groups[at]
                own = {text.text for text in group.right}
                wrong = [Text(contexts[n]) for n in order if contexts[n] not in own]
                wrong = [text for text in wrong if not _has(text.text, group)]
                found[at] = Group(group.question, group.right, tuple(wrong[:most]), group.source)
    return found


def load_questions(path: Path) -> list[dict[str, Any]]:
    """Read questions on articles: JSONL with ``file``, ``question``, ``answer`` and its ``start`` there.

    ``start`` is in code points of the file; both are null where the article does not say. Instead of
    ``start`` a row may have ``evidence``, words of the article around the answer.

    :raises CitewireError: the file can't be read
    """
    try:
        with path.open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError) as error:
        raise CitewireError(f"cannot read questions from {path}: {error}") from error


def from_articles(
    rows: Sequence[dict[str, Any]], articles: Path, snapshot: Snapshot, encoder: Encoder, most: int
) -> list[Group]:
    """Give each question on an article the passages that retrieval returns for it, as in use.

    Wrong texts of an answerable question are retrieved passages without the answer's words; those of an
    unanswerable one are its own article's, since another may answer it.

    :param most: wrong texts of a question
    """
    found = []
    for first in range(0, len(rows), 256):
        batch = rows[first : first + 256]
        retrieved = retrieve(
            snapshot, encoder, [Query(row["question"], row["question"]) for row in batch], 2 * most + 2
        )
        for row, hits in zip(batch, retrieved, strict=True):
            article = snapshot.article(str((articles / row["file"]).resolve()))
            if article is None:
                raise CitewireError(f"no article {row['file']} in {articles}; is the index of that folder?")
            own = snapshot.passages(article.id)
            near = [hit.passage for hit in hits]
            if row["answer"] is None:
                ranked = [p for p in near if p.article_id == article.id]
                ranked += [p for p in own if p.id not in {p.id for p in ranked}]
                wrong = tuple(Text(reader_text(p)) for p in ranked[:most])
                found.append(Group(row["question"], (), wrong, retrieved=True))
                continue
            place = _place(article, row)
            right = tuple(_shown(p, place) for p in own if p.start <= place[0] and place[1] <= p.end)
            if not right:  # passages split a long sentence inside the answer
                continue
            group = Group(row["question"], right, ())
            wrong = tuple(Text(reader_text(p)) for p in near if not _has(reader_text(p), group))
            found.append(Group(row["question"], right, wrong[:most], retrieved=True))
    return found


def _place(article: Article, row: dict[str, Any]) -> Range:
    """Find the answer's range in the cleaned text."""
    answer = row["answer"]
    if row.get("start") is None:
        first = article.text.find(row["evidence"])
        at = article.text.find(answer, first) if first >= 0 else -1
        if at >= 0:
            return at, at + len(answer)
    else:
        at = article.text.find(answer)
        while at >= 0:
            if article.to_original(at, at + len(answer))[0] == row["start"]:
                return at, at + len(answer)
            at = article.text.find(answer, at + 1)
    raise CitewireError(f"{answer!r} is not where {row['file']} should have it")


def _shown(passage: Passage, place: Range) -> Text:
    shift = len(reader_text(passage)) - len(passage.text) - passage.start
    return Text(reader_text(passage), ((place[0] + shift, place[1] + shift),))


def _has(text: str, group: Group) -> bool:
    """Tell whether a text has the words of an answer, one after another."""
    shown = f" {' '.join(words(text))} "
    answers = {" ".join(words(t.text[start:end])) for t in group.right for start, end in t.answers}
    return any(f" {answer} " in shown for answer in answers)
