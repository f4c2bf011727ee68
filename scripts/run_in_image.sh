#!/usr/bin/env bash
# Runs an image's command on its unpacked file system, as its user, read-only but for /tmp.
#   run_in_image.sh ROOTFS ENVIRONMENT_FILE COMMAND…
# The variables of this process are the container's, on top of those of the image. Needs root.
set -euo pipefail
export ROOTFS=$1 IMAGE_ENVIRONMENT=$2
shift 2

# Replaces itself step by step, so that a signal to this process reaches the command.
exec unshare --mount -- bash -c '
    set -euo pipefail
    mount --bind "$ROOTFS" "$ROOTFS"
    mount --bind -o ro /proc "$ROOTFS/proc"
    for device in null urandom random zero; do
        [ -e "$ROOTFS/dev/$device" ] || touch "$ROOTFS/dev/$device"
        mount --bind "/dev/$device" "$ROOTFS/dev/$device"
    done
    mount -o remount,bind,ro "$ROOTFS"
    mount -t tmpfs -o mode=1777 tmpfs "$ROOTFS/tmp"
    mapfile -t image <"$IMAGE_ENVIRONMENT"
    root=$ROOTFS
    unset ROOTFS IMAGE_ENVIRONMENT
    # tini is the first process of a container; here it has to be told that it is not.
    exec env "${image[@]}" HOME=/nonexistent TINI_SUBREAPER=1 \
        chroot --userspec=10001:10001 "$root" "$@"
' run_in_image "$@"
