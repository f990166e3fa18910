# SPDX-License-Identifier: Apache-2.0
"""``openstack dcn image list|show|copy`` and ``image policy explain``."""

import time

from osc_lib.command import command

from dcn_plugins import exceptions
from dcn_plugins.osc import columns
from dcn_plugins.osc import copy_view
from dcn_plugins.osc import fact as facts
from dcn_plugins.osc import image_copy
from dcn_plugins.osc import image_matrix
from dcn_plugins.osc import image_reading
from dcn_plugins.osc import named_image
from dcn_plugins.osc import pane
from dcn_plugins.osc import site
from dcn_plugins.placement import image as images
from dcn_plugins.placement import verdict


class ListImages(command.Lister):
    """List all images with their state in each store.

    present, copying, waiting, paused, failed and cancelled are what they say;
    lacking is wanted and has no job yet; absent is neither there nor wanted.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        _add_stores(parser, 'Show this store (may be repeated; default: all)')
        parser.add_argument(
            '--unsettled', action='store_true',
            help='Only images that are not yet where they are wanted')
        site.add_deadlines(parser)
        return parser

    def take_action(self, parsed_args):
        found = _Told(self.app, parsed_args)
        stores = found.chosen_stores or found.stores
        now = time.time()
        rows = []
        for image in sorted(found.images, key=lambda one: (
                one.get('name') or '', one['id'])):
            states = {name: state for name, state in found.states(
                image, now).items() if name in stores}
            if not (parsed_args.unsettled
                    and image_matrix.is_settled(states)):
                rows.append((image['id'], image.get('name') or '', *(
                    states[name].course.value for name in stores)))
        found.warn(self.log)
        return ('ID', 'Name', *stores), rows


class ShowImage(command.Lister):
    """Show one image store by store: state, rule, tries and last reason."""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument('image', metavar='<image>',
                            help='Name or id of an image')
        _add_stores(parser, 'Show this store (may be repeated; default: all)')
        site.add_deadlines(parser)
        return parser

    def take_action(self, parsed_args):
        found = _Told(self.app, parsed_args, parsed_args.image)
        now = time.time()
        states = found.states(found.images[0], now)
        found.warn(self.log)
        return (('Store', 'State', 'Verdict', 'Rule', 'Priority', 'Tries',
                 'Job age', 'Deadline', 'Is late', 'Reason'),
                [_line(state) for name, state in states.items()
                 if name in (found.chosen_stores or states)])


class ExplainPolicy(command.Lister):
    """Tell for each store what the policy says of an image, and why."""

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument('image', metavar='<image>',
                            help='Name or id of an image')
        site.add_deadlines(parser)
        return parser

    def take_action(self, parsed_args):
        client = self.app.client_manager.dcn
        policy = client.policy
        if policy is None:
            raise exceptions.ConfigError(
                client.settings.source, 'it names no placement policy',
                f'{client.settings.remedy("policy_file")}, to a copy of what '
                '[dcn] placement_policy_file of glance-api.conf is')
        seconds = parsed_args.service_seconds
        image = named_image.image(client.cloud, parsed_args.image, seconds)
        stores = pane.writable(client.cloud.stores(seconds))
        found = verdict.decide(images.image_of(image), policy, stores,
                               time.time())
        for word in found.refused:
            self.log.warning(
                '%s: %r has no effect: it is no store or group that the rule '
                'lets users ask for', images.PROPERTY, word)
        for line, name in policy.strangers(stores):
            self.log.warning('%s line %d: there is no store %r',
                             policy.source, line, name)
        return (('Store', 'Verdict', 'Rule', 'Line', 'Reason', 'Pinned',
                 'Leaves at'),
                [(told.store, told.state.value, told.rule, told.line,
                  told.reason, told.is_pinned, _moment(told.expires_at))
                 for told in found.verdicts()])


class CopyImage(command.Lister):
    """Have Glance copy an image to stores or sites that lack it.

    What is there already is not copied again. With --wait it ends when all
    copies have ended, and fails if one of them has; while Glance does
    something else with the image it waits, too, instead of failing.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument('image', metavar='<image>',
                            help='Name or id of an image')
        _add_stores(parser, 'Copy to this store (may be repeated)')
        parser.add_argument(
            '--wait', action='store_true',
            help='Wait for the copies, and tell on standard error how far '
                 'they are')
        parser.add_argument(
            '--wait-seconds', type=float, metavar='<seconds>', default=3600.0,
            help='How long to wait (default: %(default)s); the copies go on '
                 'after that')
        site.add_deadlines(parser)
        return parser

    def take_action(self, parsed_args):
        found = _Told(self.app, parsed_args, parsed_args.image)
        image = found.images[0]
        if not found.chosen_stores:
            raise exceptions.ConfigError(
                'openstack dcn image copy', 'no target was named',
                'Name --store or --site')
        copy = image_copy.ImageCopy(found.client.cloud, image['id'],
                                    found.chosen_stores,
                                    parsed_args.service_seconds)
        copy.refuse_forbidden(found.client.policy, image, found.stores)
        copy.request(image, is_patient=parsed_args.wait)
        if parsed_args.wait:
            with copy_view.opened(self.log.warning, {}) as view:
                error, = image_copy.wait([copy], parsed_args.wait_seconds,
                                         view)
            if error:
                raise error
        return ('Store', 'State'), copy.result()


class _Told(image_reading.ImageReading):
    """What is known of images, and the stores that a command names."""

    def __init__(self, app, arguments, image=None):
        super().__init__(app.client_manager.dcn, arguments.service_seconds,
                         image)
        self.chosen_stores = named_image.stores(
            site.pane_of(app, arguments), self.stores, arguments.store,
            arguments.site)

    def states(self, image, now):
        """Return the state of each store of an image."""
        return image_matrix.states_of(
            image, self.client.policy, self.stores, self.jobs_of(image), now)

    def warn(self, log):
        """Say what of the answer is not known."""
        if self.client.policy is None:
            log.warning('What is wanted is not known. %s.',
                        self.client.settings.remedy('policy_file'))
        if not self.jobs.is_known:
            log.warning('What is on its way is not known: %s.',
                        self.jobs.problem)


def _add_stores(parser, text):
    parser.add_argument('--store', action='append', metavar='<store>',
                        help=text)
    parser.add_argument('--site', action='append', metavar='<site>',
                        help='The stores of this site (may be repeated)')


def _line(state):
    told = state.verdict
    return (state.store, state.course.value,
            told.state.value if told else 'no such store',
            told.rule if told else '', state.priority, state.tries,
            columns.AgeColumn(state.age_seconds), _moment(state.deadline),
            state.is_late, state.reason)


def _moment(seconds):
    return None if seconds is None else facts.moment(seconds)
