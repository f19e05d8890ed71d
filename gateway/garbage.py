"""How often a process looks for memory that only refers to itself. What it began with is looked at no more."""

import atexit
import gc

_NEW_OBJECTS = 20_000  # between two looks at what is young; a call makes some hundred


def spare_what_stays() -> None:
    """Take all that is there out of the collector's looks, and let it look less often. Call it once all is loaded.

    A look at everything holds up every call for tens of milliseconds, and finds that modules are still in use.
    """
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # what is spared at the end of a process is told as leaked
    gc.set_threshold(_NEW_OBJECTS, 20, 20)
