"""Python's garbage collector around a start.

A start makes a million objects that live for ever: looking through them again and again costs a quarter of it, and
once the platform serves, pauses of 50 ms.
"""

import gc


def pause() -> None:
    """Collect nothing until `resume`; called before the large imports."""
    gc.disable()


def resume() -> None:
    """Leave what is there alone for ever, and look at what comes later, less often than usual.

    The start's own garbage stays too: it is one object in a hundred, and finding it takes a third of a second.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    gc.enable()
