r"""Delete what is not the article: link lines, share bars, feed artefacts, page furniture.

Step 2 of load -> clean -> chunk -> embed -> store.
Holds: cleaning only deletes, so text is original with cuts taken out and every offset maps back.
Does not normalise, reorder or insert anything; keeps captions, quotes and the words of tweets.
Every rule is an entry of RULES, applied once, in that order, to what the earlier ones left.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from index.types import Article, Cut

Ranges = Iterable[tuple[int, int]]

MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
TWEET_SIGNATURE = rf"[—–-]+ ?[^\n(]{{1,60}} \(@\w+\) (?:{MONTH} \d{{1,2}}|\d{{1,2}} {MONTH}),? \d{{4}}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of boilerplate: ``find`` gives the ranges of a text to delete; ``why`` is for people."""

    name: str
    find: Callable[[str], Ranges]
    why: str


def clean(article: Article) -> Article:
    """Apply every rule of RULES to an article.

    :return: the article with a shorter ``text`` and more ``cuts``; the same article if nothing matched
    """
    text, cuts = article.text, article.cuts
    for rule in RULES:
        ranges = _disjoint(rule.find(text))
        if ranges:
            new = (Cut(start, end, rule.name) for start, end in _in_original(ranges, cuts, article.original))
            cuts = tuple(sorted((*cuts, *new), key=lambda cut: cut.start))
            text = _delete(article.original, cuts)
    return article if cuts == article.cuts else replace(article, text=text, cuts=cuts)


def _disjoint(ranges: Ranges) -> list[tuple[int, int]]:
    """Sort ranges, join those that overlap, leave out empty ones."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif start < end:
            joined.append((start, end))
    return joined


def _in_original(
    ranges: list[tuple[int, int]], cuts: tuple[Cut, ...], original: str
) -> Iterator[tuple[int, int]]:
    """Give ranges of the current text as ranges of the original, leaving out what is cut already.

    Both are in order, so one pass over the kept stretches between the cuts is enough.
    """
    ends = [cut.start for cut in cuts] + [len(original)]
    starts = [0] + [cut.end for cut in cuts]
    at = 0  # where the stretch begins in the current text
    waiting = iter(ranges)
    current = next(waiting, None)
    for stretch_start, stretch_end in zip(starts, ends, strict=True):
        length = stretch_end - stretch_start
        while current and current[0] < at + length:
            start, end = current
            first, last = max(start, at) - at, min(end, at + length) - at
            if first < last:
                yield stretch_start + first, stretch_start + last
            if end > at + length:
                break  # goes on in the next stretch
            current = next(waiting, None)
        at += length


def _delete(original: str, cuts: tuple[Cut, ...]) -> str:
    kept, at = [], 0
    for cut in cuts:
        kept.append(original[at : cut.start])
        at = cut.end
    return "".join([*kept, original[at:]])


def _lines(*patterns: str) -> Callable[[str], Ranges]:
    """Find whole lines, with their line break, that one of the patterns matches without case."""
    either = "|".join(f"(?:{pattern})" for pattern in patterns)
    compiled = re.compile(rf"^[ \t]*(?:{either})[ \t]*(?:\n|\Z)", re.MULTILINE | re.IGNORECASE)
    # The end of a page ends a line.
    return lambda text: (match.span() for match in compiled.finditer(text.replace("\f", "\n")))


def _inline(pattern: str, group: int = 0) -> Callable[[str], Ranges]:
    """Find a pattern anywhere; delete the whole of it or one group."""
    compiled = re.compile(pattern)
    return lambda text: (match.span(group) for match in compiled.finditer(text))


def _with_space(pattern: str) -> Callable[[str], Ranges]:
    """Find a pattern anywhere, with the spaces before it."""
    compiled = re.compile(pattern)

    def find(text: str) -> Iterator[tuple[int, int]]:
        for match in compiled.finditer(text):
            # Not `[ \t]*` in the pattern: over a long run without a match that is quadratic.
            start = match.start()
            while start and text[start - 1] in " \t":
                start -= 1
            yield start, match.end()

    return find


def _markdown(text: str) -> Iterator[tuple[int, int]]:
    """Take the markup off links, images, emphasis, headings and footnote marks; keep their words."""
    for match in re.finditer(r"!?\[([^\[\]\n]*)\]\([^()\s]+(?: \"[^\"\n]*\")?\)", text):
        yield match.start(), match.start(1)
        yield match.end(1), match.end()
    for match in re.finditer(r"(\*\*|__)(?=\S)((?:(?!\1)[^\n])+)(?<=\S)\1", text):
        yield match.span(1)
        yield match.end(2), match.end()
    for match in re.finditer(r"(?<![\w*])\*(?=[^\s*])([^*\n]{1,300})(?<=[^\s*])\*(?![\w*])", text):
        yield match.start(), match.start(1)
        yield match.end(1), match.end()
    for match in re.finditer(
        r"(?m)^(#{1,6} +)(?=\S)|^\[\^\w+\]:[ \t]?|\[\^\w+\]|^[ \t]*(?:-{3,}|\*{3,}|_{3,})[ \t]*\n", text
    ):
        yield match.span()


def _headline_lists(text: str) -> Iterator[tuple[int, int]]:
    """Find runs of dashed headlines that link to other stories.

    A list that belongs to the article is introduced by a colon, is longer, or its points end like clauses.
    """
    run = re.compile(r"(?:^[-–•»] +\S[^\n]*(?:\n|\Z)){2,}", re.MULTILINE)
    for match in run.finditer(text):
        before = text[: match.start()].rstrip()
        points = [line[1:].strip() for line in match[0].splitlines()]
        introduced = not before.endswith((".", "!", "?", ".”", '."', "]"))
        if not introduced and len(points) <= 6 and all(_is_headline(point) for point in points):
            yield match.span()


def _is_headline(line: str) -> bool:
    words = line.split()
    return 5 <= len(words) <= 16 and (line[0].isupper() or line[0] in "#'‘“\"") and line[-1].isalnum()


def _lost_tweets(text: str) -> Iterator[tuple[int, int]]:
    """Find a tweet's signature on a line of its own with no tweet above it."""
    for match in re.finditer(rf"(?m)^[ \t]*{TWEET_SIGNATURE}[ \t]*(?:\n|\Z)", text):
        above = text[: match.start()].rstrip()
        if not above or above.endswith(":") or above[-1].isdigit():
            yield match.span()


def _page_furniture(text: str) -> Iterator[tuple[int, int]]:
    r"""Find page numbers, and the first or last lines that recur on pages, which \f separates."""
    pages = [match.span() for match in re.finditer(r"[^\f]+", text)]
    if len(pages) < 2:
        return
    edges: list[tuple[int, int]] = []
    for page_start, page_end in pages:
        lines = [m.span() for m in re.finditer(r"[^\n\f]*\S[^\n\f]*\n?", text[page_start:page_end])]
        ends = {*lines[:2], *lines[-2:]}
        edges += [(page_start + start, page_start + end) for start, end in sorted(ends)]
    seen = Counter(_furniture_key(text[start:end]) for start, end in edges)
    for start, end in edges:
        key = _furniture_key(text[start:end])
        if re.fullmatch(r"(?:page )?#(?: ?(?:of|/) ?#)?", key) or (seen[key] >= 3 and len(key) <= 120):
            yield start, end


def _furniture_key(line: str) -> str:
    return re.sub(r"\d+", "#", " ".join(line.lower().split()))


def _sign_off(text: str) -> Iterator[tuple[int, int]]:
    """Find an outlet's name alone on the last line: up to three capitalised words after a full stop.

    One of them says that it is an outlet ("Newshub", "Sky News"), or "Never." would be one.
    """
    name = r"[A-Z][\w'’&-]*"
    for match in re.finditer(rf"[.!?][\"”’]?\s*\n[ \t]*({name}(?: {name}){{0,2}}\.?)\s*\Z", text):
        if re.search(OUTLET, match[1], re.IGNORECASE):
            yield match.span(1)


SHARE = (
    r"share|tweet|e-?mail|print|save|facebook|twitter|whatsapp|linkedin|reddit|pinterest|copy link|comments?"
)
OUTLET = (
    r"news|times|post\b|press|wire|herald|daily|tribune|gazette|journal|guardian|telegraph|mail\b|media|online"
    r"|radio|\btv\b|weekly|magazine|chronicle|mirror|observer|independent|\b(?:BBC|CNN|AFP|AP|PA|Reuters)\b"
)
AGENCIES = r"Getty(?: Images)?|Reuters|AFP|AP|PA(?: Media)?|EPA|Shutterstock|Alamy"

VERSION = "1"  # raise it when RULES change, so that indexed articles are cleaned again

RULES: tuple[Rule, ...] = (
    Rule(
        "invisible characters",
        _inline(r"[\x00-\x08\x0e-\x1f\x7f\u00ad\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069]+"),
        "soft hyphens, zero-width spaces, control and direction characters hide or reorder words",
    ),
    Rule("page furniture", _page_furniture, "running heads, feet and numbers of pages cut sentences in two"),
    Rule(
        "page break",
        _inline(r"(?<=\n)\f+|(?<!\f)\f+(?=\n)"),
        "the line break beside it is enough; alone it keeps two words apart",
    ),
    Rule("markdown", _markdown, "link, emphasis and heading markup is not the author's words"),
    Rule(
        "feed codes",
        _with_space(r"\[/?contf\w*\]"),
        "placeholders that content feeds leave behind",
    ),
    Rule(
        "feed tail",
        _lines(r"The post \S[^\n]{0,300} appeared first on [^\n.!?]{1,60}(?:\.\w+)*\.?"),
        "WordPress appends it to each entry of a feed; it repeats the title and the site",
    ),
    Rule(
        "link line",
        _lines(
            r"(?:::|»|>>|►|▶)[ \t]*\S[^\n]{0,200}",
            r"(?:read|see|watch|listen)[ ](?:more|also|next|now|here)(?:[ ]*[:|>»–—-][^\n]{0,200})?",
            r"(?:read|see) (?:more|also) (?:on|about|from|in) [^\n]{0,100}[^\n.!?]",
            r"more (?:from|on|about) [^\n]{0,80}[^\n.!?…\"”:,;]",
            r"(?:related|recommended|also read|up next|more|don['’]t miss|in pictures|video|watch live)"
            r"[ ]?[:|][^\n]{1,200}(?<![.”\"])",
            r"(?:related|recommended|most read|top stories|more)(?: (?:stories|articles|links|topics|news))?",
            r"(?:click|tap) here (?:to|for) [^\n]{1,120}",
        ),
        "they name other stories, whose words would answer questions about this one",
    ),
    Rule("headline list", _headline_lists, "dashed headlines in the middle of a story are links as well"),
    Rule(
        "share bar",
        _lines(
            rf"(?:{SHARE})(?:[ \t,|·•/]+(?:{SHARE}|\d+))+",
            r"share (?:this(?: [\w-]+){0,3}|(?:on|via|with) [\w-]+)(?: [|·•/] ?[^\n.]{0,40})?",
            r"follow (?:us|@\w+)(?: on [^\n.]{1,60})?\.?",
            r"share|tweet|print|e-?mail",
        ),
        "buttons",
    ),
    Rule(
        "cookie line",
        _lines(
            r"we(?: and our [^\n]{0,40}partners)? use cookies[^\n]*",
            r"this (?:web)?site uses cookies[^\n]*",
            r"by (?:continuing|using|clicking)[^\n]{0,60}\byou\b[^\n]{0,80}cookies?[^\n]*",
            r"(?:accept|reject|manage)(?: all)?(?: cookies| choices| preferences| all)",
            r"cookie (?:policy|settings|preferences|notice)",
        ),
        "consent banners",
    ),
    Rule(
        "byline",
        _inline(
            r"\A\s*(?:[Bb]y|BY) [A-Z][\w.'’-]*(?: (?:and )?[A-Z][\w.'’-]*){1,4}"
            r"(?:,? [^\n.]{1,80})?(?<![.!?…])\n"
        ),
        "the author is not someone in the story, and front matter and metadata name them",
    ),
    Rule(
        "agency credit",
        _lines(r"\((?:additional )?(?:reporting|writing|editing) by [^\n()]{1,200}\)"),
        "names of people who are not in the story",
    ),
    Rule(
        "comment line",
        _lines(
            r"(?:sign|log) in to (?:leave|post|add|read|view)[^\n]{0,30} comments?",
            r"(?:leave|post|add) a comment|join the conversation|(?:view|show|read)(?: all)? \d* ?comments?",
        ),
        "invitations to comment",
    ),
    Rule(
        "newsletter line",
        _lines(
            r"(?:sign up|subscribe) (?:here|now|today|to|for)\b[^\n]{0,120}"
            r"\b(?:newsletters?|updates|alerts)\b[^\n]{0,80}",
            r"[^\n]{0,80}\bnewsletters?\b[^\n]{0,40}\b(?:sign up|subscribe)\b[^\n]{0,40}",
            r"(?:support|subscribe to) (?:us|our journalism|our work)(?: (?:here|today|now))?\.?",
        ),
        "invitations to subscribe",
    ),
    Rule(
        "advertisement",
        _lines(
            r"advertisements?|sponsored(?: content)?|promoted",
            r"(?:article|story) continues (?:below|after)[^\n]{0,40}",
        ),
        "slots for advertisements",
    ),
    Rule(
        "picture credit",
        _lines(
            rf"(?:image|photo|picture)s?(?: (?:source|copyright|credit|by))?[:, ]+[^\n.]{{0,40}}"
            rf"\b(?-i:{AGENCIES})(?: Images| Media)?",
            r"image (?:source|copyright|credit)[:, ][^\n]{1,60}",
        ),
        "agency credits; the caption beside them stays",
    ),
    Rule(
        "copyright line",
        _lines(
            r"(?:©|\(c\)|copyright ©?)[ ]?(?:19|20)\d\d\b[^\n]{0,120}|©[^\n]{1,60}(?:19|20)\d\d\.?",
            r"[^\n]{0,80}\ball rights reserved\b[^\n]{0,40}",
        ),
        "the outlet's, not the story's",
    ),
    Rule("picture link", _with_space(r"\bpic\.twitter\.com/\w+"), "a picture that is not here"),
    Rule("short link", _with_space(r"\bhttps?://t\.co/\w+…?"), "a redirect says nothing to a reader"),
    Rule("bare tweet tail", _lost_tweets, "a signature whose tweet the page had only as an embed"),
    Rule("sign-off", _sign_off, "the outlet's name alone at the end"),
    Rule("trailing space", _inline(r"(?<![ \t])[ \t]+(?=\n|\Z)"), "left by other rules and by editors"),
    Rule("blank lines", _inline(r"\n\n(\n+)", group=1), "one blank line separates paragraphs"),
    Rule(
        "outer space",
        lambda text: ((0, len(text) - len(text.lstrip())), (len(text.rstrip()), len(text))),
        "nothing to quote there",
    ),
)
