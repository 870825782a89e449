//go:build linux

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/build"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/daemon"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/site"
)

// PartStatus is how one part of the lab does.
type PartStatus struct {
	Name  string `json:"name"`
	Ready bool   `json:"ready"`
	// Optional: the lab is whole without it. The world of `lab load` is.
	Optional bool `json:"optional,omitempty"`
	// PID and Age are 0 for what is no process of the machine's.
	PID int           `json:"pid,omitempty"`
	Age time.Duration `json:"ageNanoseconds,omitempty"`
	// Reason tells why it is not ready.
	Reason string `json:"reason,omitempty"`
}

// World are the Deployments that `lab load` brings.
func World() []Deployment {
	return []Deployment{
		{"default", "sleep"},
		{"other", "sleep"},
		{"nomesh", "plain"},
		{"mesh-external", "www"},
		{"mesh-external", "en"},
		{"mesh-external", "de"},
		{"mesh-external", "cnn"},
		{"mesh-external", "many"},
	}
}

// Status looks at every part: the programs, the node, and the Deployments.
func Status(ctx context.Context, s site.Site, r build.Record) []PartStatus {
	var list []PartStatus
	for _, p := range parts(s, r) {
		list = append(list, programStatus(ctx, s, p))
	}
	api, err := Connect(s)
	look := func(name string, optional bool, f func() error) {
		reason := err
		if reason == nil {
			reason = f()
		}
		p := PartStatus{Name: name, Ready: reason == nil, Optional: optional}
		switch {
		case errors.Is(reason, fs.ErrNotExist):
			p.Reason = "the lab was not started"
		case errors.Is(reason, ErrAbsent) && optional:
			p.Reason = "not loaded (lab load)"
		case reason != nil:
			p.Reason = oneLine(reason.Error())
		}
		list = append(list, p)
	}
	look("node", false, func() error { return api.NodeReady(ctx) })
	for _, d := range system() {
		look(d.String(), false, func() error { return api.RolledOut(ctx, d) })
	}
	for _, d := range World() {
		look(d.String(), true, func() error { return api.RolledOut(ctx, d) })
	}
	return list
}

func programStatus(ctx context.Context, s site.Site, p part) PartStatus {
	d, err := daemon.Find(s.Run("pids"), p.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return PartStatus{Name: p.name, Reason: "was not started"}
	case err != nil:
		return PartStatus{Name: p.name, Reason: oneLine(err.Error())}
	case !d.Alive():
		return PartStatus{Name: p.name, Reason: "ended; its log: " + d.Log}
	}
	st := PartStatus{Name: p.name, Ready: true, PID: d.PID, Age: time.Since(d.Since).Round(time.Second)}
	if err := p.ready(ctx); err != nil {
		st.Ready, st.Reason = false, oneLine(err.Error())
	}
	return st
}

// What keeps a lab from being whole, besides its absence (ErrAbsent).
var (
	// ErrPartly says that some programs of a lab run and some do not.
	ErrPartly = errors.New("only some programs of the lab run")
	// ErrUnready says that all programs run, but something on the cluster is missing or not ready.
	ErrUnready = errors.New("the lab is not ready")
)

// Running is nil if a lab is whole: all programs run and answer, the node and the system's Deployments are ready. Else
// it is the kind of ErrAbsent, ErrPartly or ErrUnready.
func Running(ctx context.Context, s site.Site, r build.Record) error {
	var up, down []string
	var slow error
	for _, p := range parts(s, r) {
		d, err := daemon.Find(s.Run("pids"), p.name)
		if err != nil || !d.Alive() {
			down = append(down, p.name)
			continue
		}
		up = append(up, p.name)
		// A machine that is busy with something else answers late; the lab must not be thrown away for that.
		soon, cancel := context.WithTimeout(ctx, patience)
		slow = errors.Join(slow, d.Ready(soon, p.ready))
		cancel()
	}
	switch {
	case len(up) == 0:
		return fmt.Errorf("the lab: %w", ErrAbsent)
	case len(down) > 0:
		return fmt.Errorf("%w: not %s", ErrPartly, strings.Join(down, ", "))
	case slow != nil:
		return fmt.Errorf("%w: %w", ErrUnready, slow)
	}
	api, err := Connect(s)
	if err != nil {
		return err
	}
	if err := api.NodeReady(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrUnready, err)
	}
	for _, d := range system() {
		if err := api.RolledOut(ctx, d); err != nil {
			return fmt.Errorf("%w: %w", ErrUnready, err)
		}
	}
	return nil
}

// patience is how long a program that runs may take to answer before it counts as not ready.
const patience = 20 * time.Second

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
