"""What jobs need, loaded once by the server that their processes are forked from."""

# ruff: noqa: F401 - loading them is the purpose

import skimage.exposure
import skimage.filters
import skimage.measure
import skimage.morphology
import sklearn.covariance
import sklearn.linear_model
import torch
import torch._dynamo  # which an optimizer loads with its first step

from amae_engine.jobs.scoring import make_maps, score_images
from amae_engine.jobs.training import pretrain_weights, train_peer, train_stage1, train_stage2
