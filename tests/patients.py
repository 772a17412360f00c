"""Networks put together by hand as patients of a surgery."""

from __future__ import annotations

import torch

from latebloom.analysis.circuits.handbuilt import Built
from latebloom.analysis.surgery import Patient, surgery_of
from latebloom.axes import Params
from latebloom.measures import Probe, Subject


def subject_of(built: Built, initial: Params | None = None) -> Subject:
    examples = built.task.examples()
    index = torch.arange(len(examples))
    return Subject(built.task, built.model, examples, index[::3], index[1::3], initial=initial)


def patient_of(built: Built, initial: Params | None = None, **more) -> Patient:
    return Patient(subject_of(built, initial), built.params, **more)


def operated(built: Built, patient: Patient | None = None, **table) -> Built:
    """The network after the surgery that a table describes."""
    return built._replace(params=surgery_of(table).apply(built.params, patient or patient_of(built)))


def logits(built: Built) -> torch.Tensor:
    return built.model.logits(built.params, built.task.examples())


def loss(built: Built) -> float:
    return Probe(subject_of(built), built.params).losses.mean().item()
