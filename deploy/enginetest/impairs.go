package enginetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
)

// late is by how much packets are made late: more than an answer of an idle
// instance takes, and so little that one which logs in at its store first, with
// some ten packets, is healthy within the second that it is given.
const late = 50 * time.Millisecond

// skewed is how far a clock is set ahead.
const skewed = time.Hour

// impairments are harms of the kernel's, all of which one instance can have at
// once and still come up.
func impairments(instance string) []deploy.Impairment {
	var all []deploy.Impairment
	for kind, args := range map[string]string{
		"packet_delay":     fmt.Sprintf(`{"latency":%q}`, late),
		"packet_bandwidth": `{"rate":"1MB/s"}`,
		"cpu_quota":        `{"cpus":0.4}`,
		"cpu_hog":          `{"workers":1}`,
		"memory_balloon":   `{"memory":30}`,
		"file_descriptors": `{"spare":200}`,
		"clock_skew":       fmt.Sprintf(`{"skew":%q}`, skewed),
	} {
		all = append(all, deploy.Impairment{ID: "enginetest/" + kind, Instances: []string{instance}, Kind: kind, Args: json.RawMessage(args), Seed: 1})
	}
	return all
}

// impairmentsLast has the kernel do to an instance all that the engine says it
// can, kills the instance, and has another process lift it.
func impairmentsLast(t *testing.T, f *fixture, fresh deploy.Engine) {
	const victim, other = "front-1", "front-2"
	i := power[deploy.Impairer](t, f)
	var done []deploy.Impairment
	for _, one := range impairments(victim) {
		began := time.Now()
		err := i.CanImpair(within(t), one)
		could := time.Since(began)
		if errors.Is(err, errors.ErrUnsupported) {
			t.Logf("without %s: %v", one.Kind, err)
			continue
		}
		if err == nil {
			err = i.Impair(within(t), one)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s is in force after %s and %s", one.Kind, could.Round(time.Millisecond), (time.Since(began) - could).Round(time.Millisecond)) // figures to look at
		done = append(done, one)
	}
	if len(done) == 0 {
		t.Skip("the engine can do none")
	}
	harmed := func() {
		t.Helper()
		shown(t, i, done)
		if has(done, "packet_delay") {
			if _, took := date(t, f, victim); took < 2*late { // its first packet, and the question
				t.Errorf("it answers within %s", took)
			}
			f.quick(t, other)
		}
		if has(done, "clock_skew") {
			if off, _ := date(t, f, victim); off < skewed/2 {
				t.Errorf("its clock is ahead by %s", off)
			}
			if off, _ := date(t, f, other); off > skewed/2 {
				t.Errorf("another's clock is ahead by %s", off)
			}
		}
	}
	harmed()
	before := f.inspect(t, victim)
	if err := power[deploy.Killer](t, f).Kill(within(t), victim); err != nil {
		t.Fatal(err)
	}
	f.until(t, victim, "is restarted", func(st deploy.State) bool { return st.Ready && st.Starts > before.Starts })
	harmed()
	system, err := fresh.Attach(within(t), f.plan.Scratch)
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := system.(interface{ Close() error }); ok {
		defer c.Close()
	}
	healer := power[deploy.Impairer](t, system)
	shown(t, healer, done)
	for _, one := range done {
		began := time.Now()
		if err := healer.Repair(within(t), one.ID); err != nil {
			t.Error(err)
		}
		t.Logf("%s is lifted after %s", one.Kind, time.Since(began).Round(time.Millisecond))
	}
	shown(t, i, nil)
	f.quick(t, victim)
	if off, _ := date(t, f, victim); off > skewed/2 {
		t.Errorf("after the lift its clock is ahead by %s", off)
	}
	for range 2 { // a harm that is not there is no error
		if err := i.Repair(within(t), done[0].ID); err != nil {
			t.Error(err)
		}
	}
}

func has(all []deploy.Impairment, kind string) bool {
	return slices.ContainsFunc(all, func(i deploy.Impairment) bool { return i.Kind == kind })
}

// shown wants the kernel to show exactly these.
func shown(t *testing.T, i deploy.Impairer, want []deploy.Impairment) {
	t.Helper()
	got, err := i.Impairments(within(t), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Errorf("%d of %d impairments show: %+v", len(got), len(want), got)
	}
	for _, one := range want {
		if !has(got, one.Kind) {
			t.Errorf("%s does not show", one.Kind)
		}
	}
}

// date asks a front past the relay how far its clock is ahead of ours, to a
// second, and how long it took to say.
func date(t *testing.T, f *fixture, front string) (ahead, took time.Duration) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	began := time.Now()
	answer, err := dateOf(within(t), client, "http://"+f.address(t, "", front)+"/who")
	if err != nil {
		t.Fatal(err)
	}
	says, err := http.ParseTime(answer)
	if err != nil {
		t.Fatal(err)
	}
	return time.Until(says), time.Since(began)
}

func dateOf(ctx context.Context, c *http.Client, url string) (date string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	answer, err := c.Do(req)
	if err != nil {
		return "", err
	}
	return answer.Header.Get("Date"), answer.Body.Close()
}

// quick waits until a front answers sooner than packets that are late allow: on a
// busy machine, that may take more than one question.
func (f *fixture) quick(t *testing.T, front string) {
	t.Helper()
	eventually(t, front+" answers at once", func() bool {
		_, took := date(t, f, front)
		return took < late
	})
}
