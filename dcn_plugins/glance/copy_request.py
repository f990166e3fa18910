# SPDX-License-Identifier: Apache-2.0
"""The copies of one image, from the first look to the last."""

from oslo_log import log as logging

from dcn_plugins import exceptions
from dcn_plugins.glance import copy_need

LOG = logging.getLogger(__name__)

#: Glance announces image.activate before the row is active, and an upload
#: brings five notifications: one look a moment later serves them all.
FIRST_LOOK_SECONDS = 1.0

LONGEST_WAIT_SECONDS = 30.0

#: What may still become an active image without another notification.
_BECOMING_ACTIVE = ('queued', 'saving', 'uploading', 'importing')


class CopyRequest:
    """One image whose copies are wanted, and how long that has been tried.

    Every look is the same and starts from what Glance says now, so it does
    not matter who asked for a copy before, or whether an answer was lost.

    The time to try is counted anew when a store has got the image: copies run
    one after the other, and each may take long. That happens at most once
    per store, so the request ends.
    """

    def __init__(self, image_id, now, retry_seconds):
        self.image_id = image_id
        self._queued_at = now
        self._retry_seconds = retry_seconds
        self._deadline = None
        self._looks = 0
        self._tries = 0
        self._arrived = frozenset()
        self._need = None
        self._warned_unknown = None
        self._reason = None

    def advance(self, image_api, clock):
        """Look at the image once and ask Glance for the stores that lack it.

        Returns the time of the next look, or None when the image is decided:
        copied, refused, gone, or given up. All of these are logged here.
        """
        if self._deadline is None:
            # Not from _queued_at: a long queue is not the image's fault.
            self._deadline = clock() + self._retry_seconds
        self._looks += 1
        try:
            is_decided = self._look(image_api, clock)
        except exceptions.CopyPostponed as exc:
            # Said once aloud, as it is said again every half minute.
            LOG.log(logging.DEBUG if self._reason else logging.INFO,
                    '%s', exc)
            self._reason = exc.reason
            is_decided = False
        except exceptions.CopyRefused as exc:
            LOG.error('%s', exc)
            is_decided = True
        return None if is_decided else self._next_look(clock())

    def _look(self, image_api, clock):
        image = image_api.get_image(self.image_id)
        if image is None:
            self._log_gone()
            return True
        if not copy_need.names(image.get(copy_need.PROPERTY)):
            return True
        if image.get('status') != 'active':
            return self._is_not_becoming_active(image)
        stores = image_api.get_stores(self.image_id)
        need = copy_need.find(image, stores)
        self._warn_unknown(image, need, stores)
        self._note_progress(need, clock)
        if not need.lacking:
            self._log_complete(need, clock)
            return True
        if not need.missing:
            self._reason = ('Glance is copying it to '
                            f'{",".join(need.importing)}')
            return False
        if self._looks > 1 and clock() >= self._deadline:
            # Nobody would see the outcome.
            return False
        return self._ask(image_api, need)

    def _ask(self, image_api, need):
        if need.failed:
            LOG.warning('Glance failed to copy image %s to %s; its log has '
                        'the cause', self.image_id, ','.join(need.failed))
        image_api.request_copy(self.image_id, need.missing)
        self._reason = None
        LOG.info('Glance was asked to copy image %s to %s', self.image_id,
                 ','.join(need.missing))
        # With no time to look again, what was accepted is not a failure.
        return self._retry_seconds == 0

    def _next_look(self, now):
        if now >= self._deadline:
            lacking = self._need.lacking if self._need else ()
            LOG.error(
                'Image %s was not copied within %g s and lacks %s: %s. Update '
                'any property of the image to have it tried again.',
                self.image_id, now - self._queued_at,
                ','.join(lacking) or 'the stores in its dcn_sites',
                self._reason or 'Glance accepted the copy but has not done it')
            return None
        wait_seconds = min(2.0 ** min(self._tries, 10), LONGEST_WAIT_SECONDS)
        self._tries += 1
        return min(now + wait_seconds, self._deadline)

    def _note_progress(self, need, clock):
        arrived = frozenset(need.wanted) - frozenset(need.lacking)
        if self._need is not None and arrived - self._arrived:
            self._deadline = clock() + self._retry_seconds
            self._tries = 0
        self._arrived |= arrived
        self._need = need

    def _is_not_becoming_active(self, image):
        if image.get('status') in _BECOMING_ACTIVE:
            raise exceptions.CopyPostponed(
                self.image_id, f'its status is {image.get("status")}')
        LOG.debug('Image %s is %s and is not copied', self.image_id,
                  image.get('status'))
        return True

    def _warn_unknown(self, image, need, stores):
        if need.unknown and need.unknown != self._warned_unknown:
            LOG.warning(
                'Image %s: property %s=%s names %s, which is no store that '
                'can be written to; the stores are %s', self.image_id,
                copy_need.PROPERTY, image[copy_need.PROPERTY],
                ','.join(need.unknown), ','.join(stores))
        self._warned_unknown = need.unknown

    def _log_complete(self, need, clock):
        # Most looks follow an update that has nothing to do with copies.
        is_news = self._looks > 1 and len(need.wanted) > 0
        LOG.log(logging.INFO if is_news else logging.DEBUG,
                'Image %s is in all wanted stores (%s) after %.1f s',
                self.image_id, ','.join(need.wanted),
                clock() - self._queued_at)

    def _log_gone(self):
        if self._looks > 1:
            LOG.debug('Image %s is gone and is not copied', self.image_id)
            return
        # Glance also answers 404 for what the caller may not see.
        LOG.warning('Image %s, just announced, was not found. Unless it was '
                    'deleted, the user in [dcn] or [keystone_authtoken] has '
                    'no admin role, or the endpoint belongs to another '
                    'database.', self.image_id)
