package collector

import "slices"

// A Node is a span in its place in a waterfall.
type Node struct {
	Span  Span
	Depth int // 0 for a root
	// Orphan marks a span whose parent is not among the spans: it was never
	// exported, as a killed process exports nothing. An orphan stands below
	// the trace's first root, or is a root itself if there is none.
	Orphan bool
}

// Tree puts the spans of one trace in the order of a waterfall: depth first,
// siblings by start. Every span is in it once.
func Tree(spans []Span) []Node {
	t := grow(spans)
	nodes := make([]Node, 0, len(spans))
	for _, b := range t.order {
		nodes = append(nodes, Node{Span: t.spans[b.span], Depth: b.depth, Orphan: b.orphan})
	}
	return nodes
}

// A tree is a trace's spans by start, and their places.
type tree struct {
	spans  []Span
	order  []branch // depth first
	rooted bool     // a span without a parent is among them
}

// A branch is the place of a span. Its parent is another place, or -1.
type branch struct {
	span, parent, depth int
	orphan              bool
}

func grow(spans []Span) *tree {
	t := &tree{spans: slices.Clone(spans), order: make([]branch, 0, len(spans))}
	slices.SortStableFunc(t.spans, func(a, b Span) int { return a.Start.Compare(b.Start) })
	byID := make(map[SpanID]int, len(spans))
	for i, s := range t.spans {
		if _, ok := byID[s.ID]; !ok { // of two spans with one id, the first has the children
			byID[s.ID] = i
		}
	}
	children := make([][]int, len(spans)) // by start, as they are found in that order
	orphan := make([]bool, len(spans))
	var roots, orphans []int
	for i, s := range t.spans {
		parent, ok := byID[s.Parent]
		switch {
		case s.Parent == SpanID{}:
			roots = append(roots, i)
		case ok && parent != i:
			children[parent] = append(children[parent], i)
		default:
			orphan[i] = true
			orphans = append(orphans, i)
		}
	}
	orphans = append(orphans, circles(children, roots, orphans, orphan)...)
	slices.Sort(orphans)
	t.rooted = len(roots) > 0
	if t.rooted {
		children[roots[0]] = append(children[roots[0]], orphans...)
		slices.Sort(children[roots[0]])
	} else {
		roots = orphans
	}
	t.walk(children, roots, orphan)
	return t
}

// circles finds spans that are each other's ancestors, which only a broken
// exporter sends, and makes an orphan of the first of each circle, so that
// none is lost.
func circles(children [][]int, roots, orphans []int, orphan []bool) (found []int) {
	seen := make([]bool, len(children))
	reach := func(from ...int) {
		for stack := from; len(stack) > 0; {
			i := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if !seen[i] {
				seen[i] = true
				stack = append(stack, children[i]...)
			}
		}
	}
	reach(slices.Concat(roots, orphans)...)
	for i := range children {
		if !seen[i] {
			orphan[i] = true
			found = append(found, i)
			reach(i)
		}
	}
	return found
}

// walk fills in the order. It keeps its own stack: a trace may be as deep as
// it is long.
func (t *tree) walk(children [][]int, roots []int, orphan []bool) {
	seen := make([]bool, len(t.spans))
	var stack []branch
	push := func(spans []int, parent, depth int) {
		for _, i := range slices.Backward(spans) {
			stack = append(stack, branch{span: i, parent: parent, depth: depth, orphan: orphan[i]})
		}
	}
	push(roots, -1, 0)
	for len(stack) > 0 {
		b := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[b.span] {
			continue
		}
		seen[b.span] = true
		t.order = append(t.order, b)
		push(children[b.span], len(t.order)-1, b.depth+1)
	}
}
