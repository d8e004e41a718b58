"""Peers on a project's images: runs, scores in the catalog, maps, evaluation, the command line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from demo_images import demo_files, finish
from safetensors.torch import load_file

from amae_app.compare.compare_state import paired_test, read_compare_state
from amae_engine.catalog import image_tables, runs, scores, studies
from amae_engine.catalog.tables import RunKind, RunState, Split
from amae_engine.cli import main
from amae_engine.config import ScoreKind, Stage1Config, Synthesis, TrainingConfig
from amae_engine.config.peers import PeerConfig, PeerMethod, Protocol
from amae_engine.errors import BadInput, NotReady, TooFewImages, TrainingFailed
from amae_engine.events import EpochEnd, Notice
from amae_engine.jobs.child_process import run_in_child
from amae_engine.jobs.evaluation.evaluate_run import evaluate_run
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.sharing.export import export_results, result_text
from amae_engine.jobs.training.synthetic_panel import synthetic_panel
from amae_engine.jobs.training.train_peer import train_peer
from amae_engine.jobs.training.train_stage1 import train_stage1
from amae_engine.project import Project
from amae_engine.runs.map_files import load_image_maps


def _config(method: PeerMethod = PeerMethod.DDAD_AE, **changes: object) -> PeerConfig:
    settings = {"method": method, "protocol": Protocol.Y, "epochs": 1, "batch_size": 8, "width": 8}
    return PeerConfig(**{**settings, **changes})


def test_a_peer_s_run_is_recorded_scored_and_judged(small_project: Project):
    run, events = finish(train_peer(small_project, _config()))
    assert len([e for e in events if isinstance(e, EpochEnd)]) == 6
    with small_project.session() as session:
        row = runs.get(session, run)
        kinds = scores.kinds(session, run)
        ids, values = scores.load(session, run, ScoreKind.PEER)
    assert (row.kind, row.state, row.epoch, row.epochs) == (RunKind.PEER, RunState.FINISHED, 6, 6)
    assert row.config["learning_rate"] == 5e-4  # the method's own value is written down
    assert kinds == [ScoreKind.PEER, ScoreKind.PEER_RECONSTRUCTION, ScoreKind.PEER_INTRA]
    assert len(ids) == 10
    folder = small_project.run_folder(run)
    assert load_file(folder / "weights.safetensors")
    assert not list(folder.glob("checkpoint*"))
    for image_id, value in zip(ids, values, strict=True):
        found = load_image_maps(small_project, run, int(image_id))
        assert found is not None
        own = found.of_score(ScoreKind.PEER)
        assert own.shape == (64, 64)
        assert own.mean() == pytest.approx(value, rel=5e-3)  # float16 on disk
        assert found.scale[ScoreKind.PEER] > 0
    assert load_image_maps(small_project, run, 99999) is None
    evaluation = evaluate_run(small_project, run)
    text = result_text(evaluation)
    assert "5 normal + 5 abnormal test images of 'Test', run 1, DDAD-AE (Y)" in text
    assert "DDAD-AE (Y), A_rec" in text
    files = {path.name for path in export_results(small_project, evaluation)}
    assert {"scores.csv", "curves.png"} <= files


def test_compare_lists_peers_and_tests_two_of_them(small_project: Project):
    finish(train_peer(small_project, _config(PeerMethod.AE)))
    finish(train_peer(small_project, _config(PeerMethod.AE_U)))
    state = read_compare_state(small_project)
    assert [run.evaluation.peer for run in state.runs] == ["AE-U (Y)", "AE (Y)"]
    difference = paired_test(state.runs[0], state.runs[1], ScoreKind.PEER)
    assert difference is not None
    with pytest.raises(NotReady, match="needs a finished score run"):
        evaluate_run(small_project)  # a peer is never taken for AMAE's own newest run


def test_anatpaste_finds_lungs_for_both_protocols(small_project: Project):
    for protocol, count in ((Protocol.N, 20), (Protocol.Y, 30)):
        config = _config(PeerMethod.ANATPASTE, protocol=protocol, image_size=64)
        run, events = finish(train_peer(small_project, config))
        told = [e.message for e in events if isinstance(e, Notice)]
        assert any(f"of {count} images segmented" in message for message in told)
        with small_project.session() as session:
            assert scores.kinds(session, run) == [ScoreKind.PEER, ScoreKind.PEER_SOFTMAX]
        assert load_image_maps(small_project, run, 1) is None


def test_the_paper_s_ablations_start_from_given_weights(small_project: Project, tiny_weights: Path):
    for method in (PeerMethod.MASK_RECONSTRUCTION, PeerMethod.NO_PSEUDO_LABELS):
        run, events = finish(train_peer(small_project, _config(method, weights=str(tiny_weights))))
        ends = [e for e in events if isinstance(e, EpochEnd)]
        assert len(ends) == _config(method).completed.all_epochs
        evaluation = evaluate_run(small_project, run)
        assert all(np.isfinite(score.values).all() for score in evaluation.scores)


def test_a_cancelled_peer_resumes_to_the_same_scores(small_project: Project):
    config = _config(PeerMethod.AE, epochs=4)
    straight, _ = finish(train_peer(small_project, config))
    job = train_peer(small_project, config)
    while not isinstance(next(job), EpochEnd):
        pass
    job.close()
    with small_project.session() as session:
        cancelled = runs.list_runs(session)[0]
    assert cancelled.state is RunState.CANCELLED
    resumed, events = finish(train_peer(small_project, PeerConfig(), resume=cancelled.id))
    assert resumed == cancelled.id
    assert [e.epoch for e in events if isinstance(e, EpochEnd)] == [2, 3, 4]
    with small_project.session() as session:
        one, two = (scores.load(session, r, ScoreKind.PEER)[1] for r in (straight, resumed))
    assert np.array_equal(one, two)


def test_too_few_normal_or_unlabeled_images_are_an_error(project: Project):
    finish(import_images(project, demo_files(12, 0, 4), "demo"))
    with pytest.raises(TooFewImages, match="DDAD-AE learns from normal images .* at least 16"):
        finish(train_peer(project, _config()))
    with project.session() as session:
        ids = image_tables.images_in(session, Split.TEST).ids.tolist()
        studies.change_split(session, ids, Split.NORMAL, "BB")
    with pytest.raises(TooFewImages, match="Under protocol Y DDAD-AE also learns from unlabeled"):
        finish(train_peer(project, _config()))
    run, events = finish(train_peer(project, _config(PeerMethod.AE, protocol=Protocol.N)))
    assert any("no test image to score" in e.message for e in events if isinstance(e, Notice))
    with pytest.raises(NotReady, match="need test images of both classes"):
        evaluate_run(project, run)


def test_a_loss_that_is_no_number_fails_the_run(small_project: Project):
    with pytest.raises(TrainingFailed, match="epoch 1, batch 2 of"):
        finish(train_peer(small_project, _config(PeerMethod.AE, learning_rate=1e30)))
    with small_project.session() as session:
        row = runs.list_runs(session)[0]
    assert row.state is RunState.FAILED
    assert "batch 2" in row.error


def test_a_peer_runs_in_a_process_of_its_own(small_project: Project):
    job = run_in_child(small_project.folder, "peer", _config(PeerMethod.AE).to_dict())
    run, _ = finish(job)
    assert evaluate_run(small_project, run).peer == "AE (Y)"


@pytest.mark.parametrize("synthesis", [Synthesis.NSA, Synthesis.CUTPASTE_UNION])
def test_stage_1_learns_from_any_synthesis(
    small_project: Project, tiny_weights: Path, synthesis: Synthesis
):
    short = TrainingConfig(epochs=1, warmup_epochs=0, batch_size=8)
    config = Stage1Config(weights=str(tiny_weights), training=short, synthesis=synthesis)
    _, events = finish(train_stage1(small_project, config))
    assert all(np.isfinite(e.train_loss) for e in events if isinstance(e, EpochEnd))


def test_the_picture_of_synthetic_images_is_written(small_project: Project):
    for kind in (Synthesis.ANATPASTE, Synthesis.NSA):
        path, _ = finish(synthetic_panel(small_project, kind))
        assert path.name == f"synthetic-{kind}.png"
        assert path.stat().st_size > 100_000


def test_the_command_line_lists_trains_and_judges(
    small_project: Project, capsys: pytest.CaptureFixture[str]
):
    folder = ["--project", str(small_project.folder)]
    assert main(["peer", "--list"]) == 0
    listed = capsys.readouterr().out
    assert all(method.value in listed for method in PeerMethod)
    words = ["peer", "ae_u", *folder, "--protocol", "Y", "--set", "epochs=1", "--json"]
    assert main(words) == 0
    run = json.loads(capsys.readouterr().out)["run"]
    assert main(["evaluate", *folder, "--run", str(run)]) == 0
    assert "AE-U (Y)" in capsys.readouterr().out
    assert main(["runs", *folder]) == 0
    assert "AE-U (Y)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["peer", "ae"], "amae peer needs --project FOLDER"),
        (["peer", "--project", "{p}"], "needs a method's NAME"),
        (["peer", "magic", "--project", "{p}"], "method must be one of ae, ae_u"),
        (["peer", "ae", "--project", "{p}", "--set", "epoch=3"], "unknown setting 'epoch'"),
        (["peer", "ae", "--project", "{p}"], "AE learns from normal images"),
        (["peer", "no_pseudo_labels", "--project", "{p}"], "choose --protocol Y"),
        (["peer", "--project", "{p}", "--resume"], "no unfinished peer run to resume"),
        (["synthetic-panel", "--project", "{p}"], "needs at least 2 normal images"),
    ],
)
def test_a_mistake_gives_one_sentence(
    project: Project, capsys: pytest.CaptureFixture[str], words: list[str], message: str
):
    assert main([word.replace("{p}", str(project.folder)) for word in words]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_a_score_that_is_no_number_fails_the_run(small_project: Project, monkeypatch):
    from amae_engine.peers.autoencoder import Autoencoder

    whole = Autoencoder.score

    def broken(self, stored):
        found = whole(self, stored)
        found.images[ScoreKind.PEER][3] = float("nan")
        return found

    monkeypatch.setattr(Autoencoder, "score", broken)
    with pytest.raises(BadInput, match=r"score 'Peer method' of CXR-\d+ is not a number"):
        finish(train_peer(small_project, _config(PeerMethod.AE)))


def test_importing_the_jobs_and_names_of_peers_loads_no_torch():
    code = (
        "import sys, amae_engine.jobs.training.train_peer, amae_engine.cli.peer_arguments;"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
