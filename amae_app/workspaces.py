"""The workspaces in working order, a row each: the rail, Ctrl+1…, Ctrl+K, F1 and the tour follow."""

from __future__ import annotations

from dataclasses import dataclass

from amae_app.compare.compare_page import ComparePage
from amae_app.pseudo_labels.pseudo_labels_page import PseudoLabelsPage
from amae_app.results.results_page import ResultsPage
from amae_app.studies.studies_page import StudiesPage
from amae_app.training.training_page import TrainingPage
from amae_app.workspace import Workspace


@dataclass(frozen=True, slots=True)
class WorkspaceRow:
    """One workspace.

    Attributes:
        name: Of its help page, resources/help/NAME.md, and where a page asks for another one.
        title: For the reader.
        page: Its class.
        explanation: What is done there, for the rail.
        tour_at: Object name of the widget that the tour's sentence is about.
        tour: The sentence; "" for none.
    """

    name: str
    title: str
    page: type[Workspace]
    explanation: str
    tour_at: str
    tour: str

    @property
    def help_page(self) -> str:
        """Its file in resources."""
        return f"help/{self.name}.md"

    @property
    def rail_name(self) -> str:
        """The object name of its button in the rail."""
        return f"rail{self.name[:1].upper()}{self.name[1:]}"


WORKSPACES = [
    WorkspaceRow(
        "studies", "Studies", StudiesPage, "Import and look through images", "importButton",
        "Bring images here: folders, DICOM, tables or a PACS. Some are known to be normal, many are "
        "unlabeled, some are for testing.",
    ),
    WorkspaceRow(
        "train", "Train", TrainingPage, "Starting weights, stage 1 and stage 2", "railTrain",
        "Train learns in two stages: what is normal, then how the unlabeled images differ. The "
        "button in blue is always the next step.",
    ),
    WorkspaceRow(
        "pseudoLabels", "Pseudo-labels", PseudoLabelsPage, "Check stage 1's pseudo-labels",
        "railPseudoLabels",
        "Check what the program believes about unlabeled images. Your word counts more than its "
        "own, and is kept with your name.",
    ),
    WorkspaceRow(
        "results", "Results", ResultsPage, "Test images, maps and curves", "railResults",
        "Look at the test images with their maps; draw and judge regions; read how good each score "
        "is, and on what that was measured.",
    ),
    WorkspaceRow(
        "compare", "Compare", ComparePage, "Runs side by side", "queueButton",
        "Work runs here, and waits here. Ctrl+K finds everything, F1 explains the page, ? lists its "
        "keys. Research use only.",
    ),
]  # fmt: skip


def number_of(name: str) -> int:
    """A workspace's place, 0 for one that is not there."""
    return next((n for n, row in enumerate(WORKSPACES) if row.name == name), 0)
