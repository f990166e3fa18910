# SPDX-License-Identifier: Apache-2.0
"""What the commands have in common that look at a store and tell about it."""

import argparse
import logging
import sys

from dcn_plugins import exceptions

#: Exit status: nothing to be told, something, or nobody knows.
NOTHING, FOUND, ERROR = 0, 1, 2

_EVERY = 100


def seconds(text):
    """Return what an argument says; raises ArgumentTypeError if below 0."""
    found = float(text)
    if not 0 <= found < float('inf'):
        raise argparse.ArgumentTypeError('seconds are 0 or more')
    return found


def add_output(parser):
    """Add the arguments that say what is written, and where."""
    parser.add_argument('--json', action='store_true',
                        help='write a JSON document')
    parser.add_argument('--debug', action='store_true',
                        help='log to standard error')


def status(name, is_debug, work):
    """Return the exit status of a command; raises only SystemExit.

    :param name: what it is, for people.
    :param work: does it and returns its status.
    """
    # What is logged on the way is for somebody who looks for an error.
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if is_debug else logging.CRITICAL)
    try:
        return work()
    except exceptions.DCNError as exc:
        print(exc, file=sys.stderr)
    # Whatever Ceph, a database and a lock service say: for a program that
    # calls this it is one thing, and it must not look like a result.
    except Exception as exc:
        logging.debug('%s has failed', name, exc_info=True)
        print(f'{name} has failed: {type(exc).__name__}: {exc}',
              file=sys.stderr)
    return ERROR


def progress(form):
    """Return what tells somebody at a terminal how far it is, or ``None``.

    :param form: returns a line of ``(*what, done, total)``.
    """
    if not sys.stderr.isatty():
        return None

    def tell(*counts):
        done, total = counts[-2:]
        if done % _EVERY == 0 or done == total:
            print('\r' + form(*counts), file=sys.stderr,
                  end='\n' if done == total else '', flush=True)

    return tell
