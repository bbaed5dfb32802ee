package mutate

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// A Score counts mutants. One that survives with a reason is still no kill.
type Score struct {
	Total, Killed int // of those that compile
	Survivors     []Survivor
}

// A Survivor is a mutant that no test noticed.
type Survivor struct {
	Mutant
	Why string // empty: nobody has said
}

// Share is how many of the mutants are killed, from 0 to 1.
func (s Score) Share() float64 {
	if s.Total == 0 {
		return 0
	}
	return float64(s.Killed) / float64(s.Total)
}

// Sum counts, and explains survivors by reasons, whose keys are a file and a line
// of it.
func Sum(proofs []Proof, reasons map[string]string) Score {
	var s Score
	for _, p := range proofs {
		switch p.Fate {
		case Killed:
			s.Total++
			s.Killed++
		case Survived:
			s.Total++
			s.Survivors = append(s.Survivors, Survivor{p.Mutant, reasons[p.key()]})
		}
	}
	return s
}

// key is how a reason names a mutant: by its line's text, which stays when lines
// above it come and go.
func (m Mutant) key() string { return m.File + ": " + m.From + " → " + m.To + ": " + m.Text }

// Reasons reads a file of two lines each: a mutant's key, and, indented, why
// nothing can notice it. Empty lines stand between them.
func Reasons(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all := map[string]string{}
	lines := bufio.NewScanner(f)
	key := ""
	for n := 1; lines.Scan(); n++ {
		text := lines.Text()
		switch {
		case text == "" || strings.HasPrefix(text, "#"):
		case strings.HasPrefix(text, "\t") && key != "":
			all[key] = strings.TrimSpace(text)
			key = ""
		case key != "" || strings.HasPrefix(text, "\t"):
			return nil, fmt.Errorf("%s:%d: want a mutant and, indented below it, the reason", path, n)
		default:
			key = text
		}
	}
	return all, lines.Err()
}
