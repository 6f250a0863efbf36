"""The run itself: every cell at every shape, ours and the peers in turns, the peak probed between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import torch

from bench.cells import Cell
from bench.machine import peak_gflops, this_machine
from bench.measure import interleave
from bench.peers import load_peers, versions
from bench.peers.module_call import frozen_call, module_call
from bench.problem import Call, check_agreement, problem
from bench.results import MODULE, OURS, Case, Results, pass_name
from bench.shapes import Shape


@dataclass(frozen=True)
class Plan:
    """What to time, and how patiently: seconds for a turn and for each probe of the peak."""

    cells: list[Cell]
    shapes: list[Shape]
    peers: list[str]
    threads: int
    rounds: int
    turn: float
    probe: float
    passes: tuple[bool, ...] = (True, False)  # with backward?


def run(plan: Plan, announce: Callable[[str], None], show: Callable[[Results], None]) -> Results:
    """announce is told what is being timed; show is given the cases of a cell and pass once they are done."""
    torch.set_num_threads(plan.threads)
    peers, absent = load_peers(plan.peers)
    machine = this_machine(plan.threads, versions(list(peers)))
    peak = peak_gflops(plan.threads, plan.probe)
    done: list[Case] = []
    for backward in plan.passes:
        for cell in plan.cells:
            cases = []
            for shape in plan.shapes:
                announce(f"{cell.title} {shape} {pass_name(backward)}")
                cases.append(_case(plan, peers, cell, shape, backward))
            peak = max(peak, peak_gflops(plan.threads, plan.probe))
            done += cases
            show(Results(machine, peak, plan.rounds, cases, absent))
    return Results(machine, peak, plan.rounds, done, absent)


def _case(plan: Plan, peers: dict[str, ModuleType], cell: Cell, shape: Shape, backward: bool) -> Case:
    task = problem(cell, shape, backward)
    module = module_call(task.module, task)
    contenders: dict[str, Call] = {OURS: module} if backward else {OURS: frozen_call(task), MODULE: module}
    for name, peer in peers.items():
        call = peer.prepare(task, plan.threads)
        if call is not None:
            contenders[name] = call
    check_agreement({name: call() for name, call in contenders.items()})
    seconds = interleave(contenders, plan.rounds, plan.turn)
    return Case(cell.name, cell.title, shape, backward, task.flops, seconds)
