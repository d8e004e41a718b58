"""Stage 2 as a job: take the current pseudo-labels, then adapt module A and module B."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from amae_engine import processes
from amae_engine.catalog import runs
from amae_engine.catalog.tables import RunKind
from amae_engine.config import ModuleBLearns, Reconstructs, ScoreConfig, Stage2Config
from amae_engine.errors import NotReady
from amae_engine.events import Event
from amae_engine.jobs.pseudo_labels.assign_pseudo_labels import (
    NORMAL,
    PSEUDO_ABNORMAL,
    PSEUDO_NORMAL,
    PseudoLabelView,
    current_pseudo_labels,
    require_both_classes,
    write_labels,
)
from amae_engine.jobs.training.leakage import require_one_split_a_patient
from amae_engine.jobs.training.stage2_modules import (
    BASIS_FILE,
    Learns,
    ModuleImages,
    OverPixels,
    OverTokens,
    keep_unseen,
    plan_modules,
)
from amae_engine.jobs.training.starting_weights import WEIGHTS_FILE
from amae_engine.project import Project
from amae_engine.runs.inputs import InputImages, RunInputs, file_digest, read_inputs
from amae_engine.runs.record import NewRun, RunRecord, RunStep, newest_finished
from amae_engine.runs.token_files import KeptTokens

if TYPE_CHECKING:
    import torch


LABELS_TABLE = "pseudo_labels.csv"
_START, _MODULE_A = "start", "module_a"
_OF_B_ALONE = ("module_a_run", "module_b_learns", "abnormal_share", "pseudo_labels")


MODULES = "AB"


def module_file(module: str) -> str:
    """The weights file of module "A" or "B" in its run's folder."""
    return f"module_{module.lower()}.safetensors"


def network_files(project: Project, config: ScoreConfig) -> dict[str, Path]:
    """The weights that a score run compares: both modules', or without stage 2 stage 1's."""
    if config.without_stage2:
        return {"stage1": project.run_folder(config.stage1_run) / WEIGHTS_FILE}
    folder = project.run_folder(config.stage2_run)
    return {module: folder / module_file(module) for module in MODULES}


def train_stage2(
    project: Project,
    config: Stage2Config,
    resume: int | None = None,
    repeats: int | None = None,
) -> Generator[Event, None, int]:
    """Adapt module A to N ∪ Un and module B to Ua (Eq. 3), over pixels or over tokens.

    Args:
        project: Whose images.
        config: Settings of a new run.
        resume: A run to resume instead, from its own settings and inputs.
        repeats: A run to make again, from what that one saw.

    Returns:
        The run's number.

    Raises:
        BadInput: A patient has images in more than one split.
        NotReady: Stage 1 has not run yet.
        TooFewImages: No image is pseudo-abnormal.
    """

    def new(recorded: RunInputs | None) -> NewRun[Stage2Config]:
        require_one_split_a_patient(project)
        parent = newest_finished(project, RunKind.STAGE1, config.stage1_run, "Stage 2").id
        chosen, seen = config.replace(stage1_run=parent), recorded
        keep = None
        if seen is None:
            view = current_pseudo_labels(project, chosen.pseudo_labels, parent)
            seen, keep = inputs_of(project, chosen, view), partial(_keep_view, view)
        require_same_module_a(project, chosen, seen)
        total = sum(epochs for _, epochs in plan_modules(chosen, seen).values())
        return NewRun(chosen, seen, parent, total, _notes(chosen, seen), keep)

    step = RunStep(RunKind.STAGE2, Stage2Config, _train, "Stage 2")
    return (yield from step.run(project, new, resume, repeats))


def _keep_view(view: PseudoLabelView, folder: Path) -> None:
    """Every image's label as a table, and which images neither module learns from."""
    write_labels(view, folder / LABELS_TABLE)
    keep_unseen(view, folder)


def inputs_of(project: Project, config: Stage2Config, view: PseudoLabelView) -> RunInputs:
    """What stage 2 sees by these pseudo-labels.

    Raises:
        TooFewImages: No image is pseudo-abnormal.
        NotReady: Stage 1 has kept no tokens, or none of an image that came after it.
    """
    require_both_classes(view)
    files = _files(project, config, view.run_id)
    images = view.inputs()
    if config.reconstructs is Reconstructs.TOKENS:
        kept = KeptTokens(project.run_folder(view.run_id))
        kept.places(np.concatenate([found.ids for found in images.values()]))
    return RunInputs(images, weights={name: file_digest(path) for name, path in files.items()})


def require_same_module_a(project: Project, config: Stage2Config, seen: RunInputs) -> None:
    """Module A of another run serves only where it was trained on the same images, in the same way.

    Raises:
        NotReady: The run has no module A, or one of other images or settings; which, it says.
    """
    if not config.module_a_run:
        return
    other = config.module_a_run
    settings, images = _of_run(project, other)
    mine = {name: value for name, value in config.to_dict().items() if name not in _OF_B_ALONE}
    differs = [name for name, value in mine.items() if settings.get(name, value) != value] + [
        f"its {name.replace('_', '-')} images"
        for name in (NORMAL, PSEUDO_NORMAL)
        if images[name].digest != seen.images[name].digest
    ]
    if differs:
        raise NotReady(
            f"Module A of run {other} cannot serve here, as it was trained otherwise "
            f"({', '.join(differs)}); train both modules (--set module_a_run=0)."
        )


def _of_run(project: Project, run_id: int) -> tuple[dict[str, Any], Mapping[str, InputImages]]:
    with project.session() as session:
        row = runs.get(session, run_id)
    if row.kind is not RunKind.STAGE2 or not _module_path(project, run_id, "A").is_file():
        raise NotReady(f"Run {run_id} is no stage-2 run with a finished module A.")
    return row.config, read_inputs(project.run_folder(run_id)).images


def _files(project: Project, config: Stage2Config, stage1: int) -> dict[str, Path]:
    """The files that stage 2 starts from, by what they are for."""
    folder = project.run_folder(stage1)
    if config.reconstructs is Reconstructs.TOKENS:
        files = {"tokens": KeptTokens(folder).digest_file}
    else:
        files = {_START: folder / WEIGHTS_FILE}
    if config.module_a_run:
        files[_MODULE_A] = _module_path(project, config.module_a_run, "A")
    return files


def _module_path(project: Project, run_id: int, module: str) -> Path:
    return project.run_folder(run_id) / module_file(module)


def _notes(config: Stage2Config, seen: RunInputs) -> tuple[str, ...]:
    counts = {name: len(found) for name, found in seen.images.items()}
    labels = config.pseudo_labels
    also = ""
    if config.module_b_learns is ModuleBLearns.WITH_NORMALS:
        also = " and from module A's images, so that both modules know the normal"
    return (
        f"Pseudo-labels by {labels.source.label}, K = {labels.keep_text}: module A learns "
        f"from {counts[NORMAL]} normal and {counts[PSEUDO_NORMAL]} pseudo-normal images, module B "
        f"from {counts[PSEUDO_ABNORMAL]} pseudo-abnormal ones{also}.",
    )


def _train(
    project: Project, config: Stage2Config, record: RunRecord
) -> Generator[Event, None, None]:
    from amae_engine.method.compute_device import be_deterministic, choose_device
    from amae_engine.method.side_by_side import side_by_side

    record.inputs.require_weights(_files(project, config, config.stage1_run))
    plan = plan_modules(config, record.inputs)
    names = config.training.device.split(",")
    be_deterministic(config.training.deterministic)
    devices = dict(zip("AB", (choose_device(names[0]), choose_device(names[-1])), strict=True))
    if config.module_a_run and processes.is_rank_zero():
        other = project.run_folder(config.module_a_run)
        for name in (BASIS_FILE, module_file("A")):
            if (other / name).is_file():
                shutil.copyfile(other / name, record.folder / name)
    over = OverTokens if config.reconstructs is Reconstructs.TOKENS else OverPixels
    learns: Learns = over(project, config, record)
    modules = []
    for module, (images, epochs) in plan.items():
        is_another_s = module == "A" and config.module_a_run > 0
        if is_another_s or (record.folder / module_file(module)).is_file():
            record.skip(module, epochs)
            continue
        modules.append(_adapt(learns, config, record, module, images, epochs, devices[module]))
    if len(names) > 1:
        yield from side_by_side(modules)
        return
    for job in modules:
        yield from job


def _adapt(
    learns: Learns,
    config: Stage2Config,
    record: RunRecord,
    module: str,
    images: ModuleImages,
    epochs: int,
    device: torch.device,
) -> Generator[Event, None, None]:
    from amae_engine.method.stage2 import Module
    from amae_engine.models.checkpoint import save_weights

    checkpoint = record.folder / f"checkpoint_{module.lower()}.pt"
    own = config.changed({"training.epochs": epochs})
    network, job = learns.adapt(Module(module, own, record.id, checkpoint), images, device)
    yield from job
    if processes.is_rank_zero():
        facts = {"config": config.to_json(), "images": str(len(images.ids))}
        save_weights(network, record.folder / module_file(module), facts)
        checkpoint.unlink()
