"""The numbers of the next run: their names, limits, the paper's values, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """One setting: its name, label, limits, the paper's value, and what it does."""

    name: str
    label: str
    low: float
    high: float
    decimals: int
    paper: str
    explanation: str


FIELDS = (
    Field("epochs0", "Epochs, pre-training", 1, 5000, 0, "800",
          "Passes over N and U; a network from scratch needs hundreds, as it sees a tenth of each "
          "image"),
    Field("rate0", "Rate, pre-training", 1e-7, 1, 6, "0.00015",
          "For a batch of 256 images, scaled to yours; higher for a small network and few images"),
    Field("ratio0", "Masked, pre-training", 0.05, 0.95, 2, "0.9",
          "Share of patches to fill; the more, the less a neighbour gives the answer away"),
    Field("epochs1", "Epochs, stage 1", 1, 2000, 0, "150",
          "Passes over the normal images; only the small head learns, so few are enough"),
    Field("epochs2", "Epochs, stage 2", 1, 2000, 0, "150",
          "Passes over each module's images; stop where the curve of unseen images rises"),
    Field("warmup1", "Warm-up, stage 1", 0, 500, 0, "20",
          "Epochs in which the rate rises, so that the first steps do not undo the start"),
    Field("warmup2", "Warm-up, stage 2", 0, 500, 0, "20",
          "Epochs in which the rate rises, so that the first steps do not undo the weights that "
          "the modules start from"),
    Field("batch1", "Batch size, stage 1", 2, 4096, 0, "16",
          "Images in one step; more make it smoother and need more memory"),
    Field("batch2", "Batch size, stage 2", 2, 4096, 0, "16",
          "Images in one step; more make it smoother and need more memory"),
    Field("rate1", "Rate, stage 1", 1e-7, 1, 6, "0.00025",
          "AdamW's highest learning rate; lower it where the loss jumps"),
    Field("rate2", "Rate, stage 2", 1e-7, 1, 6, "0.00025",
          "AdamW's highest learning rate; lower it where the loss jumps"),
    Field("share", "Abnormal share of B", 0, 0.95, 2, "1",
          "Of what module B sees, where it learns the normal too; 0: as many as there are. The "
          "more, the further B is from A"),
    Field("masks", "Masks per image, training", 1, 16, 0, "2",
          "L of Eq. 3; more masks make a step's loss less a matter of chance, and slower"),
    Field("score_masks", "Masks per image, scoring", 1, 64, 0, "4",
          "L of Eq. 4; more masks make scores steadier, and slower"),
    Field("ratio", "Masked share", 0.05, 0.95, 2, "0.75",
          "Share of patches the network must fill; at three quarters it must know chests, not "
          "neighbours"),
    Field("seed", "Seed", 0, 2**31 - 1, 0, "–",
          "Same seed, same result; another one shows how much of a result is chance"),
)  # fmt: skip
