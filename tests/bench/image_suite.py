# SPDX-License-Identifier: Apache-2.0
"""Glance's copy-image by the API, with our data path and without it.

Both on the same clusters, with the same images, in turn: what is measured is
from the request until Glance names all stores.
"""

import pathlib
import statistics
import tempfile
import time

from tests.bench import image_bars as bars
from tests.chaos import image_cloud
from tests.lab import __main__ as lab_command
from tests.lab import cleanup
from tests.lab import deadline
from tests.lab import layout as layouts

_SECONDS = 900
_OPTIONS = {bars.OURS: {'copy_data_path': 'dcn'},
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
        cloud = image_cloud.ImageCloud(lab, _OPTIONS[bars.OURS])
        cloud.start()
        picture = image_cloud.Picture(lab.path('state', 'picture'), size,
                                      data_bytes, 1)
        found = {kind: _measured(cloud, picture, kind, rounds)
                 for kind in KINDS}
    finally:
        cleanup.remove(directory)
    record = {
        'size': size, 'data_bytes': data_bytes, 'link': link,
        'all_seconds': found,
        'seconds': {kind: {flavour: {targets: statistics.median(values)
                                     for targets, values in each.items()}
                           for flavour, each in flavours.items()}
                    for kind, flavours in found.items()}}
    return record, bars.bars(record)


def _measured(cloud, picture, kind, rounds):
    found = {flavour: {targets: [] for targets in bars.TIMES}
             for flavour in _OPTIONS}
    api = cloud.apis[0]
    for number in range(rounds):
        for flavour, options in _OPTIONS.items():
            api.override = {'dcn': options, layouts.CENTRAL: {
                'rbd_thin_provisioning': KINDS[kind]}}
            api.restart()
            image_id = cloud.upload(picture)
            for targets in bars.TIMES:
                stores = [cloud.near, cloud.far][:targets]
                seconds = _copied(cloud, image_id, stores)
                found[flavour][targets].append(seconds)
                print(f'{kind}, round {number + 1}, {flavour}, '
                      f'{targets} targets: {seconds:.2f} s', flush=True)
                _compare(cloud, picture, image_id, stores)
                for store in stores:
                    cloud.delete_copy(image_id, store)
            cloud.delete(image_id)
    return found


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

    deadline.wait('the copies', is_there, _SECONDS, 0.05, is_exact=True)
    seconds = time.monotonic() - began
    # The next request is refused until the task has ended.
    deadline.wait('the end of the task', lambda: not cloud.image(
        image_id).get('os_glance_import_task'), 120)
    return seconds


def _compare(cloud, picture, image_id, stores):
    for store in stores:
        if cloud.content(store, image_id) != picture.hash_value:
            raise deadline.LabError(f'{store} has another content')
