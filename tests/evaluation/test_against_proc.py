"""AUC, its variance and the paired test against R's pROC (Robin et al., BMC Bioinformatics 2011)."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy import special, stats

from amae_engine.evaluation.delong import auc_interval, compare_aucs

_SCRIPT = """
suppressMessages(library(pROC))
d <- read.csv(commandArgs(TRUE)[1])
one <- roc(d$truth, d$one, direction = "<", quiet = TRUE)
two <- roc(d$truth, d$two, direction = "<", quiet = TRUE)
paired <- roc.test(one, two, method = "delong", paired = TRUE)
cat(format(c(auc(one), var(one), auc(two), var(two), paired$statistic), digits = 15))
"""


def _has_proc() -> bool:
    if shutil.which("Rscript") is None:
        return False
    found = subprocess.run(
        ["Rscript", "-e", 'quit(status = !requireNamespace("pROC", quietly = TRUE))'],
        check=False,
        capture_output=True,
    )
    return found.returncode == 0


@pytest.mark.skipif(not _has_proc(), reason="needs R's pROC: apt-get install r-cran-proc")
@pytest.mark.parametrize(("normal", "abnormal", "seed"), [(20, 30, 0), (117, 195, 1), (400, 25, 2)])
def test_delong_agrees_with_proc(normal: int, abnormal: int, seed: int, tmp_path: Path):
    random = np.random.default_rng(seed)
    truth = np.repeat((0, 1), (normal, abnormal))
    shared = random.normal(size=len(truth)) + 1.2 * truth
    one = np.round(shared + 0.5 * random.normal(size=len(truth)), 2)  # with ties
    two = np.round(shared + 1.5 * random.normal(size=len(truth)), 1)
    table = tmp_path / "scores.csv"
    np.savetxt(
        table, np.c_[truth, one, two], delimiter=",", header="truth,one,two", comments="", fmt="%g"
    )
    script = tmp_path / "compare.R"
    script.write_text(_SCRIPT)
    told = subprocess.run(["Rscript", script, table], check=True, capture_output=True, text=True)
    expected = [float(word) for word in told.stdout.split()]
    freedom = min(normal, abnormal) - 1
    for values, area, variance in ((one, *expected[:2]), (two, *expected[2:4])):
        found = auc_interval(truth, values)
        assert found.value == pytest.approx(area)
        half = stats.t.ppf(0.975, freedom) * np.sqrt(variance) / (area * (1 - area))
        bounds = special.expit(special.logit(area) + np.array([-half, half]))
        assert (found.low, found.high) == pytest.approx(bounds, rel=1e-6)
    found = compare_aucs(truth, one, two)
    spread = (found.high - found.difference) / stats.t.ppf(0.975, freedom)
    assert found.difference / spread == pytest.approx(expected[4], rel=1e-6)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(expected[4]), freedom), rel=1e-6)
