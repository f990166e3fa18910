# SPDX-License-Identifier: Apache-2.0
"""Commands for operators.

=================  =========================================================
``status``         ``dcn-status upgrade check``: the command itself
``nova_checks``    what it checks of nova-scheduler's configuration
``policy_checks``  what it checks of Nova's policy files
``cinder_checks``  what it checks of cinder.conf
``glance_checks``  what it checks of glance-api.conf
``dcn_options``    the options of [dcn], for each of them
``etcd_checks``    URLs of lock services, and what is behind them
``paste_file``     pipelines and health checks of a paste file
``results``        results in the words of oslo.upgradecheck
=================  =========================================================
"""
