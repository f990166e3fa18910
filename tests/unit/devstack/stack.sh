# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091
# stack.sh PHASE...: call the plugin as DevStack does, in its order.
#
# LOCALRC is what stands in local.conf. Phases are those of stack; "unstack"
# and "clean" are themselves.
source "$HERE/stubs.sh"
eval "$LOCALRC"
set -o errexit
source "$ROOT/devstack/override-defaults"
# Here DevStack sources its own lib/*.
GLANCE_ENABLE_MULTIPLE_STORES=${GLANCE_ENABLE_MULTIPLE_STORES:-False}
source "$ROOT/devstack/settings"
for phase in "$@"; do
    case $phase in
        unstack | clean) source "$ROOT/devstack/plugin.sh" "$phase" ;;
        *) source "$ROOT/devstack/plugin.sh" stack "$phase" ;;
    esac
done
for name in DCN_SITES ENABLED_SERVICES CINDER_ENABLED_BACKENDS \
    GLANCE_MULTIPLE_FILE_STORES GLANCE_DEFAULT_BACKEND \
    GLANCE_ENABLE_MULTIPLE_STORES NUMBER_FAKE_NOVA_COMPUTE; do
    echo "$name=${!name:-}"
done
