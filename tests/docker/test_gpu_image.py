"""The GPU image and its compose file, as far as they can be judged without building."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from command import ROOT
from ruamel.yaml import YAML

from config.fields import leaves
from config.loading import variable
from config.settings import Settings

DOCKERFILE = ROOT / "docker" / "Dockerfile.cuda"
COMPOSE = ROOT / "docker" / "compose.yaml"


def tool(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name(name)
    if not program.exists():
        pytest.skip(f"{name} is not installed")
    command = [str(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def compose():
    return YAML(typ="safe").load(COMPOSE.read_text(encoding="utf-8"))


def test_the_dockerfile_passes_the_linter():
    linted = tool("hadolint", DOCKERFILE)
    assert (linted.returncode, linted.stdout) == (0, "")


def test_the_compose_file_follows_the_compose_specification():
    checked = tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)
    assert checked.returncode == 0, checked.stdout


def test_the_profile_gpu_has_four_cards_and_a_redis_that_keeps(compose):
    services = compose["services"]
    assert all(service["profiles"] == ["gpu"] for service in services.values())
    (devices,) = services["xiaoq-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices["device_ids"] == ["0", "1", "2", "3"]
    assert "--appendonly" in services["redis"]["command"]


def test_every_variable_is_a_setting(compose):
    known = {variable(leaf.path) for leaf in leaves(Settings)}
    image = set(re.findall(r"XIAOQ_\w+(?==)", DOCKERFILE.read_text(encoding="utf-8")))
    assert image | set(compose["services"]["xiaoq-gpu"]["environment"]) <= known


def test_open_answers_are_finished_before_the_container_is_killed(compose):
    settings = Settings()
    needed = settings.inbox.grace_seconds + settings.inference.drain_seconds
    grace = compose["services"]["xiaoq-gpu"]["stop_grace_period"]
    assert float(grace.removesuffix("s")) > needed


def test_extensions_are_compiled_for_the_4090_while_the_image_is_built():
    build, _, run = DOCKERFILE.read_text(encoding="utf-8").rpartition("\nFROM ")
    assert "-devel-" in build
    assert "TORCH_CUDA_ARCH_LIST=8.9" in build
    assert "exllamav2_ext.so" in build
    # Nothing in the image that runs can compile, and what does not fit fails while it is built.
    assert "-base-" in run.splitlines()[0]
    assert "import torch, exllamav2_ext" in run
    assert "has_flash_attn_with_paged" in run


def test_the_versions_are_those_that_are_tested():
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line and not line.startswith("#")
    )
    text = DOCKERFILE.read_text(encoding="utf-8")
    assert f"ARG EXLLAMAV2={pins['exllamav2']}\n" in text
    assert f"tokenizers=={pins['tokenizers']} " in text
