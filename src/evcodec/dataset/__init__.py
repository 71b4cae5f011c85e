"""Datasets: many streams read as one, planned by what their footers say."""

from .dataset import Dataset
from .files import FileProblem, StreamFile
from .opening import open_dataset
from .splits import Split

__all__ = ["Dataset", "FileProblem", "Split", "StreamFile", "open_dataset"]
