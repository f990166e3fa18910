# SPDX-License-Identifier: Apache-2.0
"""What is on the disk of an operating system, as far as a copier sees it."""

import os


def write(file, size, data_bytes, chance):
    """Write random extents of 16 KiB to 32 MiB, with holes between them.

    :param file: an empty one, open for binary writing.
    :param size: of the disk in bytes; ``data_bytes`` of it become data.
    :param chance: a ``random.Random``, for lengths and places.
    """
    file.truncate(size)
    parts, left = [], data_bytes
    while left:
        part = min(int(2 ** chance.uniform(14, 25)) & ~4095, left)
        parts.append(part)
        left -= part
    position = 0
    gaps = [chance.expovariate(1) for _part in parts]
    for part, gap in zip(parts, gaps):
        position += int((size - data_bytes) * gap / sum(gaps)) & ~4095
        file.seek(position)
        file.write(os.urandom(part))
        position += part
    file.flush()
