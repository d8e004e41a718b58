"""Several processes of one command, as `torchrun` starts them, forked from a server that has torch."""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
from contextlib import closing

from amae_engine.cli import main
from amae_engine.jobs.child_process import start_server


def run_ranks(count: int, words: list[str]) -> None:
    """Run `amae` with these words in `count` processes of a thread each; all must succeed."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context(start_server())
    ranks = [
        context.Process(target=_rank, args=(number, count, port, words)) for number in range(count)
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
    assert [rank.exitcode for rank in ranks] == [0] * count


def _rank(number: int, count: int, port: int, words: list[str]) -> None:
    import torch

    torch.set_num_threads(1)
    os.environ.update(
        RANK=str(number),
        LOCAL_RANK=str(number),
        WORLD_SIZE=str(count),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )
    sys.exit(main(words))
