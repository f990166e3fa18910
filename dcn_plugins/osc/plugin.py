# SPDX-License-Identifier: Apache-2.0
"""What python-openstackclient asks a plugin for."""

import os

DEFAULT_API_VERSION = '1'
API_VERSION_OPTION = 'os_dcn_api_version'
API_NAME = 'dcn'
API_VERSIONS = ('1',)


def make_client(instance):
    """Return the :class:`~dcn_plugins.osc.client.Client` of a command.

    It asks nobody for anything yet.

    :param instance: the client manager of osc-lib.
    :raises ConfigError: if the settings are of no use.
    """
    # Every command of python-openstackclient imports this module.
    from dcn_plugins.osc import client
    return client.Client(instance.session, instance._cli_options.config,
                         instance.interface, instance.region_name)


def build_option_parser(parser):
    """Add our global options to those of python-openstackclient."""
    parser.add_argument(
        '--os-dcn-api-version', metavar='<dcn-api-version>',
        default=os.environ.get('OS_DCN_API_VERSION', DEFAULT_API_VERSION),
        help='Version of the dcn commands, default=1 '
             '(Env: OS_DCN_API_VERSION)')
    parser.add_argument(
        '--os-dcn-config-file', metavar='<file>',
        default=os.environ.get('OS_DCN_CONFIG_FILE', ''),
        help='YAML file that says where jobs, locks and the placement policy '
             'are; default: the key "dcn" of the cloud in clouds.yaml '
             '(Env: OS_DCN_CONFIG_FILE)')
    return parser
