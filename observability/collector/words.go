package collector

// words holds each string once. Spans repeat a few hundred strings (services,
// names, statuses, statements) hundreds of thousands of times; a number in a
// span's place is what keeps it small. Word 0 is the empty string.
//
// Words are only ever added, so a copy of the slice's header, taken under the
// owner's lock, can be read without it.
type words struct {
	number map[string]uint32
	text   []string
}

func newWords() words {
	return words{number: map[string]uint32{"": 0}, text: []string{""}}
}

// of returns the number of b's text. It allocates for new texts only.
func (w *words) of(b []byte) uint32 {
	if n, ok := w.number[string(b)]; ok {
		return n
	}
	s := string(b)
	n := uint32(len(w.text))
	w.number[s] = n
	w.text = append(w.text, s)
	return n
}
