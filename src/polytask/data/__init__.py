"""Where do examples come from, and which comes next?"""

from polytask.data.batch import Batch, collate
from polytask.data.data_set import DataSet, read_splits
from polytask.data.encoded import EncodedSplit, encode_split
from polytask.data.evaluation import evaluation_batches
from polytask.data.inputs import INPUTS
from polytask.data.loader import Loader, Step
from polytask.data.mixtures import MIXTURES
from polytask.data.sampling import BatchSize, RowSampler
from polytask.data.sources import SOURCES
from polytask.data.splits import SPLITS, Split
from polytask.data.stream import Stream, StreamOptions
from polytask.data.table import Table
from polytask.data.targets import target_values

__all__ = [
    "INPUTS",
    "MIXTURES",
    "SOURCES",
    "SPLITS",
    "Batch",
    "BatchSize",
    "DataSet",
    "EncodedSplit",
    "Loader",
    "RowSampler",
    "Split",
    "Step",
    "Stream",
    "StreamOptions",
    "Table",
    "collate",
    "encode_split",
    "evaluation_batches",
    "read_splits",
    "target_values",
]
