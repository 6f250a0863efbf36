"""What training raises when it was stopped by Ctrl-C."""

from pathlib import Path


class Interrupted(KeyboardInterrupt):
    """Training was stopped by Ctrl-C after `step`; all is saved in `folder` and can be resumed."""

    def __init__(self, folder: Path, step: int) -> None:
        super().__init__(
            f"stopped after step {step}; everything is saved. Go on with: carousel train --resume {folder}"
        )
        self.folder = folder
        self.step = step
