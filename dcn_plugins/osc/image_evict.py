# SPDX-License-Identifier: Apache-2.0
"""``openstack dcn image|site evict``: have copies leave a site."""

import time

from osc_lib.command import command

from dcn_plugins import exceptions

from dcn_plugins.osc import image_eviction
from dcn_plugins.osc import job
from dcn_plugins.osc import named_image
from dcn_plugins.osc import pane
from dcn_plugins.osc import site
from dcn_plugins.osc import site_facts
from dcn_plugins.osc import verdict_lister


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
    The exit status is 1 if one stays.
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
        self._removals = client.needed_removals()
        self._known = pane.writable(client.cloud.stores(seconds))
        stores = named_image.stores(site.pane_of(self.app, parsed_args),
                                    self._known, None, [parsed_args.site])
        copies = [(image, store) for store in stores
                  for image in client.cloud.images(seconds)
                  if store in site_facts.stores_of(image)]
        if not copies:
            self.log.warning('There is nothing to do: no store of %s has an '
                             'image.', parsed_args.site)
        #: What has become of each, by the id of the image and the store.
        self._states = {}
        ends_at = time.monotonic() + parsed_args.wait_seconds
        # A store at a time: of an image only one copy leaves at once.
        for store in stores:
            keys = [(image['id'], store) for image, has in copies
                    if has == store]
            self._wait(dict(filter(None, (
                self._begin(key, parsed_args.dry_run) for key in keys))),
                ends_at)
        return ('Image', 'Name', 'Store', 'State', 'Reason'), [
            (image['id'], image.get('name') or '', store,
             *self._states[image['id'], store]) for image, store in copies]

    def _begin(self, key, is_planned):
        """Return a pair of key and removal, if there is one to wait for."""
        image_id, store = key
        leaving = image_eviction.ImageEviction(
            self._client.cloud, self._removals, image_id, store,
            self._seconds)
        try:
            # A copy of it in another store of the site may have left.
            image = self._client.cloud.get_image(image_id, self._seconds)
            leaving.refuse_kept(self._client.policy, image, self._known)
            if not is_planned:
                job.asked(leaving.request)
                return key, leaving
            self._states[key] = 'planned', ''
        except exceptions.NotDone as exc:
            self._stays(key, exc)
        except exceptions.ServiceError as exc:
            if exc.status != 404:
                raise
            self._states[key] = 'gone', 'it was deleted'
        return None

    def _wait(self, begun, ends_at):
        """Wait for removals, which go on side by side."""
        for number, (key, leaving) in enumerate(begun.items(), 1):
            try:
                job.asked(leaving.wait, max(0.0, ends_at - time.monotonic()))
            except exceptions.NotDone as exc:
                self._stays(key, exc)
            else:
                self._states[key] = 'gone', ''
                self.log.warning('image %s has left %s (%d of %d)', *key,
                                 number, len(begun))

    def _stays(self, key, error):
        self._states[key] = 'stays', str(error)
        self.has_failed = True
