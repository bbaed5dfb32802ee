package docker

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/moby/moby/client"
)

// daemonHost returns the address of the daemon, as Docker's own command finds
// it: $DOCKER_HOST, else the context that $DOCKER_CONTEXT or the user's
// configuration names, else the usual socket.
func daemonHost() (string, error) {
	if host := os.Getenv(client.EnvOverrideHost); host != "" {
		return host, nil
	}
	dir := os.Getenv("DOCKER_CONFIG")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return client.DefaultDockerHost, nil // without a home there is no context, either
		}
		dir = filepath.Join(home, ".docker")
	}
	name := os.Getenv("DOCKER_CONTEXT")
	if name == "" {
		b, err := os.ReadFile(filepath.Join(dir, "config.json"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return client.DefaultDockerHost, nil
		}
		if err != nil {
			return "", fmt.Errorf("reading Docker's configuration: %w", err)
		}
		if name, err = currentContext(b); err != nil {
			return "", fmt.Errorf("reading Docker's configuration %s: %w", filepath.Join(dir, "config.json"), err)
		}
	}
	if name == "" || name == "default" {
		return client.DefaultDockerHost, nil
	}
	// A context's folder is named by the digest of its name.
	path := filepath.Join(dir, "contexts", "meta", fmt.Sprintf("%x", sha256.Sum256([]byte(name))), "meta.json")
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("docker context %q: %w (see docker context ls)", name, err)
	}
	host, err := contextHost(b)
	if err != nil {
		return "", fmt.Errorf("docker context %q: %s: %w", name, path, err)
	}
	return host, nil
}

// currentContext reads the name of the context in use out of Docker's
// config.json; empty if it names none.
func currentContext(config []byte) (string, error) {
	var c struct {
		CurrentContext string `json:"currentContext"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return "", err
	}
	return c.CurrentContext, nil
}

// contextHost reads the daemon's address out of a context's meta.json.
func contextHost(meta []byte) (string, error) {
	var m struct {
		Endpoints map[string]struct{ Host string }
	}
	if err := json.Unmarshal(meta, &m); err != nil {
		return "", err
	}
	host := m.Endpoints["docker"].Host
	if host == "" {
		return "", errors.New("it names no daemon")
	}
	return host, nil
}
