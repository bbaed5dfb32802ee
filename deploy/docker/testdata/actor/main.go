// Command actor does in a container what a test tells it to.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/bedlamlab/bedlam/deploy/exhaust"
	"github.com/bedlamlab/bedlam/deploy/impair"
	"github.com/bedlamlab/bedlam/deploy/postgres"
)

func main() {
	if err := act(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "actor:", err)
		os.Exit(1)
	}
}

func act(verb string, words []string) error {
	switch verb {
	case "store":
		if len(words) > 0 {
			return postgres.Prepare(context.Background())
		}
		code, err := postgres.Main(context.Background())
		if code != 0 {
			os.Exit(code)
		}
		return err
	case "exit": // with a code
		code, err := strconv.Atoi(words[0])
		if err == nil {
			os.Exit(code)
		}
		return err
	case "live": // until SIGTERM, and echo on a port if there is one
		return live(words)
	case "web": // on an address, until SIGTERM
		return web(words[0])
	case "say": // to both outputs
		fmt.Println("out: " + words[0])
		fmt.Fprintln(os.Stderr, "err: "+words[0])
		return nil
	case "files": // every file that is there
		return files()
	case "call": // an address, and print its answer to a line
		return call(words[0], words[1])
	case "write": // a file
		return os.WriteFile(words[0], []byte("x"), 0o600)
	case "eat": // memory, until there is no more
		for i := 1; ; i++ {
			b := make([]byte, 1<<20)
			for at := range b {
				b[at] = byte(i)
			}
			kept = append(kept, b)
		}
	case "exhaust": // its container
		return exhaust.Main(context.Background(), os.Stdin, words[0], words[1])
	case "impair": // the container that it is put beside
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		return impair.Main(ctx, os.Stdin, os.Stdout)
	case "score": // of process 1, by which the kernel chooses
		b, err := os.ReadFile("/proc/1/oom_score_adj")
		fmt.Print(string(b))
		return err
	case "status": // what the kernel says of this process
		b, err := os.ReadFile("/proc/self/status")
		fmt.Print(string(b))
		return err
	}
	return fmt.Errorf("no verb %q", verb)
}

var kept [][]byte

func live(words []string) error {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGUSR1)
	if len(words) > 0 {
		ln, err := net.Listen("tcp", words[0])
		if err != nil {
			return err
		}
		go func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				go func() {
					defer conn.Close()
					io.Copy(conn, conn)
				}()
			}
		}()
	}
	fmt.Println("alive")
	for sig := range ended {
		fmt.Println("heard", sig)
		if sig == syscall.SIGTERM {
			return nil
		}
	}
	return nil
}

func files() error {
	return filepath.WalkDir("/", func(path string, d fs.DirEntry, err error) error {
		for _, kernel := range []string{"/proc", "/sys", "/dev"} {
			if path == kernel {
				return fs.SkipDir
			}
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		fmt.Printf("%s %d %s\n", info.Mode(), st.Uid, path)
		return nil
	})
}

func call(address, line string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := fmt.Fprintln(conn, line); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	fmt.Println(strings.TrimSpace(answer))
	return err
}
