package experiments

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/fault"
)

// A decoder reads one file, strictly: an unknown key is refused with its line.
type decoder struct{ file string }

func (d decoder) errorf(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", d.file, n.Line, fmt.Errorf(format, args...))
}

// keys calls the reader of each key of a mapping.
func (d decoder) keys(n *yaml.Node, where string, readers map[string]func(*yaml.Node) error) error {
	return d.each(n, where, func(key, value *yaml.Node) error {
		read, ok := readers[key.Value]
		if !ok {
			var known []string
			for k := range readers {
				known = append(known, k)
			}
			slices.Sort(known)
			return d.errorf(key, "unknown key %q in %s (want %s)", key.Value, where, strings.Join(known, ", "))
		}
		return read(value)
	})
}

// each calls do for each pair of a mapping; a key given twice is refused.
func (d decoder) each(n *yaml.Node, where string, do func(key, value *yaml.Node) error) error {
	if n.Kind != yaml.MappingNode {
		return d.errorf(n, "%s must be a mapping of keys to values", where)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if seen[key.Value] {
			return d.errorf(key, "key %q stands twice in %s", key.Value, where)
		}
		seen[key.Value] = true
		if err := do(key, n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// into reads a value into v, with the file and line in front of what is wrong.
func (d decoder) into(v any) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if err := n.Decode(v); err != nil {
			return d.errorf(n, "%s", plain(err))
		}
		return nil
	}
}

// plain takes yaml's own heading and line numbers off an error: ours stand in front.
func plain(err error) string {
	var t *yaml.TypeError
	if errors.As(err, &t) && len(t.Errors) > 0 {
		text := t.Errors[0]
		if _, after, ok := strings.Cut(text, ": "); ok && strings.HasPrefix(text, "line ") {
			text = after
		}
		return text
	}
	return strings.TrimPrefix(err.Error(), "yaml: ")
}

func (d decoder) list(n *yaml.Node, where string, item func(*yaml.Node) error) error {
	if n.Kind != yaml.SequenceNode {
		return d.errorf(n, "%s must be a list", where)
	}
	for _, each := range n.Content {
		if err := item(each); err != nil {
			return err
		}
	}
	return nil
}

func (d decoder) experiment(b []byte) (chaos.Experiment, error) {
	var e chaos.Experiment
	var doc yaml.Node
	y := yaml.NewDecoder(bytes.NewReader(b))
	if err := y.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return e, fmt.Errorf("%s: the file holds no experiment", d.file)
		}
		return e, fmt.Errorf("%s: %s", d.file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := y.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return e, fmt.Errorf("%s: holds more than one document", d.file)
	}
	root := doc.Content[0]
	if hasAlias(root) {
		return e, d.errorf(root, "anchors and aliases are not read here")
	}
	err := d.keys(root, "an experiment", map[string]func(*yaml.Node) error{
		"title":       d.into(&e.Title),
		"description": d.into(&e.Description),
		"tags":        d.into(&e.Tags),
		"abort":       d.into(&e.Abort),
		"watch":       d.into(&e.Watch),
		"steady-state-hypothesis": func(n *yaml.Node) (err error) {
			e.Hypothesis, err = d.hypothesis(n)
			return err
		},
		"method": func(n *yaml.Node) error {
			return d.list(n, "method", func(n *yaml.Node) error {
				step, err := d.step(n)
				e.Method = append(e.Method, step)
				return err
			})
		},
		// Chaos Toolkit's files have it; here lifting is never optional, so
		// that there is nothing left to say.
		"rollbacks": func(n *yaml.Node) error {
			if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
				return nil
			}
			return d.errorf(n, "rollbacks are not written down here: every fault is lifted, always; leave the list empty")
		},
	})
	switch {
	case err != nil:
		return e, err
	case e.Title == "":
		return e, d.errorf(root, "the experiment has no title")
	case len(e.Method) == 0:
		return e, d.errorf(root, "the experiment has no method: nothing would be harmed")
	case len(e.Hypothesis.Limits) == 0:
		return e, d.errorf(root, "the experiment has no steady-state-hypothesis with probes: nothing could be judged")
	case !(e.Abort >= 0 && e.Abort < 1): // not a number is none of these
		return e, d.errorf(root, "abort is %v, want a share from 0 to less than 1", e.Abort)
	}
	if err := watched(e); err != nil {
		return e, d.errorf(root, "%w", err)
	}
	return e, nil
}

func hasAlias(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || slices.ContainsFunc(n.Content, hasAlias)
}

func (d decoder) hypothesis(n *yaml.Node) (chaos.Hypothesis, error) {
	var h chaos.Hypothesis
	err := d.keys(n, "steady-state-hypothesis", map[string]func(*yaml.Node) error{
		"title": d.into(&h.Title),
		"probes": func(n *yaml.Node) error {
			return d.list(n, "probes", func(n *yaml.Node) error {
				l, err := d.limit(n)
				h.Limits = append(h.Limits, l)
				return err
			})
		},
		"margins": func(n *yaml.Node) error {
			return d.list(n, "margins", func(n *yaml.Node) error {
				m, err := d.margin(n)
				h.Margins = append(h.Margins, m)
				return err
			})
		},
	})
	return h, err
}

func (d decoder) limit(n *yaml.Node) (chaos.Limit, error) {
	l := chaos.Limit{}
	var bounds []float64
	err := d.keys(n, "a probe", map[string]func(*yaml.Node) error{
		"name": d.into(&l.Metric),
		"arguments": func(n *yaml.Node) error {
			return d.keys(n, "a probe's arguments", map[string]func(*yaml.Node) error{
				"phase": d.into(&l.Phase), "class": d.into(&l.Class), "edge": d.into(&l.Edge),
			})
		},
		"tolerance": d.into(&bounds),
	})
	if err != nil {
		return l, err
	}
	if len(bounds) != 2 || !(bounds[0] <= bounds[1]) || math.IsInf(bounds[0], 0) || math.IsInf(bounds[1], 0) {
		return l, d.errorf(n, "tolerance must be [least, most], both included and finite")
	}
	if err := d.place(n, l.Metric, &l.Phase, l.Class, l.Edge); err != nil {
		return l, err
	}
	l.Min, l.Max = bounds[0], bounds[1]
	return l, nil
}

func (d decoder) selector(s *chaos.Selector) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		err := d.keys(n, "a selector", map[string]func(*yaml.Node) error{
			"services": d.into(&s.Services), "instances": d.into(&s.Instances), "zones": d.into(&s.Zones), "tiers": d.into(&s.Tiers),
		})
		if err == nil && s.Empty() {
			err = d.errorf(n, "an empty selector would harm everything: name services, instances, zones or tiers")
		}
		return err
	}
}

func (d decoder) step(n *yaml.Node) (chaos.Step, error) {
	s := chaos.Step{Spec: chaos.Spec{Mode: chaos.One}, Share: 50}
	args := map[string]any{}
	known := map[string]func(*yaml.Node) error{
		"name":     func(*yaml.Node) error { return nil }, // for the reader of the file
		"action":   d.into(&s.Action),
		"selector": d.selector(&s.Selector),
		"target": func(n *yaml.Node) error {
			s.Target = &chaos.Selector{}
			return d.selector(s.Target)(n)
		},
		"mode":      d.into(&s.Mode),
		"value":     d.into(&s.Value),
		"direction": d.into((*string)(&s.Direction)),
		"at":        d.into(&s.At),
		"duration":  d.into(&s.Duration),
		"share":     d.into(&s.Share),
	}
	err := d.each(n, "a step", func(key, value *yaml.Node) error {
		if read, ok := known[key.Value]; ok {
			return read(value)
		}
		var v any
		if err := value.Decode(&v); err != nil {
			return d.errorf(value, "%s", plain(err))
		}
		args[key.Value] = v
		return nil
	})
	if err != nil {
		return s, err
	}
	if len(args) > 0 {
		if s.Args, err = json.Marshal(args); err != nil {
			return s, d.errorf(n, "parameters: %w", err)
		}
	}
	switch {
	case s.Action == "":
		return s, d.errorf(n, "the step has no action")
	case s.Selector.Empty():
		return s, d.errorf(n, "%s has no selector: nothing is harmed unless it is named", s.Action)
	case s.Share < 1 || s.Share > 100:
		return s, d.errorf(n, "share is %d, want percent from 1 to 100", s.Share)
	case s.At < 0 || s.Duration < 0:
		return s, d.errorf(n, "at and duration cannot be negative")
	case (s.At + s.Duration).D() > time.Hour:
		return s, d.errorf(n, "the step ends after %s, the longest is 1h", s.At+s.Duration)
	}
	if err := mode(s.Mode, s.Value); err != nil {
		return s, d.errorf(n, "%w", err)
	}
	if err := fault.Check(s.Spec); err != nil {
		return s, d.errorf(line(n, err), "%w", err)
	}
	return s, nil
}

// line finds the node of the key that an error quotes, so that a misspelt
// parameter is reported where it stands.
func line(n *yaml.Node, err error) *yaml.Node {
	var found *yaml.Node
	var walk func(*yaml.Node)
	walk = func(at *yaml.Node) {
		for i, c := range at.Content {
			if at.Kind == yaml.MappingNode && i%2 == 0 && strings.Contains(err.Error(), `"`+c.Value+`"`) {
				found = c
			}
			walk(c)
		}
	}
	walk(n)
	if found == nil {
		return n
	}
	return found
}

func mode(m chaos.Mode, value int) error {
	switch m {
	case chaos.One, chaos.All:
		if value != 0 {
			return fmt.Errorf("mode %s takes no value", m)
		}
	case chaos.Fixed:
		if value < 1 {
			return fmt.Errorf("mode fixed needs a value of at least 1")
		}
	case chaos.Percent:
		if value < 1 || value > 100 {
			return fmt.Errorf("mode fixed-percent needs a value from 1 to 100")
		}
	default:
		return fmt.Errorf("unknown mode %q (want one, all, fixed or fixed-percent)", m)
	}
	return nil
}
