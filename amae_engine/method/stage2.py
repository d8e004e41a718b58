"""Stage 2: one masked autoencoder adapts to normal images, another to abnormal ones (Eq. 3)."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from amae_engine.config import Stage2Config
from amae_engine.events import Event
from amae_engine.method.memory import images_at_once
from amae_engine.method.reconstruction import MaskedObjective, preview
from amae_engine.method.stored_images import FIRST, StoredImages
from amae_engine.method.training_loop import Task, Update, make_optimizer, train
from amae_engine.models.masked_autoencoder import MaskedAutoencoder


def adapt_module(
    network: MaskedAutoencoder,
    stored: StoredImages,
    module: str,
    config: Stage2Config,
    run_id: int,
    checkpoint: Path,
) -> Generator[Event, None, None]:
    """Train f and g of one module in place, from the starting weights in `network`.

    Args:
        network: A fresh copy of (f0, g0), on the device that `stored` are on.
        stored: N ∪ Un for module "A", Ua for module "B".
        module: "A" or "B".
        config: L, mask ratio and schedule.
        run_id: Put into the events.
        checkpoint: The last whole epoch.
    """
    step = f"Stage 2 · module {module}"
    objective = MaskedObjective(network, config.smallest_crop, config.mask_ratio)
    task = Task(
        step,
        module,
        network,
        len(stored),
        inputs=lambda rows: ((batch,) for batch in stored.batches(rows)),
        draw=lambda images, random: objective.draw(
            images, config.masks_per_image, stored.side, random
        ),
        updates=(Update(objective, make_optimizer(network, config.training)),),
        at_once=images_at_once(network.config, config.masks_per_image, stored.device),
        preview=lambda: preview(network, stored.take(FIRST), config.mask_ratio, step, module),
    )
    yield from train(task, config.training, run_id, checkpoint)
