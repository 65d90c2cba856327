"""Cleaning deletes boilerplate, keeps what looks like it, and every offset maps back."""

import itertools
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from index.clean import RULES, clean
from index.load import load
from index.types import Article, Cut


@dataclass(frozen=True)
class Row:
    """``text`` with ``⟦what is deleted⟧`` in double brackets; without brackets it is a near miss."""

    rule: str
    text: str
    comment: str


PAGES = (
    "⟦Elsk Review 2018\n⟧The bridge opened on\n⟦12\n⟧⟦\f⟧⟦Elsk Review 2018\n⟧Monday, and the\n⟦13\n⟧⟦\f⟧"
    "⟦Elsk Review 2018\n⟧mayor was there."
)
REMOVED = [
    Row("invisible characters", "The may⟦\u00ad⟧or said⟦\u200b\ufeff⟧ no.", "soft hyphen, zero widths"),
    Row("invisible characters", "It was ⟦\u202e⟧lived⟦\u202c⟧ by all.", "reversed reading order"),
    Row("page furniture", PAGES, "running heads and page numbers"),
    Row("page break", "The mayor said\n⟦\f⟧it was over.", "pdftotext ends pages so"),
    Row("markdown", "See ⟦[⟧the report⟦](https://x.org/a)⟧ now.", "a link keeps its words"),
    Row("markdown", '⟦![⟧A bridge⟦](b.png "title")⟧ it is.', "an image keeps its caption"),
    Row("markdown", "It was ⟦**⟧never⟦**⟧ and ⟦__⟧ever⟦__⟧ so.", "emphasis"),
    Row("markdown", "⟦## ⟧What now\nNobody knew.", "a heading"),
    Row("markdown", "Costs rose⟦[^1]⟧ again.", "a footnote mark"),
    Row("markdown", "One.\n⟦---\n⟧She stayed.", "a thematic break"),
    Row("markdown", "It was ⟦*⟧never⟦*⟧ so.", "weak emphasis"),
    Row("byline", "⟦By Wyn Carrow, Maritime Correspondent\n⟧⟦\n⟧The ship sank.", "at the top"),
    Row("byline", "⟦By Ann B. Lee and Bo Ray in Elsk\n⟧The ship sank.", "two authors and a place"),
    Row("agency credit", "It sank.⟦\n(Reporting by Sol Vance; Editing by P. Lind)⟧", "at the foot"),
    Row("comment line", "One.\n⟦Sign in to leave a comment\n⟧She stayed.", "an invitation"),
    Row("feed codes", "He left⟦ [contf]⟧ and came⟦ [/contfnew]⟧ back.", "placeholders of a feed"),
    Row("feed tail", "The end.⟦\nThe post Bridge opens appeared first on Elsk Daily.⟧", "WordPress"),
    Row("link line", "One.\n⟦» Mayor quits after row\n⟧She stayed.", "a quotation mark as a bullet"),
    Row("link line", "One.\n⟦:: Mayor quits after row\n⟧She stayed.", "colons as a bullet"),
    Row("link line", "One.\n⟦READ MORE: Mayor quits after row\n⟧She stayed.", "capitals"),
    Row("link line", "One.\n⟦Read more about the Elsk bridge\n⟧She stayed.", "no full stop"),
    Row("link line", "One.\n⟦More on this story\n⟧She stayed.", "a heading of links"),
    Row("link line", "One.\n⟦Don’t miss: the best of the year\n⟧She stayed.", "typographic apostrophe"),
    Row("link line", "One.\n⟦Related stories\n⟧She stayed.", "a bare heading"),
    Row("link line", "One.\n⟦Click here to watch the film\n⟧She stayed.", "an invitation"),
    Row("link line", "One.\f⟦Read more: Mayor quits\f⟧Two goes on.", "the end of a page ends the line"),
    Row(
        "headline list",
        "He left.\n⟦- Mayor of Elsk quits after row\n- Bridge over Elsk opens at last\n⟧She stayed.",
        "dashed headlines in the middle",
    ),
    Row("share bar", "One.\n⟦Share | Tweet | 12 comments\n⟧She stayed.", "buttons with a counter"),
    Row("share bar", "One.\n⟦Share this article\n⟧She stayed.", "one button"),
    Row("share bar", "One.\n⟦Follow @elskdaily on Twitter.\n⟧She stayed.", "an account"),
    Row("share bar", "One.\n⟦  e-mail\n⟧She stayed.", "indented"),
    Row("cookie line", "⟦We use cookies to improve your visit.\n⟧She stayed.", "a banner"),
    Row("cookie line", "⟦Accept all cookies\n⟧She stayed.", "its button"),
    Row("newsletter line", "One.\n⟦Sign up for our daily newsletter here\n⟧She stayed.", "an invitation"),
    Row("newsletter line", "One.\n⟦Support our journalism today.\n⟧She stayed.", "a begging line"),
    Row("advertisement", "One.\n⟦Advertisement\n⟧She stayed.", "a slot"),
    Row("advertisement", "One.\n⟦Article continues below\n⟧She stayed.", "around a slot"),
    Row("picture credit", "⟦Image copyright Getty Images\n⟧The mayor at the bridge", "caption stays"),
    Row("picture credit", "⟦Photo: Jo Roe/Reuters\n⟧The mayor at the bridge", "photographer and agency"),
    Row("copyright line", "One.⟦\n© 2018 Elsk Daily. No copying.⟧", "a sign"),
    Row("copyright line", "One.⟦\nElsk Daily, all rights reserved.⟧", "words"),
    Row("picture link", "What a view!⟦ pic.twitter.com/aB3⟧", "the picture is not here"),
    Row("short link", "What a view!⟦ https://t.co/aB3dE⟧", "a redirect"),
    Row("bare tweet tail", "He wrote:\n⟦— Jo Roe (@joroe) May 3, 2018\n⟧Then he left.", "its tweet is lost"),
    Row("sign-off", "He left.⟦\nElsk Daily⟧", "alone at the end; the break goes as outer space"),
    Row("trailing space", "One.⟦ \t⟧\nShe stayed.", "left by editors"),
    Row("blank lines", "One.\n\n⟦\n\n⟧She stayed.", "one blank line is enough"),
    Row("outer space", "⟦\n \n⟧One.⟦ \n⟧", "around the text"),
]
KEPT = [
    Row("invisible characters", "👩\u200d🚀 and می\u200cخواهم\tso.", "joiners are part of the spelling"),
    Row("invisible characters", "One.\x0bTwo.", "a vertical tab parts words"),
    Row("page furniture", "12\nThe bridge opened.\n13", "numbers of a text without pages"),
    Row("page break", "The mayor said\fit was over.", "alone it parts two words"),
    Row("markdown", "f(x) [sic] and 2 ** 3 ** 4, a_b_c, #1 and C# too.", "signs that are not markup"),
    Row("feed codes", "He is a [conf] member.", "other brackets"),
    Row("markdown", "Rates * of 5*3*2 and 2 * 3 * 4.", "stars that multiply"),
    Row("byline", "By Friday Afternoon the water had gone.\nIt was over.", "a sentence"),
    Row("byline", "It sank.\nBy Order Of The Mayor\nNobody came.", "not at the top"),
    Row("agency credit", "He was moved (reporting by drone, police said) at noon.", "inside a sentence"),
    Row("comment line", "They left a comment on every page.", "a sentence"),
    Row("sign-off", "He was asked twice.\nNever.", "a last word"),
    Row("newsletter line", "Support for the strike fell to 40 percent.", "a sentence"),
    Row("newsletter line", "Sign up rates fell after the outage, and updates were delayed.", "a sentence"),
    Row("picture credit", "Photo apps are the new battleground.", "no agency"),
    Row("picture credit", "Picture: the apartment block in Saltby", "a caption; no agency in it"),
    Row("copyright line", "Copyright law of 1988 does not protect the song, the judge ruled.", "a sentence"),
    Row("cookie line", "By using cookies, Vantor tracked four million people, the court heard.", "news"),
    Row("link line", "More: he said he would resign on Monday.", "a sentence"),
    Row("share bar", "Share with caution, officials told parents", "a headline"),
    Row("feed tail", "The post appeared first on Monday.", "no title"),
    Row("feed tail", "The post office appeared first on the list. It was full.", "a sentence goes on"),
    Row("link line", "Read more than you write, she said.", "a sentence"),
    Row("link line", "More on that later, he said.", "a sentence with a stop"),
    Row("link line", "Video footage shows the bridge.", "the word within a sentence"),
    Row(
        "headline list",
        "These will close:\n- The old school on Mill Road\n- The swimming pool by the river",
        "a list that the article introduces",
    ),
    Row("headline list", "He left.\n- Flour\n- Two eggs\nMix.", "points too short for headlines"),
    Row("share bar", "Share prices fell. Print is dead.", "sentences that begin so"),
    Row("cookie line", "We use biscuits. Cookies are sold by the dozen.", "food"),
    Row("newsletter line", "The newsletter was first printed in 1840.", "about one"),
    Row("advertisement", "Advertisement revenue fell.", "a sentence"),
    Row("picture credit", "The photo, taken by Reuters in May, shows a bridge that fell.", "a sentence"),
    Row("copyright line", "Copyright law changed; few noticed.", "without a year"),
    Row("picture link", "Go to pic.example.com/a now.", "another site"),
    Row("short link", "Go to https://example.org/t.co/x now.", "another site"),
    Row("bare tweet tail", "I am off!\n— Jo Roe (@joroe) May 3, 2018\nThen he left.", "its tweet is here"),
    Row("sign-off", "The winners are\nElsk Rovers", "a last line that the sentence needs"),
    Row("trailing space", "One.  She stayed.", "inside a line"),
    Row("blank lines", "One.\n\nShe stayed.", "one blank line"),
    Row("outer space", "One. She stayed.", "nothing around"),
]


def article(text: str) -> Article:
    return Article("id", "Title", text, original=text)


@pytest.mark.parametrize("row", REMOVED, ids=lambda row: f"{row.rule}: {row.comment}")
def test_boilerplate_is_deleted(row: Row) -> None:
    parts = re.split("[⟦⟧]", row.text)
    original, kept = "".join(parts), "".join(parts[::2])

    cleaned = clean(article(original))

    assert cleaned.text == kept
    assert row.rule in {cut.rule for cut in cleaned.cuts}


@pytest.mark.parametrize("row", KEPT, ids=lambda row: f"{row.rule}: {row.comment}")
def test_what_only_looks_like_boilerplate_is_kept(row: Row) -> None:
    before = article(row.text)

    assert clean(before) is before


@pytest.mark.parametrize("rows", [REMOVED, KEPT], ids=["removed", "kept"])
def test_every_rule_has_an_example(rows: list[Row]) -> None:
    assert {row.rule for row in rows} == {rule.name for rule in RULES}
    assert len({rule.name for rule in RULES}) == len(RULES)


FRAGMENTS = [
    *("\n", "\n\n", "\n\n\n", " ", "\t", "\f", "\r\n", "\x85", "\u2028", "\x00", "\u200b", "😀", "e\u0301"),
    *("The mayor said so.", "It ended.", "Read more", "Related: x", "» a link", "::", "More", "Share", "3"),
    *("Share | Tweet", "Advertisement", "The post A appeared first on B", "Image source, Getty Images"),
    *("© 2018 BBC", "all rights reserved", " pic.twitter.com/a", " https://t.co/A", "BBC Sport", "12", ":"),
    *("— Jo (@jo) May 3, 2018", "[a](http://x)", "![b](y)", "**", "__", "# ", "[^1]", "---\n", "[contf]"),
    "- Five words in this headline\n- And here are five more\n",
    *("We use cookies", "Sign up for our newsletter", "Subscribe to us", "“quote.”", "Page 3", "Elsk"),
]
PLAIN = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
TEXTS = st.lists(st.sampled_from(FRAGMENTS), max_size=16).map("".join) | PLAIN


def without(original: str, cuts: tuple[Cut, ...]) -> str:
    keep = [True] * len(original)
    for cut in cuts:
        keep[cut.start : cut.end] = [False] * (cut.end - cut.start)
    return "".join(itertools.compress(original, keep))


@settings(max_examples=400)
@given(TEXTS)
def test_the_text_is_the_original_without_ordered_disjoint_cuts(text: str) -> None:
    cleaned = clean(article(text))

    assert cleaned.original == text
    assert cleaned.text == without(text, cleaned.cuts)
    assert all(0 <= cut.start < cut.end <= len(text) for cut in cleaned.cuts)
    assert all(left.end <= right.start for left, right in itertools.pairwise(cleaned.cuts))


@settings(max_examples=400)
@given(TEXTS, st.data())
def test_every_quote_maps_back_to_the_original(text: str, data: st.DataObject) -> None:
    cleaned = clean(article(text))
    if not cleaned.text:
        return
    start = data.draw(st.integers(0, len(cleaned.text) - 1))
    end = data.draw(st.integers(start + 1, len(cleaned.text)))
    quote = cleaned.text[start:end]

    first, last = cleaned.to_original(start, end)

    inside = [cut for cut in cleaned.cuts if first < cut.end and cut.start < last]
    shifted = tuple(Cut(cut.start - first, cut.end - first, cut.rule) for cut in inside)
    assert all(first < cut.start and cut.end < last for cut in inside), "a cut at an end stays outside"
    assert without(text[first:last], shifted) == quote
    assert inside or text[first:last] == quote


@given(st.text(max_size=20), st.integers(-2, 22), st.integers(-2, 22))
def test_only_a_range_inside_the_text_maps_back(text: str, start: int, end: int) -> None:
    if 0 <= start < end <= len(text):
        assert article(text).to_original(start, end) == (start, end)
    else:
        with pytest.raises(ValueError, match="expected 0 <= start < end"):
            article(text).to_original(start, end)


LINES = [
    *("The mayor said so.", "“It ended,” she said. Nobody asked why.", "- one\n- two", "What now"),
    *("Read more: x", "» a link", "Share | Tweet", "Advertisement", "© 2018 BBC", "We use cookies"),
    *("Image source, Getty Images", "Sign up for our newsletter", "More on this story", "**Bold** words"),
]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(LINES), max_size=12), st.sampled_from(["\n", "\n\n", "\n\n\n"]))
def test_cleaning_whole_lines_twice_changes_nothing_more(lines: list[str], between: str) -> None:
    once = clean(article(between.join(lines)))

    assert clean(once) is once


def test_cleaning_the_sample_articles_twice_changes_nothing_more() -> None:
    samples = [item for item in load([Path("eval/articles")]) if isinstance(item, Article)]
    assert len(samples) > 30
    for once in map(clean, samples):
        assert clean(once) is once


def test_nested_markup_loses_its_outer_layer_only() -> None:
    assert clean(article("So ****it**** is.")).text == "So **it** is."


@given(TEXTS)
@example("Share this article\nThe mayor said so.")
def test_cuts_that_an_article_came_with_are_kept(text: str) -> None:
    front = "---\ntitle: Share\n---\n"
    before = Article("id", "Share", text, original=front + text, cuts=(Cut(0, len(front), "front matter"),))

    cleaned = clean(before)

    assert before.cuts[0] in cleaned.cuts
    assert cleaned.text == without(front + text, cleaned.cuts)


@pytest.mark.parametrize(
    "text", ["a{}b".format(" \t" * 200_000), "a{}b".format("\n" * 400_000), "**a " * 200_000, "\f" * 400_000]
)
def test_long_runs_of_one_sign_are_cleaned_in_one_pass(text: str) -> None:
    """Quadratic patterns would take hours here."""
    cleaned = clean(article(text))

    assert cleaned.text == without(text, cleaned.cuts)
