"""A sample of each sweep; the scripts say how to run them in full."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NEEDS = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and a C compiler"
)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param("sweep_faults.py kill --sample 8", "64 points, {'killed': 64}, 0 wrong", marks=NEEDS),
        pytest.param("sweep_faults.py errors --sample 6", "48 points", marks=NEEDS),
        ("sweep_flips.py --share 250", "0 that change rows were not found"),
        ("sweep_model.py --sequences 20", "20 sequences agree"),
        ("sweep_readers.py --commits 12 --readers 4", "each of one generation; 0 readers failed"),
        ("sweep_fuzz.py --inputs 60", "0 wrong"),
    ],
)
def test_a_sample_of_a_sweep_finds_nothing(arguments: str, expected: str) -> None:
    script, *rest = arguments.split()

    run = subprocess.run([sys.executable, HERE / script, *rest], capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout + run.stderr
    assert expected in run.stdout
