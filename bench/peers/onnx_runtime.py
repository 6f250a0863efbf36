"""ONNX Runtime's own RNN, LSTM and GRU operators, which only infer."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from bench.cells import Cell
from bench.problem import Call, Problem


def prepare(problem: Problem, threads: int) -> Call | None:
    if problem.backward:
        return None
    session = _session(problem, threads)
    feed = {"X": problem.x.detach().numpy()}

    def infer() -> Any:
        return session.run(["Y"], feed)  # Y (T, 1, B, H)

    return infer


def _session(problem: Problem, threads: int) -> Any:
    constants = _constants(problem.cell, {name: value.numpy() for name, value in problem.weights.items()})
    slots = ["X", "W", "R", "B", *(["", "", "", "P"] if "P" in constants else [])]
    node = helper.make_node(
        problem.cell.module, slots, ["Y"], hidden_size=problem.shape.hidden, **problem.cell.onnx
    )
    graph = helper.make_graph(
        [node],
        "bench",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, tuple(problem.x.shape))],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    options = onnxruntime.SessionOptions()
    # its idle threads would spin on, in the turns of the others; within a call they spin as ever
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _constants(cell: Cell, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """W, R, B and P with their leading axis of one direction, blocks in ONNX's order."""

    def ordered(name: str) -> np.ndarray:
        blocks = dict(zip(cell.blocks, np.split(weights[name], cell.gates), strict=True))
        return np.concatenate([blocks[block] for block in cell.onnx_blocks])

    constants = {
        "W": ordered("weight_ih"),
        "R": ordered("weight_hh"),
        "B": np.concatenate([ordered("bias_ih"), ordered("bias_hh")]),
    }
    if "weight_peephole" in weights:
        i, f, o = weights["weight_peephole"]
        constants["P"] = np.concatenate([i, o, f])
    return {name: np.ascontiguousarray(value[None]) for name, value in constants.items()}
