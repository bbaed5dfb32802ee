package docker

import (
	"crypto/sha256"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// machines are the processors that ELF knows by number, as Go names them.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "riscv64": elf.EM_RISCV, "386": elf.EM_386, "arm": elf.EM_ARM}

// A program is a binary that runs in an image without anything else.
type program struct {
	path   string
	digest [sha256.Size]byte
}

// static reads a binary and makes sure that an empty image can run it.
func static(path string) (program, error) {
	fail := func(err error) (program, error) { return program{}, fmt.Errorf("%s: %w", path, err) }
	file, err := os.Open(path)
	if err != nil {
		return program{}, err
	}
	defer file.Close()
	if err := standalone(file); err != nil {
		return fail(err)
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, io.NewSectionReader(file, 0, 1<<62)); err != nil {
		return fail(err)
	}
	p := program{path: path}
	hash.Sum(p.digest[:0])
	return p, nil
}

// standalone refuses what is no program for this machine's containers.
func standalone(r io.ReaderAt) error {
	f, err := elf.NewFile(r)
	if err != nil {
		return fmt.Errorf("it is no linux program: %w", err)
	}
	defer f.Close()
	if want, ok := machines[runtime.GOARCH]; ok && f.Machine != want {
		return fmt.Errorf("it is a program for %s, and this machine is %s", f.Machine, want)
	}
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return errors.New("it is no program")
	}
	const static = "it is not static, and a container has nothing beside it: build it with CGO_ENABLED=0"
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			libs, _ := f.ImportedLibraries() // for the error's text
			if len(libs) > 0 {
				return fmt.Errorf("%s (it wants %s)", static, strings.Join(libs, ", "))
			}
			return errors.New(static)
		}
	}
	return nil
}
