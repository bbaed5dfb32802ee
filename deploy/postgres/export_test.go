package postgres

import (
	"context"
	"strings"
)

// FindAt is Find from the download alone, at another mirror.
func FindAt(ctx context.Context, cache, mirror string) (*Install, error) {
	who, err := account()
	if err != nil {
		return nil, err
	}
	return (&finder{account: who, cache: cache, progress: func(string) {}, mirror: mirror}).find(ctx, []Source{Download})
}

// Needs is needs.
func Needs(text, from string) []string { return needs(text, from) }

// Release is parseRelease.
func Release(text string) string { return parseRelease(text) }

// LockFile is parseLockFile.
func LockFile(text string) (pid int, s *Segment) {
	l := parseLockFile(text)
	return l.pid, l.segment
}

// Loader is parseLoader.
func Loader(text string) (found map[string]string, missing []string) { return parseLoader(text) }

// Layout is layoutOf: the folders here and there, and where modules go.
func Layout(bin string, major int) (map[string]string, string, error) {
	l, err := layoutOf(bin, major)
	return l.trees, l.modules, err
}

// LookBehind is lookBehind.
func LookBehind(bin string) (programs, libs string) {
	b := lookBehind(bin)
	return b.Bin, b.Libs
}

// Scripts is Programs of in if it needed those libraries, too.
func Scripts(ctx context.Context, in *Install, cache, libs string) (string, error) {
	other := *in
	other.cache, other.libs = cache, strings.TrimPrefix(in.libs+":"+libs, ":")
	return other.Programs(ctx)
}
