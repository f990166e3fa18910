# SPDX-License-Identifier: Apache-2.0
"""``openstack dcn image scrub``: compare copies with what Glance says."""

import secrets
import time

from dcn_plugins import exceptions
from dcn_plugins.osc import job
from dcn_plugins.osc import named_image
from dcn_plugins.osc import site
from dcn_plugins.osc import verdict_lister
from dcn_plugins.placement import image_scrub as steps

HEADINGS = ('Kind', 'Store', 'RBD image', 'What', 'Evidence', 'Remedy')

#: Between two looks whether there is an answer.
LOOK_SECONDS = 1.0


class ScrubImage(verdict_lister.VerdictLister):
    """Have a glance-api compare the copies of an image with what Glance says.

    One that has all stores of the image does it, as "dcn-scrub" would on its
    host, and repairs nothing. The exit status is 1 if something is wrong, or
    if something could not be looked at.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'image', metavar='<image>',
            help='Name or id of an image; an id may be that of a deleted one')
        parser.add_argument(
            '--deep', action='store_true',
            help='Also compare contents with os_hash_value; that may read all '
                 'of each copy')
        parser.add_argument(
            '--grace-seconds', type=float, metavar='<seconds>',
            default=3600.0,
            help='Say nothing of what is younger (default: %(default)s)')
        parser.add_argument(
            '--wait-seconds', type=float, metavar='<seconds>', default=600.0,
            help='How long it may take (default: %(default)s); then the '
                 'request is withdrawn')
        site.add_deadlines(parser)
        return parser

    def take_action(self, parsed_args):
        client = self.app.client_manager.dcn
        scrubs = client.needed_scrubs()
        image_id = named_image.image_id(client.cloud, parsed_args.image,
                                        parsed_args.service_seconds)
        asked = job.asked(scrubs.ask, steps.ImageScrub(
            image_id, secrets.token_urlsafe(9), parsed_args.deep,
            parsed_args.grace_seconds, time.time()))
        if asked is None:
            raise exceptions.NotDone(
                f'the copies of image {image_id} are being compared for '
                'somebody else', 'Try again when that has ended; after an '
                'hour at the latest it is forgotten')
        report = self._report(scrubs, asked, parsed_args.wait_seconds)
        return HEADINGS, self._rows(report)

    def _report(self, scrubs, asked, seconds):
        """Wait for the answer and remove it; return its document.

        :raises NotDone: if none comes in time, or it was not to be had.
        """
        image_id = asked.scrub.image_id
        ends_at = time.monotonic() + seconds
        while True:
            found = self._look(scrubs, asked)
            if found is None or found.scrub.id == asked.scrub.id and (
                    found.scrub.is_answered):
                break
            if time.monotonic() >= ends_at:
                job.asked(scrubs.end, asked)
                raise exceptions.NotDone(
                    f'the copies of image {image_id} were not compared in '
                    f'{seconds:g} s; the request was withdrawn',
                    'See whether a glance-api runs that has all stores of the '
                    'image and [dcn] placement_jobs_url, and has had its '
                    'first request; or give more --wait-seconds')
            time.sleep(min(LOOK_SECONDS,
                           max(0.0, ends_at - time.monotonic())))
        if found is None or found.scrub.id != asked.scrub.id:
            raise exceptions.NotDone(
                f'the request for image {image_id} was removed by somebody '
                'else', 'Try again')
        job.asked(scrubs.end, found)
        if found.scrub.error is not None:
            raise exceptions.NotDone(
                f'the copies of image {image_id} were not compared: '
                f'{found.scrub.error}', 'See the log of glance-api')
        return found.scrub.report

    @staticmethod
    def _look(scrubs, asked):
        """Return the request as it is; as it was, while etcd is away."""
        try:
            return scrubs.of(asked.scrub.image_id)
        except exceptions.EtcdError:
            # It is asked again, as long as there is time.
            return asked

    def _rows(self, report):
        counted = report['counted']
        self.log.warning(
            '%d copies were looked at, %d contents compared%s.',
            counted['copies'], counted['compared'],
            f'; {counted["unsettled"]} were left alone, as they may still '
            'change' if counted['unsettled'] else '')
        rows = [(one['kind'], one['store'], one['rbd_image'], one['what'],
                 one['evidence'], one['remedy'])
                for one in report['findings']]
        rows += [('unknown', what, '', 'Nobody knows whether it is well', why,
                  'See the log of glance-api, and the site\'s Ceph')
                 for what, why in sorted(report['unknown'].items())]
        self.has_failed = bool(rows)
        return rows
