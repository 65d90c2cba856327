"""The packages know each other in one direction only, and nothing heavy is loaded before it is needed."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("index", "qa", "eval", "ui")
HEAVY = {"torch", "transformers", "sentence_transformers", "faiss", "gradio", "sklearn", "trafilatura"}
FILES = sorted(path for name in PACKAGES for path in [*ROOT.glob(f"{name}.py"), *(ROOT / name).rglob("*.py")])


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, *, at_the_top: bool = False) -> Iterator[str]:
    """Give the modules that a file imports: everywhere, or only those that importing it imports."""
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif at_the_top and isinstance(node, ast.FunctionDef | ast.Lambda):
            continue
        elif at_the_top and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)


MODULES = {module_name(path) for path in FILES}


def ours(path: Path, *, at_the_top: bool = False) -> set[str]:
    """Give this project's modules that a file imports (``index.types.Cut`` is of ``index.types``)."""
    found = set(imports(path, at_the_top=at_the_top))
    return {name for name in found | {name.rpartition(".")[0] for name in found} if name in MODULES}


def test_there_are_modules_to_check() -> None:
    assert {"index.store", "qa.api", "eval.metrics", "ui"} <= MODULES
    assert ours(ROOT / "index/chunk.py") == {"index.sentences", "index.types"}


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_never_go_back_up_the_line(path: Path) -> None:
    module = module_name(path)
    package = module.split(".")[0]
    allowed = {
        "index": {"index"},
        "qa": {"index", "qa"},
        "eval": {"index", "qa", "eval"},
        "ui": {"index", "qa", "ui"},
    }[package]
    packages = {name.split(".")[0] for name in ours(path)}

    if module == "qa.cli":  # the command: it starts the chat and the evaluation, when asked to
        assert {name.split(".")[0] for name in ours(path, at_the_top=True)} <= allowed
        allowed |= {"ui", "eval"}
    assert packages <= allowed


@pytest.mark.parametrize("name", ["index/types.py", "index/errors.py"])
def test_leaves_import_the_standard_library_and_each_other(name: str) -> None:
    outside = {found.split(".")[0] for found in imports(ROOT / name)} - set(sys.stdlib_module_names)

    assert outside <= {"index"}
    assert ours(ROOT / name) <= {"index.types", "index.errors"}


def test_only_build_and_api_put_steps_in_order() -> None:
    steps = {f"index.{name}" for name in ("load", "clean", "chunk", "embed", "store")}
    several = {module_name(path) for path in FILES if len(steps & ours(path)) > 1}

    assert {name for name in several if name.startswith("index.")} == {"index.build"}


def test_nothing_imports_the_training_of_the_reader() -> None:
    for path in FILES:
        assert not any("train" in name.split(".") for name in imports(path) if name.startswith("qa"))


def test_no_imports_at_the_top_go_in_a_circle() -> None:
    waits = {module_name(path): ours(path, at_the_top=True) - {module_name(path)} for path in FILES}
    while free := {module for module, needs in waits.items() if not needs & waits.keys()}:
        waits = {module: needs for module, needs in waits.items() if module not in free}

    assert waits == {}


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    script = (
        "import json, sys\nimport index, index.build, index.store, qa, qa.api, qa.cli\n"
        "print(json.dumps(sorted(name for name in sys.modules if '.' not in name)))"
    )

    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)

    assert HEAVY.isdisjoint(json.loads(run.stdout))


def test_only_the_eval_scripts_import_the_recipe() -> None:
    users = {module_name(path) for path in FILES if any("default_reader" in name for name in ours(path))}

    assert {name for name in users if not name.startswith("qa.default_reader")} == {
        "eval.closed",
        "eval.questions",
    }
