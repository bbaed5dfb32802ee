package enginetest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/guard"
	"github.com/bedlamlab/bedlam/topology"
)

// rule puts a rule on a link. Its life is long: these cases lift by themselves.
func rule(id, kind, args string, l topology.Link) deploy.Rule {
	return deploy.Rule{ID: id, Links: []topology.Link{l}, Direction: deploy.Both, Kind: kind,
		Args: json.RawMessage(args), TTL: topology.Duration(patience), Seed: 1}
}

// shaped puts r in, sees it read back, calls while, takes it out and sees it gone.
func shaped(t *testing.T, f *fixture, r deploy.Rule, while func()) {
	t.Helper()
	shaper := power[deploy.Shaper](t, f)
	if err := shaper.Shape(within(t), r); err != nil {
		t.Fatal(err)
	}
	rules, err := shaper.Rules(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(rules) != 1 || rules[0].ID != r.ID || rules[0].Kind != r.Kind {
		t.Errorf("the rules are %+v, want %s alone", rules, r.ID)
	}
	while()
	for range 2 { // an unknown one is no error
		if err := shaper.Unshape(within(t), r.ID); err != nil {
			t.Fatal(err)
		}
	}
	if rules, err = shaper.Rules(within(t)); err != nil || len(rules) > 0 {
		t.Errorf("after it was lifted the rules are %+v, %v", rules, err)
	}
}

// latency compares with the delay itself, and with no clock beside it: of the
// slowed link no request can take less, and of any other link some request does
// as soon as the machine has a moment for it.
func latency(t *testing.T, f *fixture) {
	const delay = 200 * time.Millisecond // a hundred times and more what a request takes
	took := func(instance string) time.Duration {
		began := time.Now()
		if err := get(within(t), f.address(t, loader, instance), "/who", nil); err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	shaped(t, f, rule("enginetest/latency", "latency", `{"latency":"200ms"}`, link(loader, "front-1")), func() {
		for range 2 {
			if got := took("front-1"); got < 2*delay {
				t.Errorf("a request took %s, want %s each way", got, delay)
			}
		}
		eventually(t, "the other link is not slowed", func() bool { return took("front-2") < delay })
	})
	eventually(t, "after the lift the link is not slowed", func() bool { return took("front-1") < delay })
}

func partition(t *testing.T, f *fixture) {
	var question pending
	shaped(t, f, rule("enginetest/cut", "partition", "", link("front-1", "back-1")), func() {
		question = ask(func() error { return healthy(within(t), f.address(t, "front-1", "back-1")) })
		// The same instance over another link, meanwhile.
		question.stillOpen(t, func() error { return healthy(within(t), f.address(t, "front-2", "back-1")) })
	})
	question.settles(t)
}

func reset(t *testing.T, f *fixture) {
	shaped(t, f, rule("enginetest/reset", "reset", "", link(loader, "front-2")), func() {
		if err := get(within(t), f.address(t, loader, "front-2"), "/who", nil); err == nil {
			t.Error("a request came through")
		}
	})
	if err := get(within(t), f.address(t, loader, "front-2"), "/who", nil); err != nil {
		t.Errorf("after the lift: %v", err)
	}
}

// ruleIsReplaced gives a second rule the first one's id.
func ruleIsReplaced(t *testing.T, f *fixture) {
	shaper := power[deploy.Shaper](t, f)
	l := link(loader, "front-1")
	if err := shaper.Shape(within(t), rule("enginetest/same", "partition", "", l)); err != nil {
		t.Fatal(err)
	}
	shaped(t, f, rule("enginetest/same", "latency", `{"latency":"1ms"}`, l), func() {
		if err := get(within(t), f.address(t, loader, "front-1"), "/who", nil); err != nil {
			t.Error(err)
		}
	})
	// One that makes no sense is refused and leaves nothing.
	for _, bad := range []deploy.Rule{
		rule("enginetest/bad", "nonsense", "", l),
		rule("enginetest/bad", "latency", `{"lateness":"1ms"}`, l),
		rule("enginetest/bad", "latency", "", link("back-1", "front-1")),
	} {
		if err := shaper.Shape(within(t), bad); err == nil {
			t.Errorf("rule %+v is taken", bad)
		}
	}
}

// rulesLive outlasts a rule's own life: as long as the system's owner lives,
// the rule does. Nothing is awaited: unrenewed, the rule would end by the
// relay's clock after one TTL, so half a TTL more without its end proves that
// it was renewed. Looking often finds one that goes and comes back, too.
func rulesLive(t *testing.T, f *fixture) {
	r := rule("enginetest/short", "latency", `{"latency":"1ms"}`, link(loader, "front-1"))
	// The life that a run's rules have: what a busy owner can oversleep without
	// losing them is the engine's own margin, not one that is cut down for this.
	r.TTL = topology.Duration(guard.Lease)
	shaped(t, f, r, func() {
		shaper := power[deploy.Shaper](t, f)
		for until := time.Now().Add(r.TTL.D() * 3 / 2); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
			rules, err := shaper.Rules(within(t))
			if err != nil {
				t.Fatal(err)
			}
			if len(rules) != 1 {
				t.Fatalf("its rules are %+v although nobody lifted any", rules)
			}
		}
	})
}
