"""Ranks against SciPy's."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from amae_engine.evaluation.ranks import midranks, relative_ranks

_VALUES = np.array([3.0, 1.0, 3.0, -2.0, 7.0, 1.0, 3.0])


def test_equal_values_share_their_mean_rank():
    assert midranks(_VALUES).tolist() == rankdata(_VALUES).tolist()


def test_relative_ranks_run_from_0_to_1_and_pass_over_what_is_unknown():
    with_gaps = np.insert(_VALUES, (0, 4), np.nan)
    found = relative_ranks(with_gaps)
    known = ~np.isnan(with_gaps)
    assert np.isnan(found[~known]).all()
    assert found[known].tolist() == ((rankdata(_VALUES) - 1) / 6).tolist()
    assert relative_ranks(np.array([5.0])).tolist() == [0.0]
