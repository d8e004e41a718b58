"""Damage real files in every way that a seed says, and read them in a process of their own.

Run as a program: FOLDER FIRST LAST; a line of JSON for each mutation tells how it ended.
"""

from __future__ import annotations

import faulthandler
import json
import random
import resource
import shutil
import signal
import struct
import sys
from collections.abc import Callable
from pathlib import Path

MEMORY = 2_000_000_000  # bytes of address space
MEMORY_OF_WEIGHTS = 6_000_000_000  # PyTorch's libraries, mapped to read them, are most of it
SECONDS = 10  # of CPU for one input, so that a busy machine does not make it late
_MOST_WAITED = 600  # seconds of wall time: a guard against an input that waits and uses no CPU
# the number behind these tags decides how much is read and how (little and big endian)
_COUNTS = {
    "SamplesPerPixel": (0x0028, 0x0002),
    "NumberOfFrames": (0x0028, 0x0008),
    "Rows": (0x0028, 0x0010),
    "Columns": (0x0028, 0x0011),
    "BitsAllocated": (0x0028, 0x0100),
    "BitsStored": (0x0028, 0x0101),
    "HighBit": (0x0028, 0x0102),
    "PixelRepresentation": (0x0028, 0x0103),
    "PixelPaddingValue": (0x0028, 0x0120),
    "LUTDescriptor": (0x0028, 0x3002),
    "PixelData": (0x7FE0, 0x0010),
    "TransferSyntaxUID": (0x0002, 0x0010),
}
_SHORTS = (0, 1, 2, 3, 7, 8, 12, 16, 17, 32, 64, 255, 256, 4096, 0x7FFF, 0x8000, 0xFFFF)


def mutate(content: bytes, seed: int) -> bytes:
    """The file with one kind of damage, the same for the same seed."""
    chance = random.Random(seed)
    kinds: tuple[Callable[[bytearray, random.Random], bytearray], ...] = (
        _flip_header,
        _flip_header,
        _flip_anywhere,
        _flip_anywhere,
        _truncate,
        _lie,
        _lie,
        _shift,
        _overwrite,
    )
    return bytes(chance.choice(kinds)(bytearray(content), chance))


def _flip_header(content: bytearray, chance: random.Random) -> bytearray:
    for _ in range(chance.choice((1, 2, 8, 40))):
        content[chance.randrange(min(len(content), 3000))] = chance.randrange(256)
    return content


def _flip_anywhere(content: bytearray, chance: random.Random) -> bytearray:
    for _ in range(chance.choice((1, 4, 32, 400))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return content


def _truncate(content: bytearray, chance: random.Random) -> bytearray:
    return content[: chance.randrange(len(content))]


def _lie(content: bytearray, chance: random.Random) -> bytearray:
    """One to three header numbers become others."""
    for _ in range(chance.randint(1, 3)):
        group, element = chance.choice(list(_COUNTS.values()))
        for order in "<>":
            place = content.find(struct.pack(f"{order}HH", group, element))
            if 0 <= place < len(content) - 16:
                offset = place + chance.choice((4, 6, 8, 10))
                struct.pack_into(f"{order}H", content, offset, chance.choice(_SHORTS))
    return content


def _shift(content: bytearray, chance: random.Random) -> bytearray:
    """Bytes lost or doubled."""
    start = chance.randrange(len(content))
    length = chance.choice((1, 2, 7, 100, 5000))
    if chance.random() < 0.5:
        del content[start : start + length]
    else:
        content[start:start] = content[start : start + length]
    return content


def _overwrite(content: bytearray, chance: random.Random) -> bytearray:
    """A run of one byte, or of chance."""
    start = chance.randrange(len(content))
    length = min(chance.choice((4, 64, 1000)), len(content) - start)
    run = bytes([chance.choice((0, 255))]) * length
    content[start : start + length] = run if chance.random() < 0.5 else chance.randbytes(length)
    return content


def read(path: Path, room: Path) -> str:
    """Read a file as the program would; why it is refused, "" where it is not.

    Args:
        path: Its name says what it is.
        room: Where an archive may be unpacked.
    """
    from amae_engine.errors import AmaeError
    from amae_engine.images.decoded_image import Refusal

    try:
        _READERS.get(path.suffix or path.name, _image)(path, room)
    except (AmaeError, Refusal) as error:
        return str(error)
    return ""


def _image(path: Path, _room: Path) -> None:
    from amae_engine.images.decode_pool import decode
    from amae_engine.images.decoded_image import Refusal

    image = decode(path, 256)
    if isinstance(image, Refusal):
        raise image


def _table(path: Path, _room: Path) -> None:
    from amae_engine.images.csv_table import CsvColumns, from_csv

    from_csv(path, CsvColumns())


def _repartition(path: Path, room: Path) -> None:
    from amae_engine.images.repartition import from_repartition

    from_repartition(path, room)


def _weights(path: Path, _room: Path) -> None:
    from amae_engine.models.checkpoint import load_weights

    load_weights(path)


def _archive(path: Path, room: Path) -> None:
    from amae_engine.images.archive import unpack

    shutil.rmtree(room, ignore_errors=True)
    unpack(path, room)


def _dicomdir(path: Path, _room: Path) -> None:
    from amae_engine.images.archive import dicomdir_files

    dicomdir_files(path)


_READERS: dict[str, Callable[[Path, Path], None]] = {
    ".csv": _table,
    ".json": _repartition,
    ".safetensors": _weights,
    ".pth": _weights,
    ".zip": _archive,
    "DICOMDIR": _dicomdir,
}


def main(folder: Path, first: int, last: int) -> None:
    """Read mutations `first` to `last` - 1 of the folder's files; each has its own place for it."""
    sources = sorted(path for path in folder.iterdir() if path.is_file())
    are_weights = any(_READERS.get(path.suffix) is _weights for path in sources)
    bound = MEMORY_OF_WEIGHTS if are_weights else MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    place = folder / "mutants"
    place.mkdir(exist_ok=True)
    for number in range(first, last):
        source = sources[number % len(sources)]
        mutant = place / (source.name if not source.suffix else f"mutant{source.suffix}")
        mutant.write_bytes(mutate(source.read_bytes(), number))
        faulthandler.dump_traceback_later(_MOST_WAITED, exit=True)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        reason = read(mutant, folder / "room")
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()
        reported = {"number": number, "file": source.name, "reason": reason}
        sys.stdout.write(json.dumps(reported) + "\n")
        sys.stdout.flush()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(json.dumps({"peak_kb": peak}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
