# SPDX-License-Identifier: Apache-2.0
"""Files for ``openstack_dashboard/local/enabled`` of Horizon."""
