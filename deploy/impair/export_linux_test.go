package impair

import (
	"github.com/google/nftables"

	"github.com/bedlamlab/bedlam/deploy/cell"
)

// ParsePacket reads the kernel's message about one packet.
var ParsePacket = parsePacket

// Tables returns the names of the tables of nf_tables in t's namespace.
func Tables(t Target) (names []string, err error) {
	err = cell.Enter(t.Net, func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		all, err := conn.ListTables()
		for _, table := range all {
			names = append(names, table.Name)
		}
		return err
	})
	return names, err
}
