package names

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/miekg/dns"
)

// Main is what `bedlam look-up` runs where an instance stands: it puts questions
// for another one's address, so many times, to the name server that programs there
// ask, waits for each answer no longer than patience, and writes what they came
// to: [deploy.Answer] as a JSON array.
func Main(ctx context.Context, instance, times, patience string, stdout io.Writer) error {
	return lookUp(ctx, "/etc/resolv.conf", instance, times, patience, stdout)
}

func lookUp(ctx context.Context, resolver, instance, times, patience string, stdout io.Writer) error {
	n, err := strconv.Atoi(times)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is no number of questions", times)
	}
	wait, err := time.ParseDuration(patience)
	if err != nil {
		return err
	}
	c, err := dns.ClientConfigFromFile(resolver)
	if err != nil {
		return err
	}
	if len(c.Servers) == 0 {
		return fmt.Errorf("%s names no server", resolver)
	}
	all, err := Repeat(ctx, n, wait, func(ctx context.Context) (string, error) {
		conn, err := net.Dial("udp", net.JoinHostPort(c.Servers[0], c.Port))
		if err != nil {
			return "", err
		}
		defer conn.Close()
		code, _, err := Ask(ctx, conn, instance)
		return code, err
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(all)
}
