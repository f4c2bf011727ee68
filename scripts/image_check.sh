#!/usr/bin/env bash
# Builds the image without a container engine and runs the demo with the worker inside it.
# Debian's buildah, and debootstrap for a base image, since no image registry is asked.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for tool in buildah debootstrap unshare; do
    command -v "$tool" >/dev/null || {
        echo "image-check needs $tool: apt-get install --no-install-recommends buildah debootstrap" >&2
        exit 69
    }
done
[ "$(id -u)" = 0 ] || { echo "image-check needs root: it mounts the image's file system" >&2; exit 69; }

home=$PWD/.work/image
base=localhost/nrf-worker-base:check
image=localhost/nrf-worker:check
mkdir -p "$home"
buildah() { STORAGE_DRIVER=vfs command buildah --root "$home/store" --runroot "$home/run" "$@"; }
megabytes() { du -sm "$1" | cut -f1; }

container=
trap '[ -z "$container" ] || buildah rm "$container" >/dev/null' EXIT

if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
    echo "Making a base image: Debian with Python ..."
    rm -rf "$home/base"
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
        bookworm "$home/base" >"$home/debootstrap.log"
    rm -rf "$home/base/var/cache/apt/archives" "$home/base/var/lib/apt/lists"
    mkdir -p "$home/base/var/lib/apt/lists/partial" "$home/base/var/cache/apt/archives/partial"
    container=$(buildah from scratch)
    buildah add -q "$container" "$home/base" / >/dev/null
    buildah commit -q "$container" "$base" >/dev/null
    buildah rm "$container" >/dev/null
    container=
fi

echo "Building the image ..."
buildah bud --quiet --format docker --isolation chroot --network host \
    --volume /etc/ssl/certs:/etc/ssl/certs:ro --build-arg "PYTHON_IMAGE=$base" \
    --build-arg "VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)" \
    --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
    --tag "$image" . >"$home/build.log" 2>&1 || { tail -n 25 "$home/build.log" >&2; exit 1; }

container=$(buildah from "$image")
root=$(buildah mount "$container")
inspect() { buildah inspect --type image --format "$1" "$image"; }
inspect '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' | sed '/^$/d' >"$home/environment"
read -ra entry <<<"$(inspect '{{range .OCIv1.Config.Entrypoint}}{{print . " "}}{{end}}')"
[ "$(inspect '{{.OCIv1.Config.User}}')" = 10001:10001 ] || { echo "the image runs as root" >&2; exit 1; }

echo "Image: $(megabytes "$root") MB unpacked, of which /opt/worker has $(megabytes "$root/opt/worker") MB"
for unwanted in /opt/worker/bin/pip /usr/bin/gcc /usr/bin/make /root/.cache /var/lib/apt/lists/lock; do
    [ ! -e "$root$unwanted" ] || { echo "the image holds $unwanted" >&2; exit 1; }
done
[ -n "$(find "$root/opt/worker" -path '*worker/__pycache__/main.*.pyc')" ] || {
    echo "the image's bytecode is not compiled" >&2
    exit 1
}

echo "Running the demo with the worker in the image, its file system read-only ..."
.venv/bin/nrf-worker demo \
    --worker-command "scripts/run_in_image.sh $root $home/environment ${entry[*]}"
