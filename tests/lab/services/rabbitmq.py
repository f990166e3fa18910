# SPDX-License-Identifier: Apache-2.0
"""RabbitMQ with a node name, cookie and directories of its own."""

import json

from tests.lab import service

USER = 'lab'
_SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server'
# One scheduler and no busy wait: an idle broker must not eat a core.
_ERLANG = '+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none'


def url(lab):
    """Return the transport URL of oslo.messaging."""
    return (f'rabbit://{USER}:{lab.secret("rabbit")}@{lab.address()}:'
            f'{lab.port("rabbit")}/')


class RabbitMQ(service.Service):
    """The message broker of all sites, at the central one."""

    def __init__(self, lab):
        super().__init__(lab, 'rabbitmq')
        self.home = lab.path('state', 'rabbitmq')

    @property
    def listening_port(self):
        return self.lab.port('rabbit')

    def prepare(self):
        for sub in ('mnesia', 'log', 'home'):
            (self.home / sub).mkdir(parents=True, exist_ok=True)
        # Definitions are read before the listener opens, so the port that
        # answers already knows the user; rabbitmqctl costs a CPU second.
        definitions = self.home / 'definitions.json'
        definitions.touch(mode=0o600)
        definitions.write_text(json.dumps({
            'users': [{'name': USER, 'password': self.lab.secret('rabbit'),
                       'tags': ''}],
            'vhosts': [{'name': '/'}],
            'permissions': [{'user': USER, 'vhost': '/', 'configure': '.*',
                             'write': '.*', 'read': '.*'}]}))
        (self.home / 'rabbit.conf').write_text(
            f'listeners.tcp.1 = {self.lab.address()}:{self.listening_port}\n'
            'loopback_users = none\n'
            f'load_definitions = {definitions}\n'
            'vm_memory_high_watermark.absolute = 512MB\n'
            'disk_free_limit.absolute = 50MB\n')
        (self.home / 'plugins').write_text('[].\n')
        cookie = self.home / 'home' / '.erlang.cookie'
        if not cookie.exists():
            cookie.touch(mode=0o600)
            cookie.write_text(self.lab.secret('erlang'))
            cookie.chmod(0o400)

    def environment(self):
        home = self.home
        return {
            'HOME': f'{home}/home',
            'RABBITMQ_NODENAME': f'{self.lab.name}@localhost',
            'RABBITMQ_NODE_IP_ADDRESS': self.lab.address(),
            'RABBITMQ_NODE_PORT': str(self.listening_port),
            'RABBITMQ_DIST_PORT': str(self.lab.port('rabbit-dist')),
            'ERL_EPMD_PORT': str(self.lab.port('epmd')),
            'ERL_EPMD_ADDRESS': '127.0.0.1',
            'RABBITMQ_MNESIA_BASE': f'{home}/mnesia',
            'RABBITMQ_LOG_BASE': f'{home}/log',
            'RABBITMQ_PID_FILE': f'{home}/pid',
            'RABBITMQ_ENABLED_PLUGINS_FILE': f'{home}/plugins',
            'RABBITMQ_CONFIG_FILE': f'{home}/rabbit',
            'RABBITMQ_CONF_ENV_FILE': '/dev/null',
            'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS': _ERLANG,
        }

    def command(self):
        return [_SERVER]
