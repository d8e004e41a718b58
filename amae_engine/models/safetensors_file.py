"""Tensors and the facts about them in one safetensors file, whose reading runs no code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from amae_engine.atomic_write import atomic_write
from amae_engine.errors import BadWeights


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors by name, on the CPU, and the header's facts.

    Raises:
        BadWeights: The file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise BadWeights(f"{path.name} cannot be read as safetensors: {error}.") from error


def write_safetensors(
    path: Path, tensors: Mapping[str, Tensor], facts: dict[str, str] | None = None
) -> None:
    """Write a file that `read_safetensors` reads.

    Each tensor is copied: safetensors writes neither shared nor channels-last memory.
    """
    plain = torch.contiguous_format
    copies = {k: v.detach().cpu().clone(memory_format=plain) for k, v in tensors.items()}
    with atomic_write(path) as unfinished:
        save_file(copies, unfinished, metadata=facts)
