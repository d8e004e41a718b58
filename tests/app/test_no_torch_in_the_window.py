"""What the window reads in its own process never loads torch: seconds, and hundreds of megabytes."""

import subprocess
import sys

from amae_engine.project import Project

_READ_ALL = """
import sys
from pathlib import Path
import amae_app.main_window
from amae_app.pseudo_labels.curation_state import CurationReader
from amae_app.results.review_state import read_review_state
from amae_app.training.pipeline_state import read_pipeline_state
from amae_engine.config import PseudoLabelConfig
from amae_engine.jobs.evaluation.what_scores_learned import proxy_worth
from amae_engine.project import Project
project = Project.open(Path(sys.argv[1]))
read_pipeline_state(project, PseudoLabelConfig())
CurationReader(project).read(PseudoLabelConfig())
read_review_state(project)
proxy_worth(project, 1)
print(sorted(name for name in ("torch", "timm", "torchvision") if name in sys.modules))
"""


def test_every_page_reads_a_trained_project_without_torch(whole_path: Project):
    done = subprocess.run(
        [sys.executable, "-c", _READ_ALL, str(whole_path.folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip().splitlines()[-1:] == ["[]"], done.stdout + done.stderr
