package chaos_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/topology"
)

func on(action string, instances ...string) chaos.Resolved {
	return chaos.Resolved{Action: action, Instances: instances}
}

func with(r chaos.Resolved, args string) chaos.Resolved {
	r.Args = chaos.RawArgs(args)
	return r
}

// when sets the time of a harm, in ms.
func when(r chaos.Resolved, at, lasts int) chaos.Resolved {
	r.At, r.Duration = topology.Duration(at)*topology.Duration(time.Millisecond), topology.Duration(lasts)*topology.Duration(time.Millisecond)
	return r
}

func between(action string, links ...string) chaos.Resolved {
	r := chaos.Resolved{Action: action}
	for _, l := range links {
		from, to, _ := strings.Cut(l, "->")
		r.Links = append(r.Links, topology.Link{From: from, To: to})
	}
	return r
}

func TestConflict(t *testing.T) {
	for _, c := range []struct {
		a, b chaos.Resolved
		want string // in the error; empty: none
		why  string
	}{
		{on("pause", "catalog-1"), on("kill", "catalog-1"), "both harm catalog-1", "the restart ends the pause"},
		{on("kill", "catalog-1"), on("kill", "catalog-1"), "both harm catalog-1", "one death is not two"},
		{on("pause", "catalog-1"), on("kill", "catalog-2"), "", "another replica"},
		{on("pause", "a-1", "a-2"), on("stop", "b-1", "a-2"), "both harm a-2", "one of several is enough"},
		{between("partition", "a-1->b-1"), between("latency", "a-1->b-1"), "both harm the link a-1->b-1", "who is silent is not seen to be slow"},
		{between("blackhole", "a-1->b-1"), between("slicer", "a-1->b-1"), "both harm the link a-1->b-1", "nor to be sliced"},
		{between("latency", "a-1->b-1"), between("latency", "a-1->b-1"), "both harm the link a-1->b-1", "two of a kind are one"},
		{between("latency", "a-1->b-1"), between("slicer", "a-1->b-1"), "", "each is seen by its own probe"},
		{on("file_descriptors", "a-1"), on("kill", "a-1"), "", "the next life has the limit again"},
		{on("crash_loop", "a-1"), on("oom", "a-1"), "both harm a-1", "who has ended the life cannot be told"},
		{between("latency", "a-1->b-1"), between("latency", "a-1->b-2"), "", "another link of the edge"},
		{between("latency", "a-1->b-1"), between("latency", "b-1->a-1"), "", "the way back is a link of its own"},
		{between("slow_close", "a-1->b-1"), on("kill", "b-1"), "", "an experiment may cut the power at the end of a slow link"},
		{on("kill"), on("kill"), "", "nobody is harmed twice"},
		{with(on("cpu_quota", "a-1"), `{"cpus":0.1}`), with(on("cpu_quota", "a-1"), `{"cpus":0.2}`), "one of a kind", "the plane has one of a kind"},
		{with(on("cpu_quota", "a-1"), `{"cpus":0.1}`), with(on("cpu_quota", "a-2"), `{"cpus":0.2}`), "", "another replica has its own"},
		{on("cpu_quota", "a-1"), on("memory_balloon", "a-1"), "", "another kind is seen by itself"},
		{with(on("packet_loss", "a-1"), `{"loss":{"loss":20}}`), with(on("packet_loss", "a-1"), `{"loss":{"loss":30}}`), "one of a kind", "packets as well"},
		{on("packet_loss", "a-1"), on("packet_corrupt", "a-1"), "packets are lost", "no packet may be lost for either to be over"},
		{on("packet_delay", "a-1"), on("packet_duplicate", "a-1"), "", "late twins are twins"},
		{with(on("lock_table", "s-1"), `{"table":"a.b"}`), with(on("lock_table", "s-1"), `{"table":"a.c"}`), "", "tables are many"},
		{on("pause", "a-1"), on("file_descriptors", "a-1"), "frozen", "its probe asks the victim"},
		{on("pause", "a-1"), on("memory_balloon", "a-1"), "frozen", "nobody can be put into a frozen container"},
		{on("pause", "a-1"), on("clock_skew", "a-1"), "frozen", "rewriting its memory would thaw it"},
		{on("pause", "a-1"), on("cpu_quota", "a-1"), "frozen", "a frozen instance needs no processor"},
		{on("pause", "a-1"), on("cpu_hog", "a-1"), "frozen", "nor shares it"},
		{on("pause", "s-1"), on("disk_slow", "s-1"), "frozen", "after the lift a store has to be well"},
		{on("pause", "s-1"), on("lock_table", "s-1"), "frozen", "nobody can log in to let go of the lock"},
		{on("pause", "a-1"), on("packet_delay", "a-1"), "", "the kernel answers for it"},
		{on("pause", "a-1"), on("cpu_hog", "a-2"), "", "another replica is not frozen"},
		{on("disk_full", "s-1"), on("disk_slow", "s-1"), "no file can be made", "the probe of slow makes a file"},
		{on("disk_read_only", "s-1"), on("disk_full", "s-1"), "no file can be made", "which of them refuses it cannot be told"},
		{on("disk_full", "s-1"), on("lock_table", "s-1"), "", "a lock needs no file"},
		{on("exhaust_connections", "s-1"), on("lock_table", "s-1"), "log in", "the lift of the lock is refused a slot"},
		{on("exhaust_connections", "s-1"), on("slow_statements", "s-1"), "log in", "and so is that of a lock that comes and goes"},
		{on("exhaust_connections", "s-1"), on("lock_table", "s-2"), "", "another server has slots"},
		{when(on("terminate_backends", "s-1"), 0, 0), when(on("exhaust_connections", "s-1"), 500, 0), "", "the first has its session before and until the end"},
		{when(on("terminate_backends", "s-1"), 0, 9000), when(on("exhaust_connections", "s-1"), 500, 8500), "", "or as long"},
		{when(on("terminate_backends", "s-1"), 0, 9000), when(on("exhaust_connections", "s-1"), 500, 0), "log in", "it is proven to be over while there is no slot"},
		{when(on("terminate_backends", "s-1"), 500, 0), when(on("exhaust_connections", "s-1"), 500, 0), "log in", "it may come too late"},
	} {
		for _, pair := range [][2]chaos.Resolved{{c.a, c.b}, {c.b, c.a}} {
			err := chaos.Conflict(pair[0], pair[1])
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s: got %v, want %q", c.why, err, c.want)
			}
		}
	}
}

// TestOverlap holds Overlap against the moments at which both are on.
func TestOverlap(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		draw := func(name string) chaos.Resolved {
			return chaos.Resolved{At: topology.Duration(rapid.IntRange(0, 6).Draw(r, name+" at")) * topology.Duration(time.Second),
				Duration: topology.Duration(rapid.IntRange(0, 6).Draw(r, name+" for")) * topology.Duration(time.Second)}
		}
		on := func(f chaos.Resolved, at topology.Duration) bool {
			return at >= f.At && (f.Duration == 0 || at < f.At+f.Duration)
		}
		a, b := draw("a"), draw("b")
		both := false
		for at := topology.Duration(0); at < topology.Duration(20*time.Second); at += topology.Duration(time.Second) {
			both = both || on(a, at) && on(b, at)
		}
		if got := chaos.Overlap(a, b); got != both {
			r.Fatalf("%v for %v and %v for %v: got %t", a.At, a.Duration, b.At, b.Duration, got)
		}
	})
}
