# SPDX-License-Identifier: Apache-2.0
"""Make a clone independent without moving its data through its client."""

import time

from dcn_plugins.ceph import image_handle
from dcn_plugins import exceptions

_POLL_SECONDS = 0.3
_MOST_SECONDS = 3600.0
# Those that make sense for an image that is only read; no journal.
_NAMES = {'layering': 1, 'exclusive-lock': 4, 'object-map': 8,
          'fast-diff': 16, 'deep-flatten': 32}


def features(setting):
    """Return the features that an option names or adds up, as a number."""
    text = setting.strip()
    number = int(text) if text.isdigit() else sum(
        _NAMES.get(name.strip(), 0) for name in text.split(','))
    return number & sum(_NAMES.values()) | image_handle.LAYERING


def finish(cluster, pool, name, check):
    """Have the manager of a cluster flatten an image, if it is a clone.

    :param check: called every now and then; raises to stop waiting.
    :raises CephError: if it cannot be done, or takes an hour.
    """
    if not _is_clone(cluster, pool, name):
        return
    cluster.order(prefix='rbd task add flatten', image_spec=f'{pool}/{name}')
    end = time.monotonic() + _MOST_SECONDS
    while _is_clone(cluster, pool, name):
        check()
        if time.monotonic() > end:
            raise exceptions.ClusterUnreachable(
                f'flattening {pool}/{name}',
                'the manager has not done it in an hour')
        time.sleep(_POLL_SECONDS)


def _is_clone(cluster, pool, name):
    with image_handle.ImageHandle(cluster, pool, name) as image:
        return image.is_clone
