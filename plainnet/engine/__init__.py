"""Training: configurations, data, tasks, trainers, testers, hooks and checkpoints.

Names are imported when they are first used, so that reading a configuration does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plainnet.engine.data.loader import Loader
    from plainnet.engine.data.samplers import Sampler
    from plainnet.engine.data.source import DataSource, MapSamples, Part, TensorSamples, Unread
    from plainnet.engine.elements.data_sample import DataSample, pseudo_collate
    from plainnet.engine.elements.element import Element
    from plainnet.engine.elements.instances import InstanceData
    from plainnet.engine.elements.labels import LabelData
    from plainnet.engine.elements.pixels import PixelData
    from plainnet.engine.evaluators.classification import AUC, F1, Accuracy, ClassAccuracy, ConfusionMatrix
    from plainnet.engine.evaluators.detection import AveragePrecision
    from plainnet.engine.evaluators.evaluator import Evaluator
    from plainnet.engine.evaluators.segmentation import MeanIoU
    from plainnet.engine.hooks.hook import Hook
    from plainnet.engine.hooks.timing import timer
    from plainnet.engine.loop.scalars import add_scalar, scalar
    from plainnet.engine.loop.step_tensors import watch
    from plainnet.engine.loop.tester import BatchTester, SingleTester
    from plainnet.engine.loop.trainers import EpochBasedTrainer, IterBasedTrainer
    from plainnet.engine.means import Ratio
    from plainnet.engine.run.candidates import CandidateTrainer, training_plan
    from plainnet.engine.run.predict import Predictor
    from plainnet.engine.run.training_run import load_config, resume, train
    from plainnet.engine.tasks.classification import Classification
    from plainnet.engine.tasks.detection import Detection, DetectionSample
    from plainnet.engine.tasks.losses import BaseLoss, NamedLoss
    from plainnet.engine.tasks.segmentation import Segmentation
    from plainnet.engine.tasks.task import Task
    from plainnet.engine.writers.writer import Writer

_HOME = {
    "AveragePrecision": "plainnet.engine.evaluators.detection",
    "DataSample": "plainnet.engine.elements.data_sample",
    "Detection": "plainnet.engine.tasks.detection",
    "DetectionSample": "plainnet.engine.tasks.detection",
    "Element": "plainnet.engine.elements.element",
    "InstanceData": "plainnet.engine.elements.instances",
    "LabelData": "plainnet.engine.elements.labels",
    "MeanIoU": "plainnet.engine.evaluators.segmentation",
    "PixelData": "plainnet.engine.elements.pixels",
    "Sampler": "plainnet.engine.data.samplers",
    "Segmentation": "plainnet.engine.tasks.segmentation",
    "pseudo_collate": "plainnet.engine.elements.data_sample",
    "AUC": "plainnet.engine.evaluators.classification",
    "Accuracy": "plainnet.engine.evaluators.classification",
    "CandidateTrainer": "plainnet.engine.run.candidates",
    "BatchTester": "plainnet.engine.loop.tester",
    "Classification": "plainnet.engine.tasks.classification",
    "ClassAccuracy": "plainnet.engine.evaluators.classification",
    "ConfusionMatrix": "plainnet.engine.evaluators.classification",
    "DataSource": "plainnet.engine.data.source",
    "EpochBasedTrainer": "plainnet.engine.loop.trainers",
    "Evaluator": "plainnet.engine.evaluators.evaluator",
    "F1": "plainnet.engine.evaluators.classification",
    "Hook": "plainnet.engine.hooks.hook",
    "IterBasedTrainer": "plainnet.engine.loop.trainers",
    "Loader": "plainnet.engine.data.loader",
    "MapSamples": "plainnet.engine.data.source",
    "BaseLoss": "plainnet.engine.tasks.losses",
    "NamedLoss": "plainnet.engine.tasks.losses",
    "Part": "plainnet.engine.data.source",
    "Predictor": "plainnet.engine.run.predict",
    "Ratio": "plainnet.engine.means",
    "SingleTester": "plainnet.engine.loop.tester",
    "Task": "plainnet.engine.tasks.task",
    "TensorSamples": "plainnet.engine.data.source",
    "Unread": "plainnet.engine.data.source",
    "add_scalar": "plainnet.engine.loop.scalars",
    "load_config": "plainnet.engine.run.training_run",
    "resume": "plainnet.engine.run.training_run",
    "Writer": "plainnet.engine.writers.writer",
    "scalar": "plainnet.engine.loop.scalars",
    "timer": "plainnet.engine.hooks.timing",
    "train": "plainnet.engine.run.training_run",
    "training_plan": "plainnet.engine.run.candidates",
    "watch": "plainnet.engine.loop.step_tensors",
}

__all__ = [
    "AUC",
    "F1",
    "Accuracy",
    "AveragePrecision",
    "BaseLoss",
    "BatchTester",
    "CandidateTrainer",
    "ClassAccuracy",
    "Classification",
    "ConfusionMatrix",
    "DataSample",
    "DataSource",
    "Detection",
    "DetectionSample",
    "Element",
    "EpochBasedTrainer",
    "Evaluator",
    "Hook",
    "InstanceData",
    "IterBasedTrainer",
    "LabelData",
    "Loader",
    "MapSamples",
    "MeanIoU",
    "NamedLoss",
    "Part",
    "PixelData",
    "Predictor",
    "Ratio",
    "Sampler",
    "Segmentation",
    "SingleTester",
    "Task",
    "TensorSamples",
    "Unread",
    "Writer",
    "add_scalar",
    "load_config",
    "pseudo_collate",
    "resume",
    "scalar",
    "timer",
    "train",
    "training_plan",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'plainnet.engine' has no attribute {name!r}")
