"""What every kind of model hands over, so that one way makes a package of any."""

from dataclasses import dataclass
from typing import Callable

import numpy as np
import onnxruntime


@dataclass
class Exported:
    """A trained model as ONNX, and what its package and card say about it."""

    model: bytes
    tensor: str  # the output with the score
    column: int | None  # of [N, C]; None for [N, 1]
    tolerance: str  # of the golden rows, as TOML has it
    kind: str  # the card's row "kind"
    output: str  # the card's row "output"
    notes: str  # a section of the card, or empty
    looks_at: str  # how `importance` was measured
    importance: Callable[[], list[tuple[str, float]]]  # names and weights, the heaviest first


class Scorer:
    """ONNX Runtime as the product runs it: one thread, everything in sequence."""

    def __init__(self, exported):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        self.session = onnxruntime.InferenceSession(exported.model, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        self.tensor, self.column = exported.tensor, exported.column or 0

    def score(self, features):
        return self.session.run([self.tensor], {self.input: features})[0][:, self.column]

    def differs(self, features, expected, tolerance):
        """Rows whose score is farther than that from what the training library says."""
        return int((np.abs(self.score(features) - expected) > tolerance).sum())
