# SPDX-License-Identifier: Apache-2.0
"""``openstack dcn site drain|retire``: get a site ready to be switched off.

Nothing of it is remembered anywhere: each call looks at what there is, so
that one that was interrupted is gone on with by the same command.
"""

from dcn_plugins import exceptions
from dcn_plugins.osc import change_command
from dcn_plugins.osc import copy_view
from dcn_plugins.osc import cordon
from dcn_plugins.osc import image_copy
from dcn_plugins.osc import pane
from dcn_plugins.osc import reading
from dcn_plugins.osc import site_change
from dcn_plugins.osc import site_contents
from dcn_plugins.osc import step
from dcn_plugins.osc import verdict_lister

#: How many of the things that are in the way one message names.
_NAMED = 5

_REMEDIES = {
    'server': 'its disk is at this site: stop it, or make an image of it, '
              'which this command copies, and delete it',
    'volume': 'its data are at this site: back it up, or upload it as an '
              'image, which this command copies, and delete it',
    'snapshot': 'it goes with its volume'}


class SiteContents:
    """All that is at one site, read at one time.

    :param entry: of the site.
    :raises NotDone: if a service does not tell: what is not known might be
        lost.
    """

    def __init__(self, cloud, entry, backends, seconds):
        told = reading.read_all({
            'servers': cloud.servers, 'volumes': cloud.volumes,
            'snapshots': cloud.snapshots, 'images': lambda seconds: (
                cloud.images(seconds, site_contents.STATUSES))}, seconds)
        for fact in told.values():
            if not fact.is_known:
                raise exceptions.NotDone(
                    f'{fact.problem}; nobody knows what is at {entry.name}',
                    'Call the command again')
        self.volumes = site_contents.volumes(entry, backends,
                                             told['volumes'].value)
        self.fixed = [
            *site_contents.servers(entry, told['servers'].value),
            *self.volumes,
            *site_contents.snapshots(self.volumes, told['snapshots'].value)]
        self.images_alone, self.images_elsewhere = site_contents.images(
            entry, told['images'].value)


class DrainSite(verdict_lister.VerdictLister):
    """Let nothing new come to a site, and save what can be saved elsewhere.

    It cordons the site as "site cordon" does, and copies each image that no
    other store has to another one. Servers and volumes cannot be moved: their
    data are in the site's Ceph. They are listed, with what to do. The exit
    status is 1 if an image was not copied.
    """

    def get_parser(self, prog_name):
        parser = super().get_parser(prog_name)
        change_command.add_arguments(parser)
        parser.add_argument(
            '--to', metavar='<store>',
            help='Where images are copied to (default: the central store of '
                 'the policy, if there is exactly one)')
        parser.add_argument('--reason', default='', metavar='<text>',
                            help='Why, for others who look')
        parser.add_argument(
            '--wait-seconds', type=float, metavar='<seconds>', default=3600.0,
            help='How long all copies may take (default: %(default)s); Glance '
                 'goes on after that')
        return parser

    def take_action(self, parsed_args):
        seconds = parsed_args.service_seconds
        client = self.app.client_manager.dcn
        entry, backends, cordon = _cordon(self.app, parsed_args)
        contents = SiteContents(client.cloud, entry, backends, seconds)
        target = None
        if contents.images_alone:
            target = self._target(client, entry, contents.images_alone,
                                  parsed_args.to, seconds)
        if not parsed_args.dry_run:
            site_change.SiteChange(client.cloud, seconds).run(cordon)
            # What came before the last service was disabled counts, too.
            contents = SiteContents(client.cloud, entry, backends, seconds)
            if contents.images_alone and target is None:
                target = self._target(client, entry, contents.images_alone,
                                      parsed_args.to, seconds)
        rows = change_command.rows(cordon, parsed_args.dry_run)
        rows += self._images(client, contents.images_alone, target,
                             parsed_args)
        rows += [(one.kind, one.id, f'{one.detail}: {_remedy(one)}', 'stays')
                 for one in contents.fixed]
        if not rows:
            self.log.warning('There is nothing to do, and nothing that is '
                             'only at %s.', entry.name)
        return change_command.HEADINGS, rows

    def _target(self, client, entry, images, named, seconds):
        """Return the store that images are copied to, and all that there are.

        :raises NotDone: if it is one of the site's, or not known.
        """
        known = pane.writable(client.cloud.stores(seconds))
        policy = client.policy
        central = sorted((policy.central if policy else frozenset())
                         & known - set(entry.stores))
        store = named or (central[0] if len(central) == 1 else None)
        if store is None:
            raise exceptions.NotDone(
                f'{_listed(images)} are at {entry.name} only, and it is not '
                'known where they shall be: '
                + (f'the policy has the central stores {", ".join(central)}'
                   if central else 'the policy names no central store')
                + '; nothing was changed', 'Name a store with --to')
        if store not in known - set(entry.stores):
            raise exceptions.NotDone(
                f'{store} is no store outside of {entry.name}; nothing was '
                'changed', 'Name one of '
                + ', '.join(sorted(known - set(entry.stores))))
        return store, known

    def _images(self, client, images, target, arguments):
        """Yield a row for each image that is copied, or cannot be."""
        begun = []
        for one in images:
            store, known = target
            what = f'{one.detail}: to {store}'
            if arguments.dry_run:
                yield 'copy image', one.id, what, 'planned'
                continue
            copy = image_copy.ImageCopy(client.cloud, one.id, [store],
                                        arguments.service_seconds)
            try:
                image = client.cloud.get_image(one.id,
                                               arguments.service_seconds)
                copy.refuse_forbidden(client.policy, image, known)
                copy.request(image, is_patient=True)
            except exceptions.DCNError as exc:
                yield self._failed(one, exc)
            else:
                begun.append((one, what, copy))
        # All of them are under way by now.
        names = {one.id: f'image {one.id}: ' for one, _what, _copy in begun}
        with copy_view.opened(self.log.warning, names) as view:
            errors = image_copy.wait([copy for _one, _what, copy in begun],
                                     arguments.wait_seconds, view)
        for (one, what, _copy), error in zip(begun, errors):
            if error:
                yield self._failed(one, error)
            else:
                yield 'copy image', one.id, what, 'done'

    def _failed(self, one, error):
        self.has_failed = True
        return 'copy image', one.id, f'{one.detail}: {error}', 'failed'


class RetireSite(change_command.ChangeCommand):
    """Take a site out of the cloud when nothing is left there.

    Its hosts leave their aggregates, and these are deleted. Refused while
    there are servers, volumes, snapshots or copies of images, so that nothing
    is lost.
    """

    def plan(self, reader, change, arguments):
        """Return the steps; raises NotDone if something is left."""
        if arguments.site not in reader.entries():
            self.log.warning('There is no site %s.', arguments.site)
            return []
        entry, backends, cordon = _cordon(self.app, arguments)
        contents = SiteContents(self.app.client_manager.dcn.cloud, entry,
                                backends, arguments.service_seconds)
        in_the_way = contents.fixed + contents.images_alone
        if in_the_way:
            raise exceptions.NotDone(
                f'{_listed(in_the_way)} would be lost with {entry.name}; '
                'nothing was changed',
                f'See "openstack dcn site drain {entry.name}"')
        if contents.images_elsewhere:
            raise exceptions.NotDone(
                f'{_listed(contents.images_elsewhere)} still have copies at '
                f'{entry.name}, which Glance would go on to offer; nothing '
                'was changed', 'Take its stores out of the placement policy, '
                f'and have them removed: "openstack dcn site evict '
                f'{entry.name}"')
        if cordon:
            raise exceptions.NotDone(
                f'something new may come to {entry.name} as yet; nothing was '
                'changed', f'Call "openstack dcn site drain {entry.name}"')
        return step.removed(entry, entry.hosts) + step.deleted(entry)


def _remedy(content):
    if content.is_empty:
        return 'it was never made and has no data: delete it'
    return _REMEDIES[content.kind]


def _listed(contents):
    words = ', '.join(f'{one.kind} {one.id}' for one in contents[:_NAMED])
    more = len(contents) - _NAMED
    return words + (f' and {more} more' if more > 0 else '')


def _cordon(app, arguments):
    """Return the entry of a site, its backends, and the steps of a cordon."""
    entry, computes, backends, clusters = cordon.services_of(
        app.client_manager.dcn, arguments.site, arguments.service_seconds)
    return entry, backends, step.cordoned(
        entry.name, computes, backends, clusters,
        getattr(arguments, 'reason', ''))
