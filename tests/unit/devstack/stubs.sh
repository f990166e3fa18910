# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2034
# What DevStack has before it calls a plugin, as far as ours uses it.
#
# RECORD is a file for the commands that were called, STATE a directory for
# what they leave, HOSTS the computes. With DCN_DEVSTACK, a checkout of
# DevStack, its own functions change the files.

DEST=$STATE
DATA_DIR=$STATE/data
SERVICE_HOST=192.0.2.10
ETCD_PORT=2379
KEYSTONE_SERVICE_URI=http://192.0.2.10/identity
ADMIN_PASSWORD=secret
NOVA_CONF_DIR=$STATE/nova
NOVA_CONF=$NOVA_CONF_DIR/nova.conf
CINDER_CONF=$STATE/cinder/cinder.conf
CINDER_API_PASTE_INI=$STATE/cinder/api-paste.ini
GLANCE_CONF_DIR=$STATE/glance
GLANCE_API_CONF=$GLANCE_CONF_DIR/glance-api.conf
GLANCE_API_PASTE_INI=$GLANCE_CONF_DIR/glance-api-paste.ini

record() { echo "$*" >> "$RECORD"; }

# Each value is a line of its own.
iniset() {
    local file=$1
    touch "$file"
    SECTION="[$2]" OPTION=$3 VALUES=$(printf "$3 = %s\n" "${@:4}") awk '
        function name(line) { sub(/[ \t]*=.*/, "", line); return line }
        /^\[/ { here = $0 == ENVIRON["SECTION"] }
        here && /=/ && name($0) == ENVIRON["OPTION"] { next }
        { print }
        $0 == ENVIRON["SECTION"] { print ENVIRON["VALUES"]; is_done = 1 }
        END {
            if (!is_done)
                printf "\n%s\n%s\n", ENVIRON["SECTION"], ENVIRON["VALUES"]
        }' "$file" > "$file.new"
    mv "$file.new" "$file"
}
iniset_multiline() { iniset "$@"; }
iniget() {
    SECTION="[$2]" OPTION=$3 awk '
        function name(line) { sub(/[ \t]*=.*/, "", line); return line }
        /^\[/ { here = $0 == ENVIRON["SECTION"] }
        here && /=/ && name($0) == ENVIRON["OPTION"] {
            sub(/^[^=]*=[ \t]*/, "")
            printf "%s%s", separator, $0
            separator = " "
        }
        END { print "" }' "$1"
}
iniget_multiline() { iniget "$@"; }
if [[ -n "${DCN_DEVSTACK:-}" ]]; then
    source "$DCN_DEVSTACK/inc/ini-config"
fi

define_plugin() { record define_plugin "$@"; }
enable_service() {
    local service
    for service in "$@"; do
        if [[ ",${DISABLED_SERVICES:-}," != *",$service,"* ]]; then
            ENABLED_SERVICES+=",$service"
        fi
    done
}
is_service_enabled() {
    local service
    for service in "$@"; do
        [[ ",$ENABLED_SERVICES," != *",$service,"* ]] || return 0
        case $service in
            nova) [[ ",$ENABLED_SERVICES" != *,n-* ]] || return 0 ;;
            cinder) [[ ",$ENABLED_SERVICES" != *,c-* ]] || return 0 ;;
            glance) [[ ",$ENABLED_SERVICES" != *,g-* ]] || return 0 ;;
        esac
    done
    return 1
}
echo_summary() { record echo_summary "$@"; }
setup_develop() { record setup_develop "$@"; }
sudo() { "$@"; }

# As Nova does: a second aggregate or host of the same name is an error.
openstack() {
    record openstack "$@"
    local name
    case "$1 $2 $3" in
        "aggregate show "*)
            name=$STATE/aggregate-$3
            [[ -e "$name" ]] || return 1
            printf '{"hosts": [%s]}\n' "$(sed -e 's/.*/"&"/' "$name" | paste -s -d ,)"
            ;;
        "aggregate create --zone")
            [[ ! -e "$STATE/aggregate-$7" ]] || return 1
            : > "$STATE/aggregate-$7"
            ;;
        "aggregate set --property") [[ -e "$STATE/aggregate-$5" ]] ;;
        "aggregate add host")
            ! grep -qx "$5" "$STATE/aggregate-$4" || return 1
            echo "$5" >> "$STATE/aggregate-$4"
            ;;
        "compute service list") tr ' ' '\n' <<< "$HOSTS" ;;
        "volume type show")
            name=volume_backend_name
            [[ ! -e "$STATE/type-open" ]] || name=other
            printf '{"properties": {"%s": "x"}}\n' "$name"
            ;;
        "volume type unset")
            [[ ! -e "$STATE/type-open" ]] || return 1
            : > "$STATE/type-open"
            ;;
        *) echo "openstack: no such command: $*" >&2; return 2 ;;
    esac
}
