"""The window's fields and the commands begin with the same settings."""

from built_once import OpenCopy
from demo_images import demo_files, finish

from amae_app.training.settings_panel import SettingsPanel
from amae_engine.catalog import runs
from amae_engine.catalog.tables import RunKind
from amae_engine.cli import main
from amae_engine.config import STEPS
from amae_engine.jobs.importing.import_images import import_images
from amae_engine.jobs.planning.defaults import default_config, label_settings


def test_commands_without_a_preset_choose_what_the_window_chooses(
    open_copy: OpenCopy, qtbot, capsys
):
    project = open_copy(
        "few", lambda made: finish(import_images(made, demo_files(16, 4, 2), "demo"))
    )
    chosen = {RunKind(step): default_config(project, kind) for step, kind in STEPS.items()}
    panel = SettingsPanel(chosen[RunKind.STAGE1].preset)
    panel.show_labels(label_settings(project))
    qtbot.addWidget(panel)
    assert panel.stage1() == chosen[RunKind.STAGE1].config
    assert panel.stage2() == chosen[RunKind.STAGE2].config
    assert panel.score() == chosen[RunKind.SCORE].config
    assert panel.pretrain() == chosen[RunKind.PRETRAIN].config
    assert chosen[RunKind.STAGE1].config.encoder == "foundation"
    short = ["--set", "training.epochs=1", "--set", "training.warmup_epochs=0"]
    assert main(["stage1", "--project", str(project.folder), *short]) == 0
    assert "Preset foundation: no GPU was found" in capsys.readouterr().err
    with project.session() as session:
        row = runs.newest(session, RunKind.STAGE1)
    assert row.config["preset"] == "foundation"
    assert row.config["redraw_every"] == 20
