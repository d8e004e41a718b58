"""How a training step is compiled: into CUDA graphs only where nothing else trains beside it."""

import importlib.util
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from amae_engine.config import Compile
from amae_engine.method.compilation import compiled


@pytest.fixture
def modes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The modes that torch.compile is asked for, on a machine that seems to have Triton."""
    asked: list[str] = []
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: name if name == "triton" else find(name)
    )
    monkeypatch.setattr(torch, "compile", lambda function, **how: asked.append(how["mode"]))
    return asked


def test_two_gpus_at_once_have_no_cuda_graphs(modes: list[str]):
    gpu = torch.device("cuda", 0)
    compiled(torch.abs, Compile.AUTO, gpu)
    with ThreadPoolExecutor(1) as beside:  # as `side_by_side` drives a module
        beside.submit(compiled, torch.abs, Compile.AUTO, gpu).result()
    assert modes == ["reduce-overhead", "default"]


def test_a_cpu_is_compiled_for_when_asked(modes: list[str]):
    assert compiled(torch.abs, Compile.AUTO, torch.device("cpu")) is torch.abs
    compiled(torch.abs, Compile.ON, torch.device("cpu"))
    assert modes == ["default"]
