"""The lecture on recurrent networks as experiments: each claim is run, measured and drawn.

Each experiment is a room with the name that `carousel lab NAME` takes: measure.py holds cells, tasks, training and
numbers, page.py claims, figures and words. gallery.py runs experiments and writes their pages.
"""

from carousel.lab.catalogue import EXPERIMENTS, known
from carousel.lab.experiment import Budget, Experiment

__all__ = ["EXPERIMENTS", "Budget", "Experiment", "known"]
