"""Encodings of real sentences, and what is not text at all."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.decode import decode, sniff
from index.errors import LoadError

SENTENCES = {
    "French": "La mairie a annoncé mercredi que le pont, fermé depuis l’été, rouvrira à Noël. « Enfin ! »",
    "German": "Die Brücke über die Elbe wird für Fußgänger eröffnet, sagte der Bürgermeister; schöne Grüße.",
    "Spanish": "¿Cuándo abrirá el puente? El 1º de mayo, dijo el alcalde. ¡Qué año!",
    "Swedish": "Borgmästaren sade på onsdagen att bron över ån öppnas i maj. Kostnaden blev högre än väntat.",
    "Danish": "Mølbak spiste crème brûlée på øen, og bagefter gik de til færgen; à la carte.",
    "English": "The “first” report – £43m – said naïve café owners weren’t told. It was 20°C, 5½ miles.",
    "Polish": "Książka została wydana w zeszłym roku. Burmistrz powiedział, że życie będzie łatwiejsze.",
    "Czech": "Příliš žluťoučký kůň úpěl ďábelské ódy. Starosta řekl, že most bude otevřen v úterý večer.",
    "Hungarian": "A híd őszre készül el, a költségek nőttek, közölték. Tűzoltók őrizték, sűrű esőben.",
    "Russian": "Мэр города заявил в среду, что мост через реку откроется в мае и обойдётся дороже.",
    "Greek": "Ο δήμαρχος ανακοίνωσε την Τετάρτη ότι η γέφυρα θα ανοίξει τον Μάιο.",
    "Japanese": "市長は水曜日、川に架かる橋が五月に開通すると発表した。建設費は四十三億円だったという。",
    "Chinese": "市长星期三宣布，横跨河流的大桥将于五月开通。建设费用为四千三百万元，比计划多四百万元。",
    "Korean": "시장은 수요일에 강을 가로지르는 다리가 5월에 개통될 것이라고 발표했다.",
}
CASES = [
    *((name, "cp1252") for name in ("French", "German", "Spanish", "Swedish", "Danish", "English")),
    *((name, codec) for name in ("Polish", "Czech") for codec in ("cp1250", "iso8859_2")),
    ("Hungarian", "cp1250"),
    *(("Russian", codec) for codec in ("cp1251", "koi8_r", "cp866", "iso8859_5")),
    ("Greek", "cp1253"),
    ("Japanese", "cp932"),
    ("Japanese", "euc_jp"),
    ("Chinese", "gb18030"),
    ("Korean", "cp949"),
    *((name, codec) for name in SENTENCES for codec in ("utf-8", "utf-8-sig", "utf-16", "utf-32")),
]


@pytest.mark.parametrize(("language", "codec"), CASES)
def test_a_sentence_is_read_in_the_encoding_it_was_written_in(language: str, codec: str) -> None:
    sentence = SENTENCES[language]

    assert decode(sentence.encode(codec)) == sentence


def test_a_declared_charset_decides_where_the_bytes_alone_cannot() -> None:
    turkish = "Belediye başkanı köprünün mayısta açılacağını söyledi."

    assert decode(turkish.encode("cp1254"), "ISO-8859-9") == turkish
    assert decode("Ça coûte 5 €".encode("cp1252"), '"iso-8859-1"') == "Ça coûte 5 €"


@pytest.mark.parametrize("declared", ["", "no-such-charset", "hex", "cp1252", "\0", "ü" * 50])
def test_utf8_wins_over_a_wrong_or_senseless_declaration(declared: str) -> None:
    assert decode("Brücke — 橋".encode(), declared) == "Brücke — 橋"


def test_one_damaged_byte_does_not_turn_a_utf8_file_into_mojibake() -> None:
    good = "Žluťoučký kůň, příliš. " * 10

    assert decode(good.encode() + b"\xff end") == good + "\ufffd end"


def test_line_ends_and_byte_order_marks_are_removed_and_nothing_else_is_changed() -> None:
    assert (
        decode(codecs.BOM_UTF8 + "ﬁne\u00a0print\r\n½ cup\rcafe\u0301".encode())
        == "ﬁne\u00a0print\n½ cup\ncafe\u0301"
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b" \r\n\t", "empty file"),
        (b"\x89PNG\r\n\x1a\n....", r"binary data, not text \(looks like PNG\)"),
        (b"\xff\xd8\xff\xe0 and more", "looks like JPEG"),
        (b"%PDF-1.7\n", "looks like PDF"),
        (b"PK\x03\x04 and more", "looks like a ZIP"),
        (b"\x7fELF and more", "looks like an ELF"),
        (b"\x1f\x8b and more", "looks like gzip"),
        (b"words and a NUL \0 among them", "binary data, not text"),
        (bytes(range(1, 32)) * 4 + b"words", "binary data, not text"),
    ],
)
def test_what_is_not_text_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(LoadError, match=reason):
        decode(data)


@given(st.binary(max_size=300))
def test_any_bytes_become_clean_text_or_a_load_error(data: bytes) -> None:
    try:
        text = decode(data)
    except LoadError:
        return
    assert "\0" not in text
    assert "\r" not in text
    assert text.encode() is not None  # no lone surrogates
    codecs.lookup(sniff(data))
