# SPDX-License-Identifier: Apache-2.0
"""Requests for copies of images, and how they go on."""

import time

from dcn_plugins import exceptions
from dcn_plugins.imagecopy import progress_text
from dcn_plugins.osc import site_facts
from dcn_plugins.placement import image as images
from dcn_plugins.placement import image_import
from dcn_plugins.placement import verdict
from dcn_plugins import sites

#: Between two looks at an image that is copied.
LOOK_SECONDS = 2.0

#: How long nobody may work on an image whose copies have not ended: a request
#: that has joined another one waits for the next round of a glance-api.
IDLE_SECONDS = 120.0


class ImageCopy:
    """Copies of one image to some stores.

    :param cloud: :class:`~dcn_plugins.osc.cloud.Cloud`.
    :param stores: names of all that is wanted.
    :param seconds: how long Glance may take for an answer.
    """

    def __init__(self, cloud, image_id, stores, seconds,
                 clock=time.monotonic):
        self.image_id = image_id
        self._clock = clock
        self._cloud = cloud
        self._stores = tuple(stores)
        self._seconds = seconds
        self._asked = ()
        self._states = {}
        # Why Glance does not begin as yet; ``None`` if it has.
        self._held_by = None
        self._said = set()
        self._idle_since = None
        # That an earlier import has failed says nothing of this one.
        self._stale = set()

    def refuse_forbidden(self, policy, image, stores):
        """Ask for nothing that a residency forbids.

        glance-api refuses it, too, if it has our paste filter.

        :param policy: ``None`` if none is known.
        :raises NotDone: that names the residency.
        """
        if policy is None:
            return
        found = verdict.decide(images.image_of(image), policy,
                               frozenset(stores), time.time())
        for store in self._stores:
            if store in found.forbidden:
                told = found.verdict(store)
                raise exceptions.NotDone(
                    f'the residency {told.rule!r} ({policy.source} line '
                    f'{told.line}) forbids {store}; nothing was copied',
                    'Allowed are ' + ', '.join(
                        sorted(set(stores) - found.forbidden)))

    def request(self, image, is_patient=False):
        """Ask Glance for copies to the stores that lack the image.

        :param is_patient: whether :meth:`look` asks again if Glance does
            something else with the image now, such as a copy that a command
            has asked for that was killed.
        :raises ServiceError: if Glance refuses.
        """
        present = site_facts.stores_of(image)
        self._states = {store: 'present' if store in present else 'requested'
                        for store in self._stores}
        self._stale = set(sites.listed(image.get(image_import.FAILED)))
        self._asked = tuple(store for store in self._stores
                            if store not in present)
        if self._asked:
            self._ask(image, self._asked, is_patient)

    def _ask(self, image, stores, is_patient):
        try:
            self._cloud.copy_image(self.image_id, stores, self._seconds)
        except exceptions.ServiceError as exc:
            # Of an image that is not active the same is said, for ever.
            if not (is_patient and exc.status == 409
                    and image.get('status') == 'active'):
                raise
            self._held_by = exc
        else:
            self._held_by = self._idle_since = None

    def result(self):
        """Return the pairs of store and state."""
        return list(self._states.items())

    def failure(self):
        """Return what has become of copies that have failed, or ``None``."""
        failed = self._in_state('failed')
        if not failed:
            return None
        return exceptions.NotDone(
            f'the copy of image {self.image_id} to {", ".join(failed)} has '
            'failed', 'See the log of glance-api for the reason, and ask '
            'again: what is there is not copied again')

    def lateness(self, seconds):
        """Return what to say when nothing has ended for so long."""
        hint = f'see "openstack dcn image show {self.image_id}"'
        is_begun = self._held_by is None or not self._in_state('requested')
        return exceptions.NotDone(
            f'image {self.image_id} is not in '
            f'{", ".join(self._in_state("requested", "copying"))} after '
            f'{seconds:g} s', f'Glance goes on: {hint}' if is_begun
            else f'Glance has refused it all the time ({self._held_by}): '
            f'{hint}, and ask again')

    def look(self, view):
        """Tell what has changed; return whether all copies have ended.

        :param view: :class:`~dcn_plugins.osc.copy_view.Lines` or ``Bars``.
        :raises NotDone: if the image is gone.
        :raises ServiceError: if Glance refuses what it had no time for before.
        """
        try:
            image = self._cloud.get_image(self.image_id, self._seconds)
        except exceptions.ServiceError as exc:
            if exc.status == 404:
                raise exceptions.NotDone(
                    f'image {self.image_id} was deleted meanwhile',
                    'There is nothing left to do') from exc
            # It is asked again, as long as there is time.
            self._say(view, str(exc))
            return False
        failed = sites.listed(image.get(image_import.FAILED))
        self._stale &= failed
        for store in self._asked:
            self._change(view, store, self._state(image, store, failed))
        importing = sites.listed(image.get(image_import.IMPORTING))
        left = [store for store in self._in_state('requested', 'copying')
                if store not in importing]
        if self._held_by is not None and left:
            self._ask_again(image, left, view)
        elif self._held_by is not None and self._in_state('copying'):
            self._say(view, 'a copy that was asked for before is on its way')
        self._look_for_task(image, left, view)
        if view.has_bars and self._in_state('copying'):
            self._show_progress(image, view)
        return self.is_over

    @property
    def is_over(self):
        """Whether nothing is to be waited for, by the last look."""
        return not self._in_state('requested', 'copying')

    def _change(self, view, store, state):
        if state != self._states[store]:
            self._states[store] = state
            view.change(self.image_id, store, state, self._count())

    def _say(self, view, text):
        """Tell something once."""
        if text not in self._said:
            self._said.add(text)
            view.say(self.image_id, text)

    def _show_progress(self, image, view):
        """Show how far glance-api says that it is, if our plugin is there."""
        try:
            tasks = self._cloud.image_tasks(self.image_id, self._seconds)
        except exceptions.ServiceError:
            # Only the bars stand still.
            return
        for task in tasks:
            if task.get('id') == image.get(image_import.TASK):
                found = progress_text.progress_of(task.get('message') or '')
                for store in self._in_state('copying'):
                    if store in found:
                        view.move(self.image_id, store, found[store])

    def _ask_again(self, image, stores, view):
        """Ask for what nobody is copying by now."""
        self._say(view, 'Glance does something else with the image first')
        try:
            self._ask(image, tuple(stores), is_patient=True)
        except exceptions.ServiceError as exc:
            if exc.status and 400 <= exc.status < 500:
                raise
            # It is asked again, as long as there is time.
            self._say(view, str(exc))

    def _look_for_task(self, image, stores, view):
        """Give up copies of which no task knows any more.

        :raises ServiceError: of Glance, if it refuses for another reason than
            a task that has the image.
        """
        if not stores or image.get(image_import.TASK):
            self._idle_since = None
            return
        now = self._clock()
        if self._idle_since is None:
            self._idle_since = now
        if now - self._idle_since < IDLE_SECONDS:
            return
        if self._held_by is not None:
            raise self._held_by
        for store in stores:
            self._change(view, store, 'failed')

    def _state(self, image, store, failed):
        if store in site_facts.stores_of(image):
            return 'present'
        if store in sites.listed(image.get(image_import.IMPORTING)):
            self._stale.discard(store)
            return 'copying'
        if store not in failed - self._stale:
            return self._states[store]
        if self._held_by is None:
            return 'failed'
        # Nor does that of a copy that another one has asked for: ours is not
        # even begun.
        self._stale.add(store)
        return 'requested'

    def _count(self):
        return (f'{len(self._in_state("present"))} of {len(self._states)} '
                'stores have it')

    def _in_state(self, *states):
        return [store for store, state in self._states.items()
                if state in states]


def wait(copies, seconds, view, clock=time.monotonic, sleep=time.sleep,
         look_seconds=LOOK_SECONDS):
    """Wait until copies have ended; return the errors, or ``None``, of each.

    One that fails spares the others.

    :param copies: :class:`ImageCopy` that were requested.
    :param seconds: that all of them may take together.
    :param view: :class:`~dcn_plugins.osc.copy_view.Lines` or ``Bars``.
    """
    ends_at = clock() + seconds
    ended = {}
    while True:
        for copy in copies:
            # Of many each look takes its time, and more if Glance is slow.
            if copy in ended or clock() >= ends_at:
                continue
            try:
                if copy.look(view):
                    ended[copy] = copy.failure()
            except exceptions.DCNError as exc:
                ended[copy] = exc
        if len(ended) == len(copies) or clock() >= ends_at:
            break
        sleep(min(look_seconds, max(0.0, ends_at - clock())))
    return [ended[copy] if copy in ended else copy.failure()
            if copy.is_over else copy.lateness(seconds) for copy in copies]
