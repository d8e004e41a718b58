"""Stage 0: masked pre-training of f and g on a project's own images ([30]'s recipe)."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from amae_engine.config import PretrainConfig
from amae_engine.events import Event
from amae_engine.method.memory import images_at_once
from amae_engine.method.reconstruction import MaskedObjective, preview
from amae_engine.method.stored_images import FIRST, StoredImages
from amae_engine.method.training_loop import Task, Update, make_optimizer, train
from amae_engine.models.masked_autoencoder import MaskedAutoencoder

_RATE_BATCH = 256  # the recipe's learning rate is given for this batch size
STEP = "Starting weights"


def pretrain(
    network: MaskedAutoencoder,
    stored: StoredImages,
    config: PretrainConfig,
    run_id: int,
    checkpoint: Path,
) -> Generator[Event, None, None]:
    """Train `network` in place to reconstruct removed patches.

    Args:
        network: On the device that `stored` are on.
        stored: N ∪ U.
        config: Recipe.
        run_id: Put into the events.
        checkpoint: The last whole epoch.
    """
    training = config.training.replace(
        learning_rate=config.training.learning_rate * config.training.batch_size / _RATE_BATCH
    )
    objective = MaskedObjective(network, config.smallest_crop, config.mask_ratio)
    task = Task(
        STEP,
        "",
        network,
        len(stored),
        inputs=lambda rows: ((batch,) for batch in stored.batches(rows)),
        draw=lambda images, random: objective.draw(images, 1, stored.side, random),
        updates=(Update(objective, make_optimizer(network, training)),),
        at_once=images_at_once(network.config, 1, stored.device),
        preview=lambda: preview(network, stored.take(FIRST), 0.75, STEP, ""),
    )
    yield from train(task, training, run_id, checkpoint)
