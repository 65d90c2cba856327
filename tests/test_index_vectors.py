"""The vector index against brute force in NumPy: exact when flat, near as a graph, never from a bad file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from index.vectors import MAGIC, VectorIndex

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]
DIM = 32


def unit(rows: NDArray[np.float64]) -> Floats:
    unit_rows: Floats = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit_rows


class World:
    """Vectors of ids 1..n as the store holds them (float16), around 60 centres as topics are."""

    def __init__(self, n: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        centres = rng.normal(size=(60, DIM))
        rows = centres[rng.integers(0, 60, n)] + 0.4 * rng.normal(size=(n, DIM))
        self.rows: Floats = unit(rows).astype(np.float16).astype(np.float32)
        self.queries: Floats = unit(rows[:40] + 0.3 * rng.normal(size=(40, DIM)))
        self.fetched = 0

    def fetch(self, ids: Ids) -> Floats:
        self.fetched += len(ids)
        return self.rows[ids - 1]

    def best(self, allowed: Ids, k: int) -> tuple[Floats, Ids]:
        cosines = self.queries @ self.rows[allowed - 1].T
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(cosines, order, axis=1), allowed[order]


def recall(found: Ids, expected: Ids) -> float:
    hits = [len(set(a) & set(b)) for a, b in zip(found.tolist(), expected.tolist(), strict=True)]
    return sum(hits) / expected.size


def span(first: int, last: int) -> Ids:
    return np.arange(first, last + 1, dtype=np.int64)


def assert_exact(index: VectorIndex, world: World, allowed: Ids, k: int = 10) -> None:
    cosines, ids = index.search(world.queries, k, None if np.array_equal(allowed, index.ids) else allowed)
    expected_cosines, expected_ids = world.best(allowed, k)
    n = expected_ids.shape[1]
    np.testing.assert_allclose(cosines[:, :n], expected_cosines, atol=1e-5)
    assert (ids[:, n:] == -1).all()
    assert recall(ids[:, :n], expected_ids) > 0.99  # two cosines may be equal but for rounding


def test_exhaustive_search_equals_brute_force() -> None:
    world = World(500)

    index = VectorIndex.build(span(1, 500), DIM, world.fetch)

    assert index.exhaustive
    assert_exact(index, world, span(1, 500))
    assert_exact(index, world, span(1, 500)[::7])
    assert_exact(index, world, np.array([400, 3, 77], dtype=np.int64))  # fewer than k


@pytest.mark.parametrize("seed", range(5))
def test_an_updated_index_equals_a_fresh_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    world = World(440, seed)
    held = span(1, 50)
    index = VectorIndex.build(held, DIM, world.fetch)
    for newest in range(60, 400, 40):
        before = index
        kept = rng.permutation(held)[: rng.integers(1, len(held) + 1)]
        held = np.sort(np.concatenate([kept, rng.permutation(span(newest, newest + 39))[: rng.integers(40)]]))
        world.fetched = 0

        index = before.updated(rng.permutation(held), DIM, world.fetch)

        assert world.fetched == len(np.setdiff1d(held, before.ids)), "only new vectors are read"
        assert np.array_equal(index.ids, held)
        assert_exact(index, world, held)
        assert_exact(before, world, before.ids)  # stays as it was


def test_an_update_without_changes_is_the_same_index() -> None:
    world = World(50)
    index = VectorIndex.build(span(1, 50), DIM, world.fetch)

    assert index.updated(span(1, 50), DIM, world.fetch) is index


def test_an_index_can_become_empty_and_fill_again() -> None:
    world = World(50)
    empty = VectorIndex.build(span(1, 9), DIM, world.fetch).updated(span(1, 0), DIM, world.fetch)

    assert (empty.search(world.queries, 3)[1] == -1).all()
    assert_exact(empty.updated(span(5, 50), DIM, world.fetch), world, span(5, 50))


@pytest.fixture(scope="module")
def graph() -> tuple[World, VectorIndex]:
    world = World(3_000)
    return world, VectorIndex.build(span(1, 3_000), DIM, world.fetch, flat_limit=1_000)


def test_the_graph_finds_nearly_all_that_brute_force_finds(graph: tuple[World, VectorIndex]) -> None:
    world, index = graph

    cosines, ids = index.search(world.queries, 10)

    assert not index.exhaustive
    expected_cosines, expected = world.best(span(1, 3_000), 10)
    assert recall(ids, expected) >= 0.95
    np.testing.assert_allclose(cosines, expected_cosines, atol=0.02)  # 8-bit values


@pytest.mark.parametrize("share", [0.5, 0.25, 0.1, 0.02, 0.004])
def test_the_graph_finds_them_among_the_allowed(graph: tuple[World, VectorIndex], share: float) -> None:
    world, index = graph
    rng = np.random.default_rng(1)
    allowed = np.sort(rng.choice(index.ids, size=int(3_000 * share), replace=False))

    _, ids = index.search(world.queries, 10, allowed)

    assert np.isin(ids, allowed).all()
    assert recall(ids, world.best(allowed, 10)[1]) >= 0.95


def test_the_graph_never_returns_what_was_removed(graph: tuple[World, VectorIndex]) -> None:
    world, index = graph
    rng = np.random.default_rng(2)
    for share in (0.95, 0.9, 0.85, 0.75, 0.5):  # the last two are past the share of tombstones
        live = np.sort(rng.permutation(index.ids)[: int(3_000 * share)])

        index = index.updated(live, DIM, world.fetch, flat_limit=1_000)

        _, ids = index.search(world.queries, 10)
        assert np.isin(ids, live).all()
        assert recall(ids, world.best(live, 10)[1]) >= 0.95
        few = live[::50]
        assert np.isin(index.search(world.queries, 80, few)[1], [-1, *few]).all()


def test_an_index_changes_its_kind_with_its_size() -> None:
    world = World(300)
    small = VectorIndex.build(span(1, 100), DIM, world.fetch, flat_limit=100)

    large = small.updated(span(1, 300), DIM, world.fetch, flat_limit=100)

    assert (small.exhaustive, large.exhaustive) == (True, False)
    assert large.updated(span(1, 100), DIM, world.fetch, flat_limit=100).exhaustive


@pytest.mark.parametrize("flat_limit", [1_000, 100])
def test_what_was_saved_is_read_again(tmp_path: Path, flat_limit: int) -> None:
    world = World(300)
    index = VectorIndex.build(span(1, 300), DIM, world.fetch, flat_limit)
    index = index.updated(span(11, 300), DIM, world.fetch, flat_limit)  # the graph keeps ten tombstones
    index.save(tmp_path / "v", "7-x")

    found = VectorIndex.read(tmp_path / "v")

    assert found is not None
    state, again = found
    assert (state, again.exhaustive) == ("7-x", index.exhaustive)
    assert np.array_equal(again.ids, index.ids)
    for mine, theirs in zip(again.search(world.queries, 10), index.search(world.queries, 10), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert [file.name for file in tmp_path.iterdir()] == ["v"], "nothing is left beside it"


def test_a_damaged_file_is_never_read(tmp_path: Path) -> None:
    world = World(40)
    path = tmp_path / "v"
    VectorIndex.build(span(1, 40), DIM, world.fetch).save(path, "3-x")
    good = path.read_bytes()
    header = len(MAGIC) + 65 + 120  # magic, checksum and the JSON line: every byte of them
    offsets = [*range(header), *range(header, len(good), 37)]
    damaged: list[bytes] = [
        b"",
        b"\n",
        good + b"\0",
        good[1:],
        b"x" + good,
        MAGIC,
        good.replace(b"3", b"4", 1),
    ]
    damaged += [good[:size] for size in offsets]
    damaged += [good[:at] + bytes([good[at] ^ 1 << at % 8]) + good[at + 1 :] for at in offsets]
    damaged += [good.replace(b'"3-x"', b'"4-x"'), good.replace(b"-1\n", b"-2\n", 1)]

    for content in damaged:
        path.write_bytes(content)
        assert VectorIndex.read(path) is None

    path.unlink()
    assert VectorIndex.read(path) is None
    path.mkdir()
    assert VectorIndex.read(path) is None


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(40)
    index = VectorIndex.build(span(1, 40), DIM, world.fetch)
    index.save(tmp_path / "v", "1-x")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    sync: Callable[[int], None] = full
    monkeypatch.setattr("index.durable.os.fsync", sync)
    with pytest.raises(OSError, match="No space left"):
        index.save(tmp_path / "v", "2-x")

    found = VectorIndex.read(tmp_path / "v")
    assert found is not None
    assert found[0] == "1-x"
