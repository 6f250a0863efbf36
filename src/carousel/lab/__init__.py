"""The lecture on recurrent networks as experiments: each claim run, measured and drawn.

One file per claim, named as `carousel lab NAME` names it and read from top to bottom; what they share is in
experiment.py (how long), catalogue.py (which) and gallery.py (the pages).
"""

from carousel.lab.catalogue import EXPERIMENTS, known
from carousel.lab.experiment import Budget, Experiment

__all__ = ["EXPERIMENTS", "Budget", "Experiment", "known"]
