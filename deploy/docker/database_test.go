package docker

import (
	"debug/elf"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// store is the stores' image, made of this machine's PostgreSQL: the official
// one is one that nobody has.
func (l *lab) store(progress func(string)) string {
	l.t.Helper()
	l.official = "bedlam.invalid/postgres:17"
	cache, err := postgres.CacheDir()
	l.must(err)
	if _, err := postgres.Find(l.ctx, cache, nil); err != nil {
		l.t.Skipf("this test needs PostgreSQL: %v", err)
	}
	ref, err := l.storeImage(l.ctx, l.run, cache, l.actor(), progress)
	l.must(err)
	shared.Store(ref, true)
	return ref
}

// describe returns a store at an address.
func describe(ip netip.Addr) postgres.Options {
	return postgres.Options{Dir: storeDir, Host: ip.String(), Port: 5432, Database: "shop", Password: "super-secret", Roles: []postgres.Role{
		{Name: deploy.AuditRole, Password: "audit-secret"},
		{Name: "cart", Password: "cart-secret", Schema: "cart"},
	}}
}

// database makes a store's container as an engine does, and starts it.
func (l *lab) database(ref string, n *network, o postgres.Options) string {
	l.t.Helper()
	env, err := storeEnv(o)
	l.must(err)
	id, err := l.create(l.ctx, spec{
		Run: l.run, Instance: "postgres-1", Image: ref, Command: storeCommand, Env: []string{env},
		Network: n.ID, IP: netip.MustParseAddr(o.Host), Memory: 512 << 20, ReadOnly: true,
		Volume: map[string]string{"bedlam-" + l.run + "-postgres-1": storeDir},
	})
	l.must(err)
	l.must(l.start(l.ctx, id))
	l.ready(id, o)
	return id
}

// ready waits until a store has its roles, or has ended.
func (l *lab) ready(id string, o postgres.Options) {
	l.t.Helper()
	began := time.Now()
	l.until("the store is ready", func() bool {
		if !l.look(id).Running {
			l.t.Fatalf("the store has ended: %s", l.said(id))
		}
		return storeReady(l.ctx, o) == nil
	})
	l.t.Logf("ready after %s", time.Since(began).Round(time.Millisecond)) // a figure to look at, not one to judge
}

// as connects to a store.
func (l *lab) as(role string, o postgres.Options) *pgx.Conn {
	l.t.Helper()
	c, err := pgx.Connect(l.ctx, postgres.DSN(o, role))
	l.must(err)
	return c
}

// sql runs one statement as a role.
func (l *lab) sql(role string, o postgres.Options, statement string) error {
	l.t.Helper()
	c := l.as(role, o)
	defer c.Close(l.ctx)
	_, err := c.Exec(l.ctx, statement)
	return err
}

// value is what one query says.
func (l *lab) value(role string, o postgres.Options, query string) string {
	l.t.Helper()
	c := l.as(role, o)
	defer c.Close(l.ctx)
	var v string
	l.must(c.QueryRow(l.ctx, query).Scan(&v))
	return v
}

// A store keeps every acknowledged row however it ends, and starts again.
func TestStoreLives(t *testing.T) {
	l := newLab(t)
	id, o := l.stored()
	l.must(l.sql("cart", o, "CREATE TABLE line (n int)"))

	count := 0
	for _, end := range []struct {
		how  string
		sig  syscall.Signal
		code int
		open bool // a client stays
	}{
		{"crash", syscall.SIGKILL, 137, true},
		{"fast shutdown", postgres.FastShutdown, 0, true},
		{"smart shutdown", syscall.SIGTERM, 0, false},
		{"a second crash", syscall.SIGKILL, 137, true},
	} {
		for range 10 {
			count++
			l.must(l.sql("cart", o, fmt.Sprintf("INSERT INTO line VALUES (%d)", count)))
		}
		if end.open {
			c := l.as("cart", o)
			defer c.Close(l.ctx)
		}
		l.must(l.kill(l.ctx, id, end.sig))
		e, err := l.wait(l.ctx, id)
		l.must(err)
		if e.Code != end.code {
			t.Errorf("%s: it ended with code %d, want %d: %s", end.how, e.Code, end.code, l.lastWords(l.ctx, id))
		}
		l.must(l.start(l.ctx, id))
		l.ready(id, o)
		if got := l.value("cart", o, "SELECT count(*)::text FROM line"); got != fmt.Sprint(count) {
			t.Errorf("%s: %s rows are left of %d", end.how, got, count)
		}
	}
}

// A smart shutdown waits for those who are there, as PostgreSQL's does.
func TestStoreWaitsForClients(t *testing.T) {
	l := newLab(t)
	id, o := l.stored()
	c := l.as("cart", o)
	l.must(l.kill(l.ctx, id, syscall.SIGTERM))
	l.until("it wants to shut down", func() bool { return strings.Contains(l.lastWords(l.ctx, id), "smart shutdown") })
	var one int
	if err := c.QueryRow(l.ctx, "SELECT 1").Scan(&one); err != nil || one != 1 {
		t.Errorf("who is there is not served any more: %v", err)
	}
	l.must(c.Close(l.ctx))
	if e, err := l.wait(l.ctx, id); err != nil || e.Code != 0 {
		t.Errorf("it ended with %+v, %v", e, err)
	}
}

func TestStoreIsDurableAndClosed(t *testing.T) {
	l := newLab(t)
	id, o := l.stored()
	for setting, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "data_checksums": "on",
		"listen_addresses": o.Host, "password_encryption": "scram-sha-256", "timezone": "UTC", "server_encoding": "UTF8",
	} {
		if got := l.value(postgres.Superuser, o, "SELECT current_setting('"+setting+"')"); got != want {
			t.Errorf("%s is %s, want %s", setting, got, want)
		}
	}
	if got := l.value("cart", o, "SELECT current_schema()"); got != "cart" {
		t.Errorf("the schema is %s", got)
	}
	// Time zones and the other things that are files.
	if got := l.value("cart", o, "SELECT (timestamptz '2026-07-01 12:00+00' AT TIME ZONE 'Europe/Berlin')::text"); got != "2026-07-01 14:00:00" {
		t.Errorf("noon in Berlin is %s", got)
	}
	l.must(l.sql("cart", o, "DO $$ BEGIN PERFORM to_tsvector('english', 'horses'); END $$")) // two modules

	for why, change := range map[string]func(*postgres.Options){
		"a wrong password":               func(o *postgres.Options) { o.Roles[1].Password = "guess" },
		"the template's own superuser":   func(o *postgres.Options) { o.Password = "" },
		"a role that does not exist":     func(o *postgres.Options) { o.Roles[1].Name, o.Roles[1].Schema = "nobody", "" },
		"a database that does not exist": func(o *postgres.Options) { o.Database = "template1" },
	} {
		wrong := o
		wrong.Roles = slices.Clone(o.Roles)
		change(&wrong)
		role := wrong.Roles[1].Name
		if wrong.Password != o.Password {
			role = postgres.Superuser
		}
		if c, err := pgx.Connect(l.ctx, postgres.DSN(wrong, role)); err == nil {
			c.Close(l.ctx)
			t.Errorf("it lets in %s", why)
		}
	}
	if err := l.sql(deploy.AuditRole, o, "CREATE TABLE audit (n int)"); err == nil {
		t.Error("the audit may write")
	}
	if v := l.look(id); v.PID > 0 {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.PID)); err == nil && !strings.Contains(string(b), fmt.Sprintf("Uid:\t%d\t", storeID)) {
			t.Errorf("it does not run under account %d:\n%s", storeID, b)
		}
	}
}

// What a container is told wrong, or told while it begins, ends it, and says why.
func TestStoreEndsAtItsStart(t *testing.T) {
	l := newLab(t)
	ref := l.store(nil)
	_, ip := l.net()
	for why, c := range map[string]struct{ env, want string }{
		"nothing":      {"X=y", postgres.OptionsEnv},
		"nonsense":     {postgres.OptionsEnv + "={", postgres.OptionsEnv},
		"no password":  {postgres.OptionsEnv + `={"Dir":"` + storeDir + `","Port":5432}`, "no password"},
		"a far folder": {postgres.OptionsEnv + `={"Dir":"/proc/x","Port":5432,"Password":"x"}`, "/proc/x"},
		"a foreign address": {postgres.OptionsEnv + `={"Dir":"` + storeDir + `","Host":"` + ip.String() + `","Port":5432,"Password":"x"}`,
			"could not create any TCP/IP sockets"},
	} {
		id, err := l.create(l.ctx, spec{Run: l.run, Instance: "postgres-" + strings.ReplaceAll(why, " ", "-"), Image: ref, Env: []string{c.env}})
		l.must(err)
		l.must(l.start(l.ctx, id))
		e, err := l.wait(l.ctx, id)
		l.must(err)
		if said := l.said(id); e.Code == 0 || !strings.Contains(said, c.want) {
			t.Errorf("%s: it ended with code %d and said %q, want %q", why, e.Code, said, c.want)
		}
	}
}

func TestStoreImageIsReused(t *testing.T) {
	l := newLab(t)
	ref := l.store(nil)
	id := func() string {
		got, err := l.api.ImageInspect(l.ctx, ref)
		l.must(err)
		return got.ID
	}
	before := id()
	began := time.Now()
	if again := l.store(func(text string) { t.Errorf("the second time is told %q", text) }); again != ref || id() != before {
		t.Errorf("the second time it is %s", again)
	}
	t.Logf("there already after %s", time.Since(began).Round(time.Millisecond))
	if _, err := l.storeImage(l.ctx, "", t.TempDir(), l.actor(), nil); err == nil {
		t.Error("no run got an image")
	}
	if _, err := l.storeImage(l.ctx, l.run, t.TempDir(), os.Args[0], nil); err == nil {
		_, inside := elf.Open(os.Args[0])
		t.Errorf("a test binary became an image: %v", inside)
	}
}

// shell is a /bin/sh that runs beside a C library and nothing else, since
// initdb wants one.
func shell(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"/bin/dash", "/bin/sh"} {
		path, err := filepath.EvalSymlinks(name)
		if err != nil {
			continue
		}
		f, err := elf.Open(path)
		if err != nil {
			continue
		}
		libs, err := f.ImportedLibraries()
		f.Close()
		if err == nil && !slices.ContainsFunc(libs, func(l string) bool { return !strings.HasPrefix(l, "libc.") }) {
			return path
		}
	}
	t.Skip("this machine's shell needs more than the C library")
	return ""
}

// The official image cannot be counted on to be there. This one is like it: no
// template, a shell, an entry point and a volume of its own.
func TestStoreImageOfOfficial(t *testing.T) {
	l := newLab(t)
	sh := shell(t)
	cache, err := postgres.CacheDir()
	l.must(err)
	install, err := postgres.Find(l.ctx, cache, nil, postgres.System)
	if err != nil {
		t.Skipf("this test needs PostgreSQL: %v", err)
	}
	files, err := install.Bundle(l.ctx, storeCache, storeID)
	l.must(err)
	below := layer{
		{path: "/bin/sh", mode: 0o755, from: sh},
		{path: "/tmp", mode: 0o777},
		{path: "/etc/passwd", mode: 0o644, text: accounts("postgres", storeID, "/")},
		{path: "/run.id", mode: 0o644, text: l.run}, // so that nobody has it yet
	}
	for _, f := range files {
		if !strings.HasPrefix(f.Path, storeCache) {
			below = append(below, entry{path: f.Path, mode: f.Mode, from: f.From, link: f.Link})
		}
	}
	a := archive{tag: "bedlam/test-postgres:" + l.run, layers: []layer{below}}
	a.config.Entrypoint, a.config.Cmd = []string{"/no/such/entry.sh"}, []string{"postgres"}
	a.config.Volumes = map[string]struct{}{"/var/lib/postgresql/data": {}}
	a.config.Env, a.config.StopSignal = []string{"PATH=/bin"}, "SIGQUIT"
	l.without(a.tag)
	l.must(l.load(l.ctx, a))

	l.official = a.tag
	ref, err := l.storeImage(l.ctx, l.run, t.TempDir(), l.actor(), nil)
	l.must(err)
	l.without(ref)
	if left, err := l.left(l.ctx, l.run); err != nil || !left.none() {
		t.Errorf("its making left %+v, %v", left, err)
	}
	got, err := l.api.ImageInspect(l.ctx, ref)
	l.must(err)
	if got.Config.Labels[deploy.LabelImage] != "postgres" || got.Config.User != fmt.Sprintf("%d:%d", storeID, storeID) || strings.Join(got.Config.Entrypoint, " ") != "/bedlam store" {
		t.Errorf("it is %+v", got.Config)
	}
	if again, err := l.storeImage(l.ctx, l.run, t.TempDir(), l.actor(), func(text string) { t.Errorf("the second time is told %q", text) }); again != ref || err != nil {
		t.Errorf("the second time it is %s, %v", again, err)
	}
	n, ip := l.net()
	o := describe(ip)
	id := l.database(ref, n, o)
	l.must(l.sql("cart", o, "CREATE TABLE line (n int)"))
	l.must(l.kill(l.ctx, id, syscall.SIGKILL))
	l.must(l.start(l.ctx, id))
	l.ready(id, o)
	l.must(l.sql("cart", o, "INSERT INTO line VALUES (1)"))
	l.must(l.remove(l.ctx, id))
}

// A registry that is not there, that says nothing or that has not got it is
// given up.
func TestPullIsBounded(t *testing.T) {
	l := newLab(t)
	silent := listen(t) // takes connections, and never answers
	empty := httptest.NewServer(http.NotFoundHandler())
	defer empty.Close()
	for host, want := range map[string]string{
		silent.Addr().String():           "no answer within 200ms",
		empty.Listener.Addr().String():   "",
		"127.0.0.1:1":                    "refused",
		"registry.invalid":               "registry.invalid",
		"https://not a reference at all": "invalid",
	} {
		l.official = host + "/postgres:17"
		patience := labTime
		if strings.HasPrefix(want, "no answer") {
			patience = 200 * time.Millisecond
		}
		if err := l.pull(l.ctx, patience, labTime, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("from %s: %v, want %q", host, err, want)
		}
	}
	l.official = silent.Addr().String() + "/postgres:17"
	if err := l.pull(l.ctx, labTime, 200*time.Millisecond, nil); err == nil || !strings.Contains(err.Error(), "not come within") {
		t.Errorf("in all it takes too long: %v", err)
	}
}

// A making that fails leaves nothing, and says what the container said.
func TestStoreImageOfNonsense(t *testing.T) {
	l := newLab(t)
	ref := "bedlam/test-nonsense:" + l.run
	l.without(ref)
	l.must(l.load(l.ctx, archive{tag: ref, layers: []layer{{{path: "/etc/passwd", mode: 0o644, text: accounts("postgres", storeID, "/")}, {path: "/run.id", mode: 0o644, text: l.run}}}}))
	l.official = ref
	_, err := l.storeImage(l.ctx, l.run, t.TempDir(), l.actor(), nil)
	if err == nil || !strings.Contains(err.Error(), "no PostgreSQL") {
		t.Errorf("an image without PostgreSQL: %v", err)
	}
	if left, err := l.left(l.ctx, l.run); err != nil || !left.none() {
		t.Errorf("it left %+v, %v", left, err)
	}
	all, err := l.api.ImageList(l.ctx, client.ImageListOptions{Filters: client.Filters{}.Add("reference", "bedlam/test-nonsense")})
	l.must(err)
	if len(all.Items) != 1 {
		t.Errorf("there are %d images of it", len(all.Items))
	}
}
