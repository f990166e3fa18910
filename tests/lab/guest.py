# SPDX-License-Identifier: Apache-2.0
"""A bootable guest image of 13 MB, made of Debian's packages alone.

A cloud kernel, a static busybox and nine virtio modules on a FAT partition
with syslinux, put together without mounts or loop devices. The guest reports
itself on the serial console, counts its boots on its disk and beats.
"""

import gzip
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile

from tests.lab import deadline

NAME = 'guest.qcow2'
#: Lines of the serial console.
UP = 'DCN-GUEST-UP'
BOOTS = 'DCN-BOOTS'
HEARTBEAT = 'DCN-HEARTBEAT'

_MIB = 1 << 20
_DISK_BYTES = 64 * _MIB
_PARTITION_SECTOR, _PARTITION_SECTORS = 2048, 61440
_BOOT_CODE = pathlib.Path('/usr/lib/syslinux/mbr/mbr.bin')
_BUSYBOX = pathlib.Path('/bin/busybox')
_COMMANDS = ('sh', 'mount', 'insmod', 'echo', 'cat', 'sleep', 'dd',
             'poweroff', 'reboot', 'ls', 'mkdir', 'uname', 'umount', 'grep',
             'sync', 'cut', 'sed', 'tr')
# In the order in which they can be loaded.
_MODULES = ('drivers/virtio/virtio_ring', 'drivers/virtio/virtio',
            'drivers/virtio/virtio_pci_modern_dev',
            'drivers/virtio/virtio_pci_legacy_dev',
            'drivers/virtio/virtio_pci', 'drivers/block/virtio_blk',
            'net/core/failover', 'drivers/net/net_failover',
            'drivers/net/virtio_net')
# The counter is kept in a sector behind the partition.
_COUNTER_SECTOR = 131000
_INIT = '''#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in {modules}; do insmod /mod/$module.ko; done
up() {{ cut -d' ' -f1 /proc/uptime; }}
echo "{up} kernel=$(uname -r) uptime=$(up)" > /dev/console
tries=0
while [ ! -b /dev/vda ] && [ $tries -lt 50 ]; do
    sleep 0.1; tries=$((tries + 1))
done
if [ -b /dev/vda ]; then
    boots=$(dd if=/dev/vda bs=512 skip={sector} count=1 2>/dev/null |
        tr -d '\\0' | sed -n 's/^BOOTS=\\([0-9]*\\).*/\\1/p')
    boots=$((${{boots:-0}} + 1))
    echo "BOOTS=$boots" |
        dd of=/dev/vda bs=512 seek={sector} conv=sync,notrunc 2>/dev/null
    sync
    echo "{boots} $boots" > /dev/console
fi
# With the count: where a guest is migrated to its console begins anew.
while true; do
    sleep 5; echo "{heartbeat} $(up) {boots} $boots" > /dev/console
done
'''
_SYSLINUX = '''SERIAL 0 115200
DEFAULT linux
PROMPT 0
TIMEOUT 0
LABEL linux
  KERNEL vmlinuz
  APPEND initrd=initrd.gz console=ttyS0 quiet panic=1
'''


def kernel_package(cache):
    """Return the Debian package of the guest's kernel.

    :raises deadline.LabError: when the set-up has not fetched it.
    """
    found = sorted(cache.glob('kernel/linux-image-*.deb'))
    if not found:
        raise deadline.LabError(
            f'no kernel package in {cache}/kernel: run tests/lab/setup')
    return found[-1]


def build(cache, target):
    """Make the image from the packages in ``cache`` and put it at ``target``.

    :raises deadline.LabError: with the tool that failed and what it said.
    """
    with tempfile.TemporaryDirectory(prefix='dcn-guest-') as scratch:
        work = pathlib.Path(scratch)
        _run(work, 'dpkg-deb', '-x', kernel_package(cache), 'kernel')
        shutil.copy(next(work.glob('kernel/boot/vmlinuz-*')), work / 'vmlinuz')
        _make_initrd(work)
        _make_disk(work)
        target.parent.mkdir(parents=True, exist_ok=True)
        _run(work, 'qemu-img', 'convert', '-O', 'qcow2', '-c', 'disk.raw',
             f'{target}.new')
        os.replace(f'{target}.new', target)


def _run(work, *argv, **kwargs):
    try:
        subprocess.run(
            [str(a) for a in argv], cwd=work, check=True, timeout=120,
            capture_output=True, **kwargs)
    except (OSError, subprocess.SubprocessError) as exc:
        said = getattr(exc, 'stderr', b'') or b''
        raise deadline.LabError(
            f'guest image: {argv[0]}: {exc} '
            f'{said.decode(errors="replace")[-300:]}') from exc


def _make_initrd(work):
    root = work / 'root'
    for name in ('bin', 'dev', 'proc', 'sys', 'mod'):
        (root / name).mkdir(parents=True)
    shutil.copy(_BUSYBOX, root / 'bin' / 'busybox')
    for name in _COMMANDS:
        (root / 'bin' / name).symlink_to('busybox')
    modules = next(work.glob('kernel/lib/modules/*/kernel'))
    for name in _MODULES:
        shutil.copy(modules / f'{name}.ko', root / 'mod')
    init = root / 'init'
    init.write_text(_INIT.format(
        modules=' '.join(name.rsplit('/', 1)[1] for name in _MODULES),
        sector=_COUNTER_SECTOR, up=UP, boots=BOOTS, heartbeat=HEARTBEAT))
    init.chmod(0o755)
    names = '\n'.join(str(path.relative_to(root))
                      for path in sorted(root.rglob('*')))
    archive = subprocess.run(
        ['cpio', '-o', '-H', 'newc', '--quiet'], cwd=root, check=True,
        input=names.encode(), capture_output=True, timeout=60).stdout
    (work / 'initrd.gz').write_bytes(gzip.compress(archive, 9, mtime=0))


def _make_disk(work):
    disk = work / 'disk.raw'
    with disk.open('wb') as raw:
        raw.truncate(_DISK_BYTES)
        raw.write(_BOOT_CODE.read_bytes()[:440])
        raw.seek(446)
        # One active FAT16 partition (LBA); the CHS fields say "too big".
        raw.write(struct.pack('<B3sB3sII', 0x80, b'\xfe\xff\xff', 0x0e,
                              b'\xfe\xff\xff', _PARTITION_SECTOR,
                              _PARTITION_SECTORS))
        raw.seek(510)
        raw.write(b'\x55\xaa')
    (work / 'syslinux.cfg').write_text(_SYSLINUX)
    start = _PARTITION_SECTOR * 512
    device = f'disk.raw@@{start}'
    _run(work, 'mformat', '-i', device, '-t', '30', '-h', '64', '-s', '32',
         '-H', str(_PARTITION_SECTOR), '::')
    for name in ('vmlinuz', 'initrd.gz', 'syslinux.cfg'):
        _run(work, 'mcopy', '-i', device, name, f'::{name}')
    _run(work, 'syslinux', '-t', str(start), '-i', 'disk.raw')
