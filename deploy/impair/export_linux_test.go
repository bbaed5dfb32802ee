package impair

import "context"

// ParsePacket reads the kernel's message about one packet.
var ParsePacket = parsePacket

// Rules returns the rules of every table that a kind uses in t's namespace.
func Rules(ctx context.Context, t Target) (string, error) {
	all := ""
	for _, table := range []string{"raw", "mangle", "filter"} {
		text, err := run(ctx, t.Net, "", "iptables", "-w", waitSeconds, "-t", table, "-S")
		if err != nil {
			return "", err
		}
		all += text
	}
	return all, nil
}
