# SPDX-License-Identifier: Apache-2.0
"""``openstack dcn site render``: the configuration of a site, to be copied."""

from osc_lib.command import command

from dcn_plugins import exceptions
from dcn_plugins.osc import site_configuration

#: Which process reads each file.
READERS = {'nova': 'nova.conf of each nova-compute',
           'cinder': 'cinder.conf of each cinder-volume',
           'glance': 'glance-api.conf of each glance-api'}


class RenderSite(command.Command):
    """Print what the services of a site need in their configuration files.

    No service is asked: the site need not be there yet. URLs of etcd come
    from clouds.yaml unless they are given. What is the same at all sites, as
    the database or RabbitMQ, is taken from a site that is there.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        parser.add_argument('site', metavar='<site>',
                            help='Name of the site')
        parser.add_argument(
            '--service', choices=sorted(READERS),
            help='Print one file only, without a heading')
        parser.add_argument(
            '--zone', metavar='<zone>',
            help='Availability zone (default: the name of the site)')
        parser.add_argument(
            '--store', metavar='<store>',
            help='Store of Glance (default: the name of the site)')
        parser.add_argument(
            '--central-store', metavar='<store>', default='central',
            help='Store of the centre, which its glance-api has, too '
                 '(default: %(default)s)')
        parser.add_argument(
            '--glance-url', metavar='<url>',
            help='URL of the glance-api of the site; without it Nova and '
                 'Cinder find one in the catalogue')
        parser.add_argument(
            '--locks-url', metavar='<url>',
            help='Of the etcd of the site, for its cinder-volumes: '
                 'dcn-etcd3+http://HOST:PORT[,...] (default: locks_url of '
                 'clouds.yaml)')
        parser.add_argument(
            '--jobs-url', metavar='<url>',
            help='Of the central etcd, for the placement of images (default: '
                 'jobs_url of clouds.yaml; without one images are placed by '
                 'their property dcn_sites alone)')
        parser.add_argument(
            '--policy-file', metavar='<path>',
            default='/etc/glance/placement.yaml',
            help='Of the placement policy, on the hosts of glance-api '
                 '(default: %(default)s)')
        parser.add_argument('--ceph-user', metavar='<user>',
                            default='openstack', help='(default: %(default)s)')
        parser.add_argument(
            '--ceph-conf', metavar='<path>', default='/etc/ceph/{site}.conf',
            help='Of each cluster, on all hosts; {site} is the name of the '
                 'site, or of the central store (default: %(default)s)')
        parser.add_argument(
            '--secret-uuid', metavar='<uuid>',
            help='Of the secret of libvirt with the key of the Ceph user '
                 '(default: one that is made of the name of the site)')
        return parser

    def take_action(self, parsed_args):
        made = self._configuration(parsed_args)
        named = parsed_args.service
        for service in [named] if named else READERS:
            if not named:
                self._print(f'# {READERS[service]} of {made.site}\n')
            self._print(site_configuration.text_of(
                getattr(made, service)()))

    def _print(self, text):
        self.app.stdout.write(f'{text}\n')

    def _configuration(self, arguments):
        """Return the :class:`SiteConfiguration`.

        :raises NotDone: if nobody says where the etcd of the site is.
        """
        site = arguments.site
        _check_name('site', site)
        store = arguments.store or site
        for name in (store, arguments.central_store):
            _check_name('store', name)
        _check_line((arguments.zone, arguments.glance_url,
                     arguments.locks_url, arguments.jobs_url,
                     arguments.policy_file, arguments.ceph_user,
                     arguments.ceph_conf, arguments.secret_uuid))
        settings = self.app.client_manager.dcn.settings
        locks_url = arguments.locks_url or settings.locks_url_of(site)
        if not locks_url:
            raise exceptions.NotDone(
                f'the etcd of site {site} is not known',
                f'Give --locks-url. {settings.remedy("locks_url")}, for all '
                'sites')
        jobs_url = arguments.jobs_url or settings.jobs_url
        return site_configuration.SiteConfiguration(
            site, arguments.zone or site, store,
            arguments.central_store if store != arguments.central_store
            else None,
            locks_url, jobs_url,
            arguments.policy_file if jobs_url else None,
            arguments.glance_url, arguments.ceph_user, arguments.ceph_conf,
            arguments.secret_uuid or site_configuration.secret_of(site))


# Sections of glance-api.conf that are no stores.
_TAKEN = frozenset(['dcn', 'default', 'glance_store', 'database',
                    'paste_deploy', 'keystone_authtoken', 'image_import_opts',
                    'image_conversion'])


def _check_name(what, name):
    """Refuse what cannot be the name of a section, or is that of another.

    :raises NotDone: with what it may be.
    """
    is_taken = name.lower() in _TAKEN or name.lower().startswith('oslo_')
    if is_taken or not all(
            letter.isalnum() or letter in '-_.' for letter in name):
        raise exceptions.NotDone(
            f'{name!r} cannot be the name of a {what}: ' + (
                'glance-api.conf has such a section' if is_taken
                else 'it is written between brackets and in lists'),
            'Use letters, digits, "-", "_" and ".", and no word that services '
            'use')


def _check_line(words):
    """Refuse what would be more than one line of a file; raises NotDone."""
    for word in filter(None, words):
        if any(ord(letter) < 32 for letter in word):
            raise exceptions.NotDone(f'{word!r} is no line of a file',
                                     'Give it without control characters')
