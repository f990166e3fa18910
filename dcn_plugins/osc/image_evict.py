# SPDX-License-Identifier: Apache-2.0
"""``openstack dcn image evict``: have a copy leave a site."""

from osc_lib.command import command

from dcn_plugins.osc import image_eviction
from dcn_plugins.osc import job
from dcn_plugins.osc import named_image
from dcn_plugins.osc import pane
from dcn_plugins.osc import site
from dcn_plugins.osc import site_facts


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
