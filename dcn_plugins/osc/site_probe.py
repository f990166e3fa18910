# SPDX-License-Identifier: Apache-2.0
"""Do at a site what users do there, and remove it again.

Each probe has a name of its own and is removed whatever comes out. One whose
removal has failed is a finding, with its id: nobody else knows of it. Those of
a check that was killed are found by the next one.
"""

import contextlib
import os
import time
import uuid

from dcn_plugins import exceptions
from dcn_plugins.locking import lock_queue
from dcn_plugins.locking import locks
from dcn_plugins.osc import copy_view
from dcn_plugins.osc import fact as facts
from dcn_plugins.osc import finding
from dcn_plugins.osc import image_copy
from dcn_plugins.osc import pane
from dcn_plugins.osc import reading

#: How the names of all probes begin.
PREFIX = 'dcn-probe-'

#: Metadata of a volume and property of an image: the site that it probes.
MARK = 'dcn_probe'

#: A probe that is older is of a check that has ended.
OLD_SECONDS = 3600.0

#: Between two looks at what is made or deleted.
LOOK_SECONDS = 0.5

_IMAGE_BYTES = 1 << 20
_VOLUME_GIB = 1

# A copy of a small image tells what Glance does around each, which takes
# seconds over a long line; how much longer a large one takes tells the rate.
# So long at the rate that is wanted, so that one second more or less does not
# count for much; and how large it may get.
_MEASURED_SECONDS = 8.0
_MOST_COPY_BYTES = 512 << 20
_COPY_LOOK_SECONDS = 0.2


class SiteProbe:
    """A lock, a volume and an image at one site.

    :param client: :class:`~dcn_plugins.osc.client.Client`.
    :param entry: of the site.
    :param service_seconds: how long one request may take.
    :param probe_seconds: how long each of the three may take, each copy, and
        each removal.
    :param least_mbits: at how many Mbit/s images should be copied there; 0 if
        nobody wants to know.
    """

    def __init__(self, client, entry, service_seconds, probe_seconds,
                 least_mbits=0.0, clock=time.monotonic, sleep=time.sleep,
                 now=time.time):
        self._client = client
        self._cloud = client.cloud
        self._entry = entry
        self._service_seconds = service_seconds
        self._seconds = probe_seconds
        self._least_mbits = least_mbits
        self._clock = clock
        self._sleep = sleep
        self._now = now
        self._name = f'{PREFIX}{uuid.uuid4()}'
        self._left = []
        #: Mbit/s at which images came to stores, as far as that was tried.
        self.rates = {}

    def findings(self, volume_type=None):
        """Return what has failed, all of them tried at the same time.

        :param volume_type: of the volume; that of the project unless given.
        """
        site = self._entry.name
        probes = {'lock': self._lock}
        for zone in self._entry.zones[:1]:
            probes['volume'] = lambda _seconds: self._volume(zone, volume_type)
        for store in self._entry.stores:
            probes['image', store] = (
                lambda _seconds, store=store: self._image(store))
        earlier = self._earlier()
        # Each ends by itself, with its removal: that is not cut off.
        told = reading.read_all(
            probes, 2 * self._seconds + 4 * self._service_seconds)
        found = []
        for key, fact in told.items():
            if fact.is_known:
                continue
            if key == 'lock':
                found.append(finding.finding(
                    'probe-lock-failed', f'A lock in the etcd of {site}: '
                    f'{fact.problem}'))
            elif key == 'volume':
                found.append(finding.finding(
                    'probe-volume-failed', f'A volume at {site}: '
                    f'{fact.problem}'))
            else:
                found.append(finding.finding(
                    'probe-image-failed', f'An image in {key[1]}: '
                    f'{fact.problem}', store=key[1]))
        found += self._copies()
        return found + [finding.finding(
            'probe-left-behind', f'The {kind} {name} was not removed: '
            f'{problem}', kind=kind, id=number)
            for kind, number, name, problem in earlier + [
                (kind, number, self._name, problem)
                for kind, number, problem in self._left]]

    def _copies(self):
        """Return what is wrong with copies to the stores of the site.

        One after the other, so that each has the line for itself, and not
        while images are uploaded there, which may keep a glance-api from all
        else.
        """
        if not self._least_mbits:
            return []
        found = []
        for store in self._entry.stores:
            try:
                found += self._copy(store)
            except exceptions.DCNError as exc:
                found.append(finding.finding(
                    'probe-copy-failed', f'A copy of an image to {store}: '
                    f'{exc}', store=store))
        return found

    def _copy(self, store):
        source = self._source()
        size = min(max(_IMAGE_BYTES, int(
            self._least_mbits * 1e6 / 8 * _MEASURED_SECONDS)),
            _MOST_COPY_BYTES)
        # What was slow by chance, before or behind, shall not count.
        around = self._seconds_of_copy(source, store, _IMAGE_BYTES)
        taken = self._seconds_of_copy(source, store, _IMAGE_BYTES + size)
        if taken is not None:
            around = min(around, self._seconds_of_copy(source, store,
                                                       _IMAGE_BYTES))
        seconds = self._seconds if taken is None else max(
            taken - around, 1e-3)
        rate = size * 8e-6 / seconds
        if taken is not None:
            self.rates[store] = rate
            if rate >= self._least_mbits:
                return []
        what = (f'were copied to {store} in {seconds:.1f} s, at'
                if taken is not None else
                f'were not copied to {store} within {seconds:g} s, at less '
                'than')
        return [finding.finding(
            'probe-copy-slow', f'{size >> 20} MiB of an image {what} '
            f'{rate:.0f} Mbit/s; {self._least_mbits:g} were wanted',
            store=store)]

    def _seconds_of_copy(self, source, store, size):
        """Return how long a copy took; ``None`` if a large one did not end.

        :raises NotDone: if it failed, or there was no image to copy.
        """
        with self._made_image() as number:
            try:
                self._cloud.upload_image(number, source, os.urandom(size),
                                         self._seconds)
            except exceptions.DCNError as exc:
                raise exceptions.NotDone(
                    f'{size >> 20} MiB were not uploaded to {source}: {exc}',
                    'Give a longer --probe-seconds, or run the command near '
                    'the glance-api') from exc
            image = self._cloud.get_image(number, self._service_seconds)
            copy = image_copy.ImageCopy(self._cloud, number, [store],
                                        self._service_seconds, self._clock)
            begun_at = self._clock()
            copy.request(image, is_patient=True)
            error, = image_copy.wait(
                [copy], self._seconds, copy_view.Lines(lambda _text: None, {}),
                self._clock, self._sleep, _COPY_LOOK_SECONDS)
            taken = self._clock() - begun_at
            if error and taken >= self._seconds:
                # Not its own words: the image that they are about is gone.
                if size > _IMAGE_BYTES:
                    return None
                raise exceptions.NotDone(
                    f'{size >> 20} MiB were not copied within '
                    f'{self._seconds:g} s', 'Give a longer --probe-seconds')
            if error:
                raise error
            return taken

    def _source(self):
        """Return the name of a store elsewhere: the default one if it is."""
        stores = self._cloud.stores(self._service_seconds)
        names = pane.writable(stores) - set(self._entry.stores)
        if not names:
            raise exceptions.NotDone(
                'there is no store elsewhere to copy an image from',
                'Leave --least-mbits out')
        return min(names, key=lambda name: (name not in {
            store['id'] for store in stores
            if str(store.get('default')).lower() == 'true'}, name))

    def _earlier(self):
        """Return what checks before have left: kind, id, name, why."""
        found = []
        for kind, listed in (('volume', self._cloud.volumes_with),
                             ('image', self._cloud.images_with)):
            # What does not answer is found by what is tried next.
            with contextlib.suppress(exceptions.DCNError):
                found += [
                    (kind, one['id'], one['name'],
                     'the check that has made it was interrupted')
                    for one in listed(MARK, self._entry.name,
                                      self._service_seconds)
                    if self._is_old(one)]
        return found

    def _is_old(self, thing):
        made_at = facts.seconds_of(thing.get('created_at'))
        return made_at is not None and self._now() > made_at + OLD_SECONDS

    def _lock(self, _seconds):
        settings, connection = self._client.lock_connection_of(
            self._entry.name)
        if connection is None:
            # The other half of the check tells that.
            return True
        with contextlib.closing(connection):
            taker = locks.Locks(
                connection.client, connection.session,
                f'{settings.namespace}/locks', self._seconds, self._name)
            with contextlib.closing(taker):
                hold = taker.acquire([(self._name, lock_queue.EXCLUSIVE)],
                                     self._seconds)
                if hold is None:
                    raise exceptions.LockTimeout(self._name, self._seconds)
                taker.release(hold)
        return True

    def _volume(self, zone, volume_type):
        made = self._cloud.create_volume({
            'name': self._name, 'size': _VOLUME_GIB, 'availability_zone': zone,
            'metadata': {MARK: self._entry.name},
            **({'volume_type': volume_type} if volume_type else {})},
            self._service_seconds)
        number = made['id']
        with self._removed('volume', number, self._remove_volume):
            self._wait(lambda: self._is_available(number),
                       f'volume {number} was not made')
        return True

    def _is_available(self, number):
        status = self._cloud.get_volume(number, self._service_seconds)[
            'status']
        if status == 'error':
            raise exceptions.ServiceError(
                'Cinder', f'volume {number} is in error', 'See its messages')
        return status == 'available'

    def _remove_volume(self, number):
        self._cloud.delete_volume(number, self._service_seconds)
        self._wait(lambda: self._is_gone(number),
                   f'volume {number} is not gone')

    def _is_gone(self, number):
        try:
            status = self._cloud.get_volume(number, self._service_seconds)[
                'status']
        except exceptions.ServiceError as exc:
            if exc.status == 404:
                return True
            raise
        if status == 'error_deleting':
            raise exceptions.ServiceError(
                'Cinder', f'volume {number} is in error_deleting',
                'See the log of cinder-volume')
        return False

    def _image(self, store):
        with self._made_image() as number:
            data = os.urandom(_IMAGE_BYTES)
            self._cloud.upload_image(number, store, data, self._seconds)
            if self._cloud.image_data(number, self._seconds) != data:
                raise exceptions.ServiceError(
                    'Glance', f'image {number} is not what was sent there',
                    'See the log of glance-api')
        return True

    @contextlib.contextmanager
    def _made_image(self):
        """Give the id of an image that is gone afterwards."""
        made = self._cloud.create_image({
            'name': self._name, 'disk_format': 'raw',
            'container_format': 'bare', 'visibility': 'private',
            # Nobody shall copy it meanwhile.
            'dcn_sites': 'none', MARK: self._entry.name},
            self._service_seconds)
        number = made['id']
        with self._removed('image', number, lambda number:
                           self._cloud.delete_image(number,
                                                    self._service_seconds)):
            yield number

    @contextlib.contextmanager
    def _removed(self, kind, number, remove):
        """Remove a probe at the end; if that fails the probe has failed."""
        try:
            yield
        except exceptions.DCNError:
            with contextlib.suppress(exceptions.DCNError):
                self._remove(kind, number, remove)
            # The first error is what matters.
            raise
        self._remove(kind, number, remove)

    def _remove(self, kind, number, remove):
        try:
            remove(number)
        except exceptions.DCNError as exc:
            self._left.append((kind, number, str(exc)))
            raise

    def _wait(self, is_true, problem):
        ends_at = self._clock() + self._seconds
        while not is_true():
            if self._clock() >= ends_at:
                raise exceptions.ServiceError(
                    'Cinder', f'{problem} within {self._seconds:g} s',
                    'See its log, or give a longer --probe-seconds')
            self._sleep(LOOK_SECONDS)
