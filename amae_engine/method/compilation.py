"""`torch.compile` where it pays: the paper's small batches are bound by kernel launches on a GPU."""

from __future__ import annotations

import importlib.util
import logging
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from amae_engine.config import Compile

_log = logging.getLogger(__name__)


def compiled(
    objective: Callable[..., Tensor], choice: Compile, device: torch.device
) -> Callable[..., Tensor]:
    """The objective as one compiled graph, or as it is.

    AUTO compiles on a CUDA device with Triton, into CUDA graphs; ON also elsewhere. Beside another
    module, in a thread, there are no CUDA graphs: PyTorch keeps them for each thread, and its backward
    passes run in others. An objective that the compiler cannot take is run as it is, with a warning in
    the log.
    """
    on_gpu = device.type == "cuda" and importlib.util.find_spec("triton") is not None
    if choice is Compile.OFF or (choice is Compile.AUTO and not on_gpu):
        return objective
    is_alone = threading.current_thread() is threading.main_thread()
    mode = "reduce-overhead" if on_gpu and is_alone else "default"
    fast: Any = torch.compile(objective, dynamic=False, mode=mode)
    usable = True

    def call(*arguments: Tensor) -> Tensor:
        nonlocal usable
        if usable:
            try:
                loss: Tensor = fast(*arguments)
                return loss
            except torch._dynamo.exc.TorchDynamoException as error:
                usable = False
                _log.warning("torch.compile gave up (%s); going on without it", error)
        return objective(*arguments)

    return call
