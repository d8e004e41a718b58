"""Tensors that a formula gives, so that the originals' numbers belong to them on any machine."""

import torch
from torch import Tensor, nn

IMAGES, SIDE = 4, 64


def wave(
    *shape: int, pace: float, start: float = 0.0, low: float = 0.0, high: float = 1.0
) -> Tensor:
    """Values low…high (float32), no two neighbours alike: a sine over the row-major place."""
    place = torch.arange(int(torch.tensor(shape).prod()), dtype=torch.float64)
    value = torch.sin(start + pace * place + 0.3 * torch.sin(0.011 * place))
    return (low + (high - low) * (0.5 + 0.5 * value)).reshape(shape).float()


def stored_images() -> Tensor:
    """(4, 64, 64) uint8; a black border of five pixels, as X-rays have one."""
    images = (wave(IMAGES, SIDE, SIDE, pace=0.137) * 255).round()
    images[:, :5] = images[:, :, -5:] = 0
    return images.byte()


class Fixed(nn.Module):
    """A network that answers the same whatever it sees; its one parameter is for optimizers."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer = answer
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, seen: Tensor) -> Tensor:
        """(B, …) of the answer, whose first dimension may be longer."""
        return self.answer[: len(seen)] + 0 * self.unused


def critic_weights() -> Tensor:
    """(64, 64) of a critic that is smooth in its image: the sum of weight · image²."""
    return wave(SIDE, SIDE, pace=0.71, low=-0.2, high=0.2)
