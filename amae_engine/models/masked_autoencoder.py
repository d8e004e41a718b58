"""The masked autoencoder f, g of the paper: [13]'s network, for one grey channel.

Parameter names are those of the official checkpoints (facebookresearch/mae, medical_mae).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from amae_engine.config import ModelConfig
from amae_engine.models.position_embedding import sine_cosine_positions
from amae_engine.models.token_groups import TokenGroup
from amae_engine.models.transformer_block import NORM, TransformerBlock


class PatchEmbedding(nn.Module):
    """A linear map of each patch; kept as a convolution so that official names load."""

    def __init__(self, patch_size: int, channels: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, width, kernel_size=patch_size, stride=patch_size)

    def forward(self, patches: Tensor) -> Tensor:
        """Embed pixel patches (…, p·p·C) to (…, d), in `patchify`'s pixel order."""
        kernel = self.proj.weight.permute(0, 2, 3, 1).flatten(1)  # (d, p·p·C)
        return nn.functional.linear(patches, kernel, self.proj.bias)


class MaskedAutoencoder(nn.Module):
    """Encoder f on visible patches, decoder g on all positions.

    Args:
        config: Widths, depths and the image's side.
        channels: 1; 3 only to run an official checkpoint as it was published.
    """

    positions: Tensor
    decoder_positions: Tensor

    def __init__(self, config: ModelConfig, channels: int = 1) -> None:
        super().__init__()
        self.config = config
        self.channels = channels
        self._attention_of = ""  # the device type that attention is chosen for
        width, decoder_width = config.encoder_width, config.decoder_width
        grid = config.image_size // config.patch_size
        self.image_size, self.grid, self.token_width = config.image_size, grid, width
        self.groups: tuple[TokenGroup, ...] = (TokenGroup(width, is_small=True),)
        self.map_group = 0

        self.patch_embed = PatchEmbedding(config.patch_size, channels, width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.register_buffer("positions", sine_cosine_positions(width, grid), persistent=False)
        self.blocks = nn.ModuleList(
            TransformerBlock(width, config.encoder_heads) for _ in range(config.encoder_depth)
        )
        self.norm = NORM(width)

        self.decoder_embed = nn.Linear(width, decoder_width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder_width))
        self.register_buffer(
            "decoder_positions", sine_cosine_positions(decoder_width, grid), persistent=False
        )
        self.decoder_blocks = nn.ModuleList(
            TransformerBlock(decoder_width, config.decoder_heads)
            for _ in range(config.decoder_depth)
        )
        self.decoder_norm = NORM(decoder_width)
        self.decoder_pred = nn.Linear(decoder_width, config.patch_size**2 * channels)
        self.apply(_initialise)
        nn.init.normal_(self.cls_token, std=0.02)
        nn.init.normal_(self.mask_token, std=0.02)
        nn.init.xavier_uniform_(self.patch_embed.proj.weight.view(width, -1))

    def choose_attention(self, device_type: str) -> None:
        """Plain attention on CPUs, fused attention elsewhere; the values are the same.

        On a CPU the backward pass of fused attention over these short sequences took a third
        of a bf16 step; plain matrix products made the whole step 1.2 to 1.45 times faster.
        `encode` calls this with the device of its patches.
        """
        if device_type == self._attention_of:
            return
        self._attention_of = device_type
        for block in (*self.blocks, *self.decoder_blocks):
            block.attn.is_fused = device_type != "cpu"

    def patchify(self, images: Tensor) -> Tensor:
        """Cut images (B, C, H, W) into patches (B, T, p·p·C), row by row."""
        batch, channels, side, _ = images.shape
        p = self.config.patch_size
        grid = side // p
        patches = images.reshape(batch, channels, grid, p, grid, p)
        return patches.permute(0, 2, 4, 3, 5, 1).reshape(batch, grid * grid, p * p * channels)

    def unpatchify(self, patches: Tensor) -> Tensor:
        """Put patches (B, T, p·p·C) back together to images (B, C, H, W)."""
        batch, count, pixels = patches.shape
        p = self.config.patch_size
        grid, channels = round(count**0.5), pixels // p**2
        images = patches.reshape(batch, grid, grid, p, p, channels)
        return images.permute(0, 5, 1, 3, 2, 4).reshape(batch, channels, grid * p, grid * p)

    def encode(self, patches: Tensor, kept: Tensor | None = None) -> Tensor:
        """Encode visible patches.

        Args:
            patches: (B, T, p·p·C), every patch of the image.
            kept: (B, V) indices of the visible patches, or None for all of them.

        Returns:
            (B, 1 + V, d): the class token, then the visible patches in `kept`'s order.
        """
        self.choose_attention(patches.device.type)
        positions = self.positions[:, 1:].expand(len(patches), -1, -1)
        if kept is not None:
            patches = take(patches, kept)
            positions = take(positions, kept)
        tokens = self.patch_embed(patches) + positions  # (B, V, d)
        class_token = self.cls_token + self.positions[:, :1]
        tokens = torch.cat((class_token.expand(len(tokens), -1, -1), tokens), dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)

    def decode(self, latent: Tensor, kept: Tensor, wanted: Tensor | None = None) -> Tensor:
        """Predict patches from the visible ones.

        Args:
            latent: (B, 1 + V, d), what `encode` returned for `kept`.
            kept: (B, V) indices of the visible patches.
            wanted: (B, P) indices of the patches to predict, or None for all of them.

        Returns:
            (B, P, p·p·C) predicted pixels, in the images' standardised units.
        """
        latent = self.decoder_embed(latent)
        full = self.mask_token.to(latent.dtype).repeat(len(latent), self.config.patches, 1)
        index = kept[:, :, None].expand(-1, -1, full.shape[2])
        full = full.scatter(1, index, latent[:, 1:])  # (B, T, d')
        tokens = torch.cat((latent[:, :1], full), dim=1) + self.decoder_positions
        for block in self.decoder_blocks:
            tokens = block(tokens)
        tokens = tokens[:, 1:]
        if wanted is not None:
            tokens = take(tokens, wanted)
        return self.decoder_pred(self.decoder_norm(tokens))

    def patch_tokens(self, images: Tensor) -> Tensor:
        """Tokens (B, T, d) of every patch of unmasked images (B, C, H, W); section 2.1."""
        return self.encode(self.patchify(images))[:, 1:]

    def map_tokens(self, images: Tensor) -> Tensor:
        """The same: all of a token serves the maps."""
        return self.patch_tokens(images)


def take(values: Tensor, index: Tensor) -> Tensor:
    """Pick rows `index` (B, K) of `values` (B, T, d): (B, K, d)."""
    return values.gather(1, index[:, :, None].expand(-1, -1, values.shape[2]))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
