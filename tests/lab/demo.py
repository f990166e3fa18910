# SPDX-License-Identifier: Apache-2.0
"""The workflow of a DCN cloud, one row of evidence per step.

A step returns its evidence, read from the cloud or from Ceph after the fact,
or raises; nothing is said to have worked because a request was accepted.
"""

import os
import re
import time

from tests.lab import deadline
from tests.lab import guest
from tests.lab import layout as layouts
from tests.lab import report
from tests.lab.services import ceph
from tests.lab.services import cinder
from tests.lab.services import nova
from tests.lab import workflow


def check(is_true, what):
    """Raise when the evidence says otherwise.

    :raises deadline.LabError: with what was expected.
    """
    if not is_true:
        raise deadline.LabError(f'expected {what}')


class Demo:
    """The steps, in order; each may use what earlier ones have made."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.lab = cloud.lab
        self.user = workflow.Workflow(cloud.lab)
        self.near = cloud.lab.edges[0]
        self.far = cloud.lab.edges[-1]
        self.url = cloud['image-source'].url(guest.NAME)
        #: Memory in MiB (PSS, RSS) while all guests of the workflow run.
        self.peak = (0, 0)

    def steps(self):
        """Return ``[(title, function)]``."""
        near, far = self.near, self.far
        real = self.lab.has_real_guests
        every = ','.join(self.lab.sites)
        source = 'server' if real else 'volume'
        steps = [
            ('plugins are loaded by the stock services', self.loaded),
            (f'import one image to {every} in one request', self.import_all),
            (f'copy it to a further store, {layouts.ARCHIVE}', self.copy_more),
            ('an image that names sites is copied by itself', self.hook),
            (f'volume from image in zone {near} is a COW clone', self.clone),
            (f'server boots from that volume at {near}', self.boot_volume),
            (f'one-call boot from volume at {far}', self.boot_one_call),
            ('snapshot of the volume', self.volume_snapshot)]
        if real:
            steps.append((f'server boots from the image at {near}',
                          self.boot_image))
        steps += [
            (f'image of that {source} is in store {near} only', self.snapshot),
            (f'it is copied to {layouts.CENTRAL}', self.return_snapshot)]
        if far != near:
            steps.append((f'then to {far}', self.forward_snapshot))
        return steps + [
            (f'and boots at {far}', self.boot_snapshot),
            ('delete one store\'s copy', self.delete_copy),
            ('a copy in use is not deleted', self.refuse_in_use),
            ('the last copy is not deleted', self.refuse_last),
            ('cluster-list shows the active/active clusters', self.clusters),
            ('one of two cinder-volumes killed, creates go on', self.kill_one),
            ('server without a zone is migrated inside its site',
             self.migrate_inside),
            ('its site is full: the migration is refused', self.refuse_move),
            ('the same migration without our filter leaves the site',
             self.leave_site),
            ('everything can be deleted again', self.delete_all)]

    # Plugins

    def loaded(self):
        """The log of each service names its plugin and the version."""
        expected = [('nova-scheduler', plugin) for plugin in (
            nova.FILTER, nova.LAST_FILTER, nova.WEIGHER)]
        expected.append((f'glance-{self.near}', 'dcn_copy'))
        expected += [(volume.name, 'DCNRBDDriver')
                     for volume in self.cloud.of(cinder.Volume)]
        versions = set()
        for name, plugin in expected:
            log = self.cloud[name].process.log
            pattern = rf'{plugin} loaded \(dcn_plugins ([^)]+)\)'
            found = re.search(pattern, log.read_text(errors='replace'))
            check(found, f'"{plugin} loaded" in {log}')
            versions.add(found.group(1))
        check(len(versions) == 1 and 'unknown' not in versions,
              f'one known version, not {versions}')
        return (f'dcn_plugins {versions.pop()}: ' + ', '.join(
            sorted({plugin for _name, plugin in expected}))
            + f' in {len({name for name, _plugin in expected})} logs')

    # Images

    def import_all(self):
        """qcow2 by URL, converted to raw, in all stores after one request."""
        self.image = self.user.import_image(
            'demo', self.url, self.lab.sites, demo='yes')
        image = self.user.image(self.image)
        check(image['disk_format'] == 'raw', 'the format raw')
        for site in self.lab.sites:
            check(self.image in self.user.rbd_images(site, 'images'),
                  f'RBD image {self.image} at {site}')
        return (f'stores={image["stores"]} disk_format=raw '
                f'size={image["size"]}; RBD image at each site')

    def copy_more(self):
        """copy-image to one more store."""
        self.user.copy(self.image, layouts.ARCHIVE)
        check(self.image in self.user.rbd_images(
            layouts.CENTRAL, layouts.ARCHIVE), 'the RBD image in the pool')
        return f'stores={",".join(self.user.stores(self.image))}'

    def hook(self):
        """The property dcn_sites is enough."""
        wanted = ','.join(self.lab.edges)
        started = time.monotonic()
        self.named = self.user.import_image(
            'named', self.url, [layouts.CENTRAL], dcn_sites=wanted)
        self.user.wait_copies(self.named, self.lab.sites, 120)
        return (f'dcn_sites={wanted} stores='
                f'{",".join(self.user.stores(self.named))} '
                f'{time.monotonic() - started:.1f} s after the request')

    # Volumes and servers

    def clone(self):
        """The volume's parent is the image of the same site."""
        self.volume = self.user.volume('demo', self.near, self.image)
        parent = self.user.parent(self.near, 'volumes',
                                  f'volume-{self.volume.id}')
        check(parent == f'images/{self.image}@snap', f'a clone, not {parent}')
        check(self.volume.host.startswith(f'{self.near}-vol-'),
              f'a backend of {self.near}, not {self.volume.host}')
        return f'parent={parent} host={self.volume.host}'

    def boot_volume(self):
        """A server at the site of its volume."""
        self.from_volume = self.user.server(
            'from-volume', zone=self.near, volume_id=self.volume.id)
        return self._at(self.from_volume, self.near)

    def _at(self, server, site, boots=1):
        """Check where a server runs and, if it is real, that it boots."""
        host = server.compute_host
        check(host.startswith(f'{site}-compute-'), f'{site}, not {host}')
        text = f'{server.status} at {host}'
        if self.lab.has_real_guests:
            count = self.user.boots(server.id)
            check(count == boots, f'{boots} boots off the disk, not {count}')
            text += f', guest counts boot {count} on its disk'
        return text

    def boot_one_call(self):
        """Volume and server land in the zone of the one request."""
        self.one_call = self.user.server(
            'one-call', zone=self.far, volume_from_image=self.image)
        volume = self.user.cloud.block_storage.get_volume(
            self.one_call.attached_volumes[0].id)
        check(volume.availability_zone == self.far,
              f'the volume in {self.far}, not {volume.availability_zone}')
        parent = self.user.parent(self.far, 'volumes', f'volume-{volume.id}')
        check(parent == f'images/{self.image}@snap', f'a clone, not {parent}')
        return (f'{self._at(self.one_call, self.far)}; volume in '
                f'{volume.availability_zone}, parent={parent}')

    def volume_snapshot(self):
        """A snapshot of a volume that is in use."""
        self.volume_snap = self.user.volume_snapshot('demo', self.volume.id)
        return f'{self.volume_snap.status}, id {self.volume_snap.id}'

    def boot_image(self):
        """An image-backed server: its disk is a clone in the pool vms."""
        self.from_image = self.user.server(
            'from-image', zone=self.near, image_id=self.image)
        parent = self.user.parent(self.near, 'vms',
                                  f'{self.from_image.id}_disk')
        check(parent == f'images/{self.image}@snap', f'a clone, not {parent}')
        return f'{self._at(self.from_image, self.near)}; disk parent={parent}'

    def snapshot(self):
        """The image of a server or a volume stays at its site at first."""
        if self.lab.has_real_guests:
            self.snap = self.user.server_snapshot(self.from_image.id, 'snap')
        else:
            # Nova's fake driver has no disk to take an image of.
            self.snap = self.user.upload_volume(self.volume.id, 'snap')
        stores = self.user.stores(self.snap)
        check(stores == [self.near], f'stores=[{self.near}], not {stores}')
        return f'stores={self.near} size={self.user.image(self.snap)["size"]}'

    def return_snapshot(self):
        """Edge to centre."""
        return self._copied(layouts.CENTRAL)

    def forward_snapshot(self):
        """Centre to another edge."""
        return self._copied(self.far)

    def _copied(self, store):
        started = time.monotonic()
        self.user.copy(self.snap, store)
        check(self.snap in self.user.rbd_images(store, 'images'),
              f'the RBD image at {store}')
        return (f'stores={",".join(self.user.stores(self.snap))} after '
                f'{time.monotonic() - started:.1f} s')

    def boot_snapshot(self):
        """The data have travelled: the guest counts on."""
        if self.lab.has_real_guests:
            self.moved = self.user.server('moved', zone=self.far,
                                          image_id=self.snap)
            pool, disk = 'vms', f'{self.moved.id}_disk'
        else:
            self.moved = self.user.server('moved', zone=self.far,
                                          volume_from_image=self.snap)
            volume = self.moved.attached_volumes[0].id
            pool, disk = 'volumes', f'volume-{volume}'
        parent = self.user.parent(self.far, pool, disk)
        check(parent == f'images/{self.snap}@snap', f'a clone, not {parent}')
        return (f'{self._at(self.moved, self.far, boots=2)}; disk parent='
                f'{parent}')

    # Deletion rules

    def delete_copy(self):
        """One copy goes, the others stay."""
        code = self.user.delete_copy(self.image, layouts.ARCHIVE)
        check(code == 204, f'204, not {code}')
        stores = self.user.stores(self.image)
        check(stores == sorted(self.lab.sites), f'the other copies: {stores}')
        check(self.image not in self.user.rbd_images(
            layouts.CENTRAL, layouts.ARCHIVE), 'no RBD image in the pool')
        return f'HTTP {code}, stores={",".join(stores)}'

    def refuse_in_use(self):
        """A volume is a clone of it."""
        code = self.user.delete_copy(self.image, self.near)
        check(code == 409, f'409, not {code}')
        check(self.near in self.user.stores(self.image), 'the copy is there')
        return f'HTTP {code}, copy at {self.near} kept'

    def refuse_last(self):
        """An image keeps one copy."""
        self.single = self.user.import_image('single', self.url, [self.far])
        code = self.user.delete_copy(self.single, self.far)
        check(code == 403, f'403, not {code}')
        check(self.user.stores(self.single) == [self.far], 'the copy')
        return f'HTTP {code}, copy at {self.far} kept'

    # Cinder active/active

    def clusters(self):
        """One cluster per edge with two members."""
        found = {c['name']: c for c in self.user.clusters()}
        texts = []
        for edge in self.lab.edges:
            cluster = found.get(f'{edge}@{cinder.BACKEND}')
            check(cluster, f'a cluster of {edge}')
            check((cluster['state'], cluster['num_hosts'],
                   cluster['num_down_hosts']) == ('up', 2, 0),
                  f'{edge} up with 2 hosts, not {cluster}')
            texts.append(f'{cluster["name"]} {cluster["state"]}, '
                         f'{cluster["num_hosts"]} hosts')
        return '; '.join(texts)

    def kill_one(self):
        """The other member of the cluster takes the work."""
        dead = self.cloud[f'cinder-volume-{cinder.volume_host(self.near, 0)}']
        started = time.monotonic()
        dead.kill()
        volumes = [self.user.volume(f'alone-{i}', self.near, self.image)
                   for i in range(4)]
        self.user.delete_volume(*[volume.id for volume in volumes])
        seconds = time.monotonic() - started
        dead.start()
        return (f'kill -9 {dead.host}: {len(volumes)} volumes created and '
                f'deleted by the other in {seconds:.1f} s')

    # Scheduling

    def _sibling(self, host):
        number = 1 - int(host.rsplit('-', 1)[1])
        return nova.compute_host(self.near, number)

    def migrate_inside(self):
        """No zone, so that stock Nova knows no site for it."""
        self.unpinned = self.user.server(
            'unpinned', host=nova.compute_host(self.near, 0),
            image_id=self.image)
        before = self.unpinned.compute_host
        # Who is moved before it has booted counts the first boot there.
        self._at(self.unpinned, self.near)
        server = self.user.migrate(self.unpinned.id)
        check(server.compute_host == self._sibling(before),
              f'{self._sibling(before)}, not {server.compute_host}')
        self.unpinned = self.user.confirm(server.id)
        boots = 2 if self.lab.has_real_guests else 0
        return f'{before} -> {self._at(self.unpinned, self.near, boots)}'

    def refuse_move(self):
        """With no other host at its site the server stays where it is."""
        before = self.unpinned.compute_host
        self.user.set_compute(self._sibling(before), False)
        try:
            moved = self.user.migrate(self.unpinned.id)
        except deadline.LabError as exc:
            reason = str(exc).strip().splitlines()[-1]
        else:
            raise deadline.LabError(
                f'expected a refusal, but it is at {moved.compute_host}')
        check('No valid host' in reason, f'"No valid host", not {reason}')
        server = self.user.get_server(self.unpinned.id)
        check(server.compute_host == before and server.status == 'ACTIVE',
              f'ACTIVE at {before}, not {server.status}')
        return f'"No valid host", still ACTIVE at {before}'

    def leave_site(self):
        """What stock Nova does with the same request."""
        scheduler = self.cloud['nova-scheduler']
        before = self.unpinned.compute_host
        scheduler.reconfigure(with_filter=False)
        try:
            server = self.user.migrate(
                self.unpinned.id, statuses=('VERIFY_RESIZE', 'ERROR'))
        finally:
            scheduler.reconfigure()
            self.user.set_compute(self._sibling(before), True)
        host = server.compute_host
        check(not host.startswith(f'{self.near}-'),
              f'a host of another site, not {host}')
        return f'{before} -> {host}, {server.status}'

    # End

    def delete_all(self):
        """Servers, volumes and images go; nothing is left in Ceph."""
        user = self.user
        self.peak = report.total_memory(self.lab.directory)
        user.delete_server(*[s.id for s in user.cloud.compute.servers()])
        orphan = user.remove_disk(self.near, self.unpinned.id)
        user.cloud.block_storage.delete_snapshot(self.volume_snap.id)
        deadline.wait('snapshot being gone', lambda: not list(
            user.cloud.block_storage.snapshots()), 60)
        user.delete_volume(
            *[v.id for v in user.cloud.block_storage.volumes()])
        for image in list(user.cloud.image.images()):
            user.cloud.image.delete_image(image.id)
        left = [f'{site}/{pool}/{name}' for site in self.lab.sites
                for pool in ceph.pools(site)
                for name in user.rbd_images(site, pool)
                + user.rbd_trash(site, pool)]
        check(not left, f'empty pools, not {left}')
        text = 'all pools and their trash are empty at every site'
        if orphan:
            text += (f'; the disk that the move without our filter left at '
                     f'{self.near} was removed by hand')
        return text


def run(cloud, say):
    """Run all steps, print the tables and return whether all rows are ok."""
    demo = Demo(cloud)
    rows = []
    is_ok = True
    started = time.monotonic()
    for number, (title, function) in enumerate(demo.steps(), 1):
        begun = time.monotonic()
        try:
            evidence, verdict = function(), 'ok'
        except Exception as exc:  # one row; the others are still worth seeing
            evidence = f'{type(exc).__name__}: {exc}'.splitlines()[0][:300]
            verdict, is_ok = 'FAILED', False
        seconds = time.monotonic() - begun
        say(f'{seconds:7.1f} s  {number:2} {title}: {verdict}: {evidence}')
        rows.append([number, title, verdict, f'{seconds:.1f}', evidence])
    text, _whole = report.services(cloud)
    say(f'\n{text}\n')
    say(report.table(['seconds', 'step of the bring-up'],
                     cloud.lab.state['phases'], ('step of the bring-up',)))
    say('')
    say(report.table(['#', 'step', 'result', 'seconds', 'evidence'], rows,
                     ('step', 'result', 'evidence')))
    good = sum(row[2] == 'ok' for row in rows)
    pss, rss = report.total_memory(cloud.lab.directory)
    # How long tests/lab/demo took to prepare the machine.
    set_up = int(os.environ.get('DCN_SETUP_SECONDS', 0))
    up, flow = cloud.lab.state['up_seconds'], time.monotonic() - started
    say(f'\nset-up {set_up} s + lab {up:.0f} s + workflow {flow:.0f} s = '
        f'{set_up + up + flow:.0f} s; memory at the end {pss:.0f} MiB PSS '
        f'({rss:.0f} MiB RSS), with guests '
        f'{demo.peak[0]:.0f} MiB PSS ({demo.peak[1]:.0f} MiB RSS)')
    say(f'{good} passed, {len(rows) - good} failed')
    return is_ok
