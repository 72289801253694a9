-- Prosody as a group-chat server with its archive (XEP-0313) on. The bench fills in @PORT@ and @DATA@.

daemonize = false
run_as_root = true
pidfile = "@DATA@/prosody.pid"
data_path = "@DATA@"
plugin_paths = {}
log = { error = "*console" }

interfaces = { "127.0.0.1" }
c2s_ports = { @PORT@ }
s2s_ports = {}
component_ports = {}
http_ports = {}
https_ports = {}

modules_enabled = { "roster", "saslauth", "disco", "posix" }
modules_disabled = { "s2s", "offline", "tls" } -- and no "limits": it would hold the senders back

network_backend = "epoll"
authentication = "internal_plain"
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
storage = "internal"

VirtualHost "localhost"

Component "conference.localhost" "muc"
  modules_enabled = { "muc_mam" }
  muc_log_by_default = true
  muc_log_all_rooms = true
  muc_room_default_history_length = 0
  restrict_room_creation = false
  muc_room_locking = false
