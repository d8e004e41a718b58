"""Every setting of the next run, with the paper's value next to it and what it means."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from amae_app.theme import card, quiet
from amae_app.training.setting_fields import FIELDS, Field
from amae_app.training.weights_fields import WeightsFields
from amae_engine.config import (
    MaskPlan,
    ModuleBLearns,
    Precision,
    PretrainConfig,
    PseudoLabelConfig,
    PseudoLabelSource,
    Reconstructs,
    ScoreConfig,
    Stage1Config,
    Stage2Config,
    TrainingConfig,
    pixel_preset,
    pretrain_preset,
    score_preset,
    stage1_preset,
    stage2_preset,
)

_PLANS = {
    "complementary": (MaskPlan.COMPLEMENTARY, True),
    "independent (paper)": (MaskPlan.INDEPENDENT, False),
}
_RECONSTRUCTS = {
    "the encoder's tokens": Reconstructs.TOKENS,
    "pixels (paper)": Reconstructs.PIXELS,
}
_MODULE_B = {
    "abnormal and normal": ModuleBLearns.WITH_NORMALS,
    "abnormal only (paper)": ModuleBLearns.ABNORMAL,
}
_KEEPS_MAPS = {
    "kept for every image": True,
    "made when asked for": False,
}
_SHORT = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon


class SettingsPanel(QWidget):
    """Presets and fields; `stage1()`, `stage2()` and `score()` give the configs.

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
        self.preset = QComboBox()
        self.weights = WeightsFields(weights)
        self.precision = QComboBox()
        self.source = QComboBox()
        self.plan = QComboBox()
        self.reconstructs = QComboBox()
        self.module_b = QComboBox()
        self.maps = QComboBox()
        self.device = QComboBox()
        self.fields: dict[str, QSpinBox | QDoubleSpinBox] = {}
        self.why = quiet("A setting that is chosen is explained here.")
        self.why.setObjectName("settingWhy")
        self.why.setMinimumHeight(3 * self.why.fontMetrics().lineSpacing())
        self._labels = PseudoLabelConfig()
        self._lay_out()
        self.preset.setCurrentText(preset)
        self.apply_preset(preset)
        self.preset.currentTextChanged.connect(self.apply_preset)
        self.source.activated.connect(self._on_source)
        self.reconstructs.activated.connect(self._on_reconstructs)
        self.maps.activated.connect(self.network_chosen)
        for field in self.findChildren(QWidget):
            if field.toolTip():
                field.installEventFilter(self)

    def eventFilter(self, field: QObject, event: QEvent) -> bool:
        """Explain the setting that has the focus, or that the mouse is over."""
        reported = (QEvent.Type.FocusIn, QEvent.Type.Enter)
        if event.type() in reported and isinstance(field, QWidget):
            self.why.setText(f"{field.accessibleName()}: {field.toolTip()}")
        return super().eventFilter(field, event)

    @Slot(str)
    def apply_preset(self, name: str) -> None:
        """Fill the fields with a preset's values."""
        first, second, score = stage1_preset(name), stage2_preset(name), score_preset(name)
        before = pretrain_preset(name)
        self.weights.follow_preset(first.weights)
        values: dict[str, float] = {
            "epochs0": before.training.epochs,
            "rate0": before.training.learning_rate,
            "ratio0": before.mask_ratio,
            "score_masks": score.masks_per_image,
            "seed": second.training.seed,
        }
        self._fill(values)
        self._fill_training("1", first.training)
        self._fill_stage2(second)
        self.labels_chosen.emit(second.pseudo_labels)
        self.network_chosen.emit()
        plan = (score.mask_plan, score.masked_only)
        self.plan.setCurrentText(next(text for text, p in _PLANS.items() if p == plan))

    def _fill_stage2(self, config: Stage2Config) -> None:
        self._fill_training("2", config.training)
        self._fill(
            {
                "masks": config.masks_per_image,
                "ratio": config.mask_ratio,
                "share": config.abnormal_share,
            }
        )
        for combo, texts, value in (
            (self.reconstructs, _RECONSTRUCTS, config.reconstructs),
            (self.module_b, _MODULE_B, config.module_b_learns),
        ):
            combo.setCurrentText(next(text for text, each in texts.items() if each == value))

    def _fill_training(self, stage: str, training: TrainingConfig) -> None:
        self._fill(
            {
                f"epochs{stage}": training.epochs,
                f"warmup{stage}": training.warmup_epochs,
                f"batch{stage}": training.batch_size,
                f"rate{stage}": training.learning_rate,
            }
        )

    def _fill(self, values: dict[str, float]) -> None:
        for key, value in values.items():
            field = self.fields[key]
            if isinstance(field, QSpinBox):
                field.setValue(int(value))
            else:
                field.setValue(value)

    def show_labels(self, config: PseudoLabelConfig) -> None:
        """Show how pseudo-labels are made; stage 2 is started with it."""
        self._labels = config
        self.source.setCurrentIndex(list(PseudoLabelSource).index(config.source))

    def pretrain(self) -> PretrainConfig:
        """Pre-training's settings."""
        start = pretrain_preset(self.preset.currentText())
        own = {"epochs": int(self.fields["epochs0"].value()), **self._machine()}
        warmup = min(start.training.warmup_epochs, int(self.fields["epochs0"].value()))
        rate = float(self.fields["rate0"].value())
        training = start.training.replace(**own, warmup_epochs=warmup, learning_rate=rate)
        return start.replace(
            training=training.to_dict(), mask_ratio=float(self.fields["ratio0"].value())
        )

    def stage1(self) -> Stage1Config:
        """Stage 1's settings."""
        preset = self.preset.currentText()
        start = stage1_preset(preset)
        return start.replace(
            weights=self.weights.name,
            heads=self.weights.heads,
            training=start.training.replace(**self._training("1")).to_dict(),
        )

    def stage2(self) -> Stage2Config:
        """Stage 2's settings."""
        return self._stage2_start().replace(
            pseudo_labels=self._labels.to_dict(),
            training=self._stage2_start().training.replace(**self._training("2")).to_dict(),
            reconstructs=_RECONSTRUCTS[self.reconstructs.currentText()],
            module_b_learns=_MODULE_B[self.module_b.currentText()],
            abnormal_share=float(self.fields["share"].value()),
            masks_per_image=int(self.fields["masks"].value()),
            mask_ratio=float(self.fields["ratio"].value()),
        )

    def score(self) -> ScoreConfig:
        """Scoring's settings."""
        plan, masked_only = _PLANS[self.plan.currentText()]
        return ScoreConfig(
            masks_per_image=int(self.fields["score_masks"].value()),
            mask_ratio=float(self.fields["ratio"].value()),
            mask_plan=plan,
            masked_only=masked_only,
            keep_maps=_KEEPS_MAPS[self.maps.currentText()],
            seed=int(self.fields["seed"].value()),
            device=self.device.currentText(),
            precision=Precision(self.precision.currentText()),
        )

    def _stage2_start(self) -> Stage2Config:
        """Stage 2's preset: that of token modules or of pixel ones, as chosen."""
        preset = self.preset.currentText()
        if _RECONSTRUCTS[self.reconstructs.currentText()] is Reconstructs.TOKENS:
            return stage2_preset("foundation")
        return stage2_preset(pixel_preset(preset))

    def _training(self, stage: str) -> dict[str, object]:
        count = int(self.fields[f"epochs{stage}"].value())
        return {
            "epochs": count,
            "warmup_epochs": min(int(self.fields[f"warmup{stage}"].value()), count),
            "batch_size": int(self.fields[f"batch{stage}"].value()),
            "learning_rate": float(self.fields[f"rate{stage}"].value()),
            **self._machine(),
        }

    def _machine(self) -> dict[str, object]:
        return {
            "seed": int(self.fields["seed"].value()),
            "device": self.device.currentText(),
            "precision": self.precision.currentText(),
        }

    def _lay_out(self) -> None:
        frame, layout = card("Settings of the next run")
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        combos = (
            ("Preset", self.preset, ["foundation", "compact", "paper", "base"], "presetCombo",
             "foundation: a frozen DINOv2 rates, modules reconstruct its tokens; a laptop. compact: all "
             "at 128 px. paper: ViT-S/16 at 224 px, needs its own weights"),
            ("Precision", self.precision, [str(p) for p in Precision], "precisionCombo",
             "auto takes bf16 where the hardware multiplies it"),
            ("Pseudo-labels by", self.source, [s.label for s in PseudoLabelSource], "sourceCombo",
             "What rates the unlabeled images. The paper: stage 1's classifier. Normal against "
             "unlabeled: a cross-fitted probe of what sets the unlabeled images apart"),
            ("Modules reconstruct", self.reconstructs, list(_RECONSTRUCTS), "reconstructsCombo",
             "Tokens take minutes on a laptop and show a map; pixels also show what each module "
             "makes of an image"),
            ("Module B learns", self.module_b, list(_MODULE_B), "moduleBCombo",
             "A module that has only seen abnormal images is wrong about normal ones, and these "
             "then differ most"),
            ("Scoring masks", self.plan, list(_PLANS), "maskPlanCombo",
             "The paper draws masks independently and averages all predictions; complementary "
             "masks hide every patch equally often and count hidden patches only"),
            ("Maps", self.maps, list(_KEEPS_MAPS), "mapsCombo",
             "Maps of all images take 0.1 to 0.6 MB each. Made when asked for, a map takes seconds the "
             "first time it is looked at; scores are the same"),
            ("Device", self.device, ["auto", "cpu", "cuda"], "deviceCombo",
             "auto takes a GPU where there is one"),
        )  # fmt: skip
        for label, combo, items, name, explanation in combos:
            combo.addItems(items)
            combo.setObjectName(name)
            combo.setAccessibleName(label)
            combo.setToolTip(explanation)
        for combo in (self.weights.combo, *(each[1] for each in combos)):
            combo.setSizeAdjustPolicy(_SHORT)
            combo.setMinimumContentsLength(8)
        form.addRow("Preset", self.preset)
        form.addRow("Starting weights", self.weights)
        for field in FIELDS:
            form.addRow(field.label, self._row(field))
        for label, combo, *_ in combos[1:]:
            form.addRow(label, combo)
        layout.addLayout(form)
        layout.addWidget(quiet("Right: the paper's value. Locked while a job runs."))
        layout.addStretch()
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(frame)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area, 1)
        outer.addWidget(self.why)

    def _row(self, field: Field) -> QWidget:
        box: QSpinBox | QDoubleSpinBox
        if field.decimals == 0:
            box = QSpinBox()
            box.setRange(int(field.low), int(field.high))
        else:
            box = QDoubleSpinBox()
            box.setDecimals(field.decimals)
            box.setRange(field.low, field.high)
            box.setSingleStep(10**-field.decimals * (5 if field.decimals < 3 else 10))
        box.setObjectName(f"{field.name}Spin")
        box.setMinimumWidth(90)
        box.setAccessibleName(field.label)
        box.setToolTip(f"{field.explanation}. The paper's value: {field.paper}")
        self.fields[field.name] = box
        paper = QLabel(field.paper)
        paper.setProperty("quiet", True)
        paper.setFixedWidth(52)
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(box, 1)
        layout.addWidget(paper)
        return row

    @Slot()
    def _on_source(self) -> None:
        source = list(PseudoLabelSource)[self.source.currentIndex()]
        self.labels_chosen.emit(self._labels.replace(source=source))

    @Slot()
    def _on_reconstructs(self) -> None:
        start = self._stage2_start()
        self._fill_stage2(start)
        self.network_chosen.emit()
