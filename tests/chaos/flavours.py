# SPDX-License-Identifier: Apache-2.0
"""Names of the drivers that are compared. Pure."""

OURS = 'ours'
#: Upstream's driver, with tooz' own etcd driver.
STOCK = 'stock'
#: Parts of ours; as a flavour, ours without it.
PARTS = ('fence', 'deadline', 'intent')

ALL = (OURS, STOCK, *PARTS)
