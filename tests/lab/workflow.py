# SPDX-License-Identifier: Apache-2.0
"""What an end user of a DCN cloud does, each with a deadline.

Every method waits until the cloud has done it and raises ``LabError`` with
the cloud's own reason when it has not.
"""

import functools
import json
import re
import time

import openstack

from tests.lab import catalogue
from tests.lab import deadline
from tests.lab import guest
from tests.lab.services import ceph

_PASSING = (openstack.exceptions.HttpException,)


class Workflow:
    """A user's session with the lab's cloud, as administrator."""

    def __init__(self, lab):
        self.lab = lab
        self.cloud = catalogue.connect(lab)

    # Images

    def image(self, image_id):
        """Return an image as the API shows it."""
        answer = self.cloud.image.get(f'/images/{image_id}')
        openstack.exceptions.raise_from_response(answer)
        return answer.json()

    def stores(self, image_id):
        """Return the stores that hold a copy, sorted."""
        text = self.image(image_id).get('stores') or ''
        return sorted(name for name in text.split(',') if name)

    def import_image(self, name, url, stores, seconds=180, **properties):
        """Import a qcow2 image by URL into stores, in one request."""
        answer = self.cloud.image.post('/images', json={
            'name': name, 'disk_format': 'qcow2', 'container_format': 'bare',
            'visibility': 'public', **properties})
        openstack.exceptions.raise_from_response(answer)
        image_id = answer.json()['id']
        self._begin_import(image_id, url, stores)
        self.wait_copies(image_id, stores, seconds)
        return image_id

    def _begin_import(self, image_id, url, stores):
        # Of several imports that begin at one moment MariaDB may undo one, as
        # they lock the same gap of an index; Glance then answers 500, and
        # whoever asks again is served.
        for is_last in (False, False, True):
            answer = self.cloud.image.post(f'/images/{image_id}/import', json={
                'method': {'name': 'web-download', 'uri': url},
                'stores': list(stores)})
            if answer.status_code != 500 or is_last:
                break
            time.sleep(1)
        openstack.exceptions.raise_from_response(answer)

    def copy(self, image_id, store, seconds=180):
        """Copy an image to one more store.

        Glance answers 409 while another task has the image, like the one
        that hashes a snapshot: asked again until it takes the request.
        """
        def accepted():
            answer = self.cloud.image.post(
                f'/images/{image_id}/import',
                json={'method': {'name': 'copy-image'}, 'stores': [store]})
            if answer.status_code == 409:
                return False
            openstack.exceptions.raise_from_response(answer)
            return True

        deadline.wait(f'Glance taking a copy to {store}', accepted, seconds,
                      0.5)
        self.wait_copies(image_id, [store], seconds)

    def wait_copies(self, image_id, stores, seconds=180):
        """Wait until an image is in all of ``stores``, and nobody copies it.

        "active" comes after the first store, so it proves nothing here. What
        is changed before the task of Glance has ended may be lost: it saves
        what it has read.
        """
        def whole():
            image = self.image(image_id)
            failed = image.get('os_glance_failed_import')
            if failed:
                raise deadline.LabError(f'copies to {failed} failed')
            present = (image.get('stores') or '').split(',')
            return (image['status'] == 'active' and set(stores) <= set(present)
                    and not image.get('os_glance_importing_to_stores')
                    and not image.get('os_glance_import_task'))

        deadline.wait(f'image {image_id} being in {",".join(stores)}', whole,
                      seconds, 0.3, retry_on=_PASSING)

    def delete_copy(self, image_id, store):
        """Ask for the removal of one copy; return the status code."""
        return self.cloud.image.delete(
            f'/stores/{store}/{image_id}').status_code

    # Volumes

    def volume(self, name, zone, image_id=None, seconds=300):
        """Create a volume of 1 GiB in an availability zone."""
        made = self.cloud.block_storage.create_volume(
            name=name, size=1, availability_zone=zone, image_id=image_id)
        return self._wait_volume(made.id, 'available', seconds)

    def _wait_volume(self, volume_id, status, seconds):
        return self._wait_status(
            f'volume {volume_id}', status,
            lambda: self.cloud.block_storage.get_volume(volume_id), seconds)

    def volume_snapshot(self, name, volume_id, seconds=60):
        """Take a snapshot of a volume, in use or not."""
        made = self.cloud.block_storage.create_snapshot(
            name=name, volume_id=volume_id, is_forced=True)
        return self._wait_status(
            f'snapshot {made.id}', 'available',
            lambda: self.cloud.block_storage.get_snapshot(made.id), seconds)

    def delete_volume_snapshot(self, *snapshot_ids, seconds=90):
        """Delete snapshots of volumes and wait until they are gone."""
        storage = self.cloud.block_storage
        self._delete('snapshot', storage.delete_snapshot,
                     storage.get_snapshot, snapshot_ids, seconds)

    def upload_volume(self, volume_id, name, seconds=180):
        """Upload a volume, in use or not, to an image at its site."""
        answer = self.cloud.block_storage.post(
            f'/volumes/{volume_id}/action', microversion='3.70',
            json={'os-volume_upload_image': {
                'image_name': name, 'force': True, 'disk_format': 'raw',
                'container_format': 'bare'}})
        openstack.exceptions.raise_from_response(answer)
        image_id = answer.json()['os-volume_upload_image']['image_id']
        self._wait_image(image_id, seconds)
        return image_id

    def delete_volume(self, *volume_ids, seconds=90):
        """Delete volumes and wait until they are gone."""
        storage = self.cloud.block_storage
        self._delete('volume', storage.delete_volume, storage.get_volume,
                     volume_ids, seconds)

    def clusters(self):
        """Return the active/active clusters of cinder-volumes."""
        answer = self.cloud.block_storage.get('/clusters/detail',
                                              microversion='3.7')
        openstack.exceptions.raise_from_response(answer)
        return answer.json()['clusters']

    # Servers

    def server(self, name, zone=None, host=None, image_id=None,
               volume_id=None, volume_from_image=None, hints=None,
               flavor=catalogue.FLAVOR, seconds=180):
        """Boot a server from an image, a volume, or a volume made for it.

        :raises deadline.LabError: with Nova's words when it does not start.
        """
        flavor = self.cloud.compute.find_flavor(flavor)
        body = {'name': name, 'flavorRef': flavor.id, 'networks': 'none'}
        if zone:
            body['availability_zone'] = zone
        if host:
            body['host'] = host
        if image_id:
            body['imageRef'] = image_id
        if volume_id:
            body['block_device_mapping_v2'] = [{
                'boot_index': 0, 'uuid': volume_id, 'source_type': 'volume',
                'destination_type': 'volume'}]
        if volume_from_image:
            body['block_device_mapping_v2'] = [{
                'boot_index': 0, 'uuid': volume_from_image, 'volume_size': 1,
                'source_type': 'image', 'destination_type': 'volume',
                'delete_on_termination': True}]
        answer = self.cloud.compute.post(
            '/servers', microversion='2.90', json={
                'server': body, 'OS-SCH-HNT:scheduler_hints': hints or {}})
        openstack.exceptions.raise_from_response(answer)
        return self._wait_server(answer.json()['server']['id'],
                                 ('ACTIVE',), seconds)

    def get_server(self, server_id):
        """Return a server."""
        return self.cloud.compute.get_server(server_id)

    def _wait_server(self, server_id, statuses, seconds):
        def settled():
            found = self.get_server(server_id)
            if found.status == 'ERROR' and 'ERROR' not in statuses:
                fault = (found.fault or {}).get('message', 'no reason given')
                raise deadline.LabError(f'server {found.name}: {fault}')
            return found if (found.status in statuses
                             and not found.task_state) else None

        return deadline.wait(f'server {server_id} being '
                             f'{" or ".join(statuses)}', settled, seconds,
                             0.5, retry_on=_PASSING)

    def migrate(self, server_id, seconds=120, statuses=('VERIFY_RESIZE',)):
        """Cold-migrate a server; return it when it has reached a status.

        :raises deadline.LabError: with Nova's words when no host is found;
            the server is then as it was.
        """
        return self._move(server_id, {'migrate': None}, statuses, seconds)

    def resize(self, server_id, seconds=120, statuses=('VERIFY_RESIZE',)):
        """Resize a server to the larger flavor, as :meth:`migrate` does."""
        flavor = self.cloud.compute.find_flavor(catalogue.LARGER_FLAVOR)
        return self._move(server_id, {'resize': {'flavorRef': flavor.id}},
                          statuses, seconds)

    def evacuate(self, server_id, seconds=180):
        """Rebuild a server of a host that is down on another one."""
        return self._leave(server_id, {'evacuate': {}}, seconds)

    def live_migrate(self, server_id, seconds=180):
        """Live-migrate a server to a host that Nova chooses.

        :raises deadline.LabError: with Nova's words when it stayed.
        """
        return self._leave(server_id, {'os-migrateLive': {
            'host': None, 'block_migration': 'auto'}}, seconds)

    def _leave(self, server_id, request, seconds):
        # A server that is ACTIVE may be so where it was: Nova writes down its
        # new host last.
        before = self.get_server(server_id).compute_host
        return self._move(
            server_id, request, (), seconds,
            is_done=lambda found: found.compute_host != before)

    def _move(self, server_id, request, statuses, seconds, is_done=None):
        started = self._newest_action(server_id)
        answer = self.cloud.compute.post(f'/servers/{server_id}/action',
                                         json=request, microversion='2.90')
        openstack.exceptions.raise_from_response(answer)
        is_done = is_done or (lambda found: found.status in statuses)

        def done():
            action = self._newest_action(server_id)
            if action['request_id'] == started['request_id']:
                return None
            found = self.get_server(server_id)
            if found.task_state:
                return None
            # A server whose move was refused is ACTIVE, like one that moved.
            if is_done(found) and not (
                    action['message'] and found.status == 'ACTIVE'):
                return found
            if action['message'] or found.status == 'ERROR':
                fault = (found.fault or {}).get('message', '')
                raise deadline.LabError(
                    self._action_error(server_id, action) or fault
                    or action['message'])
            return None

        return deadline.wait(f'server {server_id} being moved', done,
                             seconds, 0.5, retry_on=_PASSING)

    def _newest_action(self, server_id):
        answer = self.cloud.compute.get(
            f'/servers/{server_id}/os-instance-actions', microversion='2.90')
        openstack.exceptions.raise_from_response(answer)
        return answer.json()['instanceActions'][0]

    def _action_error(self, server_id, action):
        answer = self.cloud.compute.get(
            f'/servers/{server_id}/os-instance-actions/'
            f'{action["request_id"]}', microversion='2.90')
        events = answer.json().get('instanceAction', {}).get('events', [])
        texts = [event.get('details') or '' for event in events]
        return next((text for text in texts if text), '')

    def confirm(self, server_id, seconds=60):
        """Confirm a migration."""
        self.cloud.compute.confirm_server_resize(server_id)
        return self._wait_server(server_id, ('ACTIVE',), seconds)

    def server_snapshot(self, server_id, name, seconds=120):
        """Make an image of a server; return its id when it is active."""
        image = self.cloud.compute.create_server_image(server_id, name)
        self._wait_image(image.id, seconds)
        return image.id

    def delete_server(self, *server_ids, seconds=300):
        """Delete servers and wait until they are gone."""
        compute = self.cloud.compute
        self._delete('server', compute.delete_server, compute.get_server,
                     server_ids, seconds)

    def boots(self, server_id, seconds=300):
        """Return how often a real guest has booted off its disk."""
        def counted():
            text = self.cloud.compute.get_server_console_output(
                server_id)['output'] or ''
            found = re.findall(rf'{guest.BOOTS} (\d+)', text)
            return int(found[-1]) if found else None

        return deadline.wait(f'guest {server_id} counting its boot', counted,
                             seconds, 1, retry_on=_PASSING)

    def heartbeat(self, server_id, seconds=60):
        """Wait until a guest says once more that it lives."""
        def said():
            text = self.cloud.compute.get_server_console_output(
                server_id)['output'] or ''
            found = re.findall(rf'{guest.HEARTBEAT} ([\d.]+)', text)
            return float(found[-1]) if found else 0.0

        before = said()
        return deadline.wait(
            f'guest {server_id} saying {guest.HEARTBEAT}',
            lambda: said() if said() > before else None, seconds, 1,
            retry_on=_PASSING)

    def force_down(self, host, is_down):
        """Tell Nova that a host is dead, without waiting for it to notice."""
        service = next(s for s in self.cloud.compute.services(
            binary='nova-compute', host=host))
        self.cloud.compute.update_service_forced_down(
            service, host, 'nova-compute', forced=is_down)

    def set_site(self, site, **metadata):
        """Set ``dcn:`` metadata of a site; ``None`` removes it."""
        compute = self.cloud.compute
        aggregate = next(a for a in compute.aggregates() if a.name == site)
        compute.set_aggregate_metadata(aggregate, {
            f'dcn:{key}': value for key, value in metadata.items()})

    def set_compute(self, host, is_enabled):
        """Enable or disable a compute for new servers."""
        service = next(s for s in self.cloud.compute.services(
            binary='nova-compute', host=host))
        if is_enabled:
            self.cloud.compute.enable_service(service)
        else:
            self.cloud.compute.disable_service(
                service, disabled_reason='demonstration')

    # Ceph

    def parent(self, site, pool, image):
        """Return the parent of an RBD image, or ''."""
        text = ceph.rbd(self.lab, site, 'info', f'{pool}/{image}')
        found = re.search(r'parent: (\S+)', text)
        return found.group(1) if found else ''

    def remove_disk(self, site, server_id):
        """Remove what a server has left in Ceph; return whether it had.

        Nova looks for the disk at the site where the server is; of one that
        has left its site the disk stays behind for ever.
        """
        name = f'{server_id}_disk'
        if name not in self.rbd_images(site, 'vms'):
            return False
        # Ceph takes half a minute to forget a guest that was killed.
        deadline.wait(f'{name} being let go by its last guest',
                      lambda: not self._watchers(site, f'vms/{name}'), 90, 1)
        ceph.rbd(self.lab, site, 'snap', 'purge', '--no-progress',
                 f'vms/{name}')
        ceph.rbd(self.lab, site, 'rm', '--no-progress', f'vms/{name}')
        return True

    def _watchers(self, site, image):
        return json.loads(ceph.rbd(self.lab, site, 'status', '--format',
                                   'json', image))['watchers']

    def rbd_images(self, site, pool):
        """Return the names of the RBD images in a pool."""
        return ceph.rbd(self.lab, site, 'ls', pool).split()

    def rbd_trash(self, site, pool):
        """Return what is in the trash of a pool."""
        return ceph.rbd(self.lab, site, 'trash', 'ls', '--all',
                        pool).splitlines()

    # Waiting

    def _wait_image(self, image_id, seconds):
        def active():
            status = self.image(image_id)['status']
            if status in ('killed', 'deleted', 'error'):
                raise deadline.LabError(f'image {image_id} is {status}')
            return status == 'active'

        deadline.wait(f'image {image_id} being active', active, seconds, 0.3,
                      retry_on=_PASSING)

    def _wait_status(self, what, status, get, seconds):
        def settled():
            found = get()
            if 'error' in found.status:
                raise deadline.LabError(f'{what} is {found.status}')
            return found if found.status == status else None

        return deadline.wait(f'{what} being {status}', settled, seconds, 0.3,
                             retry_on=_PASSING)

    def _delete(self, noun, delete, get, ids, seconds):
        # All are asked before any is waited for: they go side by side.
        for one in ids:
            delete(one)
        for one in ids:
            self._wait_gone(f'{noun} {one}', functools.partial(get, one),
                            seconds)

    @staticmethod
    def _wait_gone(what, get, seconds):
        last = {}

        def gone():
            try:
                found = get()
            except openstack.exceptions.NotFoundException:
                return True
            last.update({name: getattr(found, name, None) for name in (
                'status', 'task_state', 'fault', 'updated_at')})
            # A server that is in ERROR shows it until it is gone.
            if found.status == 'error_deleting':
                raise deadline.LabError(f'{what} is {found.status}')
            return False

        try:
            deadline.wait(f'{what} being gone', gone, seconds, 0.3,
                          retry_on=_PASSING)
        except deadline.LabTimeout as exc:
            raise deadline.LabTimeout(exc.what, exc.seconds, last) from exc
