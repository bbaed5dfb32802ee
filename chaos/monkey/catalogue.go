package monkey

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/deploy"
)

// A Choice is one thing that a monkey may do.
type Choice struct {
	Fault     string           `json:"fault"`
	Args      chaos.RawArgs    `json:"args,omitempty"`
	Direction deploy.Direction `json:"direction,omitempty"`
	Weight    float64          `json:"weight"` // how often, in proportion to the others; 0: never
	Edges     bool             `json:"edges"`  // it harms what one instance says to another service; else an instance
	Targets   int              `json:"targets,omitempty"`
	// Refuses says what keeps it from being done to somebody; nil: nothing does.
	Refuses func(chaos.Resolved) error `json:"-"`
}

//go:embed catalogue.yaml
var builtIn []byte

// Catalogue returns the built-in choices.
func Catalogue() ([]Choice, error) { return ParseCatalogue("catalogue.yaml", builtIn) }

// most is larger than any weight that makes sense beside another.
const most = 1e6

// ParseCatalogue reads a list of choices, strictly. Whether there is such a
// fault, and whom it harms, is for others to say. name is for errors.
func ParseCatalogue(name string, b []byte) ([]Choice, error) {
	var rows []struct {
		Fault     string           `yaml:"fault"`
		Args      map[string]any   `yaml:"args"`
		Direction deploy.Direction `yaml:"direction"`
		Weight    *float64         `yaml:"weight"`
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&rows); err != nil && err != io.EOF {
		return nil, fmt.Errorf("%s: %s", name, strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "\n", ""))
	}
	if err := d.Decode(new(any)); err != io.EOF {
		return nil, fmt.Errorf("%s: more than one document", name)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s: it names no fault", name)
	}
	var all []Choice
	for i, r := range rows {
		c := Choice{Fault: r.Fault, Direction: r.Direction, Weight: 1}
		if r.Weight != nil {
			c.Weight = *r.Weight
		}
		err := checkWeight(c.Weight)
		if r.Fault == "" {
			err = errors.New("it names no fault")
		}
		if err == nil && len(r.Args) > 0 {
			c.Args, err = json.Marshal(r.Args)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: entry %d: %w", name, i+1, err)
		}
		all = append(all, c)
	}
	return all, nil
}

func checkWeight(w float64) error {
	if !(w >= 0 && w <= most) || math.Signbit(w) {
		return fmt.Errorf("weight %g: want 0 to %g", w, most)
	}
	return nil
}

// Reweigh sets the weights of faults as words say ("kill=3"); what is not named
// keeps its own. A fault that is in no choice is refused.
func Reweigh(all []Choice, words []string) ([]Choice, error) {
	all = slices.Clone(all)
	for _, word := range words {
		name, text, _ := strings.Cut(word, "=")
		w, err := strconv.ParseFloat(text, 64)
		if err == nil {
			err = checkWeight(w)
		}
		if err != nil {
			return nil, fmt.Errorf("%q is no weight: want a fault, = and 0 to %g", word, most)
		}
		found := false
		for i := range all {
			if all[i].Fault == name {
				all[i].Weight, found = w, true
			}
		}
		if !found {
			return nil, fmt.Errorf("the catalogue has no fault %q to weigh", name)
		}
	}
	return all, nil
}
