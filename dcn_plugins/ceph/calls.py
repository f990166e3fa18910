# SPDX-License-Identifier: Apache-2.0
"""Calls of librados and librbd: those that are waited for, and the others.

Ceph ends a call in a thread of its own. What is called there must be short:
put something into a queue.
"""

import ctypes
import itertools
import os

from dcn_plugins.ceph import errors
from dcn_plugins.ceph import libraries

# What the calls that have not ended end with, by the number that Ceph keeps.
_waiting = {}
_numbers = itertools.count(1)


def checked(code, doing):
    """Return what a call has answered, if it was not refused.

    :param doing: what it does, for people.
    :raises CephError: for a negative answer.
    """
    if code < 0:
        raise errors.of(code, doing, os.strerror(-code))
    return code


def rbd_call(name, image, *arguments, done):
    """Begin a call of librbd and have its end told.

    :param name: of a function whose last arguments are the completion and
        numbers; they are ``arguments`` with ``None`` for the completion.
    :param done: called with its answer, in a thread of Ceph.
    :raises CephError: if it did not begin; ``done`` is not called then.
    """
    library = libraries.librbd()
    number = next(_numbers)
    completion = ctypes.c_void_p()
    checked(library.rbd_aio_create_completion(
        number, _RBD_ENDED, ctypes.byref(completion)), name)
    _waiting[number] = done
    code = getattr(library, name)(image, *(
        completion if argument is None else argument
        for argument in arguments))
    if code < 0:
        del _waiting[number]
        library.rbd_aio_release(completion)
        checked(code, name)


def rados_read(ioctx, operation, object_name, done):
    """Begin a read operation on an object; as :func:`rbd_call`."""
    _rados_call(object_name, done, lambda completion: (
        libraries.librados().rados_aio_read_op_operate(
            operation, ioctx, completion, object_name.encode(), 0)))


def rados_write(ioctx, operation, object_name, done):
    """Begin a write operation on an object; as :func:`rbd_call`."""
    _rados_call(object_name, done, lambda completion: (
        libraries.librados().rados_aio_write_op_operate(
            operation, ioctx, completion, object_name.encode(), None, 0)))


def _rados_call(object_name, done, begin):
    library = libraries.librados()
    number = next(_numbers)
    completion = ctypes.c_void_p()
    checked(library.rados_aio_create_completion2(
        number, _RADOS_ENDED, ctypes.byref(completion)), object_name)
    _waiting[number] = done
    code = begin(completion)
    if code < 0:
        del _waiting[number]
        library.rados_aio_release(completion)
        checked(code, object_name)


def _rbd_ended(completion, number):
    library = libraries.librbd()
    code = library.rbd_aio_get_return_value(completion)
    library.rbd_aio_release(completion)
    _waiting.pop(number)(code)


def _rados_ended(completion, number):
    library = libraries.librados()
    code = library.rados_aio_get_return_value(completion)
    library.rados_aio_release(completion)
    _waiting.pop(number)(code)


# They live as long as the process: Ceph may call them at any time.
_RBD_ENDED = libraries.ENDED(_rbd_ended)
_RADOS_ENDED = libraries.ENDED(_rados_ended)
