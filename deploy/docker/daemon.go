package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"
	"golang.org/x/sys/unix"
)

// oldest is the oldest API that is spoken: that of Docker 20.10, the oldest
// daemon that this engine's tests have been run against. Newer ones are
// negotiated with, up to what the client knows.
const oldest = "1.41"

// answerTime bounds a daemon's first answers. A healthy one takes some ms, one
// that is just being started a few seconds.
const answerTime = 10 * time.Second

// A daemon is the Docker daemon of this machine. It is safe for concurrent use.
type daemon struct {
	api     *client.Client
	host    string // where it answers, such as unix:///var/run/docker.sock
	version string // of the daemon, such as 20.10.24
	// official is PostgreSQL's own image, see storeImage.
	official string
}

// connect finds the daemon where Docker's own command does and makes sure that
// containers of it can be this engine's. The error says in one sentence what
// is in the way.
func connect(ctx context.Context) (*daemon, error) {
	fail := func(err error) (*daemon, error) { return nil, fmt.Errorf("docker: %w", err) }
	if runtime.GOOS != "linux" {
		return fail(fmt.Errorf("on %s containers run in a virtual machine whose network this machine cannot reach: use the process engine", runtime.GOOS))
	}
	host, err := daemonHost()
	if err != nil {
		return fail(err)
	}
	path, ok := strings.CutPrefix(host, "unix://")
	if !ok {
		return fail(fmt.Errorf("the daemon at %s may be on another machine: this engine needs the one of this machine, at a unix socket (see DOCKER_HOST and docker context use)", host))
	}
	if err := reach(ctx, path); err != nil {
		return fail(err)
	}
	api, err := client.New(client.WithHost(host), client.WithAPIVersionFromEnv())
	if err != nil {
		return fail(err)
	}
	d := &daemon{api: api, host: host, official: official}
	if err := d.check(ctx); err != nil {
		d.close()
		return fail(err)
	}
	return d, nil
}

// close gives up what is kept open to the daemon.
func (d *daemon) close() error { return d.api.Close() }

// reach says why a socket cannot be dialed, which the client's own words mix
// up.
func reach(ctx context.Context, path string) error {
	conn, err := (&net.Dialer{Timeout: answerTime}).DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return conn.Close()
	case ctx.Err() != nil:
		return fmt.Errorf("connecting to %s: %w", path, context.Cause(ctx))
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no daemon: no socket %s (is Docker installed and started?)", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s may not use %s: join the group that owns it (usually: sudo usermod -aG docker %[1]s, and log in again)", whoami(), path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("the daemon does not run: nobody listens on %s (usually: sudo systemctl start docker)", path)
	default:
		return fmt.Errorf("connecting to %s: %w", path, err)
	}
}

func whoami() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("user %d", os.Getuid())
}

// check asks the daemon what it is.
func (d *daemon) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, fmt.Errorf("the daemon at %s has not answered within %s", d.host, answerTime))
	defer cancel()
	fail := func(err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("the daemon at %s does not answer as Docker does: %w", d.host, err)
	}
	ping, err := d.api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
	for _, spoken := range []string{ping.APIVersion, d.api.ClientVersion()} {
		if spoken != "" && versions.LessThan(spoken, oldest) {
			return fmt.Errorf("the daemon at %s is spoken to in API %s: at least %s is needed, which is Docker 20.10's", d.host, spoken, oldest)
		}
	}
	if err != nil {
		return fail(err)
	}
	got, err := d.api.Info(ctx, client.InfoOptions{})
	if err != nil {
		return fail(err)
	}
	d.version = got.Info.ServerVersion
	var uname unix.Utsname
	if err := unix.Uname(&uname); err != nil {
		return fmt.Errorf("asking this machine for its kernel: %w", err)
	}
	return near(got.Info, unix.ByteSliceToString(uname.Release[:]))
}

// near refuses daemons whose containers this machine, with that kernel, cannot
// reach by address.
func near(i system.Info, kernel string) error {
	const elsewhere = "whose network this machine cannot reach: use the process engine, or a daemon of this machine that runs as root"
	rootless := slices.ContainsFunc(i.SecurityOptions, func(o string) bool {
		return slices.Contains(strings.Split(o, ","), "name=rootless")
	})
	switch {
	case i.OSType != "linux":
		return fmt.Errorf("the daemon runs %s containers, and the shop is for linux", i.OSType)
	case strings.Contains(i.OperatingSystem, "Docker Desktop"):
		return fmt.Errorf("this is Docker Desktop: containers run in a virtual machine %s", elsewhere)
	case rootless:
		return fmt.Errorf("the daemon is rootless: containers run in a network namespace of its own %s", elsewhere)
	case i.KernelVersion != "" && i.KernelVersion != kernel:
		return fmt.Errorf("the daemon runs on another kernel (%s) than this machine (%s): in a virtual machine or far away, %s", i.KernelVersion, kernel, elsewhere)
	}
	return nil
}
