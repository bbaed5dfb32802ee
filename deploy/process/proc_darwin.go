package process

import "golang.org/x/sys/unix"

// everyone lists the processes of this machine. Their folders stay unknown:
// macOS tells them through a private library only, so that there a pack is its
// groups and descendants.
func everyone() ([]proc, error) {
	list, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil, err
	}
	all := make([]proc, 0, len(list))
	for i := range list {
		all = append(all, read(&list[i]))
	}
	return all, nil
}

// look reads one process.
func look(pid int) (proc, error) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return proc{}, err
	}
	return read(k), nil
}

func read(k *unix.KinfoProc) proc {
	p := proc{parent: int(k.Eproc.Ppid), group: int(k.Eproc.Pgid), terminal: k.Eproc.Tdev != -1}
	p.PID = int(k.Proc.P_pid)
	p.Start = uint64(k.Proc.P_starttime.Sec)*1e6 + uint64(k.Proc.P_starttime.Usec)
	switch k.Proc.P_stat { // sys/proc.h: SIDL, SRUN, SSLEEP, SSTOP, SZOMB
	case 4:
		p.state = 'T'
	case 5:
		p.state = 'Z'
	default:
		p.state = 'S'
	}
	return p
}

// frozen reports whether the process is stopped.
func frozen(pid int) bool {
	p, err := look(pid)
	return err == nil && p.state == 'T'
}
