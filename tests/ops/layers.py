"""A random layer and the kernel's answer beside that of the equations."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from carousel.emit import reference
from carousel.emit.call import Call
from carousel.equations import Equations
from carousel.ops import recurrence


@dataclass
class Layer:
    """One layer in one direction with random numbers: `sizes` makes it a packed, ragged batch."""

    equations: Equations
    x: Tensor
    initial: list[Tensor]
    parameters: dict[str, Tensor]
    reverse: bool = False
    sizes: list[int] | None = None
    resets: Tensor | None = None
    cotangents: list[Tensor] = field(default_factory=list)

    def leaves(self) -> dict[str, Tensor]:
        states = {
            f"{state}_0": tensor for state, tensor in zip(self.equations.states, self.initial, strict=True)
        }
        return {"x": self.x, **states, **self.parameters}

    def results(self, compiled: bool) -> dict[str, Tensor]:
        """Output, final states and, by the name of its leaf, every gradient."""
        output, final = self._kernel() if compiled else reference.run(self.call)
        ends = [output, *final]
        if not self.cotangents:
            self.cotangents = [torch.randn_like(end) for end in ends]
        leaves = self.leaves()
        gradients = torch.autograd.grad(ends, list(leaves.values()), self.cotangents, allow_unused=True)
        found = {f"gradient of {name}": g for name, g in zip(leaves, gradients, strict=True) if g is not None}
        states = {f"{state}_T": value for state, value in zip(self.equations.states, final, strict=True)}
        return {"output": output, **states, **found}

    @property
    def call(self) -> Call:
        sizes = None if self.sizes is None else torch.tensor(self.sizes)
        return Call(self.equations, self.x, self.initial, self.parameters, self.reverse, sizes, self.resets)

    def _kernel(self) -> tuple[Tensor, list[Tensor]]:
        return recurrence(self.call)

    def to(self, dtype: torch.dtype) -> "Layer":
        """The same numbers in another precision."""

        def cast(tensor: Tensor) -> Tensor:
            return tensor.detach().to(dtype).requires_grad_()

        return Layer(
            self.equations,
            cast(self.x),
            [cast(state) for state in self.initial],
            {name: cast(parameter) for name, parameter in self.parameters.items()},
            self.reverse,
            self.sizes,
            self.resets,
            [cotangent.to(dtype) for cotangent in self.cotangents],
        )


def random_layer(
    equations: Equations,
    time: int,
    batch: int,
    inputs: int,
    hidden: int,
    *,
    bias: bool = True,
    reverse: bool = False,
    lengths: list[int] | None = None,
    dtype: torch.dtype = torch.float64,
) -> Layer:
    def draw(*shape: int, scale: float = 1.0) -> Tensor:
        return (torch.randn(*shape, dtype=dtype) * scale).requires_grad_()

    sizes = None if lengths is None else [sum(length > t for length in lengths) for t in range(time)]
    x = draw(time, batch, inputs) if sizes is None else draw(sum(sizes), inputs)
    shapes = equations.layout.shapes(inputs, hidden, bias)
    parameters = {name: draw(*shape, scale=0.7 / hidden**0.5) for name, shape in shapes.items()}
    initial = [draw(batch, hidden) for _ in equations.states]
    return Layer(equations, x, initial, parameters, reverse, sizes)
