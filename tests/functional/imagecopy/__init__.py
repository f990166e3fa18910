# SPDX-License-Identifier: Apache-2.0
"""The image copier on real Ceph clusters; ``rig`` starts them."""
