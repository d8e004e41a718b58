"""Which normal images stage 1's classifier does not learn from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def validation_split(
    patients: npt.NDArray[np.int64], percent: int, seed: int
) -> npt.NDArray[np.bool_]:
    """(n,) bool: which images are kept for validation, all of a patient's or none.

    Args:
        patients: (n,) a number a patient.
        percent: Of the images, as many as whole patients give without going beyond it, nor beyond
            half of them.
        seed: Of the order in which patients are taken.
    """
    import torch  # its draws: runs of every AMAE held out the same images

    _, numbers, counts = np.unique(patients, return_inverse=True, return_counts=True)
    wanted = min(len(patients) * percent // 100, len(patients) // 2)
    order = torch.randperm(len(counts), generator=torch.Generator().manual_seed(seed)).numpy()
    chosen = order[np.cumsum(counts[order]) <= wanted]
    return np.isin(numbers, chosen)
