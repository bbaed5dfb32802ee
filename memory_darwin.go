package bedlam

import "golang.org/x/sys/unix"

// memory is the machine's, in bytes; 0 if it does not say.
func memory() uint64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0
	}
	return n
}
