package postgres

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// apt asks the distribution's package tools, without ever changing what is
// installed.
type apt struct {
	dir     string // for its configuration and, if private, its lists
	private bool   // with package lists of our own instead of the machine's
}

func aptIn(dir string, private bool) apt { return apt{dir: dir, private: private} }

func (a apt) config() string {
	if a.private {
		return filepath.Join(a.dir, "private.conf")
	}
	return filepath.Join(a.dir, "machine.conf")
}

func (a apt) state() string { return filepath.Join(a.dir, "state") }
func (a apt) cache() string { return filepath.Join(a.dir, "cache") }

// prepare writes apt's configuration and, with lists of our own, fetches them.
func (a apt) prepare(ctx context.Context, progress func(string)) error {
	conf := []string{
		// The machine's hooks tidy up after its own updates; ours are none of them.
		`#clear APT::Update::Pre-Invoke;`,
		`#clear APT::Update::Post-Invoke;`,
		`#clear APT::Update::Post-Invoke-Success;`,
		// Root's apt downloads as the user _apt, who cannot write to our cache.
		`APT::Sandbox::User "";`,
		// Names and versions are all that is needed of the lists.
		`Acquire::Languages "none";`,
		`Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";`,
		`Acquire::IndexTargets::deb::CNF::DefaultEnabled "false";`,
		// A mirror that does not answer is given up after 15 s, twice, instead
		// of apt's two minutes for each of its files.
		`Acquire::http::Timeout "15";`,
		`Acquire::https::Timeout "15";`,
		`Acquire::Retries "1";`,
	}
	dirs := []string{a.dir}
	if a.private {
		conf = append(conf, `Dir::State::status "/var/lib/dpkg/status";`,
			// Lists that cannot be fetched are an error, not a warning.
			`APT::Update::Error-Mode "any";`)
		dirs = append(dirs, filepath.Join(a.state(), "lists/partial"), filepath.Join(a.cache(), "archives/partial"))
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("cache folder: %w", err)
		}
	}
	if err := os.WriteFile(a.config(), []byte(strings.Join(conf, "\n")+"\n"), 0o644); err != nil {
		return fmt.Errorf("cache folder: %w", err)
	}
	if !a.private {
		return nil
	}
	progress("fetching the distribution's package lists")
	// One unreachable source of several fails the update, though the others
	// may have what is wanted: newest finds out.
	_, err := a.run(ctx, "", "apt-get", "update", "-qq")
	if err != nil && ctx.Err() == nil {
		if _, none := a.newest(ctx); none == nil {
			return nil
		}
	}
	return err
}

// run runs one of apt's programs with our configuration on top of the
// machine's; proxies in the environment and in the machine's keep working.
func (a apt) run(ctx context.Context, dir, program string, args ...string) (string, error) {
	options := []string{"-c", a.config()}
	if a.private {
		// Not in its configuration, whose strings cannot hold every path.
		options = append(options, "-o", "Dir::State="+a.state(), "-o", "Dir::Cache="+a.cache())
	}
	cmd := exec.CommandContext(ctx, program, append(options, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var out, wrong bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &wrong
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w", program, args[0], said(err, cause(wrong.Bytes())))
	}
	return out.String(), nil
}

// cause returns the first error of those that apt wrote: the last one sums them
// up and does not say what was the matter.
func cause(wrong []byte) []byte {
	for line := range bytes.Lines(wrong) {
		if bytes.HasPrefix(line, []byte("E: ")) {
			return line
		}
	}
	return wrong
}

// newest returns the name of the newest server package that can be fetched.
func (a apt) newest(ctx context.Context) (string, error) {
	out, err := a.run(ctx, "", "apt-cache", "pkgnames", "postgresql-")
	if err != nil {
		return "", err
	}
	var names []string
	for _, n := range strings.Fields(out) {
		if v := major(n); v >= Oldest && n == fmt.Sprintf("postgresql-%d", v) {
			names = append(names, n)
		}
	}
	slices.SortFunc(names, func(x, y string) int { return major(y) - major(x) })
	for _, n := range names {
		// A name may be known only because another package mentions it, and a
		// version only because it is installed.
		if out, err := a.run(ctx, "", "apt-get", "download", "--print-uris", n); err == nil && strings.Contains(out, ".deb") {
			return n, nil
		}
	}
	return "", fmt.Errorf("the package lists name no postgresql-%d or newer", Oldest)
}

// missing returns the library packages that the server needs, directly or not,
// and that this machine has not installed.
func (a apt) missing(ctx context.Context, server string) ([]string, error) {
	out, err := a.run(ctx, "", "apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests",
		"--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances", server)
	if err != nil {
		return nil, err
	}
	have, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n").Output()
	if err != nil {
		return nil, fmt.Errorf("dpkg-query: %w", err)
	}
	installed := map[string]bool{}
	for line := range strings.Lines(string(have)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "installed "); ok {
			installed[name] = true
		}
	}
	return slices.DeleteFunc(needs(out, server), func(n string) bool { return installed[n] }), nil
}

// unpack downloads packages, whose checksums apt verifies, and unpacks them
// into dir.
func (a apt) unpack(ctx context.Context, dir string, packages []string) error {
	debs := filepath.Join(dir, ".debs")
	if err := os.Mkdir(debs, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(debs)
	if _, err := a.run(ctx, debs, "apt-get", append([]string{"download", "-qq"}, packages...)...); err != nil {
		return err
	}
	for _, file := range matches(debs, "*.deb") {
		if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", file, dir).CombinedOutput(); err != nil {
			return fmt.Errorf("unpacking %s: %w", filepath.Base(file), said(err, out))
		}
	}
	return os.Chmod(dir, 0o755) // the packages' root folder may have closed it
}
