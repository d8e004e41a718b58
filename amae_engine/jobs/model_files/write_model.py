"""Write what a score run has learnt as one file that rates images anywhere: a zip of weights and JSON.

Inside: `model.json` (format, settings, what it learnt from, how well it does, every member's size and
digest) and safetensors: stage 1's classifier, its arrays, both modules, and the encoders that do not
ship with AMAE. No pixels, no patient, no path, no row of an image.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from amae_engine.atomic_write import atomic_write
from amae_engine.catalog import runs
from amae_engine.catalog.audit import audit
from amae_engine.catalog.runs import RunRow
from amae_engine.catalog.tables import RunKind
from amae_engine.config import ScoreConfig, Stage1Config
from amae_engine.config.json_config import without_paths
from amae_engine.errors import BadInput, NotReady
from amae_engine.events import Event, Progress
from amae_engine.jobs.model_files.load_model import detector_of, reference_images, shipped
from amae_engine.jobs.model_files.model_facts import model_facts
from amae_engine.jobs.model_files.read_model import FORMAT, SUFFIX, TENSORS, with_digest
from amae_engine.jobs.pseudo_labels.unlabeled_scores import has_probe, load_probe_maps
from amae_engine.jobs.scoring.detector import Learnt
from amae_engine.jobs.scoring.part_names import ARRAYS, CLASSIFIER, ENCODER, MODULES, START
from amae_engine.jobs.scoring.stage1_detector import Stage1Detector
from amae_engine.jobs.training.normal_grey import normal_grey
from amae_engine.jobs.training.stage2_modules import BASIS_FILE
from amae_engine.jobs.training.starting_weights import WEIGHTS_FILE, encoder_path
from amae_engine.jobs.training.train_stage1 import CLASSIFIER_FILE
from amae_engine.jobs.training.train_stage2 import network_files
from amae_engine.method.token_modules import TokenBasis
from amae_engine.models.safetensors_file import write_safetensors
from amae_engine.project import Project
from amae_engine.runs.environment import versions
from amae_engine.runs.inputs import file_digest, read_inputs
from amae_engine.runs.map_files import map_scales
from amae_engine.runs.record import MODEL_FACTS, newest_finished
from amae_engine.runs.run_files import copy_weights

_CPU = torch.device("cpu")


def write_model(
    project: Project, path: Path | str, run_id: int = 0, reader: str = ""
) -> Generator[Event, None, Path]:
    """Write a score run's model: whole, or not at all.

    Args:
        project: Whose run.
        path: The file to write; its name ends in .amae.
        run_id: A finished score run; 0 for the newest.
        reader: Who asks, for the audit.

    Raises:
        BadInput: The file's name does not end in .amae.
        NotReady: The run is not finished, or what it stands on is lost.
        BadWeights: Weights are missing or have changed.
    """
    project.require_writable()
    path = Path(path)
    if path.suffix != SUFFIX:
        raise BadInput(f"{path.name}: a model's file ends in {SUFFIX}, such as chest{SUFFIX}.")
    run = newest_finished(project, RunKind.SCORE, run_id, "A model")
    with project.session() as session:
        stage1 = runs.stage1_of(session, run)
    if stage1 is None:
        raise NotReady(f"Run {run.id} stands on no stage 1 of this project; export another run.")
    yield Progress("Model", 0, 3)
    with TemporaryDirectory(prefix="amae-") as place:
        folder = Path(place)
        facts, outside = yield from _gather(project, run, stage1, folder)
        yield Progress("Model", 1, 3)
        members = {file.stem: file for file in sorted(folder.iterdir())}
        detector = detector_of({**members, **outside}, facts, _CPU, with_maps=False)
        rated = detector.rate(reference_images(facts["side"]), None).scores
        facts["name"] = path.stem
        facts["scores"] = [str(kind) for kind in rated]
        facts |= model_facts(project, run, stage1, list(rated), reader)
        facts["reference"] = {str(kind): values.tolist() for kind, values in rated.items()}
        facts["members"] = {
            name: {"bytes": file.stat().st_size, "sha256": file_digest(file)}
            for name, file in members.items()
        }
        yield Progress("Model", 2, 3)
        with atomic_write(path) as unfinished, zipfile.ZipFile(unfinished, "w") as model:
            model.writestr(MODEL_FACTS, json.dumps(with_digest(facts), indent=1))
            for file in members.values():
                model.write(file, file.name)
    with project.session() as session:
        audit(session, reader, "model", f"of run {run.id}")
    return path


def _gather(
    project: Project, run: RunRow, stage1: RunRow, folder: Path
) -> Generator[Event, None, tuple[dict[str, Any], dict[str, Path]]]:
    """Put the model's weights into a folder; what is needed to put them together, and shipped files."""
    config, first = ScoreConfig.from_dict(run.config), Stage1Config.from_dict(stage1.config)
    own = project.run_folder(stage1.id)
    networks = network_files(project, config)
    read_inputs(project.run_folder(run.id)).require_weights(networks)
    files = {CLASSIFIER: own / CLASSIFIER_FILE}
    if not config.without_stage2:
        files |= dict(zip(MODULES, networks.values(), strict=True))
    encoders = {START: (first.weights, own / WEIGHTS_FILE)}
    if (second := encoder_path(project, first.encoder)) is not None:
        encoders[ENCODER] = (first.encoder, second)
    outside: dict[str, Path] = {}
    stated: dict[str, Any] = {}
    began_with = read_inputs(own).weights
    for member, (name, file) in encoders.items():
        ours = shipped(name)
        if ours is not None and file_digest(ours) == began_with.get(member):
            outside[member] = ours
            stated[member] = {"ships_as": name, "sha256": file_digest(ours)}
        else:
            files[member] = file
    for member, file in files.items():
        with (folder / f"{member}{TENSORS}").open("wb") as target:
            copy_weights(file, target, without_paths)
    detector = Stage1Detector.of_run(project, stage1.id, _CPU)
    basis = project.run_folder(config.stage2_run) / BASIS_FILE
    has_basis = not config.without_stage2 and basis.is_file()
    learnt = Learnt(
        detector.density,
        (yield from normal_grey(project, stage1.id)),
        detector.probe,
        load_probe_maps(project, stage1.id) if has_probe(project, stage1.id) else None,
        TokenBasis.load(basis) if has_basis else None,
    )
    write_safetensors(folder / f"{ARRAYS}{TENSORS}", learnt.tensors())
    facts = {
        "format": FORMAT,
        "made_by": versions(),
        "side": project.pixels.side,
        "score_settings": without_paths(config.to_dict()),
        "heads": list(first.heads),
        "strata": None if detector.strata is None else asdict(detector.strata),
        "shipped": stated,
        "map_scales": map_scales(project, run.id),
    }
    return facts, outside
