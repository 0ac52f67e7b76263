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
from queue import SimpleQueue
from typing import Any, TypeVar

from slurm.turns import Turns

T = TypeVar("T")
R = TypeVar("R")

Event = tuple[int, bytes | None]
"""A message of a worker: the number of an item, and its pickled (value, error); None if the item has become light."""
Request = tuple[int, bytes]
"""A message to a worker: the number of an item, and the pickled (fn, item)."""
READY: Event = (-1, None)
"""The first message of a worker: it has started and waits for items."""


def serve(pipe: Connection) -> None:
    """Call each (fn, item), and send its (value, error), until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends the workers
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    requests: SimpleQueue[Request | None] = SimpleQueue()
    threading.Thread(target=_receive, args=(pipe, requests), daemon=True).start()
    turns: Turns[Any] = Turns((Exception, SystemExit))  # sys.exit for one item must not end the worker
    with contextlib.suppress(OSError):  # the parent is gone
        pipe.send(READY)
        while True:
            while not turns.calls or not requests.empty():
                request = requests.get()
                if request is None:
                    return
                index, pickled = request
                # Unpickling imports the module of fn, which may raise.
                call, error = call_safely(pickle.loads, pickled)
                if call is None:
                    _send_reply(pipe, index, None, error)
                else:
                    turns.add(index, *call)
            for event in turns.advance():
                if event.is_end:
                    _send_reply(pipe, event.number, event.value, event.error)
                else:
                    pipe.send((event.number, None))


def _receive(pipe: Connection, requests: SimpleQueue[Request | None]) -> None:
    """Receive requests in a thread, until the pipe is closed; then put None.

    If the main thread received them, it and the parent could wait for each other forever, each with a message that is
    too large for the pipe.
    """
    with contextlib.suppress(EOFError, OSError):
        while True:
            requests.put(pipe.recv())
    requests.put(None)


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
