"""The devices of this machine, checked before a run writes anything."""

import torch

from carousel.errors import CarouselError


def available() -> list[str]:
    """The devices that torch can use here; cpu always."""
    has = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return [name for name, there in has.items() if there]


def check_device(name: str) -> None:
    """Raise CarouselError if this machine, or this torch, lacks the device."""
    here = available()
    if name not in here:
        raise CarouselError(
            f"device must be one that torch can use on this machine ({', '.join(here)}); got {name!r}. "
            "Choose one of these, or install a build of torch that supports the device."
        )
