"""The anomaly classifier h: three linear layers on pooled features (section 2.1)."""

from __future__ import annotations

from torch import Tensor, nn


class AnomalyClassifier(nn.Module):
    """Maps features (B, d) to logits (B, 2): normal, abnormal."""

    def __init__(self, width: int, hidden: tuple[int, int] = (512, 128)) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, hidden[0]),
            nn.BatchNorm1d(hidden[0]),
            nn.ReLU(),
            nn.Linear(hidden[0], hidden[1]),
            nn.BatchNorm1d(hidden[1]),
            nn.ReLU(),
            nn.Linear(hidden[1], 2),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Logits (B, 2) of features (B, d)."""
        return self.layers(features)
