"""A run that a model file has rated: what the run's row says of it."""

from __future__ import annotations

from dataclasses import dataclass

from amae_engine.config.choices import Precision
from amae_engine.config.json_config import JsonConfig
from amae_engine.config.setting import setting


@dataclass(frozen=True, slots=True)
class AppliedModel(JsonConfig):
    """Test images rated by a model file; nothing here is chosen, all of it is the model's."""

    name: str = setting("", why="The model's")
    digest: str = setting("", why="SHA-256 of what the model says of itself and of its weights")
    leading: str = setting("", why="The score that it is read by")
    leading_why: str = setting("", why="Why, by whoever made it")
    device: str = setting("auto", why="Where it worked")
    precision: Precision = setting(Precision.FLOAT32, why="Models compute in float32")

    @property
    def title(self) -> str:
        """Its name and what tells it from others of that name."""
        return f"Model {self.name} ({self.digest[:12]})"
