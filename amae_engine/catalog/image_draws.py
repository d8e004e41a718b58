"""Some of the unlabeled images, with a chosen share of abnormal ones by their hidden truth."""

from __future__ import annotations

import numpy as np

from amae_engine.catalog.image_tables import ImageTable
from amae_engine.config import UnlabeledDraw
from amae_engine.errors import TooFewImages


def drawn(table: ImageTable, draw: UnlabeledDraw) -> ImageTable:
    """The images of a draw; for judging a method over the anomaly ratio, as in Fig. 3 (a).

    The draws of one seed are nested: a higher ratio replaces normal images by abnormal ones.

    Raises:
        TooFewImages: There are fewer images of a class with known truth than the draw needs.
    """
    count = draw.count or len(table.ids)
    if draw.anomaly_ratio < 0 and count >= len(table.ids):
        return table
    random = np.random.default_rng(draw.seed)
    if draw.anomaly_ratio < 0:
        places = random.permutation(len(table.ids))[:count]
    else:
        abnormal = round(draw.anomaly_ratio * count)
        wanted = {0: count - abnormal, 1: abnormal}
        places = np.zeros(0, dtype=np.int64)
        for truth, some in wanted.items():
            own = random.permutation(np.flatnonzero(table.truth == truth))
            if len(own) < some:
                name = "abnormal" if truth else "normal"
                raise TooFewImages(
                    f"An anomaly ratio of {draw.anomaly_ratio:g} among {count} unlabeled images "
                    f"needs {some} {name} ones by their hidden truth; there are {len(own)}. Take "
                    f"fewer images."
                )
            places = np.concatenate((places, own[:some]))
    keep = np.zeros(len(table.ids), dtype=bool)
    keep[places] = True
    return table.chosen(keep)


def most_for_every_ratio(table: ImageTable, ratios: tuple[float, ...]) -> int:
    """The largest M of which every one of these anomaly ratios can be drawn."""
    normal, abnormal = (int((table.truth == truth).sum()) for truth in (0, 1))
    most = len(table.ids)
    for ratio in ratios:
        if ratio > 0:
            most = min(most, int(abnormal / ratio))
        if ratio < 1:
            most = min(most, int(normal / (1 - ratio)))
    return most
