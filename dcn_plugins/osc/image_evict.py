# SPDX-License-Identifier: Apache-2.0
"""``openstack dcn image|site evict``: have copies leave a site."""

import collections
import time

from osc_lib.command import command

from dcn_plugins import exceptions

from dcn_plugins.osc import image_eviction
from dcn_plugins.osc import job
from dcn_plugins.osc import named_image
from dcn_plugins.osc import pane
from dcn_plugins.osc import site
from dcn_plugins.osc import site_contents
from dcn_plugins.osc import site_facts
from dcn_plugins.osc import verdict_lister

#: While a removal is asked for, no other copy of its image comes or leaves.
_MOST_AT_ONCE = 20


class EvictImage(command.Lister):
    """Have a glance-api remove the copies of an image from a site's stores.

    The last copy stays, and the one that is wanted most; what is pinned, what
    something was cloned from, and what Glance has in hand. A copy that the
    policy wants there does not come back by itself: see "openstack dcn job
    retry".
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument('image', metavar='<image>',
                            help='Name or id of an image')
        parser.add_argument('site', metavar='<site>', help='Name of a site')
        parser.add_argument(
            '--wait-seconds', type=float, metavar='<seconds>', default=180.0,
            help='How long each store may take (default: %(default)s); then '
                 'the request is withdrawn')
        site.add_deadlines(parser)
        return parser

    def take_action(self, parsed_args):
        client = self.app.client_manager.dcn
        seconds = parsed_args.service_seconds
        removals = client.needed_removals()
        image = named_image.image(client.cloud, parsed_args.image, seconds)
        known = pane.writable(client.cloud.stores(seconds))
        present = [store for store in named_image.stores(
            site.pane_of(self.app, parsed_args), known, None,
            [parsed_args.site]) if store in site_facts.stores_of(image)]
        if not present:
            self.log.warning('There is nothing to do: no store of %s has '
                             'image %s.', parsed_args.site, image['id'])
        for store in present:
            # The one before has changed what there is.
            image = client.cloud.get_image(image['id'], seconds)
            leaving = image_eviction.ImageEviction(
                client.cloud, removals, image['id'], store, seconds)
            leaving.refuse_kept(client.policy, image, known)
            job.asked(leaving.request)
            job.asked(leaving.wait, parsed_args.wait_seconds)
        return ('Image', 'Store', 'State'), [
            (image['id'], store, 'gone') for store in present]


class EvictSite(verdict_lister.VerdictLister):
    """Have glance-apis remove all copies of images from a site's stores.

    What "image evict" would refuse stays, and is listed with the reason; so
    do images of which there is no other copy: see "openstack dcn site drain".
    The exit status is 1 if one is not gone. What nobody has taken up when the
    command ends, whatever ends it, is taken back.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument('site', metavar='<site>', help='Name of a site')
        parser.add_argument(
            '--dry-run', action='store_true',
            help='Show what would leave and what stays, and do nothing')
        parser.add_argument(
            '--wait-seconds', type=float, metavar='<seconds>', default=3600.0,
            help='How long all of them may take (default: %(default)s); then '
                 'requests that nobody has taken up are withdrawn')
        site.add_deadlines(parser)
        return parser

    def take_action(self, parsed_args):
        self._client = client = self.app.client_manager.dcn
        self._seconds = seconds = parsed_args.service_seconds
        self._wait_seconds = parsed_args.wait_seconds
        self._is_planned = parsed_args.dry_run
        self._removals = client.needed_removals()
        self._known = pane.writable(client.cloud.stores(seconds))
        if client.policy is None:
            self.log.warning('What the policy pins or wants is not known. %s.',
                             client.settings.remedy('policy_file'))
        stores = named_image.stores(site.pane_of(self.app, parsed_args),
                                    self._known, None, [parsed_args.site])
        # By their ids: one that was hidden meanwhile is listed twice.
        self._images = images = {
            image['id']: image for image in client.cloud.images(
                seconds, site_contents.STATUSES)}
        keys = [(image_id, store) for store in stores
                for image_id, image in images.items()
                if store in site_facts.stores_of(image)]
        if not keys:
            self.log.warning('There is nothing to do: no store of %s has an '
                             'image.', parsed_args.site)
        # What has become of each, and why.
        self._states = dict.fromkeys(keys, ('stays', 'nobody was asked'))
        ends_at = time.monotonic() + self._wait_seconds
        # A store at a time: of an image only one copy leaves at once.
        for store in stores:
            self._run([key for key in keys if key[1] == store], ends_at)
        self.has_failed = any(state not in ('gone', 'planned')
                              for state, _reason in self._states.values())
        return ('Image', 'Name', 'Store', 'State', 'Reason'), [
            (image_id, images[image_id].get('name') or '', store,
             *self._states[image_id, store]) for image_id, store in keys]

    def _run(self, keys, ends_at):
        """Have copies leave one store; as many side by side as may be."""
        waiting, begun = collections.deque(keys), {}
        try:
            while waiting or begun:
                while waiting and len(begun) < _MOST_AT_ONCE and (
                        self._is_planned or time.monotonic() < ends_at):
                    key = waiting.popleft()
                    leaving = self._begin(key)
                    if leaving is not None:
                        begun[key] = leaving
                if not begun:
                    break
                key = next(iter(begun))
                self._end(key, begun[key], ends_at)
                del begun[key]
                self.log.warning('%s of %s: %d of %d are left', key[1],
                                 key[0], len(waiting) + len(begun), len(keys))
        except exceptions.ServiceError as exc:
            # Nothing else will be answered either; what is known is told.
            for key in [*begun, *waiting]:
                self._states[key] = 'unknown', str(exc)
        finally:
            for leaving in begun.values():
                leaving.withdraw()

    def _begin(self, key):
        """Return a removal that is to be waited for, or ``None``."""
        image_id, store = key
        leaving = image_eviction.ImageEviction(
            self._client.cloud, self._removals, image_id, store,
            self._seconds)
        try:
            # A copy of it in another store of the site may have left.
            image = (self._images[image_id] if self._is_planned else
                     self._client.cloud.get_image(image_id, self._seconds))
            if site_facts.stores_of(image) == [store]:
                raise exceptions.NotDone(
                    'it is the last copy',
                    'Copy it elsewhere, as "openstack dcn site drain" does')
            leaving.refuse_kept(self._client.policy, image, self._known)
            if not self._is_planned:
                job.asked(leaving.request)
                return leaving
            self._states[key] = 'planned', ''
        except exceptions.NotDone as exc:
            self._states[key] = leaving.state, str(exc)
        except exceptions.ServiceError as exc:
            if exc.status != 404:
                self._states[key] = 'unknown', str(exc)
                raise
            self._states[key] = 'gone', 'it was deleted'
        return None

    def _end(self, key, leaving, ends_at):
        try:
            job.asked(leaving.wait, max(0.0, ends_at - time.monotonic()),
                      self._wait_seconds)
        except exceptions.NotDone as exc:
            self._states[key] = leaving.state, str(exc)
        else:
            self._states[key] = 'gone', ''
