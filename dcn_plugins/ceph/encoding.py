# SPDX-License-Identifier: Apache-2.0
"""How Ceph encodes what its object classes are called with. Pure."""

import struct


def text(data):
    """Return bytes as Ceph encodes a text: their number, and they."""
    return struct.pack('<I', len(data)) + data
