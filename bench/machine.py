"""What the figures were measured on, and the most this machine can do."""

from __future__ import annotations

import datetime
import os
import platform
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """Everything that a figure depends on. load: the Unix load average when the run began."""

    cpu: str
    cores: int
    threads: int
    isa: str
    system: str
    versions: dict[str, str]
    date: str
    load: float

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        cores = f"{self.cores} core{'s' if self.cores > 1 else ''}"
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{self.cpu}, {cores}, {threads}, {self.isa}; {self.system}; {versions}; {self.date}"


def this_machine(threads: int, versions: dict[str, str]) -> Machine:
    from carousel import _core

    return Machine(
        cpu=_cpu_name(),
        cores=os.cpu_count() or 1,
        threads=threads,
        isa=_core.isa(),
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        versions=versions,
        date=datetime.date.today().isoformat(),
        load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0,
    )


def _cpu_name() -> str:
    """The name, and on Linux family and model: a virtual machine often hides the rest of the name."""
    facts: dict[str, str] = {}
    path = Path("/proc/cpuinfo")
    for line in path.read_text().splitlines() if path.exists() else []:
        name, _, value = line.partition(":")
        facts.setdefault(name.strip(), value.strip())
    if "model name" not in facts:
        return platform.processor() or platform.machine()
    return f"{facts['model name']} (family {facts.get('cpu family', '?')}, model {facts.get('model', '?')})"


def keep_to_cores(threads: int) -> None:
    """Bind this process to so many cores before anything starts threads, for JAX cannot be told a number."""
    if not hasattr(os, "sched_setaffinity"):
        return
    allowed = sorted(os.sched_getaffinity(0))
    chosen = sorted(allowed, key=lambda cpu: (_sibling_rank(cpu), cpu))[:threads]
    os.sched_setaffinity(0, chosen)


def _sibling_rank(cpu: int) -> int:
    """0 for the first hardware thread of a core, 1 for its twin: two threads shall have two cores."""
    path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    if not path.exists():
        return 0
    first = path.read_text().strip().replace("-", ",").split(",")[0]
    return int(first != str(cpu))


def peak_gflops(threads: int, seconds: float) -> float:
    """The multiply-add peak in float32, probed now."""
    from carousel import _core

    return float(_core.multiply_add_peak(numbers="float32", threads=threads, seconds=seconds)) / 1e9
