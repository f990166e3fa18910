# SPDX-License-Identifier: Apache-2.0
"""Names of locks, made from what an operation touches. Pure.

A name is a file name for tooz' file driver, ASCII for Cinder and a key for
etcd, while a Ceph image that is to be managed may be called almost anything.
"""

import dataclasses
import hashlib
import urllib.parse

# Cinder's manager calls its locks "<id>", "<id>-delete_volume" and so on;
# nothing of Cinder's starts like this.
PREFIX = 'dcn'

# A file name ends at 255 bytes, and Cinder puts its own prefix before ours.
MAX_LENGTH = 200


@dataclasses.dataclass(frozen=True)
class Scope:
    """One pool of one Ceph cluster.

    :param cluster: identity of the cluster (its FSID). It keeps apart two
        backends that share one DLM, and must be the same on all nodes.
    :param pool: name of the pool.
    """

    cluster: str
    pool: str

    def image(self, image):
        """Return the name of the lock of an image."""
        return _join('image', self.cluster, self.pool, image)

    def snapshot(self, image, snapshot):
        """Return the name of the lock of a snapshot of an image."""
        return _join('snapshot', self.cluster, self.pool, image, snapshot)


def image_glob(image):
    """Return a glob for the names of the locks of an image in any scope."""
    return ':'.join([PREFIX, 'image', '*', _quote(image)])


def snapshot_glob(snapshot):
    """Return a glob for the locks of a snapshot of any image in any scope."""
    return ':'.join([PREFIX, 'snapshot', '*', _quote(snapshot)])


def ordered(names):
    """Return the names once each, in the one order in which all take them."""
    return tuple(sorted(set(names)))


def _join(kind, *parts):
    # Each part is quoted, so that no part can hold the separator and two
    # different objects never share a name.
    name = ':'.join([PREFIX, kind, *map(_quote, parts)])
    if len(name) <= MAX_LENGTH:
        return name
    return ':'.join([PREFIX, kind, hashlib.sha256(name.encode()).hexdigest()])


def _quote(part):
    return urllib.parse.quote(part, safe='')
