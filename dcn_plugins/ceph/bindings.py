# SPDX-License-Identifier: Apache-2.0
"""rados and rbd, imported when they are needed.

They come with Ceph and not from a package index. A service that has no RBD
backend must start without them, and so must our unit tests.
"""

import importlib

from dcn_plugins import exceptions


def rados():
    """Return the module ``rados``; raises ConfigError if it is missing."""
    return _imported('rados')


def rbd():
    """Return the module ``rbd``; raises ConfigError if it is missing."""
    return _imported('rbd')


def _imported(name):
    try:
        return importlib.import_module(name)
    except ImportError as exc:
        raise exceptions.ConfigError(
            f'Python module {name}', str(exc),
            f'Install python3-{name} of your Ceph release where the service '
            'finds it') from exc
