package monkey

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/topology"
)

// An Ask is a fault that somebody wants now, in the words of an experiment's
// step.
type Ask struct {
	Fault     string            `json:"fault"`
	Selector  chaos.Selector    `json:"selector"`
	Target    *chaos.Selector   `json:"target,omitempty"` // for a fault on edges, the callees
	Mode      chaos.Mode        `json:"mode,omitempty"`   // one unless given
	Value     int               `json:"value,omitempty"`
	Direction deploy.Direction  `json:"direction,omitempty"`
	Args      json.RawMessage   `json:"args,omitempty"`
	Duration  topology.Duration `json:"duration"`
}

// ParseAsk reads an Ask, strictly: what it does not know is refused.
func ParseAsk(b []byte) (Ask, error) {
	var a Ask
	if !utf8.Valid(b) {
		return a, errors.New("it is no text")
	}
	if err := twice(json.NewDecoder(bytes.NewReader(b))); err != nil {
		return a, plain(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return a, plain(err)
	}
	return a, a.check()
}

func plain(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it is cut short")
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

// deepest is more than any fault's parameters are nested.
const deepest = 16

// twice refuses what follows one value, a name that stands twice in an object,
// of which readers take one or the other, and what is nested too deep.
func twice(d *json.Decoder) error {
	type level struct {
		seen  map[string]bool // nil: an array
		value bool            // the name has been read
	}
	var in []level
	for first := true; first || len(in) > 0; first = false {
		token, err := d.Token()
		if err != nil {
			return err
		}
		if at := len(in) - 1; at >= 0 && in[at].seen != nil && token != json.Delim('}') {
			if !in[at].value {
				name := fmt.Sprint(token)
				// encoding/json takes names in any case for its fields.
				if folded := strings.ToLower(name); in[at].seen[folded] {
					return fmt.Errorf("%q stands twice in an object", name)
				} else {
					in[at].seen[folded] = true
				}
				in[at].value = true
				continue
			}
			in[at].value = false
		}
		switch token {
		case json.Delim('{'):
			in = append(in, level{seen: map[string]bool{}})
		case json.Delim('['):
			in = append(in, level{})
		case json.Delim('}'), json.Delim(']'):
			in = in[:len(in)-1]
		}
		if len(in) > deepest {
			return errors.New("it is nested too deep")
		}
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the value")
	}
	return nil
}

// check says what is wrong with the words, whatever the fault and the system.
func (a Ask) check() error {
	switch a.Mode {
	case "", chaos.One, chaos.All:
		if a.Value != 0 {
			return errors.New("value goes with mode fixed or fixed-percent")
		}
	case chaos.Fixed:
		if a.Value < 1 {
			return errors.New("mode fixed needs a value of at least 1")
		}
	case chaos.Percent:
		if a.Value < 1 || a.Value > 100 {
			return errors.New("mode fixed-percent needs a value of 1 to 100")
		}
	default:
		return fmt.Errorf("unknown mode %q (want one, all, fixed or fixed-percent)", a.Mode)
	}
	if a.Fault == "" {
		return errors.New("it names no fault")
	}
	if d := a.Duration.D(); d < ShortestHold || d > LongestHold {
		return fmt.Errorf("a duration of %s: want %s to %s", d, ShortestHold, LongestHold)
	}
	return nil
}

// An unfit error is about what was asked for: asked again it is no better.
type unfit struct{ error }

func (u unfit) Unwrap() error { return u.error }

// A refused error is about the moment: later it may be another.
type refused struct{ error }

func (r refused) Unwrap() error { return r.error }

// Inject does at once what is asked for, and returns when it stands in the
// journal and is injected, or the error of either. It is in nobody's power to
// take back half of it: there is no context.
func (m *Monkey) Inject(a Ask) (Fault, error) {
	spec := chaos.Spec{Action: a.Fault, Selector: a.Selector, Target: a.Target, Mode: a.Mode, Value: a.Value, Direction: a.Direction, Args: a.Args}
	if err := errors.Join(a.check(), m.Check(spec)); err != nil {
		return Fault{}, unfit{err}
	}
	m.mu.Lock()
	m.asked++
	n := m.asked
	m.mu.Unlock()
	r, err := chaos.Resolve(chaos.Step{Spec: spec, Duration: a.Duration, Share: m.Caps.Share}, m.Topology, rand.New(rand.NewPCG(m.Seed, uint64(n))))
	if err != nil {
		return Fault{}, unfit{err}
	}
	r.ID, r.At = fmt.Sprintf("asked/%d", n), topology.Duration(time.Since(m.Start).Round(time.Millisecond))
	if err := m.Caps.excluded(m.roster, r); err != nil {
		return Fault{}, unfit{err}
	}
	if err := m.Supported(r); err != nil {
		return Fault{}, unfit{err}
	}
	f, err := m.strike(r, Asked)
	if err == nil {
		<-f.injected
		err = f.failure
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return f.Fault, err
}
