//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/firewall"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/machine"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/shell"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/site"
)

// state is all of the machine that a lab must leave as it was.
type state struct {
	Firewall  map[firewall.Family]string
	Sysctls   map[string]string
	Folders   []string
	Links     []string
	Addresses string
	Routes    string
	Netns     []string
	Cgroups   []string
	Mounts    []string
	Processes []string
	Ports     []string
}

func look(t *testing.T, s site.Site) state {
	t.Helper()
	b, err := machine.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	st := state{Firewall: map[firewall.Family]string{}, Sysctls: b.Sysctls, Folders: b.Folders}
	for f, text := range b.Firewall {
		tables, err := firewall.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		st.Firewall[f] = firewall.Normal(tables)
	}
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		st.Links = append(st.Links, l.Name)
	}
	st.Addresses, st.Routes = ip(t, "-4", "-brief", "addr"), ip(t, "-4", "route", "show", "table", "all")
	mounts, err := machine.Mounts()
	if err != nil {
		t.Fatal(err)
	}
	st.Mounts, st.Cgroups = machine.Below(mounts, s.Dir()), machine.CgroupDirs(mounts, "kubepods")
	if st.Netns, err = filepath.Glob("/run/netns/*"); err != nil {
		t.Fatal(err)
	}
	st.Processes, st.Ports = processes(t, s), machine.BusyPorts(t.Context(), site.Ports())
	return st
}

func ip(t *testing.T, args ...string) string {
	t.Helper()
	out, err := shell.Run(t.Context(), shell.Command{Args: append([]string{"ip"}, args...)})
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// processes are the living ones whose command line names the lab's folder, and those of its pods.
func processes(t *testing.T, s site.Site) []string {
	t.Helper()
	var found []string
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err == nil && strings.Contains(string(text), s.Dir()+"/") && !strings.HasPrefix(f, fmt.Sprintf("/proc/%d/", os.Getpid())) {
			found = append(found, strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	mounts, err := machine.Mounts()
	if err != nil {
		t.Fatal(err)
	}
	pids, err := machine.CgroupProcesses(machine.CgroupDirs(mounts, "kubepods"))
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		found = append(found, "pod's process "+strconv.Itoa(pid))
	}
	return found
}
