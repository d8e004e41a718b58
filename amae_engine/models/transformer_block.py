"""A transformer block of a masked autoencoder, so that timm is loaded for timm's own encoders alone.

Loading timm takes longer than loading torch. Names and draws are those of timm's `Block`, hence of the
official checkpoints: x + attention(norm(x)), then x + MLP(norm(x)), the MLP four times as wide.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn
from torch.nn import functional

NORM = partial(nn.LayerNorm, eps=1e-6)


class TransformerBlock(nn.Module):
    """Tokens (B, N, d) to tokens (B, N, d)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = NORM(width)
        self.attn = Attention(width, heads)
        self.norm2 = NORM(width)
        self.mlp = nn.Sequential()
        self.mlp.add_module("fc1", nn.Linear(width, 4 * width))
        self.mlp.add_module("act", nn.GELU())
        self.mlp.add_module("fc2", nn.Linear(4 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend, then transform each token."""
        tokens = tokens + self.attn(self.norm1(tokens))
        result: Tensor = tokens + self.mlp(self.norm2(tokens))
        return result


class Attention(nn.Module):
    """Multi-head self-attention; `is_fused` chooses PyTorch's kernel, else plain matrix products."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.is_fused = True
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Mix tokens (B, N, d) with one another."""
        batch, count, width = tokens.shape
        size = width // self.heads
        qkv = self.qkv(tokens).reshape(batch, count, 3, self.heads, size).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)  # (B, heads, N, d / heads) each
        if self.is_fused:
            mixed = functional.scaled_dot_product_attention(query, key, value)
        else:
            weights = (query * size**-0.5) @ key.transpose(-2, -1)  # (B, heads, N, N)
            mixed = weights.softmax(dim=-1) @ value
        result: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, count, width))
        return result
