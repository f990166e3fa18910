# SPDX-License-Identifier: Apache-2.0
"""Runs on real services: users of Cinder's API, two cinder-volumes."""

import contextlib
import functools
import time

import openstack

from tests.chaos import history
from tests.chaos import inventory
from tests.chaos import nemesis
from tests.chaos import plan
from tests.chaos import run
from tests.chaos import services
from tests.chaos import site as sites

USERS = 6
_POLL_SECONDS = 0.4
_AVAILABLE = 'available'


class Nemesis(nemesis.Nemesis):
    """Whoever breaks things, also what only services have."""

    def __init__(self, made, *args):
        super().__init__(*args)
        self._services = made

    @contextlib.contextmanager
    def _rabbit_pause(self):
        self._services.rabbitmq.pause()
        yield
        self._services.rabbitmq.resume()


class User:
    """Somebody with a session of his own."""

    def __init__(self, name, connection):
        self.name = name
        self.storage = connection.block_storage

    def send(self, method, path, body=None):
        """Send a request and return what is answered.

        :raises openstack.exceptions.SDKException: for any error.
        """
        answer = getattr(self.storage, method)(
            path, json=body, microversion='3.70')
        openstack.exceptions.raise_from_response(answer)
        return answer.json() if answer.content else {}


class Run(run.Run):
    """One seed.

    :param site: :class:`~tests.chaos.site.Site`, whole.
    :param made: :class:`~tests.chaos.services.Services`, running.
    """

    def __init__(self, site, watch, made, flavour, seed, seconds,
                 verbs=plan.SERVICE_VERBS):
        super().__init__(watch, seed, seconds, services.TTL_SECONDS, verbs)
        self._site = site
        self._services = made
        self._targets = [nemesis.Target(*pair)
                         for pair in made.hosts(flavour)]
        self._users = [User(f'u{number}', made.connect())
                       for number in range(USERS)]
        # What Cinder has called what users ask for, and whether to delete it
        # takes force.
        self._ids = {}
        self._broken = set()
        self._offsets = {}
        self._is_over = False

    def start(self):
        for target in self._targets:
            host = target.worker
            self._offsets[host.name] = host.log_size()
            host.start()
        for target in self._targets:
            if not target.worker.wait_ready():
                raise RuntimeError(f'{target.worker.name} does not start')
        self._services.wait_up()
        self.nemesis = Nemesis(self._services, self._site, self._targets,
                               self.record)

    def asking(self):
        return [functools.partial(self.use, user) for user in self._users]

    def deleting(self):
        return self._users

    def image(self, target):
        return f'volume-{self._ids[target]}'

    def inventory(self):
        names = {}
        for target, found in self._ids.items():
            image, _at, snapshot = target.partition('@')
            if snapshot:
                names[f'snapshot-{found}'] = snapshot
            else:
                names[f'volume-{found}'] = image
        return inventory.renamed(super().inventory(), names)

    def finish(self):
        for target in self._targets:
            target.worker.service.stop()
        for target in self._targets:
            host = target.worker
            for _crash in range(host.crashes(self._offsets[host.name])):
                self.record.deaths.append(history.Death(
                    host.name, time.monotonic(), 'see its log'))
        return []

    def kill(self):
        self._is_over = True
        for target in self._targets:
            target.worker.resume()
            target.worker.kill()
        self._services.forget()

    def perform(self, client, operation, request, size):
        """Ask Cinder, and look until it is done or has failed."""
        try:
            self._send(client, request)
        except openstack.exceptions.HttpException as exc:
            operation.error = str(exc)[:300]
            is_refused = 400 <= (exc.status_code or 500) < 500
            operation.outcome = (history.REFUSED if is_refused
                                 else history.UNKNOWN)
            operation.ended = time.monotonic()
            return
        while not self._is_over:
            outcome = self._look(client, request)
            if outcome:
                operation.outcome = outcome
                operation.ended = time.monotonic()
                if outcome not in (history.OK, history.REFUSED):
                    self._broken.add(request.target)
                return
            time.sleep(_POLL_SECONDS)

    def _send(self, user, request):
        kind, path, body = self._described(request)
        if kind == 'delete' and request.target in self._broken:
            kind, path, body = 'post', f'{path}/action', {
                'os-force_delete': {}}
        answer = user.send(kind, path, body)
        if request.kind in history.MAKING:
            self._ids[request.target] = next(iter(answer.values()))['id']

    def _described(self, request):
        """Return method, path and body of a request."""
        if request.kind == history.SNAPSHOT:
            image = request.target.partition('@')[0]
            return 'post', '/snapshots', {'snapshot': {
                'volume_id': self._ids[image], 'name': request.target}}
        if request.kind in history.MAKING:
            body = {'size': request.size, 'name': request.target,
                    'availability_zone': sites.NAME}
            key = {history.CLONE: 'source_volid',
                   history.FROM_SNAPSHOT: 'snapshot_id'}.get(request.kind)
            if key:
                body[key] = self._ids[request.source]
            return 'post', '/volumes', {'volume': body}
        path = self._path(request.target)
        if request.kind == history.DELETE:
            return 'delete', path, None
        action = {'os-extend': {'new_size': request.size}} if (
            request.kind == history.EXTEND) else {
            'revert': {'snapshot_id': self._ids[request.source]}}
        return 'post', f'{path}/action', action

    def _path(self, target):
        kind = 'snapshots' if '@' in target else 'volumes'
        return f'/{kind}/{self._ids[target]}'

    def _look(self, user, request):
        """Return how a request has ended, or ``None`` if it has not."""
        is_deletion = request.kind == history.DELETE
        try:
            found = next(iter(user.send(
                'get', self._path(request.target)).values()))
        except openstack.exceptions.NotFoundException:
            return history.OK if is_deletion else history.FAILED
        except openstack.exceptions.SDKException:
            return None
        status = found['status']
        if status.startswith('error'):
            return history.FAILED
        if status != _AVAILABLE:
            return None
        if is_deletion:
            return history.REFUSED
        if request.kind == history.EXTEND and found['size'] != request.size:
            return history.FAILED
        return history.OK
