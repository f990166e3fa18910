# SPDX-License-Identifier: Apache-2.0
"""Sections that the configuration files of several services share."""

from tests.lab.services import mariadb
from tests.lab.services import rabbitmq

REGION = 'RegionOne'


def database(lab, name, section='database'):
    """Return the section of a service's database."""
    return {section: {'connection': mariadb.url(lab, name),
                      'max_pool_size': 5, 'max_overflow': 10}}


def credentials(lab, user):
    """Return how a service logs in as ``user`` of the project service."""
    return {'auth_type': 'password', 'auth_url': lab.url('keystone') + '/v3',
            'project_domain_id': 'default', 'user_domain_id': 'default',
            'project_name': 'service', 'username': user,
            'password': lab.secret('service')}


def client(lab, user):
    """Return how a service talks to another one of its region."""
    return {**credentials(lab, user), 'region_name': REGION}


def authtoken(lab, user):
    """Return how an API checks the tokens it gets."""
    return {'keystone_authtoken': {
        **credentials(lab, user),
        'www_authenticate_uri': lab.url('keystone') + '/v3',
        'service_token_roles_required': 'true',
        'service_token_roles': 'service'}}


def messaging(lab, notifications='noop'):
    """Return the sections of the message broker."""
    return {
        'DEFAULT': {'transport_url': rabbitmq.url(lab)},
        'oslo_messaging_rabbit': {'rpc_conn_pool_size': 5,
                                  'heartbeat_timeout_threshold': 60},
        'oslo_messaging_notifications': {'driver': notifications}}


def process(lab, name):
    """Return what a service of oslo.service needs to stop in time."""
    return {
        # oslo.service waits for up to a minute otherwise.
        'DEFAULT': {'graceful_shutdown_timeout': 2, 'debug': 'false'},
        'oslo_concurrency': {'lock_path': lab.path('state', name, 'locks')}}
