"""A validation loss that rises: said while it happens, and in the report."""

from __future__ import annotations

from collections.abc import Sequence

from amae_engine.events import EpochEnd

_EPOCHS = 3  # since the lowest loss
_RISE = 0.02  # of the lowest loss; less is noise of the last epochs


def rise_text(epochs: Sequence[EpochEnd]) -> str:
    """Where the loss on images that are not learnt from was lowest, where it has risen since; else "".

    Args:
        epochs: Of one run, oldest first; each of its modules is looked at by itself.
    """
    losses: dict[str, list[tuple[float, int]]] = {}
    for event in epochs:
        if event.validation_loss is not None:
            losses.setdefault(event.module, []).append((event.validation_loss, event.epoch))
    said = []
    for module, found in losses.items():
        (lowest, best), (loss, newest) = min(found), found[-1]
        if newest - best >= _EPOCHS and loss > (1 + _RISE) * lowest:
            whose = f"Module {module}'s loss on unseen images" if module else "The validation loss"
            said.append(
                f"{whose} was lowest after epoch {best} ({lowest:.4f}) and has risen to {loss:.4f}: "
                f"fewer epochs may do better."
            )
    return " ".join(said)
