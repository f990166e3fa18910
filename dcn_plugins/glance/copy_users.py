# SPDX-License-Identifier: Apache-2.0
"""Who uses the copy of an image in a store, as far as a store can tell.

In RBD that is whatever was cloned from it. Glance refuses to remove such a
copy only where Ceph refuses it: with clones of version 2, Glance moves it to
the trash and answers that it is gone.
"""

from oslo_config import cfg

from dcn_plugins.ceph import bindings
from dcn_plugins.ceph import errors
from dcn_plugins.ceph import pool_access
from dcn_plugins import exceptions
from dcn_plugins.glance import engine_call
from dcn_plugins.glance import rbd_stores

_BEAT_SECONDS = 60.0


class CopyUsers:
    """The stores of one glance-api.

    Methods raise ``RemovalRefused`` when a store does not tell.

    :param conf: of Glance.
    """

    def __init__(self, conf):
        self._conf = conf

    def stores(self):
        """Return the names of the stores that can be asked."""
        try:
            found = self._conf.enabled_backends or {}
        except cfg.NoSuchOptError:
            # Nothing of Glance is in this process.
            return frozenset()
        return frozenset(name for name, kind in found.items()
                         if kind != 'http')

    def check(self, image_id, store):
        """Check that nothing was cloned from a copy.

        :raises RemovalRefused: if something was, or nobody can tell.
        """
        count = self._ask(image_id, store, _count_children)
        if count:
            raise exceptions.RemovalRefused(
                image_id, store, f'{count} servers, volumes or images were '
                'cloned from it', is_used=True)

    def reach(self, image_id, store):
        """Check that a store can be reached.

        :raises RemovalRefused: if it cannot.
        """
        self._ask(image_id, store, lambda ioctx, image_id: 0)

    def _ask(self, image_id, store, question):
        if (self._conf.enabled_backends or {}).get(store) != rbd_stores.TYPE:
            # Nothing is cloned from files and objects.
            return 0
        place = rbd_stores.place(self._conf, store)
        if place is None:
            raise exceptions.RemovalRefused(
                image_id, store, 'its rbd_store_user is not set, so nobody '
                'can tell what was cloned from it')
        try:
            return engine_call.EngineCall(image_id).run(
                lambda: _answer(place, image_id, question), lambda: None,
                _BEAT_SECONDS)
        except (exceptions.CephError, exceptions.ConfigError) as exc:
            raise exceptions.RemovalRefused(
                image_id, store, str(exc), is_away=isinstance(
                    exc, exceptions.ClusterUnreachable)) from exc


def _answer(place, image_id, question):
    with errors.translated((bindings.rados(), bindings.rbd()),
                           f'looking for clones in store {place.store}'):
        with pool_access.opened(place) as ioctx:
            return question(ioctx, image_id)


def _count_children(ioctx, image_id):
    with bindings.rbd().Image(ioctx, image_id, read_only=True) as image:
        return sum(1 for _child in image.list_children2())
