# SPDX-License-Identifier: Apache-2.0
"""The engine that copies images, on pools in memory.

:mod:`tests.contracts.copier_contract` holds it to what the real one does.
"""

import errno
import hashlib

from dcn_plugins import exceptions
from dcn_plugins.imagecopy import request as requests
from dcn_plugins import native
from tests.fakes import rbd

TICK_SECONDS = 0.02


class Cluster:
    """A Ceph cluster: its pools, and whether it answers."""

    def __init__(self, fsid):
        self.fsid = fsid
        self.pools = {}
        self.is_up = True

    def pool(self, name):
        return self.pools.setdefault(name, rbd.Pool(name))


class Copier:
    """``dcn_plugins.imagecopy.service``.

    :param clusters: ``{path of ceph.conf: Cluster}``.
    :ivar asked: all requests.
    :ivar before: ``{store: function}``, called in the middle of a copy to it,
        again and again as long as it returns true; what it raises ends that
        copy.
    """

    def __init__(self, clusters):
        self._clusters = clusters
        self.asked = []
        self.before = {}

    def copy(self, request, on_result, on_progress=None, check=None,
             log=None):
        self.asked.append(request)
        source, found = self._source(request)
        results = {}
        cancelled = []
        # Glance calls it in a thread of its own, also under eventlet: whose
        # threads wait for locks that nobody there gives back.
        threads = [native.module('threading').Thread(target=self._fill, args=(
            request, source, found, target, on_result,
            on_progress or (lambda progress: None), cancelled, results),
            daemon=True) for target in request.targets]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            if not cancelled and check is not None:
                try:
                    check()
                except Exception as exc:
                    cancelled.append(exc)
            native.module('time').sleep(TICK_SECONDS)
        if cancelled:
            raise cancelled[0]
        return results

    def _source(self, request):
        for place in request.sources:
            cluster = self._clusters[place.conf]
            pool = cluster.pool(place.pool)
            if cluster.is_up and request.name in pool.images:
                return pool, pool.header(request.name)
        raise exceptions.CopyError(
            f'image {request.image_id} is in no store that answers',
            request.image_id)

    def _fill(self, request, source, found, target, on_result, on_progress,
              cancelled, results):
        try:
            result = self._copied(request, source, found, target,
                                  on_progress, cancelled)
        except exceptions.DCNError as exc:
            result = requests.Result(
                target.store, requests.Outcome.FAILED, error=exc)
        try:
            on_result(result)
        except Exception as exc:
            self._remove(target, request.name)
            result = requests.Result(
                target.store, requests.Outcome.FAILED,
                error=exceptions.CopyNotRegistered(
                    request.image_id, target.store, str(exc)))
        results[target.store] = result

    def _copied(self, request, source, found, target, on_progress, cancelled):
        cluster = self._clusters[target.conf]
        pool = cluster.pool(target.pool)
        location = (f'rbd://{cluster.fsid}/{target.pool}/{request.name}/'
                    f'{requests.SNAPSHOT}')
        digest = self._digest(request, source, found)
        outcome = requests.Outcome.PRESENT
        self._check_is_up(cluster, target)
        if request.name not in pool.images:
            outcome = requests.Outcome.COPIED
            while self.before.get(target.store, lambda: False)():
                on_progress(requests.Progress(
                    target.store, 'pump', found.size // 2, found.size, 1e6))
                if cancelled:
                    return requests.Result(target.store,
                                           requests.Outcome.CANCELLED)
                native.module('time').sleep(TICK_SECONDS)
            self._check_is_up(cluster, target)
            self._write(pool, request, source, found)
        return requests.Result(
            target.store, outcome, location, found.size, found.size,
            seconds=1.0, hash_value=digest)

    @staticmethod
    def _check_is_up(cluster, target):
        if not cluster.is_up:
            raise exceptions.ClusterUnreachable(
                f'copying to {target.store}', 'it is down')

    @staticmethod
    def _digest(request, source, found):
        digest = hashlib.new(request.hash_algorithm)
        for _offset, data in sorted(source.content(found).items()):
            digest.update(data)
        if request.hash_value not in (None, digest.hexdigest()):
            raise exceptions.CephRefused('reading', 'the hash differs',
                                         errno.EIO)
        return digest.hexdigest()

    @staticmethod
    def _write(pool, request, source, found):
        rbd.RBD().create(pool, request.name, found.size)
        with rbd.Image(pool, request.name) as image:
            for offset, data in source.content(found).items():
                image.write(data, offset)
            image.create_snap(requests.SNAPSHOT)
            image.protect_snap(requests.SNAPSHOT)

    def _remove(self, target, name):
        pool = self._clusters[target.conf].pool(target.pool)
        with rbd.Image(pool, name) as image:
            image.unprotect_snap(requests.SNAPSHOT)
            image.remove_snap(requests.SNAPSHOT)
        rbd.RBD().remove(pool, name)
