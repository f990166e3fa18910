# SPDX-License-Identifier: Apache-2.0
"""Commands for operators.

=================  =========================================================
``status``         ``dcn-status upgrade check``: the command itself
``nova_checks``    what it checks of nova-scheduler's configuration
``policy_checks``  what it checks of Nova's policy files
=================  =========================================================
"""
