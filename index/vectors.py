"""The vector index: FAISS over passage vectors, derived from what the store holds.

Holds: ids are passage ids; ``search`` gives cosines; a saved file is read by FAISS only after its
checksum matched (FAISS itself accepts damaged files); the file appears whole or not at all.
Up to FLAT_LIMIT vectors the search is exhaustive over float16 values, which are what the store
holds, so it is exact; above, it is an HNSW graph over 8-bit values, whose removed vectors stay as
tombstones until they are a fifth of all.
Does not embed, and does not know which passages are right: the store says so by their ids.
"""

import hashlib
import importlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.durable import replacing

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]
Fetch = Callable[[Ids], Vectors]
"""Passage ids -> their stored vectors, shape (len(ids), dim)."""

VECTORS = "vectors.faiss"  # in the folder of an index
MAGIC = b"citewire-vectors-1\n"
# 2 cores, `tests/bench_index.py vectors`: an exhaustive search of 400,000 vectors takes 19 ms, a tenth
# of what reading the passages takes; the graph searches in a fiftieth of that, but misses 2 of 100.
FLAT_LIMIT = 400_000
TOMBSTONES = 0.2  # share of removed vectors at which the graph is built anew
# Share of the vectors that a search allows under which walking the graph meets too few of them: on
# 3,000 clustered vectors recall@10 is 0.99 at a fifth, 0.87 at a twentieth, 0.55 at a hundredth.
SELECTIVE = 0.2
HNSW_BUILD, HNSW_SEARCH = 80, 96  # efConstruction, efSearch: recall@10 0.98 in the same benchmark


class VectorIndex:
    """An immutable set of passage vectors to search; ``updated`` gives a new one.

    :param faiss_index: an ``IndexIDMap2`` over the live and the removed vectors
    :param live: ids that a search may return, sorted
    """

    def __init__(self, faiss_index: Any, live: Ids) -> None:
        self._index = faiss_index
        self._live = live

    @classmethod
    def build(cls, ids: Ids, dim: int, fetch: Fetch, flat_limit: int = FLAT_LIMIT) -> "VectorIndex":
        """Index the vectors of some passages."""
        faiss = _faiss()
        kind = "SQfp16" if len(ids) <= flat_limit else "HNSW32_SQ8"
        index = faiss.index_factory(dim, f"IDMap2,{kind}", faiss.METRIC_INNER_PRODUCT)
        if kind != "SQfp16":
            graph = faiss.downcast_index(index.index)
            graph.hnsw.efConstruction, graph.hnsw.efSearch = HNSW_BUILD, HNSW_SEARCH
            sample = np.random.default_rng(0).choice(ids, size=min(len(ids), 50_000), replace=False)
            index.train(fetch(np.sort(sample)))
        _add(index, ids, fetch)
        return cls(index, np.sort(ids))

    @property
    def ids(self) -> Ids:
        return self._live

    @property
    def exhaustive(self) -> bool:
        return "HNSW" not in type(_inner(self._index)).__name__

    def updated(self, ids: Ids, dim: int, fetch: Fetch, flat_limit: int = FLAT_LIMIT) -> "VectorIndex":
        """Give the index of exactly these passages, at the least cost; this one stays as it is."""
        faiss = _faiss()
        ids = np.sort(ids)
        held = np.sort(faiss.vector_to_array(self._index.id_map))
        new, gone = np.setdiff1d(ids, held), np.setdiff1d(held, ids)
        outgrown = self.exhaustive != (len(ids) <= flat_limit)
        if outgrown or (not self.exhaustive and len(gone) > TOMBSTONES * len(held)):
            return self.build(ids, dim, fetch, flat_limit)
        if not len(new) and np.array_equal(ids, self._live):
            return self
        index = faiss.clone_index(self._index)
        if len(gone) and self.exhaustive:
            index.remove_ids(gone)
        _add(index, new, fetch)
        return VectorIndex(index, ids)

    def search(self, queries: Vectors, k: int, allowed: Ids | None = None) -> tuple[Vectors, Ids]:
        """Find the nearest passages of each query.

        :param queries: shape (n, dim), float32, unit rows
        :param allowed: only these ids may be returned; None for all
        :return: cosines and ids, both of shape (n, k), best first; where there are fewer, id -1
        """
        faiss = _faiss()
        index = self._index
        if allowed is None and index.ntotal != len(self._live):
            allowed = self._live
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        params = None
        if allowed is not None:
            if not self.exhaustive and len(allowed) < SELECTIVE * index.ntotal:
                return self._scan(queries, k, allowed)
            selector = faiss.IDSelectorBatch(np.ascontiguousarray(allowed, dtype=np.int64))
            params = (
                faiss.SearchParameters(sel=selector)
                if self.exhaustive
                else faiss.SearchParametersHNSW(sel=selector, efSearch=HNSW_SEARCH)
            )
        cosines, ids = index.search(queries, k, params=params)
        return cosines, ids

    def _scan(self, queries: Vectors, k: int, allowed: Ids) -> tuple[Vectors, Ids]:
        """Search a few vectors of a graph one by one."""
        faiss = _faiss()
        held = faiss.vector_to_array(self._index.id_map)
        selector = faiss.IDSelectorBatch(np.flatnonzero(np.isin(held, allowed)))
        values = faiss.downcast_index(_inner(self._index).storage)
        cosines, rows = values.search(queries, k, params=faiss.SearchParameters(sel=selector))
        return cosines, np.where(rows < 0, -1, held[rows])

    def blobs(self) -> Iterator[bytes]:
        """Give the vectors as float16 bytes in the order of ``ids``.

        :raises ValueError: this is a graph, which holds less
        """
        if not self.exhaustive:
            raise ValueError("expected an exhaustive index")
        faiss = _faiss()
        codes = faiss.vector_to_array(_inner(self._index).codes).reshape(
            self._index.ntotal, 2 * self._index.d
        )
        held = faiss.vector_to_array(self._index.id_map)
        return (codes[row].tobytes() for row in np.argsort(held))

    def save(self, path: Path, state: str) -> None:
        """Write the index beside ``path``, sync it, and put it in place in one step.

        :param state: name of the store's state that it belongs to
        :raises OSError: the disk is full or not writable; what was at ``path`` is still there
        """
        faiss = _faiss()
        body = memoryview(faiss.serialize_index(self._index))
        live = self._live.astype("<i8").tobytes()
        header = json.dumps({"state": state, "live_bytes": len(live)}).encode() + b"\n"
        digest = hashlib.sha256()
        for part in (header, live, body):
            digest.update(part)
        with replacing(path) as new, new.open("wb") as file:
            for part in (MAGIC, digest.hexdigest().encode() + b"\n", header, live, body):
                file.write(part)

    @staticmethod
    def saved_state(path: Path) -> str | None:
        """Give the state that a saved index says it belongs to, without reading or checking the rest."""
        try:
            with path.open("rb") as file:
                file.readline()
                file.readline()
                return str(json.loads(file.readline())["state"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @classmethod
    def read(cls, path: Path) -> tuple[str, "VectorIndex"] | None:
        """Read a saved index after the state it belongs to; None if it is missing, damaged or not ours."""
        faiss = _faiss()
        try:
            data = path.read_bytes()
        except OSError:
            return None
        # FAISS reserves what a file says before it reads that much.
        faiss.set_deserialization_vector_byte_limit(max(len(data), 1 << 20))
        faiss.set_deserialization_loop_limit(max(len(data), 1 << 20))
        start = len(MAGIC) + 65
        magic, checksum, content = data[: len(MAGIC)], data[len(MAGIC) : start], memoryview(data)[start:]
        if magic != MAGIC or hashlib.sha256(content).hexdigest().encode() + b"\n" != checksum:
            return None
        end = data.index(b"\n", start)
        header, payload = json.loads(data[start:end]), memoryview(data)[end + 1 :]
        live_bytes, state = int(header["live_bytes"]), str(header["state"])
        live = np.frombuffer(payload[:live_bytes], dtype="<i8").astype(np.int64)
        index = faiss.deserialize_index(np.frombuffer(payload[live_bytes:], dtype=np.uint8))
        return state, cls(index, live)


def _faiss() -> Any:
    """Import FAISS when needed (it takes 0.3 s); its type stubs lack most of what is used here."""
    return importlib.import_module("faiss")


def _inner(index: Any) -> Any:
    faiss = _faiss()
    return faiss.downcast_index(index.index)


def _add(index: Any, ids: Ids, fetch: Fetch) -> None:
    for batch in _batches(ids, 50_000):
        index.add_with_ids(fetch(batch), batch)


def _batches(ids: Ids, size: int) -> Iterable[Ids]:
    return (ids[at : at + size] for at in range(0, len(ids), size))
