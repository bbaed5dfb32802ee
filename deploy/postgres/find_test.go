package postgres_test

import (
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy/postgres"
)

func TestPackages(t *testing.T) {
	dir := folder(t)
	began := time.Now()
	in, err := postgres.Find(t.Context(), dir, func(s string) { t.Log(s) }, postgres.Packages)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(in.Bin, in.Version, time.Since(began))
	c := open(t, start(t, in, options(t, dir)), "payment")
	t.Log(show(t, c, "SHOW server_version"))
}
