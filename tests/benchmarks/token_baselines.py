"""`tokens`: one-class methods on the frozen tokens that stage 1 kept, beside the scores of the same run.

PatchCore (Roth et al., CVPR 2022): distance of each token to the nearest of N's, a tenth of which are
kept; the mean of the k largest. Place: each token's squared deviation from N's tokens at its place, in
standard deviations of each number. None of them learns from U, and none is trained.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from amae_engine.catalog import image_tables, runs, scores
from amae_engine.catalog.tables import RunKind, Split
from amae_engine.config import ScoreKind, ScoreStep
from amae_engine.errors import NotReady
from amae_engine.evaluation.delong import Auc, auc_interval
from amae_engine.project import Project
from amae_engine.runs.token_files import KeptTokens

_KEPT = 0.1  # of N's tokens
_MOST = 20_000
_LARGEST = (1, 10, 50)  # tokens of an image whose mean distance is its score
_AT_ONCE = 8  # images


def token_baselines(folder: Path) -> dict[str, Auc]:
    """AUC of each on the test images whose truth is known, of a project's newest stage 1.

    Raises:
        NotReady: There is no such run, or it kept no tokens.
    """
    project = Project.open(folder)
    with project.session() as session:
        run = runs.newest(session, RunKind.STAGE1)
        normal, test = (image_tables.images_in(session, s) for s in (Split.NORMAL, Split.TEST))
        if run is None:
            raise NotReady("These methods take the tokens of a finished stage 1; there is none.")
        known = test.chosen(test.truth >= 0)
        own = {
            kind.label: scores.of_images(session, run.id, kind, known.ids)
            for kind in ScoreKind.of_step(ScoreStep.STAGE1)
        }
    kept = KeptTokens(project.run_folder(run.id))
    of_normal = _read(kept, normal.ids)
    found = _place(of_normal, kept, known.ids) | _patch_core(of_normal, kept, known.ids) | own
    return {
        name: auc_interval(known.truth, values, known.patient_ids)
        for name, values in found.items()
        if not np.isnan(values).any()
    }


def _top(distances: Tensor, count: int) -> np.ndarray:
    """The mean of an image's largest distances (B, T), as its score (B,)."""
    return distances.topk(min(count, distances.shape[1]), dim=1).values.mean(dim=1).numpy()


def _place(normal: np.ndarray, kept: KeptTokens, ids: np.ndarray) -> dict[str, np.ndarray]:
    tokens = torch.from_numpy(np.asarray(normal, dtype=np.float32))
    mean, width = tokens.mean(dim=0), tokens.std(dim=0).clamp_min(1e-4)
    deviations = torch.cat(
        [
            (((_batch(kept, part) - mean) / width) ** 2).mean(dim=2)
            for part in np.array_split(ids, max(len(ids) // _AT_ONCE, 1))
        ]
    )
    return {f"z² a place, mean of the {k} largest": _top(deviations, k) for k in _LARGEST}


def _patch_core(normal: np.ndarray, kept: KeptTokens, ids: np.ndarray) -> dict[str, np.ndarray]:
    every = np.asarray(normal, dtype=np.float32).reshape(-1, normal.shape[-1])
    count = min(int(_KEPT * len(every)), _MOST)
    chosen = np.random.default_rng(0).choice(len(every), count, replace=False)
    bank = torch.from_numpy(every[chosen])
    distances = torch.cat(
        [
            torch.cdist(_batch(kept, part).flatten(0, 1), bank)
            .min(dim=1)
            .values.view(len(part), -1)
            for part in np.array_split(ids, max(len(ids) // _AT_ONCE, 1))
        ]
    )
    return {f"PatchCore, mean of the {k} largest": _top(distances, k) for k in _LARGEST}


def _batch(kept: KeptTokens, ids: np.ndarray) -> Tensor:
    return torch.from_numpy(_read(kept, ids))


def _read(kept: KeptTokens, ids: np.ndarray) -> np.ndarray:
    return kept.read(kept.places(ids)).astype(np.float32)
