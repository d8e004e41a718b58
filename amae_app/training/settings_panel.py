"""The settings of the next run, made from the facts of each: field, range, the paper's value, and why."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from PySide6.QtCore import QEvent, QObject, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QScrollArea,
    QSpinBox,
    QWidget,
)

from amae_app.theme import card, quiet
from amae_app.training.weights_fields import WeightsFields
from amae_app.widgets.building import column_of, fill, named, row_of
from amae_app.widgets.fields import ComboBox, DoubleSpinBox, SpinBox
from amae_engine.config import (
    PRESETS,
    STEPS,
    Choice,
    JsonConfig,
    PretrainConfig,
    PseudoLabelConfig,
    Reconstructs,
    ScoreConfig,
    SettingRow,
    Stage1Config,
    Stage2Config,
    of_preset,
    pixel_preset,
    rows_of,
)

Config = TypeVar("Config", bound=JsonConfig)
SHOWN = tuple(row for step, kind in STEPS.items() for row in rows_of(step, kind()) if row.label)
_PRESETS = (
    "foundation: a frozen DINOv2 rates, modules reconstruct its tokens; a laptop. compact: all at 128 px. "
    "paper: ViT-S/16 at 224 px, needs its own weights"
)
_SOURCE, _WARMUP = "pseudo_labels.source", "training.warmup_epochs"
_MOST = 2**31 - 1


class SettingsPanel(QWidget):
    """Presets and fields; `stage1()`, `stage2()` and `score()` give the configs.

    Attributes:
        fields: Each field by its label; one that several steps share is there once.

    Signals:
        labels_chosen(config): the reader chose another source, or a preset brought its own.
        network_chosen(): another preset, other modules, or maps kept or not.
    """

    labels_chosen = Signal(object)
    network_chosen = Signal()

    def __init__(
        self, preset: str = "foundation", weights: str = "bundled", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.preset = ComboBox()
        self.preset.addItems(sorted(PRESETS, key=lambda name: name != "foundation"))
        _name(self.preset, "Preset", _PRESETS)
        self.weights = WeightsFields(weights)
        self.fields: dict[str, QComboBox | QSpinBox | QDoubleSpinBox] = {}
        self.why = named(quiet("A setting that is chosen is explained here."), "settingWhy")
        self.why.setMinimumHeight(3 * self.why.fontMetrics().lineSpacing())
        self._labels = PseudoLabelConfig()
        self._lay_out()
        self.preset.setCurrentText(preset)
        self.apply_preset(preset)
        self.preset.currentTextChanged.connect(self.apply_preset)
        for row in SHOWN:
            field = self.fields[row.label]
            if row.path == _SOURCE:
                cast("QComboBox", field).activated.connect(self._on_source)
            elif row.path == "reconstructs":
                cast("QComboBox", field).activated.connect(self._on_reconstructs)
            elif row.path == "keep_maps":
                cast("QComboBox", field).activated.connect(self.network_chosen)
        for child in self.findChildren(QWidget):
            if child.toolTip():
                child.installEventFilter(self)

    def eventFilter(self, field: QObject, event: QEvent) -> bool:
        """Explain the setting that has the focus, or that the mouse is over."""
        reported = (QEvent.Type.FocusIn, QEvent.Type.Enter)
        if event.type() in reported and isinstance(field, QWidget):
            self.why.setText(f"{field.accessibleName()}: {field.toolTip()}")
        return super().eventFilter(field, event)

    @Slot(str)
    def apply_preset(self, name: str) -> None:
        """Fill the fields with a preset's values; seed and machine stay as the reader has them."""
        self.weights.follow_preset(of_preset(Stage1Config, name).weights)
        for step, kind in STEPS.items():
            self._fill(step, of_preset(kind, name))
        self.labels_chosen.emit(of_preset(Stage2Config, name).pseudo_labels)
        self.network_chosen.emit()

    def show_labels(self, config: PseudoLabelConfig) -> None:
        """Show how pseudo-labels are made; stage 2 is started with it."""
        self._labels = config
        self._fill("stage2", Stage2Config(pseudo_labels=config), only=_SOURCE)

    def pretrain(self) -> PretrainConfig:
        """Pre-training's settings."""
        return self._changed("pretrain", of_preset(PretrainConfig, self._preset))

    def stage1(self) -> Stage1Config:
        """Stage 1's settings."""
        start = of_preset(Stage1Config, self._preset)
        start = start.replace(weights=self.weights.name, heads=self.weights.heads)
        return self._changed("stage1", start)

    def stage2(self) -> Stage2Config:
        """Stage 2's settings."""
        return self._changed("stage2", self._stage2_start).replace(pseudo_labels=self._labels)

    def score(self) -> ScoreConfig:
        """Scoring's settings."""
        return self._changed("score", ScoreConfig())

    @property
    def _preset(self) -> str:
        return self.preset.currentText()

    @property
    def _stage2_start(self) -> Stage2Config:
        """Stage 2's preset: that of token modules or of pixel ones, as chosen."""
        is_tokens = self._value("Modules reconstruct") is Reconstructs.TOKENS
        return of_preset(Stage2Config, "foundation" if is_tokens else pixel_preset(self._preset))

    def _value(self, label: str) -> Any:
        field = self.fields[label]
        return field.currentData() if isinstance(field, QComboBox) else field.value()

    def _changed(self, step: str, start: Config) -> Config:
        """A config with what its fields say; a warm-up is no longer than the epochs."""
        values = {row.path: self._value(row.label) for row in SHOWN if row.step == step}
        if values.get(_WARMUP, 0) > values.get("training.epochs", _MOST):
            values[_WARMUP] = values["training.epochs"]
        return start.changed(values)

    def _fill(self, step: str, config: JsonConfig, only: str = "") -> None:
        for row in SHOWN:
            if row.step != step or row.facts.is_shared or only not in ("", row.path):
                continue
            field = self.fields[row.label]
            value = row.value_in(config)
            if isinstance(field, QComboBox):
                field.setCurrentIndex(field.findData(value))
            else:
                field.setValue(value)

    def _lay_out(self) -> None:
        frame, layout = card("Settings of the next run")
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Preset", self.preset)
        form.addRow("Starting weights", self.weights)
        shared_last = sorted(SHOWN, key=lambda row: row.facts.is_shared)
        for row in shared_last:
            if row.label not in self.fields:
                form.addRow(row.label, self._row(row))
        for combo in (self.weights.combo, *self.findChildren(QComboBox), *_combos(self.fields)):
            combo.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            combo.setMinimumContentsLength(8)
        fill(layout, form, quiet("Right: the paper's value. Locked while a job runs."), 0)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(frame)
        column_of((area, 1), self.why, into=self, margins=0)

    def _row(self, row: SettingRow) -> QWidget:
        field = self.fields[row.label] = _field(row)
        if isinstance(field, QComboBox):
            _name(field, row.label, row.why)
            return field
        _name(field, row.label, f"{row.why}. The paper's value: {_number(row.paper)}")
        field.setMinimumWidth(90)
        paper = QLabel("–" if row.facts.is_shared else _number(row.paper))
        paper.setProperty("quiet", True)
        paper.setFixedWidth(52)
        whole = QWidget()
        row_of((field, 1), paper, into=whole, margins=0)
        return whole

    @Slot()
    def _on_source(self) -> None:
        chosen = self._value("Pseudo-labels by")
        self.labels_chosen.emit(self._labels.replace(source=chosen))

    @Slot()
    def _on_reconstructs(self) -> None:
        self._fill("stage2", self._stage2_start)
        self.network_chosen.emit()


def _field(row: SettingRow) -> QComboBox | QSpinBox | QDoubleSpinBox:
    """What a setting is shown and changed by."""
    facts, value = row.facts, row.default
    texts = facts.texts or ({c: c.label for c in type(value)} if isinstance(value, Choice) else {})
    if texts:
        combo = ComboBox()
        for each, text in texts.items():
            combo.addItem(text, each)
        return combo
    if isinstance(value, int):
        whole = SpinBox()
        whole.setRange(int(facts.low), int(min(facts.high, _MOST)))
        return whole
    step = 10.0**-facts.decimals
    number = DoubleSpinBox()
    number.setDecimals(facts.decimals)
    open_low, open_high = facts.is_open
    high = min(facts.high, 1.0)
    number.setRange(facts.low + step * open_low, high - step * open_high)
    number.setSingleStep(step * (5 if facts.decimals < 3 else 10))
    return number


def _combos(fields: dict[str, Any]) -> list[QComboBox]:
    return [field for field in fields.values() if isinstance(field, QComboBox)]


def _name(field: QWidget, label: str, why: str) -> None:
    kind = "Combo" if isinstance(field, QComboBox) else "Spin"
    words = "".join(word for word in label.title() if word.isalnum())
    named(field, f"{words[:1].lower()}{words[1:]}{kind}", label, why)


def _number(value: float) -> str:
    return f"{value:g}" if value < 1e-3 or isinstance(value, int) else f"{value:.6g}"
