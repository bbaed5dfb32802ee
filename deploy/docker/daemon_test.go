package docker

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// on sets the environment that a daemon is found by.
func on(t *testing.T, host string) {
	t.Helper()
	t.Setenv(client.EnvOverrideHost, host)
	t.Setenv(client.EnvOverrideAPIVersion, "")
}

// pretend is a daemon that answers what it is asked at first, and nothing else.
func pretend(t *testing.T, api string, info system.Info) string {
	t.Helper()
	ln, host := socket(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/_ping", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", api) })
	mux.HandleFunc("/{version}/info", func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(info) })
	s := &http.Server{Handler: mux}
	go s.Serve(ln)
	t.Cleanup(func() { s.Close() })
	return host
}

// healthy is what a daemon says that can be used here.
func healthy(t *testing.T) system.Info {
	t.Helper()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	return system.Info{OSType: "linux", OperatingSystem: "Debian GNU/Linux 12 (bookworm)", ServerVersion: "20.10.24",
		KernelVersion: unix.ByteSliceToString(u.Release[:]), SecurityOptions: []string{"name=seccomp,profile=default"}}
}

func TestConnect(t *testing.T) {
	l := newLab(t)
	if l.version == "" || !strings.HasPrefix(l.host, "unix://") {
		t.Errorf("connected to %q, version %q", l.host, l.version)
	}
	t.Logf("Docker %s, API %s", l.version, l.api.ClientVersion())
}

func TestConnectNegotiates(t *testing.T) {
	for api, want := range map[string]string{"1.41": "1.41", "1.48": "1.48", "9.99": client.MaxAPIVersion} {
		on(t, pretend(t, api, healthy(t)))
		d, err := connect(t.Context())
		if err != nil {
			t.Errorf("API %s: %v", api, err)
			continue
		}
		if got := d.api.ClientVersion(); got != want {
			t.Errorf("to a daemon of API %s it speaks %s, want %s", api, got, want)
		}
		d.close()
	}
}

// Each daemon that cannot work is refused with a sentence that says why.
func TestConnectRefuses(t *testing.T) {
	with := func(change func(*system.Info)) func(*testing.T) string {
		return func(t *testing.T) string {
			i := healthy(t)
			change(&i)
			return pretend(t, "1.41", i)
		}
	}
	host := func(h string) func(*testing.T) string { return func(*testing.T) string { return h } }
	for _, c := range []struct {
		name string
		host func(*testing.T) string
		want string
	}{
		{"no socket", host("unix:///no/such/docker.sock"), "no socket /no/such/docker.sock"},
		{"nobody listens", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "d.sock")
			ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
			if err != nil {
				t.Fatal(err)
			}
			ln.SetUnlinkOnClose(false)
			ln.Close()
			return "unix://" + path
		}, "nobody listens"},
		{"another machine, by TCP", host("tcp://192.0.2.1:2375"), "another machine"},
		{"another machine, by SSH", host("ssh://somebody@192.0.2.1"), "another machine"},
		{"Windows", host("npipe:////./pipe/docker_engine"), "another machine"},
		{"no address", host("docker"), "another machine"},
		{"too old", func(t *testing.T) string { return pretend(t, "1.40", healthy(t)) }, "at least 1.41"},
		{"much too old", func(t *testing.T) string { return pretend(t, "1.24", healthy(t)) }, "at least 1.41"},
		{"rootless", with(func(i *system.Info) { i.SecurityOptions = append(i.SecurityOptions, "name=rootless") }), "rootless"},
		{"Docker Desktop", with(func(i *system.Info) { i.OperatingSystem = "Docker Desktop" }), "Docker Desktop"},
		{"another kernel", with(func(i *system.Info) { i.KernelVersion = "6.10.14-linuxkit" }), "6.10.14-linuxkit"},
		{"containers of Windows", with(func(i *system.Info) { i.OSType = "windows" }), "windows"},
		{"no Docker at all", func(t *testing.T) string {
			ln, host := socket(t)
			accept(ln, func(conn net.Conn) {
				conn.Read(make([]byte, 1)) // or the client would call it unasked for
				conn.Write([]byte("220 mail.example.com ESMTP\r\n"))
			})
			return host
		}, "does not answer as Docker does"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			on(t, c.host(t))
			d, err := connect(t.Context())
			if err == nil {
				d.close()
				t.Fatal("it was not refused")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "docker: ") {
				t.Errorf("it says %q, which should say %q", err, c.want)
			}
			if !strings.HasPrefix(c.name, "no Docker") { // whose own goroutine stays to the test's end
				goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("net/http.(*Server).Serve"), goleak.IgnoreAnyFunction("net/http.(*conn).serve"))
			}
		})
	}
}

func TestConnectIsCutShort(t *testing.T) {
	_, host := socket(t) // and never accepts: a daemon that hangs
	on(t, host)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	go cancel(why)
	if _, err := connect(ctx); !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
		t.Errorf("cut short, it says %v", err)
	}
}

func TestHost(t *testing.T) {
	config := t.TempDir()
	meta := func(name, text string) {
		dir := filepath.Join(config, "contexts", "meta", fmt.Sprintf("%x", sha256.Sum256([]byte(name))))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "meta.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	meta("far", `{"Name":"far","Metadata":{},"Endpoints":{"docker":{"Host":"ssh://me@far","SkipTLSVerify":false}}}`)
	meta("here", `{"Name":"here","Endpoints":{"docker":{"Host":"unix:///here.sock"}}}`)
	meta("broken", `{`)
	meta("empty", `{}`)
	for _, c := range []struct {
		why, host, context, config string
		want                       string // empty: an error
	}{
		{"nothing is said", "", "", "", client.DefaultDockerHost},
		{"the host is said", "unix:///other.sock", "far", `{"currentContext":"here"}`, "unix:///other.sock"},
		{"a context is said", "", "far", `{"currentContext":"here"}`, "ssh://me@far"},
		{"a context is configured", "", "", `{"auths":{},"currentContext":"here"}`, "unix:///here.sock"},
		{"no context is configured", "", "", `{"auths":{}}`, client.DefaultDockerHost},
		{"the default is said", "", "default", `{"currentContext":"here"}`, client.DefaultDockerHost},
		{"there is no such context", "", "away", "", ""},
		{"the context is broken", "", "broken", "", ""},
		{"the context names no daemon", "", "empty", "", ""},
		{"the configuration is broken", "", "", `{`, ""},
	} {
		t.Setenv("DOCKER_HOST", c.host)
		t.Setenv("DOCKER_CONTEXT", c.context)
		t.Setenv("DOCKER_CONFIG", config)
		os.Remove(filepath.Join(config, "config.json"))
		if c.config != "" {
			if err := os.WriteFile(filepath.Join(config, "config.json"), []byte(c.config), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := daemonHost()
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", c.why, got, err, c.want)
		}
	}
}

func FuzzHost(f *testing.F) {
	f.Add([]byte(`{"currentContext":"here","Endpoints":{"docker":{"Host":"unix:///x"}}}`))
	f.Add([]byte(`{"Endpoints":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if name, err := currentContext(text); err != nil && name != "" {
			t.Errorf("%q: %q and %v", text, name, err)
		}
		if host, err := contextHost(text); (host == "") == (err == nil) {
			t.Errorf("%q: %q and %v", text, host, err)
		}
	})
}
