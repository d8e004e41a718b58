"""How many attention heads a checkpoint's network has: weights do not show it, and none is guessed.

The same tensors make another function with another number of heads, and nothing looks wrong.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from amae_engine.errors import BadWeights

# released networks by the name that their training script gives: width, depth and heads of the
# encoder (facebookresearch/mae's models_mae.py and models_vit.py, medical_mae's); all of them have
# a decoder of one width
_ENCODERS = {
    "small_patch16": (384, 12, 6),
    "base_patch16": (768, 12, 12),
    "large_patch16": (1024, 24, 16),
    "huge_patch14": (1280, 32, 16),
}
_DECODER_WIDTH, _DECODER_HEADS = 512, 16


@dataclass(frozen=True, slots=True)
class Shape:
    """What weights show of a network; a decoder's width is 0 where there is none."""

    width: int
    depth: int
    decoder_width: int


def heads_of(
    shape: Shape,
    patch_size: int,
    args: argparse.Namespace | None,
    given: tuple[int, ...],
    path: Path,
) -> tuple[int, int]:
    """Heads of the encoder and of the decoder.

    What the reader gives counts most, then what the training script wrote into the file
    (`args.model`, or its numbers of heads), then the table of released networks, if width, depth
    and patch size are those of one.

    Args:
        shape: Of the weights.
        patch_size: Of the weights.
        args: The training script's, where the file has them.
        given: The reader's: the encoder's, and the decoder's where there is one.
        path: Of the file, for errors.

    Raises:
        BadWeights: Nothing states them, or what is stated cannot be true; the message says what to do.
    """
    encoder = _first(given, 0) or _written(args, "num_heads", "encoder_heads")
    decoder = _first(given, 1) or _written(args, "decoder_num_heads", "decoder_heads")
    released = _of_released(shape, patch_size, str(getattr(args, "model", "")))
    encoder = encoder or released
    if released and shape.decoder_width == _DECODER_WIDTH:
        decoder = decoder or _DECODER_HEADS
    if not encoder or (shape.decoder_width and not decoder):
        raise BadWeights(_question(shape, path, is_known=bool(encoder)))
    for part, width, heads in (
        ("encoder", shape.width, encoder),
        ("decoder", shape.decoder_width, decoder),
    ):
        if width and width % heads:
            raise BadWeights(
                f"{path.name}: the {part} is {width} wide, which {heads} attention heads do not "
                f"divide; give the right number (--set heads=[ENCODER,DECODER])."
            )
    return encoder, decoder


def _first(given: tuple[int, ...], place: int) -> int:
    return given[place] if len(given) > place else 0


def _written(args: argparse.Namespace | None, *names: str) -> int:
    found = [getattr(args, name, None) for name in names]
    return next((n for n in found if isinstance(n, int) and not isinstance(n, bool) and n > 0), 0)


def _of_released(shape: Shape, patch_size: int, model: str) -> int:
    """By the script's name for the network if it fits the weights, else by the weights; 0: unknown."""
    for name, (width, depth, heads) in _ENCODERS.items():
        is_shape = (width, depth, name.rpartition("patch")[2]) == (
            shape.width,
            shape.depth,
            str(patch_size),
        )
        if is_shape and (not model or name in model):
            return heads
    return 0


def _question(shape: Shape, path: Path, is_known: bool) -> str:
    if is_known:
        what = f"how many attention heads its decoder ({shape.decoder_width} wide) has"
    else:
        what = (
            f"how many attention heads its network ({shape.width} wide, {shape.depth} blocks) has"
        )
    return (
        f"{path.name} does not say {what}, and it is no released network whose heads are known. The "
        f"training script knows them (num_heads, decoder_num_heads): give both, as in "
        f"--set heads=[6,16], or in Train → Attention heads."
    )
