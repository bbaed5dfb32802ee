package experiments

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/bedlamlab/bedlam/chaos"
)

// Format writes an experiment as the file that [Parse] reads back as the same:
// but for its name, which is the file's.
func Format(e chaos.Experiment) ([]byte, error) {
	type arguments struct {
		Phase string `yaml:"phase,omitempty"`
		Class string `yaml:"class,omitempty"`
		Edge  string `yaml:"edge,omitempty"`
	}
	type probe struct {
		Name      string     `yaml:"name"`
		Arguments arguments  `yaml:"arguments,omitempty"`
		Tolerance [2]float64 `yaml:"tolerance,flow"`
	}
	type margin struct {
		Name      string    `yaml:"name"`
		Arguments arguments `yaml:"arguments,omitempty"`
		Most      *float64  `yaml:"most,omitempty"`
		Times     *float64  `yaml:"times,omitempty"`
	}
	file := struct {
		Title       string   `yaml:"title"`
		Description string   `yaml:"description,omitempty"`
		Tags        []string `yaml:"tags,omitempty,flow"`
		Hypothesis  struct {
			Title   string   `yaml:"title,omitempty"`
			Probes  []probe  `yaml:"probes"`
			Margins []margin `yaml:"margins,omitempty"`
		} `yaml:"steady-state-hypothesis"`
		Method []*yaml.Node `yaml:"method"`
		Abort  float64      `yaml:"abort,omitempty"`
		Watch  string       `yaml:"watch,omitempty"`
	}{Title: e.Title, Description: e.Description, Tags: e.Tags, Abort: e.Abort}
	if e.Watch > 0 {
		file.Watch = e.Watch.String()
	}
	file.Hypothesis.Title = e.Hypothesis.Title
	for _, l := range e.Hypothesis.Limits {
		if l.Phase == "fault" { // is what an unnamed one is, and some metrics take none
			l.Phase = ""
		}
		file.Hypothesis.Probes = append(file.Hypothesis.Probes,
			probe{l.Metric, arguments{l.Phase, l.Class, l.Edge}, [2]float64{l.Min, l.Max}})
	}
	for _, m := range e.Hypothesis.Margins {
		w := margin{Name: m.Metric, Arguments: arguments{m.Phase, m.Class, m.Edge}}
		if m.Times > 0 {
			w.Times = &m.Times
		} else {
			w.Most = &m.Most
		}
		file.Hypothesis.Margins = append(file.Hypothesis.Margins, w)
	}
	for i, s := range e.Method {
		n, err := step(s)
		if err != nil {
			return nil, fmt.Errorf("%s: step %d (%s): %w", e.Name, i+1, s.Action, err)
		}
		file.Method = append(file.Method, n)
	}
	var b bytes.Buffer
	y := yaml.NewEncoder(&b)
	y.SetIndent(2)
	if err := y.Encode(file); err != nil {
		return nil, fmt.Errorf("%s: %w", e.Name, err)
	}
	return b.Bytes(), y.Close()
}

// step is one step of a method: the keys that all faults share, and behind them
// the fault's own parameters.
func step(s chaos.Step) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	put := func(key string, v any) error {
		var value yaml.Node
		if err := value.Encode(v); err != nil {
			return err
		}
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, &value)
		return nil
	}
	type pair struct {
		key string
		v   any
	}
	pairs := []pair{{"action", s.Action}, {"selector", s.Selector}}
	if s.Target != nil {
		pairs = append(pairs, pair{"target", *s.Target})
	}
	pairs = append(pairs, pair{"mode", string(s.Mode)})
	if s.Value != 0 {
		pairs = append(pairs, pair{"value", s.Value})
	}
	if s.Direction != "" {
		pairs = append(pairs, pair{"direction", string(s.Direction)})
	}
	pairs = append(pairs, pair{"share", s.Share})
	if s.At != 0 {
		pairs = append(pairs, pair{"at", s.At.String()})
	}
	if s.Duration != 0 {
		pairs = append(pairs, pair{"duration", s.Duration.String()})
	}
	for _, p := range pairs {
		if err := put(p.key, p.v); err != nil {
			return nil, err
		}
	}
	if len(s.Args) == 0 {
		return n, nil
	}
	var args yaml.Node // JSON is YAML
	if err := yaml.Unmarshal(s.Args, &args); err != nil {
		return nil, err
	}
	if len(args.Content) == 1 && args.Content[0].Kind == yaml.MappingNode {
		plainly(args.Content[0])
		n.Content = append(n.Content, args.Content[0].Content...)
	}
	return n, nil
}

// plainly takes JSON's quotes off what needs none.
func plainly(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		n.Style = 0
	}
	for _, c := range n.Content {
		plainly(c)
	}
}
