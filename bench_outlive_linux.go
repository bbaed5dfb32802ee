package bedlam

import "syscall"

// withParent has the kernel kill a process when the thread that started it ends:
// a bench that is killed itself closes nothing.
func withParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
