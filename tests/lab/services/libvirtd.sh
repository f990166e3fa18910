#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# libvirtd.sh HOST HOME: libvirtd and virtlogd of one hypervisor, run inside
# mount and UTS namespaces of their own (unshare --uts --mount), so that
# several with different host names live on one machine without systemd.
set -eu
host=$1 home=$2
hostname "$host"
for name in etc run lib cache log; do
    case $name in
        etc) target=/etc/libvirt ;;
        run) target=/run/libvirt ;;
        *) target=/var/$name/libvirt ;;
    esac
    mount --bind "$home/$name" "$target"
done
virtlogd --pid-file "$home/virtlogd.pid" &
exec libvirtd --config /etc/libvirt/libvirtd.conf --pid-file "$home/libvirtd.pid"
