"""Know a model by its weights: check a file of them, name a model by what is in it.

Used by the encoder and by the reader. A leaf: loads no model and no library.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from index.errors import ModelError

if TYPE_CHECKING:
    import torch


def fingerprint_of(model: str | Path | None, weights: "Mapping[str, torch.Tensor]") -> str:
    """Give a model's name and a hash of its weights, as float32."""
    digest = hashlib.sha256()
    for name, values in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(values.float().numpy().tobytes())
    return f"{Path(str(model)).name}@{digest.hexdigest()[:12]}"


def check_sha256(path: Path, expected: str) -> None:
    """Refuse a file of weights that is not the one expected.

    :raises ModelError: the file cannot be read, or its sha256 is another
    """
    try:
        with path.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read the weights {path}: {error.strerror}") from error
    if actual != expected:
        raise ModelError(
            f"the weights {path} are damaged or changed (sha256 {actual[:12]}…, expected {expected[:12]}…);"
            " install the package again"
        )
