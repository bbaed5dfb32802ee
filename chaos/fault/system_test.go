package fault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/names"
	"github.com/bedlamlab/bedlam/deploy/postgres"
	"github.com/bedlamlab/bedlam/loadgen"
	"github.com/bedlamlab/bedlam/topology"
)

// shop is a small system on paper: front calls back, back keeps data in db.
func shop() topology.System {
	return topology.System{Name: "small", Zones: []string{"a", "b"}, Services: []topology.Service{
		{Name: "front", Replicas: 1, Protocol: topology.HTTP},
		{Name: "back", Replicas: 2, Protocol: topology.GRPC, Store: "db"},
		{Name: "db", Replicas: 1, Protocol: topology.Postgres},
	}, Edges: []topology.Edge{
		{From: topology.Loader, To: "front", Protocol: topology.HTTP},
		{From: "front", To: "back", Protocol: topology.GRPC},
		{From: "back", To: "db", Protocol: topology.Postgres},
	}}
}

// A bare system has an address for each link, another one past the relays,
// and no power.
type bare struct{ address, own string }

func (b *bare) Topology() topology.System { return shop() }
func (b *bare) Address(caller, callee string) (string, error) {
	if b.address == "" {
		return "", fmt.Errorf("nobody is at %s", callee)
	}
	if caller == "" && b.own != "" {
		return b.own, nil
	}
	return b.address, nil
}
func (b *bare) Down(context.Context) error { return nil }

// A fake has every power and remembers how it was used.
type fake struct {
	bare
	mu     sync.Mutex
	calls  []string
	states map[string]*deploy.State
	rules  []deploy.Rule
	refuse map[string]error // by call

	impairments []deploy.Impairment
	sticky      bool             // rules stay, whatever is asked
	store       postgres.Options // zero: there is none

	surges map[string]loadgen.Surged // by name
	begun  map[string]loadgen.Surge

	lookUp func(ctx context.Context, caller, callee string) (string, error) // nil: there is no name server
}

func newFake() *fake {
	f := &fake{surges: map[string]loadgen.Surged{}, begun: map[string]loadgen.Surge{}, states: map[string]*deploy.State{}, refuse: map[string]error{}}
	for _, in := range shop().Instances() {
		f.states[in.Name] = &deploy.State{Phase: deploy.Running, PID: 1, Starts: 1, Ready: true}
	}
	return f
}

// do remembers a call and changes the state of an instance.
func (f *fake) do(what, instance string, change func(*deploy.State)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	call := what + " " + instance
	f.calls = append(f.calls, call)
	if err := f.refuse[call]; err != nil {
		return err
	}
	st, ok := f.states[instance]
	if !ok {
		return fmt.Errorf("no instance %s", instance)
	}
	change(st)
	return nil
}

func (f *fake) Inspect(_ context.Context, in string) (deploy.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	st, ok := f.states[in]
	if !ok {
		return deploy.State{}, fmt.Errorf("no instance %s", in)
	}
	return *st, nil
}

// end is a death: whoever is not held is started again at once.
func end(st *deploy.State) {
	if st.Held {
		st.Phase, st.Ready, st.PID = deploy.Down, false, 0
		return
	}
	st.Starts++
}

func (f *fake) Kill(_ context.Context, in string) error { return f.do("kill", in, end) }
func (f *fake) Exhaust(_ context.Context, in string) error {
	return f.do("exhaust", in, func(st *deploy.State) {
		st.OOMKills++
		end(st)
	})
}
func (f *fake) Stop(_ context.Context, in string) error { return f.do("stop", in, end) }
func (f *fake) Pause(_ context.Context, in string) error {
	return f.do("pause", in, func(st *deploy.State) { st.Phase, st.Ready = deploy.Paused, false })
}
func (f *fake) Resume(_ context.Context, in string) error {
	return f.do("resume", in, func(st *deploy.State) { st.Phase, st.Ready = deploy.Running, true })
}
func (f *fake) Hold(_ context.Context, in string) error {
	return f.do("hold", in, func(st *deploy.State) { st.Held = true })
}
func (f *fake) Release(_ context.Context, in string) error {
	return f.do("release", in, func(st *deploy.State) {
		st.Held = false
		if st.Phase == deploy.Down {
			st.Phase, st.Ready = deploy.Running, true
			st.Starts++
		}
	})
}

func (f *fake) Shape(_ context.Context, r deploy.Rule) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, "shape "+r.ID)
	f.rules = append(slices.DeleteFunc(f.rules, func(o deploy.Rule) bool { return o.ID == r.ID }), r)
	return f.refuse["shape "+r.ID]
}

func (f *fake) Unshape(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, "unshape "+id)
	if !f.sticky {
		f.rules = slices.DeleteFunc(f.rules, func(o deploy.Rule) bool { return o.ID == id })
	}
	return f.refuse["unshape "+id]
}

func (f *fake) Rules(context.Context) ([]deploy.Rule, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.rules), f.refuse["rules"]
}

// Touched tells of nothing: no request goes through a fake.
func (f *fake) Touched(context.Context, string) (deploy.Touched, error) { return deploy.Touched{}, nil }
func (f *fake) CanImpair(_ context.Context, i deploy.Impairment) error {
	return f.refuse["can "+i.Kind]
}

func (f *fake) Impair(_ context.Context, i deploy.Impairment) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, "impair "+i.ID)
	f.impairments = append(slices.DeleteFunc(f.impairments, func(o deploy.Impairment) bool { return o.ID == i.ID }), i)
	return f.refuse["impair "+i.ID]
}

func (f *fake) Repair(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, "repair "+id)
	if !f.sticky {
		f.impairments = slices.DeleteFunc(f.impairments, func(o deploy.Impairment) bool { return o.ID == id })
	}
	return f.refuse["repair "+id]
}

func (f *fake) Impairments(_ context.Context, id string) ([]deploy.Impairment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if id == "" {
		return slices.Clone(f.impairments), f.refuse["impairments"]
	}
	return slices.DeleteFunc(slices.Clone(f.impairments), func(i deploy.Impairment) bool { return i.ID != id }), f.refuse["impairments of "+id]
}
func (f *fake) DSN(store, role string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, "dsn "+store)
	if f.store.Port == 0 || store != "db-1" {
		return "", fmt.Errorf("no store %s", store)
	}
	return postgres.DSN(f.store, role), f.refuse["dsn "+store]
}

func (f *fake) Files(in string) (own, beside string, err error) {
	return "", "", fmt.Errorf("%s has no files", in)
}

func (f *fake) Login(store, service string) (string, error) { return f.DSN(store, service) }

func (f *fake) LookUp(ctx context.Context, caller, callee string, n int, patience time.Duration) ([]deploy.Answer, error) {
	if f.lookUp == nil {
		return nil, errors.New("nobody answers")
	}
	return names.Repeat(ctx, n, patience, func(ctx context.Context) (string, error) { return f.lookUp(ctx, caller, callee) })
}

func (f *fake) Surge(s loadgen.Surge) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, "surge "+s.Name)
	f.surges[s.Name], f.begun[s.Name] = loadgen.Surged{On: true}, s
	return f.refuse["surge "+s.Name]
}

func (f *fake) Ebb(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d, was := f.surges[name]; was {
		d.On = false
		f.surges[name] = d
	}
}

func (f *fake) Surged(name string) (loadgen.Surged, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, was := f.surges[name]
	return d, was
}

// A poor system has the powers of a fake but that to exhaust, and says so.
type poor struct {
	*fake
	Exhaust struct{} // hides the method
}

func (*poor) Lacks(power string) string {
	if power == "Exhauster" {
		return "a cgroup each would give it"
	}
	return ""
}

// wrapped is a system behind another one.
type wrapped struct{ deploy.System }

func (w wrapped) Unwrap() deploy.System { return w.System }

// listen serves connections until the test ends.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			all.Go(func() { serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return l.Addr().String()
}

// The ways in which a callee may treat a ping.
func answers(c net.Conn) {
	defer c.Close()
	if _, err := c.Read(make([]byte, 64)); err == nil {
		_, _ = c.Write([]byte("N"))
	}
}

func keepsSilent(c net.Conn) { _, _ = io.Copy(io.Discard, c); c.Close() }

func resets(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	_, _ = c.Read(make([]byte, 64))
	c.Close()
}

// answersToTheEnd answers and closes when the other side has.
func answersToTheEnd(c net.Conn) {
	defer c.Close()
	if _, err := c.Read(make([]byte, 64)); err == nil {
		_, _ = c.Write([]byte("N"))
		_, _ = io.Copy(io.Discard, c)
	}
}

// answersAndResets answers, and resets when the other side has closed.
func answersAndResets(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	answersToTheEnd(c)
}

// staysOpen answers and does not close, until the test ends.
func staysOpen(c net.Conn) {
	if _, err := c.Read(make([]byte, 64)); err == nil {
		_, _ = c.Write([]byte("N"))
	}
}

// journalled is a resolved harm as another process reads it from the journal.
func journalled(t *testing.T, r chaos.Resolved) chaos.Resolved {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back chaos.Resolved
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

var errBroken = errors.New("broken")
