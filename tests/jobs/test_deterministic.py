"""The switch for kernels that add in one order."""

import dataclasses
from pathlib import Path

import torch
from demo_images import finish

from amae_engine.config import Stage1Config, TrainingConfig
from amae_engine.jobs.training.train_stage1 import train_stage1
from amae_engine.project import Project

SHORT = TrainingConfig(epochs=1, warmup_epochs=0, batch_size=8)


def test_deterministic_kernels_train_the_same_on_a_cpu(small_project: Project, tiny_weights: Path):
    found = []
    for deterministic in (True, False):
        training = dataclasses.replace(SHORT, deterministic=deterministic)
        config = Stage1Config(weights=str(tiny_weights), training=training)
        run, _ = finish(train_stage1(small_project, config))
        assert torch.are_deterministic_algorithms_enabled() is deterministic
        found.append((small_project.run_folder(run) / "classifier.safetensors").read_bytes())
    assert found[0] == found[1]
