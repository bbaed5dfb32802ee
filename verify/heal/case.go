package heal

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/experiments"
	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/services"
)

// Steps are the lines that the journal has about one fault, in their order: the
// moments at which a run with a fault is killed.
var Steps = []chaos.EntryKind{chaos.Injecting, chaos.Injected, chaos.Proven, chaos.Lifting, chaos.Lifted}

// Cases lists the moments that are not left to a seed. Bedlam is killed, with
// its guard and without, between the injection of every fault and its proof;
// and at every step of the journal for one fault of each power, for which the
// guard alone is killed, too, while it is on. A monkey is killed with its guard
// between the injection of every fault and its proof, and at every step for one
// of each power; for those it is killed without it, too.
func Cases(engine string) ([]Moment, error) {
	var all, monkeys []Moment
	add := func(to *[]Moment, k fault.Kind, step chaos.EntryKind, sig Signal) {
		m := Moment{Engine: engine, Phase: string(step), Signal: sig, Fault: k.Name, Monkey: to == &monkeys}
		if !slices.Contains(*to, m) {
			*to = append(*to, m)
		}
	}
	for _, k := range fault.Kinds() {
		if _, err := asks(k); err != nil {
			return nil, err
		}
		add(&all, k, chaos.Injected, Kill)
		add(&all, k, chaos.Injected, KillBoth)
		add(&monkeys, k, chaos.Injected, KillBoth)
	}
	powers := map[string]bool{}
	for _, k := range fault.Kinds() {
		power, _, _ := strings.Cut(k.Needs.String(), ",") // the harming one
		if powers[power] {
			continue
		}
		powers[power] = true
		for _, step := range Steps {
			add(&all, k, step, Kill)
			add(&all, k, step, KillBoth)
			add(&monkeys, k, step, KillBoth)
		}
		add(&all, k, chaos.Injected, KillGuard)
		add(&monkeys, k, chaos.Injected, Kill)
	}
	return append(all, monkeys...), nil
}

// rows ask for the faults that no built-in experiment has.
var rows = map[string]chaos.Step{
	"dns_delay": {Spec: chaos.Spec{Selector: chaos.Selector{Services: []string{"gateway"}}, Target: &chaos.Selector{Services: []string{"catalog"}}, Mode: chaos.One, Args: []byte(`{"delay":{"latency":"500ms"}}`)}},

	"packet_bandwidth": packets(`{"bandwidth":{"rate":"64KB/s"}}`),
	"packet_corrupt":   packets(`{"corrupt":{"corrupt":20}}`),
	"packet_delay":     packets(`{"delay":{"latency":"100ms"}}`),
	"packet_duplicate": packets(`{"duplicate":{"duplicate":20}}`),
	"packet_loss":      packets(`{"loss":{"loss":20}}`),
	"packet_partition": packets(``),

	"reset": {Spec: chaos.Spec{Selector: chaos.Selector{Services: []string{"gateway"}}, Target: &chaos.Selector{Services: []string{"catalog"}}, Mode: chaos.One}},
	"stop":  {Spec: chaos.Spec{Selector: chaos.Selector{Services: []string{"recommend"}}, Mode: chaos.One, Args: []byte(`{"hold":true}`)}},
}

// packets are those of one replica that many requests meet.
func packets(args string) chaos.Step {
	return chaos.Step{Spec: chaos.Spec{Selector: chaos.Selector{Services: []string{"catalog"}}, Mode: chaos.One, Args: []byte(args)}}
}

// asks returns how a fault is asked for: as the first built-in experiment has
// it that has, or by a row of our own. Where a fault takes both, one that holds
// its victim down is preferred: it has something to lift.
func asks(k fault.Kind) (chaos.Step, error) {
	built, err := experiments.All()
	if err != nil {
		return chaos.Step{}, err
	}
	var found *chaos.Step
	for _, e := range built {
		for _, s := range e.Method {
			if s.Action == k.Name && (found == nil || !holds(*found) && holds(s)) {
				found = &s
			}
		}
	}
	if found == nil {
		row, ok := rows[k.Name]
		if !ok {
			return chaos.Step{}, fmt.Errorf("no built-in experiment has the fault %s: give it a row in package heal", k.Name)
		}
		row.Action, row.Share = k.Name, 50
		found = &row
	}
	return *found, fault.Check(found.Spec)
}

func holds(s chaos.Step) bool { return strings.Contains(string(s.Args), `"hold":true`) }

// write writes an experiment that does nothing but a fault, from its beginning
// to its end. That it fits the shop is checked here, where nothing runs yet.
func write(dir string, k fault.Kind) (path string, err error) {
	s, err := asks(k)
	if err != nil {
		return "", err
	}
	step := map[string]any{}
	if len(s.Args) > 0 {
		if err := json.Unmarshal(s.Args, &step); err != nil {
			return "", err
		}
	}
	maps.Copy(step, map[string]any{"name": "harm", "action": s.Action, "selector": s.Selector, "mode": s.Mode, "share": s.Share})
	if s.Target != nil {
		step["target"] = s.Target
	}
	if s.Value > 0 {
		step["value"] = s.Value
	}
	if s.Direction != "" {
		step["direction"] = s.Direction
	}
	// JSON is YAML, too.
	b, err := json.MarshalIndent(map[string]any{
		"title": "Only " + k.Name, "method": []any{step},
		"steady-state-hypothesis": map[string]any{"title": "What is judged here is what is left.",
			"probes": []any{map[string]any{"name": "goodput", "tolerance": []int{0, 1}}}},
	}, "", "  ")
	if err != nil {
		return "", err
	}
	path = only(dir, k)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		return "", err
	}
	e, err := experiments.Load(path)
	if err != nil {
		return "", err
	}
	return path, experiments.Fit(e, services.Shop())
}

// writeCatalogue writes a catalogue from which a monkey can choose nothing but a
// fault.
func writeCatalogue(dir string, k fault.Kind) (path string, err error) {
	s, err := asks(k)
	if err != nil {
		return "", err
	}
	choice := map[string]any{"fault": s.Action}
	if len(s.Args) > 0 {
		choice["args"] = json.RawMessage(s.Args)
	}
	if s.Direction != "" {
		choice["direction"] = s.Direction
	}
	b, err := json.MarshalIndent([]any{choice}, "", "  ")
	if err != nil {
		return "", err
	}
	path = only(dir, k)
	return path, os.WriteFile(path, b, 0o644)
}

// only is the file that asks for nothing but a fault.
func only(dir string, k fault.Kind) string {
	return filepath.Join(dir, "only-"+strings.ReplaceAll(k.Name, "_", "-")+".yaml")
}

// kindOf finds a fault by its name.
func kindOf(name string) (fault.Kind, error) {
	for _, k := range fault.Kinds() {
		if k.Name == name {
			return k, nil
		}
	}
	return fault.Kind{}, fmt.Errorf("there is no fault %q", name)
}

// Sum says in one line what the proofs of [Cases] came to.
func Sum(proofs []Proof) string {
	var slowest float64
	landed, aimed := 0, 0
	unable, read, told := map[string]bool{}, map[string]bool{}, map[string]bool{} // by fault
	for _, p := range proofs {
		if p.Unable != "" {
			unable[p.Fault] = true
			continue
		}
		aimed++
		if p.Struck == chaos.EntryKind(p.Phase) {
			landed++
		}
		slowest = max(slowest, p.Lifted)
		switch p.Witness {
		case ReadBack:
			read[p.Fault] = true
		case JournalOnly:
			told[p.Fault] = true
		}
	}
	maps.DeleteFunc(told, func(fault string, _ bool) bool { return read[fault] })
	text := fmt.Sprintf("%d of %d were struck at the very step, the slowest lifted after %.2f s", landed, aimed, slowest)
	text += fmt.Sprintf(", the harm of %d faults was read back", len(read))
	if len(told) > 0 {
		text += ", the journal alone shows " + strings.Join(slices.Sorted(maps.Keys(told)), ", ")
	}
	if len(unable) > 0 {
		text += ", this engine cannot do " + strings.Join(slices.Sorted(maps.Keys(unable)), ", ")
	}
	return text
}
