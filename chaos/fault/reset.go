package fault

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
)

// reset breaks connections with RST: the live ones at once, new ones as they
// are made.
type reset struct {
	links
	Probability float64 `json:"probability"`
}

func init() {
	register(Kind{Name: "reset", On: onEdges, Needs: needs[deploy.Shaper](),
		Doc:    "Resets the live connections of an edge at once, and new ones with a probability.",
		Params: "probability: 0 to 1, of a new connection; 1 unless given",
		build:  newReset})
}

func newReset(r chaos.Resolved) (chaos.Fault, error) {
	f := &reset{Probability: 1}
	if err := decode(r.Args, f); err != nil {
		return nil, err
	}
	if !(f.Probability*f.toxicity() >= leastProbability && f.Probability <= 1) {
		return nil, fmt.Errorf("probability must be between %g and 1, of those connections that toxicity leaves", leastProbability)
	}
	if r.Direction != "" && r.Direction != deploy.Both {
		return nil, errors.New("a reset has no direction: it ends both")
	}
	return f, f.shape(r, "reset", map[string]float64{"probability": f.Probability})
}

// leastProbability asks for 690 connections of a probe, which take a second or
// two, before it may say that it has seen no reset.
const leastProbability = 0.01

// Probe wants a broken connection on every link, trying as often as the
// probability needs for one chance in a thousand of missing it; after the
// lift, answers.
func (f *reset) Probe(ctx context.Context, s deploy.System, injected bool) (string, error) {
	if !injected {
		return f.answers(ctx, s)
	}
	for _, link := range f.rule.Links {
		chance := 1.0 // of not having seen a reset although the rule works
		for broken := false; !broken; {
			_, err := f.ping(ctx, s, link, time.Second)
			if broken = wasReset(err); broken {
				break
			}
			if err != nil && !silent(err) {
				// Nobody is there, which a reset does not look like.
				return "", fmt.Errorf("%s: not reset: %w", link, err)
			}
			if chance *= 1 - f.Probability*f.toxicity(); chance < missed {
				return "", fmt.Errorf("%s was not reset", link)
			}
		}
	}
	return fmt.Sprintf("%s broken", count(len(f.rule.Links), "link's connection", "links' connections")), nil
}

// wasReset reports whether a connection that was made was broken with RST.
func wasReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
