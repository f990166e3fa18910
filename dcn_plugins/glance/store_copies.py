# SPDX-License-Identifier: Apache-2.0
"""The copies of one task of Glance: who has asked, how far, what became of it.

Each store is written down as soon as it has ended, and a copy that cannot be
written down is removed again by the engine: there is no image in a store that
Glance does not know of for longer than the engine needs to remove it. Unless
this process ends, or its lock of the image may be lost: then another task may
have found the copy, and the next one registers it.
"""

import uuid

from glance.api import common as api_common
from glance.common import exception
from glance import db
import glance_store
from oslo_log import log as logging

from dcn_plugins import exceptions
from dcn_plugins.glance import copy_progress
from dcn_plugins.glance import copy_rates
from dcn_plugins.glance import copy_report
from dcn_plugins.glance import engine_call
from dcn_plugins.glance import image_record
from dcn_plugins.glance import left_partials
from dcn_plugins.glance import rbd_stores
from dcn_plugins.glance import task_watch
from dcn_plugins.imagecopy import request
from dcn_plugins.imagecopy import service

LOG = logging.getLogger(__name__)

_DONE = (request.Outcome.COPIED, request.Outcome.PRESENT)


class StoreCopies:
    """Copies of one image to some stores, made by our engine.

    :param conf: of Glance.
    :param asked: what Glance hands to a plugin: ``task_id``, ``task_repo``,
        ``image_id``, ``image_repo``, ``admin_repo`` of copy-image,
        ``context``, ``action_wrapper``.
    :param stores: names of those to fill.
    :param mark: of the messages of the task, see
        :class:`~dcn_plugins.glance.task_watch.TaskWatch`.
    """

    def __init__(self, conf, asked, stores, mark=''):
        self._conf = conf
        self._stores = tuple(stores)
        self._image_id = asked['image_id']
        # Glance gives a task an admin's repository if it works for somebody
        # who may copy and not change an image.
        admin_repo = asked.get('admin_repo')
        self._image_repo = admin_repo or asked['image_repo']
        self._context = (asked['context'].elevated() if admin_repo
                         else asked['context'])
        self._db = db.get_api()
        self._record = image_record.ImageRecord(
            self._db, self._context, self._image_id,
            conf.metadata_encryption_key)
        self._progress = copy_progress.CopyProgress(stores)
        self._report = copy_report.of(conf, self._image_id)
        self._watch = task_watch.TaskWatch(
            asked['task_repo'], asked['task_id'], asked['action_wrapper'],
            self._progress, mark=mark)
        self._rates = copy_rates.CopyRates(conf, service.CONTROLS.set_rates)
        self._published = {}
        self._failed = {}
        self._size_bytes = None
        self._doubtful = set()

    def run(self, is_last=False):
        """Fill the stores; return why each of those that failed has.

        :param is_last: whether no other stores of the task are filled later.
        :raises NotFound: if the image or the task goes meanwhile.
        :raises TaskAbortedError: if the task is ended meanwhile, or loses the
            lock of the image. What is whole stays, what is not is no copy.
        """
        # Before anything else: what is not marked waits for Glance when we
        # are killed.
        self._watch.beat()
        self.announce()
        self._rates.apply()
        try:
            self._check_quota()
            image = self._image_repo.get(self._image_id)
            self._size_bytes = image.size
            with self._report:
                for asked in self._requests(image):
                    self._copy(asked)
            self._restore_lost()
        finally:
            self._end()
        self._watch.end(is_last)
        return dict(self._failed)

    def announce(self):
        """Say that the image is on its way; :meth:`run` does it, too."""
        self._record.begin(self._stores)

    def forget(self, stores):
        """Take back what Glance has noted of stores that it never comes to."""
        if self._watch.is_ours():
            self._record.end(stores)

    def _requests(self, image):
        """Yield a ``CopyRequest`` for each size of objects."""
        locations = [(location['url'], location['metadata'].get('store'))
                     for location in image.locations]
        by_size = {}
        for store in self._stores:
            by_size.setdefault(
                rbd_stores.object_bytes(self._conf, store), []).append(
                rbd_stores.place(self._conf, store))
        base = image.extra_properties.get('base_image_ref')
        for object_bytes, targets in by_size.items():
            yield request.CopyRequest(
                self._image_id, self._image_id,
                rbd_stores.sources(self._conf, self._image_id, locations),
                tuple(targets), object_bytes,
                image.os_hash_algo or self._conf.hashing_algorithm,
                image.os_hash_value,
                base if _is_other_image(base, self._image_id) else None)

    def _check_quota(self):
        """Ask what Glance asks before it writes to a store."""
        size = self._image_repo.get(self._image_id).size
        try:
            api_common.check_quota(self._context, size, self._db,
                                   image_id=self._image_id)
        except exception.StorageQuotaFull as exc:
            self._fail(self._stores, str(exc))

    def _copy(self, asked):
        targets = tuple(target for target in asked.targets
                        if target.store not in self._failed)
        if not targets:
            return
        names = [target.store for target in targets]
        LOG.info('Image %s is copied by dcn_plugins from %s to %s',
                 self._image_id,
                 ','.join(source.store for source in asked.sources),
                 ','.join(names))
        call = engine_call.EngineCall(self._image_id)
        take = call.served(lambda result: self._take(asked, result))
        try:
            call.run(lambda: service.copy(
                _narrowed(asked, targets), take, self._note, call.check,
                call.served(LOG.log)), self._beat, task_watch.BEAT_SECONDS)
        except exception.ImageNotFound:
            removal = engine_call.EngineCall(self._image_id)
            removal.run(
                lambda: left_partials.remove(targets, self._image_id,
                                             removal.served(LOG.log)),
                lambda: None, task_watch.BEAT_SECONDS)
            raise
        except exceptions.DCNError as exc:
            self._fail([name for name in names
                        if name not in self._published
                        and name not in self._failed], str(exc))

    def _note(self, progress):
        # In a thread of the engine: neither of them waits for anything.
        self._progress.take(progress)
        self._report.take(progress)

    def _beat(self):
        # Whoever reloads the configuration has them changed at once.
        self._rates.apply()
        self._watch.beat()

    def _take(self, asked, result):
        """Write down what has become of a store; the engine waits for it."""
        self._report.end(result)
        if result.outcome in _DONE:
            try:
                self._publish(asked, result)
            except Exception as exc:
                self._progress.end(result.store, 'not registered')
                self._doubtful.add(result.store)
                self._failed[result.store] = str(exc)
                # Whatever it is: the engine removes what is not registered.
                # Unless another task may have found it meanwhile, and has
                # registered it.
                if not self._watch.is_another():
                    raise
                LOG.warning('Image %s is in %s and is not registered by this '
                            'task: %s', self._image_id, result.store, exc)
        elif result.outcome is request.Outcome.FAILED:
            self._fail([result.store], str(result.error))

    def _publish(self, asked, result):
        self._watch.assert_running()
        if not self._record.stores() - set(self._published):
            raise exceptions.CopyNotRegistered(
                self._image_id, result.store,
                'what it was made from is no copy of the image any more')
        if self._size_bytes and self._size_bytes != result.size_bytes:
            raise exceptions.CopyNotRegistered(
                self._image_id, result.store,
                f'it has {result.size_bytes} bytes, and the image '
                f'{self._size_bytes}')
        self._record.fill(result.size_bytes, asked.hash_algorithm,
                          result.hash_value)
        self._record.publish(result.store, result.location)
        self._published[result.store] = result.location
        self._progress.end(result.store, copy_progress.ended(result))
        LOG.info('Image %s is in %s: %s', self._image_id, result.store,
                 copy_progress.ended(result))

    def _fail(self, stores, reason):
        for store in stores:
            self._failed[store] = reason
            self._progress.end(store, f'failed: {reason}')
            LOG.error('Image %s was not copied to %s: %s', self._image_id,
                      store, reason)
        try:
            if self._watch.is_ours():
                self._record.end(stores, failed=stores)
        # It is written again at the end, and the others go on meanwhile.
        except Exception as exc:
            LOG.warning('This was not noted yet: %s', exc)

    def _restore_lost(self):
        """List copies again that were lost to another who wrote the image.

        Whoever changes an image writes the locations that he has read, and so
        drops one that was added meanwhile. If the data are there it was not
        the user's wish.
        """
        for store, url in self._published.items():
            if self._record.state(store) != 'deleted':
                continue
            try:
                glance_store.get_size_from_uri_and_backend(
                    url, store, context=self._context)
            except glance_store.NotFound:
                LOG.info('Image %s was deleted from %s meanwhile',
                         self._image_id, store)
            else:
                # A store that is away has kept us waiting.
                self._watch.assert_running()
                self._record.publish(store, url)
                LOG.warning('The copy of image %s in %s was dropped by a '
                            'change of the image at the same time; it is '
                            'listed again', self._image_id, store)

    def _end(self):
        """Leave nothing behind that says that we are still at it."""
        for store in self._stores:
            if store not in self._published:
                self._failed.setdefault(store, 'the copy was cancelled')
        if not self._watch.is_ours():
            return
        for store in self._doubtful:
            # A row may be there though the database has not said so.
            self._record.withdraw(store)
        self._record.end(self._stores, failed=self._failed)


def _narrowed(asked, targets):
    return request.CopyRequest(**{**vars(asked), 'targets': targets})


def _is_other_image(text, image_id):
    try:
        return str(uuid.UUID(text)) == text != image_id
    except (TypeError, ValueError, AttributeError):
        return False
