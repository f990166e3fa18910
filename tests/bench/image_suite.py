# SPDX-License-Identifier: Apache-2.0
"""Glance's copy-image by the API, with our data path and without it.

Both on the same clusters, with the same images, in turn, and qemu-img beside
them: what is measured is from the request until Glance names all stores, or
until somebody could use what qemu-img has made.
"""

import pathlib
import random
import statistics
import tempfile
import time

from tests.bench import commands
from tests.bench import disk_content
from tests.bench import image_bars as bars
from tests.bench import peers
from tests.chaos import image_cloud
from tests.lab import __main__ as lab_command
from tests.lab import cleanup
from tests.lab import deadline
from tests.lab import layout as layouts
from tests.lab.services import ceph

_SECONDS = 900
# Each look costs Glance, its database and the SDK 0.04 s of a core.
_LOOK_SECONDS = 0.2
_OPTIONS = {bars.LATER: {'copy_data_path': 'dcn'},
            bars.STOCK: {'copy_data_path': 'stock'}}
#: Whether zeros are left out when the image is uploaded.
KINDS = {'sparse': 'true', 'dense': 'false'}


def run(rounds, size, data_bytes, link=None):
    """Measure; return ``(record, bars)``.

    :param size: of the image in bytes, ``data_bytes`` of which are random.
    :param link: a line to each edge as text, or ``None`` for none.
    """
    directory = pathlib.Path(tempfile.mkdtemp(prefix='dcn-images-',
                                              dir='/var/tmp'))
    cleanup.remove(directory)
    lab = layouts.Layout.create(
        directory, edges=2, wan=link and layouts.Wan.parse(link))
    try:
        lab_command.install_plugins(lab)
        cloud = image_cloud.ImageCloud(lab, _OPTIONS[bars.LATER])
        cloud.start()
        path = lab.path('state', 'picture')
        with path.open('wb') as file:
            disk_content.write(file, size, data_bytes, random.Random(5))
        bench = Bench(cloud, image_cloud.Picture(path, data_bytes))
        found = {kind: bench.measure(kind, rounds) for kind in KINDS}
    finally:
        cleanup.remove(directory)
    record = {
        'size': size, 'data_bytes': data_bytes, 'link': link,
        'all_seconds': found,
        'seconds': {kind: {case: {targets: statistics.median(values)
                                  for targets, values in each.items()}
                           for case, each in cases.items()}
                    for kind, cases in found.items()}}
    return record, bars.bars(record)


class Bench:
    """One image, copied in all the ways.

    :param cloud: :class:`~tests.chaos.image_cloud.ImageCloud`.
    :param picture: what is uploaded.
    """

    def __init__(self, cloud, picture):
        self._cloud = cloud
        self._picture = picture

    def measure(self, kind, rounds):
        """Return ``{case: {number of targets: [seconds]}}``."""
        found = {case: {targets: [] for targets in several}
                 for case, several in bars.CASES.items()}
        for number in range(rounds):
            for case, targets, seconds in self._round(kind):
                found[case][targets].append(seconds)
                print(f'{kind}, round {number + 1}, {case}, to {targets}: '
                      f'{seconds:.2f} s', flush=True)
        return found

    def _round(self, kind):
        """Yield ``(case, number of targets, seconds)``."""
        for data_path in _OPTIONS:
            self._restart(kind, data_path)
            image_id = self._cloud.upload(self._picture)
            if data_path == bars.LATER:
                yield bars.FIRST, 1, self._copied(image_id, 1)
            for targets in bars.CASES[data_path]:
                yield data_path, targets, self._copied(image_id, targets)
            if data_path == bars.LATER:
                yield bars.QEMU, 1, self._copied_by_qemu(image_id)
            self._cloud.delete(image_id)

    def _restart(self, kind, data_path):
        api = self._cloud.apis[0]
        api.override = {'dcn': _OPTIONS[data_path], layouts.CENTRAL: {
            'rbd_thin_provisioning': KINDS[kind]}}
        api.restart()

    def _copied(self, image_id, targets):
        """Copy to the first stores, compare, and remove the copies."""
        cloud = self._cloud
        stores = [cloud.near, cloud.far][:targets]
        seconds = _copied(cloud, image_id, stores)
        _compare(cloud, self._picture, image_id, stores)
        for store in stores:
            cloud.delete_copy(image_id, store)
        return seconds

    def _copied_by_qemu(self, image_id):
        lab, store = self._cloud.lab, self._cloud.near
        source, target = (str(ceph.conf(lab, site))
                          for site in (layouts.CENTRAL, store))
        peer = peers.Peers(source, target, image_cloud.POOL,
                           self._picture.size)
        began = time.monotonic()
        commands.pipelines(peer.qemu_img(image_id) + peer.freeze(image_id))
        seconds = time.monotonic() - began
        _compare(self._cloud, self._picture, image_id, [store])
        peers.drop(target, image_cloud.POOL, image_id)
        return seconds


def _copied(cloud, image_id, stores):
    began = time.monotonic()
    status = cloud.copy(image_id, stores)
    if status != 202:
        raise deadline.LabError(f'the copy is not taken: HTTP {status}')

    def is_there():
        image = cloud.image(image_id)
        if image.get('os_glance_failed_import'):
            raise deadline.LabError(f'the copy has failed: '
                                    f'{cloud.tasks(image_id)[0]["message"]}')
        return set(stores) <= set(image['stores'].split(','))

    deadline.wait('the copies', is_there, _SECONDS, _LOOK_SECONDS,
                  is_exact=True)
    seconds = time.monotonic() - began
    # The next request is refused until the task has ended.
    deadline.wait('the end of the task', lambda: not cloud.image(
        image_id).get('os_glance_import_task'), 120)
    return seconds


def _compare(cloud, picture, image_id, stores):
    for store in stores:
        if cloud.content(store, image_id) != picture.hash_value:
            raise deadline.LabError(f'{store} has another content')
