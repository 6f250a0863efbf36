"""One contender in a process of its own, for its peak memory: `-m bench.embeddings.child NAME TASK TEXT THREADS`."""

import json
import resource
import sys
from pathlib import Path

from bench.embeddings.tasks import TASKS, train


def peak_megabytes() -> float:
    """The most memory that this process held; Linux's ru_maxrss would count that of the process it was forked from."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)  # bytes on macOS


if __name__ == "__main__":
    name, task, text, threads = sys.argv[1:]
    train(name, Path(text), TASKS[task], 1, 1, int(threads))
    print(json.dumps({"megabytes": peak_megabytes()}))
