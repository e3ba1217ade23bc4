"""How the training's commands end: with what they return, or with 2 and a message when something is not there."""

from __future__ import annotations

import sys
from collections.abc import Callable

from inference.errors import InferenceError
from inference.training.data import RunRefused


def ended(work: Callable[[], int]) -> int:
    """The exit code of `work`."""
    try:
        return work()
    except ModuleNotFoundError as missing:
        print(f"no module {missing.name}: pip install -r inference/training/requirements.txt", file=sys.stderr)
    except (RunRefused, InferenceError) as refused:
        print(refused, file=sys.stderr)
    except FileNotFoundError as missing:
        print(f"no file {missing.filename}: is --out the folder of a finished run?", file=sys.stderr)
    return 2
