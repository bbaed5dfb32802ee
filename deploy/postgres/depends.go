package postgres

import (
	"slices"
	"strings"
)

// needs returns, sorted, the library packages that package from needs,
// directly or through another library, out of what apt-cache depends --recurse
// prints. Every package is followed by what it depends on; a bar means "this
// or the next", and a name in angle brackets is provided by those below it:
//
//	postgresql-15
//	 |Depends: locales
//	  Depends: locales-all
//	  Depends: libpq5
//	  Depends: <libcurl>
//	    libcurl4
//
// The C library and LLVM are left out: the first is there on every machine,
// the second is for a compiler that the servers are told not to use.
func needs(text, from string) []string {
	graph := map[string][]string{}
	var at, virtual string
	alternative := false // the line before offered an alternative that was taken
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "":
		case line[0] != ' ':
			at, virtual, alternative = bare(line), "", false
		case strings.HasPrefix(line, "    "):
			if virtual != "" {
				graph[virtual] = append(graph[virtual], bare(strings.TrimSpace(line)))
				virtual = "" // the first provider will do
			}
		default:
			kind, name, ok := strings.Cut(line, ": ")
			if !ok || !strings.HasSuffix(kind, "Depends") {
				virtual = ""
				continue
			}
			taken := alternative
			alternative = strings.HasPrefix(line, " |")
			if virtual = ""; taken {
				continue
			}
			name = bare(strings.TrimSpace(name))
			graph[at] = append(graph[at], name)
			if strings.HasPrefix(name, "<") {
				virtual = name
			}
		}
	}
	seen := map[string]bool{}
	var libs []string
	var walk func(name string)
	walk = func(name string) {
		for _, n := range graph[name] {
			if seen[n] || !strings.HasPrefix(n, "<") && !library(n) {
				continue
			}
			seen[n] = true
			if library(n) {
				libs = append(libs, n)
			}
			walk(n)
		}
	}
	walk(from)
	slices.Sort(libs)
	return libs
}

// bare strips the architecture off a name: libpq5:amd64.
func bare(name string) string {
	name, _, _ = strings.Cut(name, ":")
	return name
}

func library(name string) bool {
	for _, prefix := range []string{"libc6", "libc-", "libllvm"} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	return strings.HasPrefix(name, "lib") || name == "zlib1g"
}
