"""Starting weights in the window: the heads of a file that does not tell them are asked for."""

from pathlib import Path

from PySide6.QtWidgets import QFileDialog

from amae_app.training.settings_panel import SettingsPanel


def test_heads_are_offered_for_a_file_alone_and_reach_the_run(qtbot, monkeypatch, tmp_path: Path):
    file = tmp_path / "own.pth"
    file.write_bytes(b"x")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(file), ""))
    panel = SettingsPanel()
    qtbot.addWidget(panel)
    panel.show()
    panel.weights.offer((3,))
    assert panel.weights.heads_edit.isHidden()
    assert panel.stage1().heads == ()
    panel.weights.combo.textActivated.emit("choose a file…")
    assert panel.weights.name == str(file)
    assert not panel.weights.heads_edit.isHidden()
    panel.weights.heads_edit.setText("4, 2")
    assert (panel.stage1().weights, panel.stage1().heads) == (str(file), (4, 2))
    panel.preset.setCurrentText("compact")
    assert panel.weights.name == str(file)  # what the reader chose stays
    panel.weights.combo.setCurrentText("bundled")
    for preset, shipped in (("foundation", "bundled"), ("compact", "adults")):
        panel.preset.setCurrentText(preset)
        assert panel.weights.name == shipped
    panel.weights.combo.setCurrentText("run:3")
    assert panel.weights.heads_edit.isHidden()
    assert panel.stage1().heads == ()
