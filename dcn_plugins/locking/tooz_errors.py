# SPDX-License-Identifier: Apache-2.0
"""What users of tooz are told when something goes wrong."""

import functools

import tooz
from tooz import coordination
from tooz import utils

from dcn_plugins import exceptions


class LockLost(exceptions.LockLost, tooz.ToozError):
    """Report that a lock was lost before its release."""


def translated(call):
    """Let a function raise what users of tooz expect of a driver."""
    @functools.wraps(call)
    def method(*args, **kwargs):
        try:
            return call(*args, **kwargs)
        except exceptions.LockLost as exc:
            raise LockLost(exc.name, exc.operation) from exc
        except exceptions.EtcdUnavailable as exc:
            utils.raise_with_cause(coordination.ToozConnectionError, str(exc),
                                   cause=exc)
        except (exceptions.EtcdError, exceptions.LockServiceError) as exc:
            utils.raise_with_cause(tooz.ToozError, str(exc), cause=exc)
    return method
