package bedlamtest

import "testing"

// What is asked for the tests themselves is not all for the programs: they are
// static, which none of the sanitizers can be.
func TestFlags(t *testing.T) {
	for asked, want := range map[string]string{
		"":                               "",
		"-p=1 -tags=x":                   "-p=1 -tags=x",
		"-race":                          "",
		"-race=true --msan -p=1 -asan=1": "-p=1",
		"-mod=vendor -modcacherw":        "-modcacherw",
	} {
		t.Setenv("GOFLAGS", asked)
		if got := flags(); got != want {
			t.Errorf("of %q it keeps %q, want %q", asked, got, want)
		}
	}
}
