package postgres

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A setting is one line of postgresql.conf and why it stands there.
type setting struct {
	name, value string
	since       int // the first major version that knows it; 0: all
}

// settings are those of every server. What they trade is memory and comfort,
// never durability.
var settings = []setting{
	// What a commit promises. A test reads these back from the server.
	{name: "fsync", value: "on"},
	{name: "synchronous_commit", value: "on"},
	{name: "full_page_writes", value: "on"},

	// Fourteen service instances with pools of eight make 112; the rest is for
	// the audit, the probes and whoever looks in.
	{name: "max_connections", value: "150"},
	// The shop's tables are a few MB; two servers must fit beside a whole shop.
	{name: "shared_buffers", value: "24MB"},
	{name: "maintenance_work_mem", value: "16MB"},
	{name: "huge_pages", value: "off"},
	{name: "jit", value: "off"}, // compiling costs more than the shop's short queries
	{name: "max_worker_processes", value: "2"},
	{name: "max_parallel_workers", value: "0"},
	{name: "max_parallel_workers_per_gather", value: "0"},
	{name: "max_parallel_maintenance_workers", value: "0"},
	{name: "max_logical_replication_workers", value: "0"},
	{name: "autovacuum", value: "on"},

	// What is left after SIGKILL must be found again: anonymous memory goes
	// with the processes, dynamic segments are files in the data folder, and
	// one tiny System V segment is named in postmaster.pid (see Residue).
	{name: "shared_memory_type", value: "mmap"},
	{name: "dynamic_shared_memory_type", value: "mmap"},

	// No replicas follow, so the log need not serve them; a few segments are
	// kept, and a checkpoint a minute bounds what a restart has to replay.
	{name: "wal_level", value: "minimal"},
	{name: "max_wal_senders", value: "0"},
	{name: "max_replication_slots", value: "0"},
	{name: "min_wal_size", value: "32MB"},
	{name: "max_wal_size", value: "256MB"},
	{name: "checkpoint_timeout", value: "1min"},

	// A killed client's running query ends, and its locks with it, within half
	// a second instead of when the query does.
	{name: "client_connection_check_interval", value: "500ms", since: 14},

	{name: "password_encryption", value: "scram-sha-256"},
	{name: "unix_socket_directories", value: ""}, // no file outside the folder
	{name: "logging_collector", value: "off"},
	{name: "log_destination", value: "stderr"},
	{name: "log_line_prefix", value: "%m [%p] %q%u@%d "},
	{name: "lc_messages", value: "C"}, // error texts are read by programs
	{name: "datestyle", value: "ISO, YMD"},
}

// configuration returns postgresql.conf.
func configuration(o Options, major int, zone string) string {
	var b strings.Builder
	b.WriteString("# Written by bedlam at every start.\n")
	line := func(name, value string) {
		fmt.Fprintf(&b, "%s = '%s'\n", name, strings.ReplaceAll(value, "'", "''"))
	}
	line("listen_addresses", o.host())
	line("port", fmt.Sprint(o.Port))
	line("timezone", zone)
	line("log_timezone", zone)
	for _, s := range settings {
		if major >= s.since {
			line(s.name, s.value)
		}
	}
	return b.String()
}

// access is pg_hba.conf: a password over TCP, and no other way in.
const access = "host all all all scram-sha-256\n"

// zoneinfo is where distributions that do not ship PostgreSQL's own time zones
// keep the system's.
const zoneinfo = "/usr/share/zoneinfo/UTC"

// zone returns UTC, or GMT where the machine has no time zone files: GMT is
// the one zone that PostgreSQL knows without any.
func (i *Install) zone() string {
	own := filepath.Join(filepath.Dir(i.Bin), "share", "timezone", "UTC")
	if exists(zoneinfo) || exists(own) || exists(filepath.Join(filepath.Dir(i.Bin), "share", "postgresql", "timezone", "UTC")) {
		return "UTC"
	}
	return "GMT"
}

// configure writes the configuration files of the data folder.
func (i *Install) configure(o Options) error {
	files := map[string]string{
		"postgresql.conf":      configuration(o, i.Major, i.zone()),
		"postgresql.auto.conf": "", // what ALTER SYSTEM left would win over ours
		"pg_hba.conf":          access,
		"pg_ident.conf":        "",
	}
	for name, text := range files {
		path := filepath.Join(Data(o.Dir), name)
		if was, err := os.ReadFile(path); err == nil && string(was) == text { // a disk that is full, or takes no more, is no reason not to start
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return fmt.Errorf("postgres: writing configuration: %w", err)
		}
		if err := i.Account.own(path); err != nil {
			return fmt.Errorf("postgres: writing configuration: %w", err)
		}
	}
	return nil
}
