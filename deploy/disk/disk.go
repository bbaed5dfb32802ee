// Package disk gives a program of this machine a disk of its own that can fail:
// its folder is a file system that a process of ours serves (FUSE), which passes
// everything on to another folder until it is told not to. It needs root, Linux
// and /dev/fuse; [Check] says what is missing.
//
//	d := disk.At(scratch, "postgres-1")            // nothing is there yet
//	ended, err := d.Serve(ctx, bedlam)             // its folder is a disk from now on
//	err = d.Ail(ctx, disk.Slow{Latency: …})        // and a slow one
//	err = d.Cure(ctx, disk.SlowName)
//	err = disk.Sweep(ctx, scratch)                 // when all that had files there have ended
//
// What ails a disk is told to it by an extended attribute of its root, which
// only root may set, and read back from there: by any process, without a port, a
// token or a file that could be out of step. It lasts as long as the process
// that serves the disk, and goes with it. If that process is killed, whoever has
// files open there finds that the disk is gone (ENOTCONN) until it is ended,
// swept and served anew.
//
//	SCRATCH/NAME               the folder that the program sees
//	SCRATCH/disks/NAME         where the process stands that serves it
//	SCRATCH/disks/NAME/files   what is really there
package disk

import (
	"path/filepath"
)

// A Disk is one folder and what stands behind it.
type Disk struct {
	Folder string `json:"folder"` // where the program sees it
	Files  string `json:"files"`  // what is really there
}

// At returns the disk of that name in a run's scratch folder, which is there or
// is not.
func At(scratch, name string) Disk {
	return Disk{Folder: filepath.Join(scratch, name), Files: filepath.Join(scratch, "disks", name, "files")}
}

// kind is the file system's type as the kernel lists it, which nobody else's has.
const kind = "fuse." + source

// source is what stands for the device in the kernel's list.
const source = "bedlam"
