"""ONNX Runtime as a witness: one layer of a module as an ONNX graph, with ONNX's order of gates."""

from typing import Any

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from carousel.nn import Recurrent


def run_onnx(
    operator: str,
    module: Recurrent,
    x: Tensor,
    initial: list[Tensor],
    gates: str,
    order: str,
    **attributes: Any,
) -> list[Tensor]:
    """The output in torch's shape, then the final states.

    gates: our order of the blocks in the packed parameters; order: ONNX's. x: (T, B, I), initial: (D, B, H).
    """
    parameters = {"W": [], "R": [], "B": [], "P": []}
    for suffix in ("_l0", "_l0_reverse")[: len(module.directions)]:
        weights = {name.removesuffix(suffix): value for name, value in module.named_parameters()
                   if name.endswith(suffix)}  # fmt: skip
        blocks = {name: dict(zip(gates, value.detach().chunk(len(gates)), strict=True))
                  for name, value in weights.items() if "peephole" not in name}  # fmt: skip

        def stacked(name: str, blocks: dict[str, dict[str, Tensor]] = blocks) -> Tensor:
            return torch.cat([blocks[name][gate] for gate in order])

        parameters["W"].append(stacked("weight_ih"))
        parameters["R"].append(stacked("weight_hh"))
        parameters["B"].append(torch.cat([stacked("bias_ih"), stacked("bias_hh")]))
        if "weight_peephole" in weights:
            i, f, o = weights["weight_peephole"].detach()
            parameters["P"].append(torch.cat([i, o, f]))  # ONNX has i, o, f
    names = ["h", "c"][: len(initial)]
    slots = ["X", "W", "R", "B", "", *(f"initial_{name}" for name in names)]
    slots += ["P"] if parameters["P"] else []
    node = helper.make_node(
        operator, slots, ["Y", *(f"Y_{name}" for name in names)], hidden_size=module.hidden_size,
        direction="bidirectional" if module.bidirectional else "forward", **attributes,
    )  # fmt: skip
    constants = {name: torch.stack(value).numpy() for name, value in parameters.items() if value}
    return _run(node, constants, {"X": x, **{f"initial_{n}": s for n, s in zip(names, initial, strict=True)}})


def _run(node: Any, constants: dict[str, np.ndarray], inputs: dict[str, Tensor]) -> list[Tensor]:
    def described(name: str, shape: Any) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        [node], "witness", [described(name, value.shape) for name, value in inputs.items()],
        [described(name, None) for name in node.output],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    results = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    output, *final = map(torch.from_numpy, results)
    return [output.transpose(1, 2).flatten(2), *final]  # (T, D, B, H) -> (T, B, D H)
