"""Several processes of one run or one import, as `torchrun` starts them.

Every process draws the same random numbers for the whole batch and works on its own share, so the
result is that of one process with the same batch, whatever their number.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from amae_engine.errors import BadSetting

if TYPE_CHECKING:
    from torch import Tensor, nn


T = TypeVar("T")


def world_size() -> int:
    """Processes that work together: 1 where `torchrun` started none."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """This process's number, from 0."""
    return int(os.environ.get("RANK", "0")) if world_size() > 1 else 0


def is_rank_zero() -> bool:
    """Whether this process writes files and rows; the others only compute."""
    return rank() == 0


def share(total: int) -> slice:
    """The contiguous part of `total` rows that this process works on; it may be empty."""
    each, number = world_size(), rank()
    return slice(total * number // each, total * (number + 1) // each)


def broadcast(value: T) -> T:
    """Rank zero's value, in every process."""
    if world_size() == 1:
        return value
    from torch import distributed

    box = [value]
    distributed.broadcast_object_list(box)
    return box[0]


def gather(value: T) -> list[T]:
    """Every process's value, by rank, in rank zero; nothing in the others."""
    if world_size() == 1:
        return [value]
    from torch import distributed

    found: list[T] = [value] * world_size() if is_rank_zero() else []
    distributed.gather_object(value, found if is_rank_zero() else None)
    return found


def all_gather(value: T) -> list[T]:
    """Every process's value, by rank, in every process."""
    if world_size() == 1:
        return [value]
    from torch import distributed

    found: list[T] = [value] * world_size()
    distributed.all_gather_object(found, value)
    return found


def barrier() -> None:
    """Wait until every process has come this far."""
    if world_size() > 1:
        from torch import distributed

        distributed.barrier()


def all_reduce(values: Tensor) -> Tensor:
    """The sum over all processes, in place."""
    if world_size() > 1:
        from torch import distributed

        distributed.all_reduce(values)
    return values


def all_reduce_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Sum the parameters' gradients over all processes, in one exchange; a missing one counts as zero.

    An exchange after the backward pass, rather than hooks within it, lets a process that ran out
    of memory repeat its own step without the others.
    """
    if world_size() == 1:
        return
    import torch

    trained = [p for p in parameters if p.requires_grad]
    parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
    whole = all_reduce(torch.cat([part.flatten() for part in parts]))
    for parameter, gradient in zip(trained, whole.split([p.numel() for p in trained]), strict=True):
        parameter.grad = gradient.view_as(parameter)


def all_rows(part: Tensor, rows: int) -> Tensor:
    """Put the shares (b, d) of every process together to (rows, d)."""
    if world_size() == 1:
        return part
    whole = part.new_zeros(rows, *part.shape[1:])
    whole[share(rows)] = part
    return all_reduce(whole)


@contextmanager
def process_group() -> Iterator[None]:
    """Join the group that `torchrun` describes in the environment; nothing without one.

    Raises:
        BadSetting: The environment names a group that cannot be joined.
    """
    if world_size() == 1:
        yield
        return
    import torch
    import torch.distributed.nn
    from torch import distributed

    # torch.distributed.nn is imported before there is a group: its functions take the group of the
    # moment as a default and hold it (PyTorch 2.14; the optimizers import it), so that gloo's
    # threads would outlive the group, and one that still frees a tensor while Python ends aborts
    # the process after its work is done
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    try:
        if backend == "nccl":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        distributed.init_process_group(backend)
    except (ValueError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise BadSetting(
            f"The {world_size()} processes could not be joined ({first}); start them with torchrun, "
            f"or unset WORLD_SIZE to train in this process alone."
        ) from error
    try:
        yield
    finally:
        distributed.destroy_process_group()
