"""The shapes of the masked autoencoders, by preset."""

from __future__ import annotations

from dataclasses import dataclass

from amae_engine.config.json_config import JsonConfig, require
from amae_engine.config.setting import setting
from amae_engine.errors import BadSetting


@dataclass(frozen=True, slots=True)
class ModelConfig(JsonConfig):
    """The shape of a masked autoencoder (one grey channel, square images)."""

    image_size: int = setting(224, low=1, unit="pixels", why="Side of the images that it sees")
    patch_size: int = setting(16, low=1, unit="pixels", why="Side of a patch")
    encoder_width: int = setting(384, low=1, why="Numbers of a token in f")
    encoder_depth: int = setting(12, low=1, why="Blocks of f")
    encoder_heads: int = setting(6, low=1, why="Attention heads of f")
    decoder_width: int = setting(512, low=1, why="Numbers of a token in g")
    decoder_depth: int = setting(2, low=1, why="Blocks of g")
    decoder_heads: int = setting(16, low=1, why="Attention heads of g")

    def _require(self) -> None:
        for part, width, heads in (
            ("encoder", self.encoder_width, self.encoder_heads),
            ("decoder", self.decoder_width, self.decoder_heads),
        ):
            require(
                width % heads == 0 and width % 4 == 0,
                f"{part}_width must be a multiple of 4 and of {part}_heads ({heads}); it is {width}.",
            )
        require(
            self.image_size % self.patch_size == 0,
            f"image_size must be a multiple of patch_size ({self.patch_size}); "
            f"it is {self.image_size}.",
        )

    @property
    def patches(self) -> int:
        """T, the number of patches of one image."""
        return (self.image_size // self.patch_size) ** 2


PRESETS: dict[str, ModelConfig] = {
    "paper": ModelConfig(),
    "base": ModelConfig(
        encoder_width=768, encoder_heads=12, decoder_width=512, decoder_depth=8, decoder_heads=16
    ),
    "compact": ModelConfig(
        image_size=128,
        encoder_width=192,
        encoder_heads=3,
        decoder_width=96,
        decoder_depth=4,
        decoder_heads=3,
    ),
}
PRESETS["foundation"] = PRESETS["compact"]  # its pixel modules; f0 is a frozen DINOv2


def require_preset(name: str) -> ModelConfig:
    """The network of a preset.

    Raises:
        BadSetting: There is no such preset.
    """
    if name not in PRESETS:
        raise BadSetting(f"preset must be one of {', '.join(PRESETS)}; it is {name!r}.")
    return PRESETS[name]
