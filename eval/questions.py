"""Gold questions from files: Citewire's own JSONL, training questions on articles, SQuAD v1.1 and v2.0.

Holds: a bad row is one CitewireError that names file and line; ids are unique over all files.
A gold source is written relative to the articles folder, or is an ``Article.id`` already: an absolute path
or an address; ``article_id`` makes it one.
Asks nothing and scores nothing.
"""

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from index.errors import CitewireError
from index.load import is_address
from qa.default_reader.careless import hurried

KINDS = ("single", "multi", "unanswerable", "followup", "newtopic")
REJECTED = "rejected"  # a person said that an answer is wrong; nobody said which is right
CONTEXTS = "contexts.jsonl"  # the articles of a SQuAD file: one row a paragraph


@dataclass(frozen=True, slots=True)
class Question:
    """One gold question.

    ``answers`` are the accepted spans, none for an unanswerable question. ``sources`` are the articles
    that give the answer, none where the file doesn't say. ``history`` (earlier question, its answer)
    belongs to follow-ups, which also have a ``standalone`` (the question written out), and to new topics,
    which have nothing to do with it and may have no answer. ``conflict`` marks a question on which the
    sources disagree. ``wrong`` are the words that a rejected answer had, none where "not in these articles"
    was rejected. ``file`` is the name of the gold file.
    """

    id: str
    question: str
    answers: tuple[str, ...]
    kind: str
    sources: tuple[str, ...] = ()
    evidence: str = ""
    history: tuple[tuple[str, str], ...] = ()
    standalone: str = ""
    conflict: bool = False
    file: str = ""
    wrong: tuple[str, ...] = ()

    @property
    def answerable(self) -> bool:
        """Whether the gold names a right answer."""
        return bool(self.answers)

    @property
    def rejected(self) -> bool:
        """Whether the gold only says what is wrong; then it has a score of its own."""
        return self.kind == REJECTED


def article_id(articles: Path, source: str) -> str:
    """The ``Article.id`` of a gold source: an address, else its absolute path, with ``#row`` for a row."""
    if is_address(source):
        return source
    path, mark, row = source.partition("#")
    return f"{(_folder(articles) / path).resolve()}{mark}{row}"


def load_gold(
    gold: Sequence[Path], articles: Path | None, sample: Path, cache: Path
) -> tuple[list[Question], Path]:
    """All questions of the files, and the articles to ask about.

    These are ``articles`` if given; else, for SQuAD files (``.json``), their own paragraphs, written to
    a folder in ``cache``; else ``sample``.

    :raises CitewireError: a file or row is not gold, an id occurs twice, a source is not in the articles
    """
    squads = [path for path in gold if path.suffix == ".json"]
    if squads and not articles and len(squads) < len(gold):
        raise CitewireError("SQuAD and JSONL gold together need --articles; or give them one at a time")
    corpus = articles or sample
    if not corpus.exists():
        raise CitewireError(f"expected articles in {corpus}, found nothing there")
    questions: list[Question] = []
    rows: list[dict[str, str]] = []
    for path in gold:
        if path in squads:
            read, paragraphs = _read_squad(path, with_sources=not articles)
            rows += paragraphs
        else:
            read = _read_jsonl(path, corpus)
        questions += [replace(question, file=path.name) for question in read]
    _check_ids(questions)
    if squads and not articles:
        corpus = _write_contexts(rows, cache)
    return questions, corpus


def spread(questions: Sequence[Question], limit: int) -> list[Question]:
    """``limit`` of the questions, evenly from first to last, so that each file and type stays present."""
    if limit >= len(questions):
        return list(questions)
    return [questions[i * len(questions) // limit] for i in range(limit)]


def typed_carelessly(questions: Sequence[Question]) -> list[Question]:
    """The questions as people in a hurry type them: small letters, no question mark, one typo."""
    rng = random.Random(0)
    return [replace(question, question=hurried(question.question, rng)) for question in questions]


def _folder(articles: Path) -> Path:
    return articles if articles.is_dir() else articles.parent


def _check_ids(questions: Sequence[Question]) -> None:
    if not questions:
        raise CitewireError("expected gold questions, found none")
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            raise CitewireError(f"expected unique question ids, got {question.id!r} twice")
        seen.add(question.id)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CitewireError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CitewireError(f"{path}: expected UTF-8; {error}") from error


def _read_jsonl(path: Path, articles: Path) -> list[Question]:
    questions = []
    # Not splitlines(): JSON strings may hold U+2028 as it is.
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            questions.append(_question(json.loads(line), articles))
        except json.JSONDecodeError as error:
            raise CitewireError(f"{path}:{number}: expected JSON; {error.msg}") from error
        except ValueError as error:
            raise CitewireError(f"{path}:{number}: {error}") from error
    return questions


def _question(row: object, articles: Path) -> Question:
    if not isinstance(row, dict):
        raise ValueError(f"expected a JSON object, got {type(row).__name__}")
    if "file" in row:
        row = _of_article(row)
    question = Question(
        id=_text(row, "id"),
        question=_text(row, "question"),
        answers=_texts(row, "answers"),
        kind=_text(row, "type"),
        sources=_texts(row, "sources"),
        evidence=_text(row, "evidence", empty=True),
        history=_history(row),
        standalone=_text(row, "standalone", empty=True),
        conflict=row.get("conflict", False) is True,
        wrong=_texts(row, "wrong"),
    )
    _check(question)
    for source in question.sources:
        if is_address(source) or Path(source).is_absolute():
            continue  # an id of the index, which may hold what is no file any more
        if not Path(article_id(articles, source.partition("#")[0])).is_file():
            raise ValueError(f"expected sources to be files in {articles}, got {source!r}")
    return question


def _check(question: Question) -> None:
    """Refuse gold whose parts do not go together.

    :raises ValueError: with what was expected
    """
    kinds, kind = (*KINDS, REJECTED), question.kind
    if kind not in kinds:
        raise ValueError(f"expected type to be one of {', '.join(kinds)}, got {kind!r}")
    if kind != "newtopic" and question.answerable == (kind in ("unanswerable", REJECTED)):
        raise ValueError(f"expected answers, and none for unanswerable; got {len(question.answers)} ({kind})")
    if question.wrong and not question.rejected:
        raise ValueError(f"expected wrong words for type {REJECTED} only, got type {kind!r}")
    turns = {"followup": [(True, True)], "newtopic": [(True, False)]}
    # What has no right answer may be a follow-up too.
    may = turns.get(kind, [(False, False)] if question.answerable else [(False, False), (True, True)])
    if (bool(question.history), bool(question.standalone)) not in may:
        raise ValueError(
            "expected history and standalone for a followup, history for a newtopic, and only there"
        )


def _of_article(row: dict[str, Any]) -> dict[str, Any]:
    """Give a training question on one article (file, answer, start) as gold."""
    answer = row.get("answer")
    known = {"answers": [answer], "type": "single"} if answer else {"answers": [], "type": "unanswerable"}
    return {"id": row.get("id"), "question": row.get("question"), "sources": [row["file"]], **known}


def _text(row: dict[str, Any], key: str, *, empty: bool = False) -> str:
    value = row.get(key, "")
    if not isinstance(value, str) or not (empty or value.strip()):
        raise ValueError(f"expected {key} to be text, got {value!r}")
    return value


def _texts(row: dict[str, Any], key: str) -> tuple[str, ...]:
    value = row.get(key, [])
    if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
        raise ValueError(f"expected {key} to be a list of texts, got {value!r}")
    return tuple(value)


def _history(row: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    turns = row.get("history", [])
    if not isinstance(turns, list) or not all(
        isinstance(turn, list) and len(turn) == 2 and all(isinstance(text, str) for text in turn)
        for turn in turns
    ):
        raise ValueError(f"expected history to be a list of [question, answer] pairs, got {turns!r}")
    return tuple((question, answer) for question, answer in turns)


def _read_squad(path: Path, *, with_sources: bool) -> tuple[list[Question], list[dict[str, str]]]:
    """The questions and the paragraphs of a SQuAD file; a question's source is its paragraph.

    Source: Rajpurkar et al. 2016 and 2018 (arXiv:1606.05250, arXiv:1806.03822), the files' own layout.
    """
    questions, rows = [], []
    try:
        for article_number, article in enumerate(json.loads(_read_text(path))["data"]):
            for number, paragraph in enumerate(article["paragraphs"]):
                row_id = f"{path.stem}-{article_number}-{number}"
                title = article.get("title", "").replace("_", " ")
                rows.append({"id": row_id, "title": title, "text": paragraph["context"]})
                sources = (f"{CONTEXTS}#{row_id}",) if with_sources else ()
                questions += [_squad_question(qa, sources) for qa in paragraph["qas"]]
    except json.JSONDecodeError as error:
        raise CitewireError(f"{path}:{error.lineno}: {error.msg}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CitewireError(f"{path}: expected SQuAD's data, paragraphs and qas; {error!r}") from error
    return questions, rows


def _squad_question(qa: dict[str, Any], sources: tuple[str, ...]) -> Question:
    unanswerable = qa.get("is_impossible", False)
    if not unanswerable and not qa["answers"]:
        raise ValueError(f"question {qa['id']} has no answers and is not is_impossible")
    return Question(
        id=qa["id"],
        question=qa["question"].strip(),
        answers=() if unanswerable else tuple(dict.fromkeys(answer["text"] for answer in qa["answers"])),
        kind="unanswerable" if unanswerable else "single",
        sources=() if unanswerable else sources,
    )


def _write_contexts(rows: Sequence[dict[str, str]], cache: Path) -> Path:
    """One JSONL file in a folder named after its content, so that the same gold finds its index again."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    folder = cache / f"squad-{hashlib.sha256(text).hexdigest()[:16]}"
    path = folder / CONTEXTS
    if not path.is_file() or path.read_bytes() != text:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    return folder
