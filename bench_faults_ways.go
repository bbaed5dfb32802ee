package bedlam

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/deploy/peer"
	"github.com/bedlamlab/bedlam/deploy/relay"
	"github.com/bedlamlab/bedlam/topology"
)

// The ways to the comparison's server.
const (
	benchDirect    = "direct"
	benchOurs      = "bedlam"
	benchHAProxy   = "haproxy"
	benchToxiproxy = "toxiproxy"
	// benchFloor is no way: the least that whoever does a harm takes for it.
	benchFloor = "floor"
)

// A benchWay is one way to the server.
type benchWay struct {
	name, address string
	// delay and narrow put the latency and the bandwidth of the comparison into
	// the answers, and lift takes out what is in. All nil: it cannot.
	delay, narrow, lift func(context.Context) error
	// bare asks whoever does that for the least that it can be asked for; nil:
	// nobody wants to know.
	bare    func(context.Context) error
	process *os.Process // nil: there is nobody on the way
}

// spends begins to count what the way's process takes of the cores and returns
// what says how much it was: nothing where nobody is on the way, or the system
// does not say.
func (w *benchWay) spends() func() time.Duration {
	if w.process == nil {
		return func() time.Duration { return 0 }
	}
	spent := func() time.Duration {
		all, _ := impair.CPUTime(w.process.Pid) // of a system that does not say: 0
		return all
	}
	before := spent()
	return func() time.Duration { return spent() - before }
}

// A benchField is the server, the ways to it, and the processes they are.
type benchField struct {
	server    string
	ways      []*benchWay
	missing   []string
	processes []*exec.Cmd
	closed    chan struct{}
	// The relay: its controller, the link that the other ways are compared with,
	// and one whose requests it reads.
	relay       *relay.Client
	link        topology.Link
	address     string
	readLink    topology.Link
	readAddress string
	packets     *benchPackets // nil: this machine has no place for packet faults
	noPackets   error         // why
}

// newBenchField starts everything. Also after an error it wants closing.
func newBenchField(ctx context.Context, self, scratch string) (*benchField, error) {
	f := &benchField{closed: make(chan struct{})}
	line, err := f.start(exec.Command(self, "bench", "server"), nil)
	if err != nil {
		return f, fmt.Errorf("starting the server: %w", err)
	}
	f.server = strings.TrimSpace(line)
	f.ways = append(f.ways, &benchWay{name: benchDirect, address: f.server})
	if err := f.ours(ctx, self); err != nil {
		return f, fmt.Errorf("starting the relay: %w", err)
	}
	if err := f.haproxy(ctx, scratch); err != nil {
		f.missing = append(f.missing, fmt.Sprintf("no haproxy, so no row with it (Debian's package haproxy has it): %v", err))
	}
	if err := f.toxiproxy(ctx); err != nil {
		f.missing = append(f.missing, fmt.Sprintf("no Toxiproxy, so no row with it (go install %s makes it): %v", peer.ToxiproxyServer, err))
	}
	f.packets, f.noPackets = newBenchPackets(ctx, self, scratch) // their rows say why there are none
	return f, nil
}

// start starts a process that says in its first line that it is ready, and
// keeps its input open. With a nil input that is all there is in it.
func (f *benchField) start(cmd *exec.Cmd, input any) (line string, err error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := f.run(cmd); err != nil {
		return "", err
	}
	if input != nil {
		if err := json.NewEncoder(stdin).Encode(input); err != nil {
			return "", err
		}
	}
	if line, err = bufio.NewReader(stdout).ReadString('\n'); err != nil {
		return "", fmt.Errorf("%w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	go io.Copy(io.Discard, stdout)
	return line, nil
}

// run starts a process that is killed when the field is closed, or the bench
// ends without that. The thread that starts it stays until then: with it the
// process would end, see [withParent].
func (f *benchField) run(cmd *exec.Cmd) error {
	cmd.SysProcAttr = withParent()
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		started <- cmd.Start()
		<-f.closed
	}()
	if err := <-started; err != nil {
		return err
	}
	f.processes = append(f.processes, cmd)
	return nil
}

func (f *benchField) close() {
	defer close(f.closed)
	if f.packets != nil {
		f.packets.close()
	}
	for _, cmd := range f.processes {
		cmd.Process.Kill() // one that has ended by itself has shown that already
		cmd.Wait()         // it was killed: the error says no more
	}
}

// ours starts a relay as a run does, with two links.
func (f *benchField) ours(ctx context.Context, self string) error {
	f.link = topology.Link{From: topology.Loader + "-1", To: "server-1"}
	f.readLink = topology.Link{From: topology.Loader + "-1", To: "server-2"}
	token := fmt.Sprintf("bench-%d-%d", os.Getpid(), time.Now().UnixNano())
	cmd := exec.Command(self, "relay")
	line, err := f.start(cmd, relay.Config{Control: "127.0.0.1:0", Token: token,
		Edges: []relay.Edge{
			{Link: f.link, Protocol: topology.HTTP, Listen: "127.0.0.1:0", Upstream: f.server},
			{Link: f.readLink, Protocol: topology.HTTP, Listen: "127.0.0.1:0", Upstream: f.server, Aware: true},
		}})
	if err != nil {
		return err
	}
	var ready struct{ Control string }
	if err := json.Unmarshal([]byte(line), &ready); err != nil {
		return err
	}
	c := relay.NewClient(ready.Control, token)
	stats, err := c.Stats(ctx)
	if err != nil {
		return err
	}
	f.relay, f.address, f.readAddress = c, stats[0].Listen, stats[1].Listen
	shape := func(kind, args string) func(context.Context) error {
		return func(ctx context.Context) error {
			return c.Shape(ctx, deploy.Rule{ID: "bench", Links: []topology.Link{f.link}, Direction: deploy.From, Kind: kind,
				Args: json.RawMessage(args), TTL: topology.Duration(10 * time.Minute), Seed: 1}) // nobody renews it here
		}
	}
	f.ways = append(f.ways, &benchWay{name: benchOurs, address: f.address, process: cmd.Process,
		delay: shape("latency", `{"latency":"100ms"}`), narrow: shape("bandwidth", `{"rate":"1MB/s"}`),
		bare: c.Renew, // a round trip to the relay's control port
		lift: func(ctx context.Context) error { return c.Unshape(ctx, "bench") }})
	return nil
}

// haproxy starts one that passes TCP through on as many threads as there are cores.
func (f *benchField) haproxy(ctx context.Context, scratch string) error {
	program, err := exec.LookPath("haproxy")
	if err != nil {
		return err
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	path := filepath.Join(scratch, "haproxy.cfg")
	config := fmt.Sprintf("global\n  maxconn 4000\n  nbthread %d\ndefaults\n  mode tcp\n  timeout connect 10s\n  timeout client 1m\n  timeout server 1m\n"+
		"listen bench\n  bind %s\n  server one %s\n", runtime.NumCPU(), address, f.server)
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return err
	}
	cmd := exec.Command(program, "-db", "-f", path)
	if err := f.run(cmd); err != nil {
		return err
	}
	if err := reachable(ctx, address); err != nil {
		return err
	}
	f.ways = append(f.ways, &benchWay{name: benchHAProxy, address: address, process: cmd.Process})
	return nil
}

// freeAddress returns one on loopback where nobody listens at the moment.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// reachable waits until somebody listens.
func reachable(ctx context.Context, address string) error {
	for until := time.Now().Add(benchPatience); ; {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(until) || ctx.Err() != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond) // another's listener is no event that could be awaited
	}
}
