"""Silence of C++ libraries, which write to stderr past Python."""

import contextlib
import os
import sys
import warnings


@contextlib.contextmanager
def silence_stderr():
    """Context in which C++ code and new processes print nothing to stderr, and Python warns of nothing."""
    sys.stderr.flush()
    stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)
