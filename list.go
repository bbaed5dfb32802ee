package bedlam

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bedlamlab/bedlam/chaos/check"
	"github.com/bedlamlab/bedlam/chaos/defects"
	"github.com/bedlamlab/bedlam/chaos/experiments"
	"github.com/bedlamlab/bedlam/services"
)

// An Item is one line of a list.
type Item struct {
	Name string `json:"name"`
	Text string `json:"text"`
	// Detail is what a program may want besides: parameters, tags, replicas.
	Detail any `json:"detail,omitempty"`
}

var lists = map[string]func() ([]Item, error){
	"faults": func() (items []Item, err error) {
		for _, f := range Faults() {
			items = append(items, Item{f.Name, f.line(), f})
		}
		return items, nil
	},
	"experiments": func() (items []Item, err error) {
		all, err := experiments.All()
		for _, e := range all {
			items = append(items, Item{e.Name, fmt.Sprintf("%s [%s]", e.Title, strings.Join(e.Tags, ", ")), map[string]any{"tags": e.Tags, "description": e.Description}})
		}
		return items, err
	},
	"checks": func() (items []Item, err error) {
		for _, c := range check.Checks() {
			items = append(items, Item{Name: c.Name, Text: c.Doc})
		}
		return items, nil
	},
	"patches": func() (items []Item, err error) {
		all, err := defects.All()
		for _, p := range all {
			items = append(items, Item{p.Name, strings.TrimSpace(p.Kind+" "+p.ID) + ": " + p.What, p})
		}
		return items, err
	},
	"services": func() (items []Item, err error) {
		t := services.Shop()
		for _, s := range t.Services {
			var calls []string
			for _, e := range t.Edges {
				if e.From == s.Name {
					calls = append(calls, e.To)
				}
			}
			text := fmt.Sprintf("%s, %d× %s", s.Tier, s.Replicas, s.Protocol)
			if len(calls) > 0 {
				text += ", calls " + strings.Join(calls, ", ")
			}
			items = append(items, Item{s.Name, text, s})
		}
		return items, nil
	},
	"engines": func() (items []Item, err error) {
		for _, name := range Engines() {
			items = append(items, Item{Name: name, Text: engines[name].text})
		}
		return items, nil
	},
}

// Lists returns the names of what [List] can list.
func Lists() []string {
	return []string{"faults", "experiments", "checks", "services", "engines", "patches"}
}

// List returns one list; an unknown name is [ErrUsage].
func List(name string) ([]Item, error) {
	list, ok := lists[name]
	if !ok {
		names := Lists()
		slices.Sort(names)
		return nil, usage("there is no list of %q (want one of %s)", name, strings.Join(names, ", "))
	}
	return list()
}
