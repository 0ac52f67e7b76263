"""What a worker process does: it calls functions on items that it receives through a pipe."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from slurm.turns import Turns

T = TypeVar("T")
R = TypeVar("R")

Event = tuple[int, bytes | None]
"""A message of a worker: the number of an item, and its pickled (value, error); None if the item has become light."""
READY: Event = (-1, None)
"""The first message of a worker: it has started and waits for items."""


def serve(pipe: Connection) -> None:
    """Call each (fn, item), and send its (value, error), until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends the workers
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    turns: Turns[Any] = Turns((Exception, SystemExit))  # sys.exit for one item must not end the worker
    with contextlib.suppress(EOFError, OSError):  # the parent is gone or has no more items
        pipe.send(READY)
        while True:
            while not turns.calls or pipe.poll():
                index, request = pipe.recv()
                # Unpickling imports the module of fn, which may raise.
                call, error = call_safely(pickle.loads, request)
                if call is None:
                    _send_reply(pipe, index, None, error)
                else:
                    turns.add(index, *call)
            for event in turns.advance():
                if event.is_end:
                    _send_reply(pipe, event.number, event.value, event.error)
                else:
                    pipe.send((event.number, None))


def _send_reply(pipe: Connection, index: int, value: Any, error: str | None) -> None:
    reply, unsendable = call_safely(pickle.dumps, (value, error))
    pipe.send((index, reply or pickle.dumps((None, unsendable))))


def call_safely(fn: Callable[[T], R], item: T) -> tuple[R | None, str | None]:
    """Call a function; return its value and None, or None and its traceback."""
    try:
        return fn(item), None
    except (Exception, SystemExit):  # sys.exit for one item must not end the worker
        return None, traceback.format_exc()


def _end_with_parent() -> None:
    """End this process when its parent has ended, even during a long call. A killed parent cannot terminate it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
