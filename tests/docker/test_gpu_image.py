"""The GPU image and its service, as far as they can be judged without building."""

import pytest
from images import COMPOSE, DOCKER, load_yaml, pins, tool

DOCKERFILE = DOCKER / "Dockerfile.cuda"


@pytest.fixture(scope="module")
def text():
    return DOCKERFILE.read_text(encoding="utf-8")


def test_the_dockerfile_passes_the_linter():
    linted = tool("hadolint", DOCKERFILE)
    assert (linted.returncode, linted.stdout) == (0, "")


def test_the_model_has_four_cards():
    model = load_yaml(COMPOSE)["services"]["model"]
    (devices,) = model["deploy"]["resources"]["reservations"]["devices"]
    assert devices["device_ids"] == ["0", "1", "2", "3"]


def test_extensions_are_compiled_for_the_4090_while_the_image_is_built(text):
    build, _, run = text.rpartition("\nFROM ")
    assert "ARG DEVEL=nvidia/cuda:13.0.2-devel-ubuntu24.04\n" in build
    assert "ARG BASE=nvidia/cuda:13.0.2-base-ubuntu24.04\n" in build
    assert "\nFROM ${DEVEL} AS build\n" in build
    assert "TORCH_CUDA_ARCH_LIST=8.9" in build
    assert "exllamav2_ext.so" in build
    # Nothing in the image that runs can compile, and what does not fit fails while it is built.
    assert run.startswith("${BASE}\n")
    assert "import torch, exllamav2_ext" in run
    assert "has_flash_attn_with_paged" in run


def test_the_versions_are_those_that_are_tested(text):
    assert f"ARG EXLLAMAV2={pins()['exllamav2']}\n" in text
    assert f"tokenizers=={pins()['tokenizers']} " in text
