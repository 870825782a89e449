package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// What the kernel is asked for to reach somebody else, and the number of the register's argument that points to the address.
var reaching = map[uint64]struct {
	name    string
	address int // -1: inside a msghdr in argument 1
}{
	syscall.SYS_CONNECT: {"connect", 1},
	syscall.SYS_SENDTO:  {"sendto", 4},
	syscall.SYS_SENDMSG: {"sendmsg", -1},
	307:                 {"sendmmsg", -1},
}

// programs are what the tracer calls a program that was started.
const programs = "exec"

// trace runs a program under ptrace, as strace does, and writes down whom it and all that it starts try to reach: it sees the system
// calls themselves, whatever library makes them. It is a process of its own, since it waits for whatever child there is.
//
//	trace FILE PROGRAM ARGS...
func trace() {
	runtime.LockOSThread() // the kernel knows tracers by thread
	cmd := exec.Command(os.Args[2], os.Args[3:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "trace: %v\n", err)
		os.Exit(121)
	}
	t := tracer{main: cmd.Process.Pid, seen: map[string]bool{}}
	code, err := t.follow()
	lines := make([]string, 0, len(t.seen))
	for line := range t.seen {
		lines = append(lines, line+"\n")
	}
	slices.Sort(lines)
	if err := errors.Join(err, os.WriteFile(os.Args[1], []byte(strings.Join(lines, "")), 0o600)); err != nil {
		fmt.Fprintf(os.Stderr, "trace: %v\n", err)
		os.Exit(121)
	}
	os.Exit(code)
}

type tracer struct {
	main int
	seen map[string]bool
}

// follow lets all run from call to call until the first of them has ended, and gives its exit code.
func (t *tracer) follow() (code int, err error) {
	const (
		exitKill = 0x100000 // nobody runs on without us
		wall     = 0x40000000
		isCall   = syscall.SIGTRAP | 0x80
	)
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(t.main, &status, 0, nil); err != nil {
		return 0, err
	}
	options := syscall.PTRACE_O_TRACECLONE | syscall.PTRACE_O_TRACEFORK | syscall.PTRACE_O_TRACEVFORK | syscall.PTRACE_O_TRACEEXEC | syscall.PTRACE_O_TRACESYSGOOD | exitKill
	if err := syscall.PtraceSetOptions(t.main, options); err != nil {
		return 0, fmt.Errorf("ptrace: %w", err)
	}
	if err := syscall.PtraceSyscall(t.main, 0); err != nil {
		return 0, fmt.Errorf("ptrace: %w", err)
	}
	for {
		pid, err := syscall.Wait4(-1, &status, wall, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return 0, err
		case status.Exited() && pid == t.main:
			return status.ExitStatus(), nil
		case status.Signaled() && pid == t.main:
			return 128 + int(status.Signal()), nil
		case !status.Stopped():
			continue
		}
		pass := 0
		switch s := status.StopSignal(); {
		case s == isCall:
			err = t.call(pid)
		case s == syscall.SIGTRAP && status.TrapCause() == syscall.PTRACE_EVENT_EXEC:
			program, failed := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
			t.seen[programs+" "+program], err = true, failed
		case s == syscall.SIGTRAP, s == syscall.SIGSTOP: // one more thread or process
		default:
			pass = int(s)
		}
		if err != nil {
			return 0, err
		}
		if err := syscall.PtraceSyscall(pid, pass); err != nil && !errors.Is(err, syscall.ESRCH) {
			return 0, fmt.Errorf("ptrace: %w", err)
		}
	}
}

// call looks at a system call, at its begin and at its end alike.
func (t *tracer) call(pid int) error {
	var regs syscall.PtraceRegs
	switch err := syscall.PtraceGetRegs(pid, &regs); {
	case errors.Is(err, syscall.ESRCH):
		return nil // it was killed meanwhile
	case err != nil:
		return fmt.Errorf("read the registers of %d: %w", pid, err)
	}
	what, ok := reaching[regs.Orig_rax]
	if !ok {
		return nil
	}
	args := []uint64{regs.Rdi, regs.Rsi, regs.Rdx, regs.R10, regs.R8, regs.R9}
	at := uint64(0)
	if what.address >= 0 {
		at = args[what.address]
	} else {
		var name [8]byte // msghdr begins with the pointer to the address
		if _, err := syscall.PtracePeekData(pid, uintptr(args[1]), name[:]); err != nil {
			return fmt.Errorf("read the arguments of %s: %w", what.name, err)
		}
		at = binary.LittleEndian.Uint64(name[:])
	}
	if at == 0 {
		return nil // to whom it is connected to already
	}
	var address [28]byte
	if _, err := syscall.PtracePeekData(pid, uintptr(at), address[:]); err != nil {
		return fmt.Errorf("read the arguments of %s: %w", what.name, err)
	}
	t.seen[what.name+" "+shownAddress(address)] = true
	return nil
}

// shownAddress reads a sockaddr.
func shownAddress(b [28]byte) string {
	port := binary.BigEndian.Uint16(b[2:])
	switch family := binary.LittleEndian.Uint16(b[:]); family {
	case syscall.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port).String()
	case syscall.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), port).String()
	case syscall.AF_UNIX:
		return fmt.Sprintf("unix %q", b[2:])
	default:
		return fmt.Sprintf("family %d", family)
	}
}
