"""Worker processes end with the process that started them."""

import os
import signal
import subprocess
import sys
import time

import pytest

from amae_engine.worker_pool import worker_pool

_STARTS_TWO = (
    "import os, time\n"
    "from amae_engine.worker_pool import worker_pool\n"
    "if __name__ == '__main__':\n"
    "    pool = worker_pool(2)\n"
    "    list(pool.map(time.sleep, [0.5, 0.5]))\n"
    "    print(*pool._processes, flush=True)\n"
    "    time.sleep(60)\n"
)


def test_workers_work():
    with worker_pool(2) as pool:
        assert list(pool.map(abs, [-1, -2])) == [1, 2]


@pytest.mark.skipif(sys.platform == "win32", reason="asks POSIX whether a process is there")
def test_workers_end_when_their_starter_is_killed(tmp_path):
    script = tmp_path / "starts.py"
    script.write_text(_STARTS_TWO)
    starter = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    workers = [int(number) for number in starter.stdout.readline().split()]
    assert len(workers) == 2
    assert all(_is_there(worker) for worker in workers)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    until = time.monotonic() + 600
    while time.monotonic() < until and any(_is_there(worker) for worker in workers):
        time.sleep(0.05)
    assert not any(_is_there(worker) for worker in workers)
    starter.stdout.close()


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
