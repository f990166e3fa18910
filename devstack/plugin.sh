# plugin.sh - DevStack's entry point to dcn_plugins; dispatch only.

# Save trace setting
_XTRACE_DCN_PLUGIN=$(set +o | grep xtrace)
set +o xtrace

source "$DCN_PLUGINS_DIR/devstack/lib/dcn"

if is_service_enabled dcn; then
    case "$1 ${2:-}" in
        "stack install")
            echo_summary "Installing dcn_plugins"
            dcn_install
            ;;
        "stack post-config")
            echo_summary "Configuring dcn_plugins"
            dcn_configure
            ;;
        "stack extra")
            echo_summary "Opening the volume types of dcn_plugins to all sites"
            dcn_open_volume_types
            ;;
        "stack test-config")
            # Not earlier: the computes are known to the cells now.
            echo_summary "Making the sites $DCN_SITES"
            dcn_create_sites
            ;;
        "clean ")
            dcn_clean
            ;;
    esac
fi

# Restore xtrace
$_XTRACE_DCN_PLUGIN
