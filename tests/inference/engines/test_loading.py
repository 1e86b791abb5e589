import ast
import importlib.util
from pathlib import Path

import pytest

from config.engine import EngineSettings
from inference.engines.loading import load_engine
from inference.jobs.engine import LoadRefusedError

ROOT = Path(__file__).parents[3]
HAS_TORCH = importlib.util.find_spec("torch") is not None


@pytest.mark.parametrize(
    ("library", "file"), [("exllamav2", "exl2"), ("transformers", "hf"), ("peft", "hf")]
)
def test_a_library_of_models_is_imported_in_one_file(library, file):
    floors = ("bots", "core", "inference", "config")
    files = [path for floor in floors for path in (ROOT / floor).rglob("*.py")]
    assert [path.stem for path in files if library in imports_of(path)] == [file]


def imports_of(path: Path) -> set[str]:
    """The packages that a file imports, anywhere in it."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


@pytest.mark.skipif(HAS_TORCH, reason="has torch")
@pytest.mark.parametrize("engine", ["exllamav2", "transformers"])
def test_an_engine_that_is_not_installed_is_refused_with_the_extra_that_has_it(engine, tmp_path):
    with pytest.raises(LoadRefusedError, match=rf"not installed.*xiaoq\[{engine}\]"):
        load_engine(EngineSettings(engine=engine, model_dir=tmp_path), lambda _: None)


def test_no_engine_is_refused():
    with pytest.raises(LoadRefusedError, match="no engine is set"):
        load_engine(EngineSettings(), lambda _: None)
