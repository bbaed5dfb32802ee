package toxiproxy_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy/peer"
	"github.com/bedlamlab/bedlam/topology"
)

// A cli is Toxiproxy's own command line, pointed at a world.
type cli struct {
	*testing.T
	program string
	*world
}

// commandLine skips the test where that program cannot be had.
func commandLine(t *testing.T) cli {
	t.Helper()
	if testing.Short() {
		t.Skip("it may have to build Toxiproxy's command line: not with -short")
	}
	program, err := peer.ToxiproxyCLI.Built(t.Context())
	if err != nil {
		t.Skipf("no command line of Toxiproxy's to try (go install %s makes it): %v", peer.ToxiproxyCLI, err)
	}
	return cli{t, program, start(t)}
}

// run returns what the command says and complains of, and how it has ended.
func (c cli) run(args ...string) (said, complaint string, err error) {
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.program, args...)
	cmd.Env = append(os.Environ(), "TOXIPROXY_URL="+c.server.URL)
	var out, wrong bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &wrong
	err = cmd.Run()
	return out.String(), wrong.String(), err
}

// says wants a command to succeed and to say exactly that.
func (c cli) says(want string, args ...string) {
	c.Helper()
	if said, complaint, err := c.run(args...); err != nil || said != want || complaint != "" {
		c.Fatalf("toxiproxy-cli %s: %v: it says %q and complains %q, want %q", strings.Join(args, " "), err, said, complaint, want)
	}
}

// refuses wants a command to fail with a complaint that has that in it.
func (c cli) refuses(want string, args ...string) {
	c.Helper()
	said, complaint, err := c.run(args...)
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(complaint, want) {
		c.Errorf("toxiproxy-cli %s: %v: it says %q and complains %q, want %q", strings.Join(args, " "), err, said, complaint, want)
	}
}

// row is what the command line lists of a proxy.
func row(name, listen, upstream, state, toxics string) string {
	return strings.Join([]string{name, listen, upstream, state, toxics}, "\t") + "\n"
}

// Toxiproxy's own command line breaks and mends links, and everything that it
// says is so: in the relay, and for who connects through it.
func TestCommandLine(t *testing.T) {
	c := commandLine(t)
	rows := map[string]string{}
	for l, at := range c.at {
		name := l.From + ":" + l.To
		rows[name] = row(name, at, c.own[l.To], "enabled", "0")
	}
	listed := func() string { // in the order of the names
		var all []string
		for _, r := range rows {
			all = append(all, r)
		}
		slices.Sort(all)
		return strings.Join(all, "")
	}
	at := c.at[topology.Link{From: "front-1", To: "back-1"}]
	other := c.at[topology.Link{From: "front-1", To: "back-2"}]
	c.says(listed(), "list")
	c.says("", "inspect", link)

	// Added, in the direction and for the share that is said.
	const first, second = 60 * time.Millisecond, 150 * time.Millisecond
	quick(t, "the link", at, first)
	c.says("Added downstream latency toxic 'slow' on proxy '"+link+"'\n",
		"toxic", "add", "--type", "latency", "--toxicName", "slow", "--attribute", "latency=60", "--attribute", "jitter=0", link)
	c.says("Added upstream slicer toxic 'crumbs' on proxy '"+link+"'\n",
		"toxic", "add", "-t", "slicer", "-n", "crumbs", "--toxicity", "0.25", "--upstream", "-a", "average_size=2", "-a", "size_variation=1", link)
	c.says("crumbs\ttype=slicer\tstream=upstream\ttoxicity=0.25\tattributes=[\taverage_size=2\tdelay=0\tsize_variation=1\t]\n"+
		"slow\ttype=latency\tstream=downstream\ttoxicity=1.00\tattributes=[\tjitter=0\tlatency=60\t]\n", "inspect", link)
	rows[link] = row(link, at, c.own["back-1"], "enabled", "2")
	c.says(listed(), "list")
	live, err := c.Rules(t.Context())
	if err != nil || len(live) != 2 || live[0].Kind != "latency" || live[0].Direction != "from" || live[1].Kind != "slicer" || live[1].Direction != "to" || live[1].Toxicity != 0.25 {
		t.Errorf("the relay has %+v, %v", live, err)
	}
	if d := took(t, at); d < first {
		t.Errorf("with a latency of %s it took %s", first, d)
	}
	quick(t, "the other link", other, first)

	// Updated and removed.
	c.says("Updated toxic 'slow' on proxy '"+link+"'\n", "toxic", "update", "-n", "slow", "-a", "latency=150", link)
	if d := took(t, at); d < second {
		t.Errorf("with a latency of %s it took %s", second, d)
	}
	c.says("Updated toxic 'crumbs' on proxy '"+link+"'\n", "toxic", "update", "-n", "crumbs", "--toxicity", "0.75", link)
	if toxics, err := c.proxy(t, link).Toxics(); err != nil || len(toxics) != 2 || toxics[0].Toxicity != 0.75 || toxics[0].Attributes["average_size"] != 2.0 {
		t.Errorf("updated to a toxicity of 0.75 they are %+v, %v", toxics, err)
	}
	c.says("Removed toxic 'crumbs' on proxy '"+link+"'\n", "toxic", "remove", "-n", "crumbs", link)
	c.says("slow\ttype=latency\tstream=downstream\ttoxicity=1.00\tattributes=[\tjitter=0\tlatency=150\t]\n", "inspect", link)
	c.says("Removed toxic 'slow' on proxy '"+link+"'\n", "toxic", "delete", "-n", "slow", link)
	quick(t, "the link, afterwards,", at, first)
	if kinds := c.rules(t); len(kinds) > 0 {
		t.Errorf("the relay still has %v", kinds)
	}

	// Toggled, there and back.
	c.says("Proxy "+link+" is now disabled\n", "toggle", link)
	rows[link] = row(link, at, c.own["back-1"], "disabled", "0")
	c.says(listed(), "list")
	if conn, err := dialOnce(at); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection to what is disabled: %v, %v", conn, err)
	}
	took(t, other)
	c.says("Proxy "+link+" is now enabled\n", "toggle", link)
	rows[link] = row(link, at, c.own["back-1"], "enabled", "0")
	took(t, at)

	// One's own, made and deleted.
	c.says("Created new proxy mine\n", "create", "--listen", "localhost:0", "--upstream", c.own["back-1"], "mine")
	mine := c.proxy(t, "mine").Listen
	rows["mine"] = row("mine", mine, c.own["back-1"], "enabled", "0")
	c.says(listed(), "list")
	c.says("Added upstream latency toxic 'latency_upstream' on proxy 'mine'\n", "toxic", "add", "-t", "latency", "-u", "-a", "latency=60", "mine")
	if d := took(t, mine); d < first {
		t.Errorf("with a latency of %s it took %s", first, d)
	}
	c.says("Deleted proxy mine\n", "delete", "mine")
	if conn, err := net.DialTimeout("tcp", mine, patience); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection to what is deleted: %v, %v", conn, err)
	}
	delete(rows, "mine")
	c.says(listed(), "list")
}

// What cannot be is said by the command line as its own server's refusals are.
func TestCommandLineIsRefused(t *testing.T) {
	c := commandLine(t)
	c.refuses("Failed to retrieve proxy none: ", "inspect", "none")
	c.refuses("Failed to delete proxy: ", "delete", link)
	c.refuses("Failed to create proxy: ", "create", "-l", "localhost:0", "-u", "192.0.2.1:80", "mine")
	c.refuses("Failed to add toxic: ", "toxic", "add", "-t", "nonsense", link)
	c.refuses("Failed to update toxic: ", "toxic", "update", "-n", "none", "-a", "latency=1", link)
	c.refuses("Failed to add toxic: ", "toxic", "add", "-t", "latency", "-a", "latency=soon", link)
	if kinds := c.rules(t); len(kinds) > 0 {
		t.Errorf("the relay has %v", kinds)
	}
	took(t, c.proxy(t, link).Listen)
}
